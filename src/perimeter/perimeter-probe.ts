/** What a probe of one service gets and answers; and how it opens connections, in clear or inside TLS. */

import { isIP } from 'node:net';
import type { Site } from './perimeter-http.ts';
import { createLink, LINK_BOUNDS, type Link, type LinkBounds } from './perimeter-link.ts';
import { secure } from './perimeter-secure.ts';
import { at, fix, type ServiceView, type Weakness } from './perimeter-weakness.ts';

export interface ProbeContext extends Site {
  readonly nowMs: number;
  /** Looked at from outside, or at a public address: what merely faces outside is a weakness too. */
  readonly outside: boolean;
  /** What the server said before anything was asked; null when it kept silent. */
  readonly banner: Buffer | null;
  /** The server was found to take its time: conversations with it may last longer. */
  readonly patient?: boolean;
  /** Whether the scope names this address for one try of what everybody knows. */
  readonly mayGuess?: (address: string) => boolean;
}

export interface Probe {
  readonly service: string;
  /** Where it usually is: asked first there. */
  readonly ports: readonly number[];
  /** Recognises what a server says first. */
  readonly greets?: (banner: Buffer, port: number) => boolean;
  /** May be asked on any port that keeps silent. */
  readonly anywhere?: boolean;
  /** Null: it is something else. */
  readonly look: (context: ProbeContext) => Promise<ServiceView | null>;
}

const PATIENCE = 3;

/** A connection of this port, with TLS inside where the port speaks it from the first byte. */
export async function talk(
  context: ProbeContext,
  purpose: string,
  bounds: LinkBounds = LINK_BOUNDS,
): Promise<Link | null> {
  const fixed = isIP(context.host) ? {} : { address: context.address };
  const opened = await context.gate.open({ host: context.host, port: context.port, ...fixed }, purpose);
  if (opened.kind !== 'open') return null;
  const within = context.patient ? { ...bounds, timeMs: bounds.timeMs * PATIENCE } : bounds;
  if (!context.tls) return createLink(opened.socket, within);
  const inner = await secure(opened.socket, isIP(context.host) ? undefined : context.host);
  return inner ? createLink(inner, within) : null;
}

/** One question, one answer of at most so many bytes. */
export async function question(
  context: ProbeContext,
  purpose: string,
  bytes: Buffer | string,
  ms = 1500,
): Promise<Buffer | null> {
  const link = await talk(context, purpose, { timeMs: ms, bytesMax: 64 * 1024 });
  if (!link) return null;
  try {
    link.write(bytes);
    return await link.some(ms);
  } finally {
    link.close();
  }
}

/** A service that has no business outside, seen there. */
export function exposed(
  context: ProbeContext,
  service: string,
  name: string,
  severity: Weakness['severity'],
  why: string,
): Weakness[] {
  if (!context.outside) return [];
  const where = at(context.host, context.port);
  return [
    {
      kind: 'exposed-service',
      key: service,
      severity,
      title: `${name} faces outside on ${where}`,
      why,
      seen: `${name} answered on ${where}`,
      command: `nmap -Pn -sV -p ${context.port} ${context.host}`,
      fix: fix(
        `Close ${name} on ${where} to the outside`,
        `Let the firewall allow port ${context.port} only from the networks that need it, or put it behind the VPN. Ask who uses it first.`,
        'minutes',
        true,
      ),
    },
  ];
}
