/** What a check says about one port or name, before it becomes a finding; and what a scan keeps of each host. */

import type { Severity } from '../core/index.ts';
import type { TlsProfile } from './tls/tls-profile.ts';

export interface Weakness {
  /** Stable word, documented in docs/rooms/perimeter.md. */
  readonly kind: string;
  /** Tells weaknesses of one kind on one port apart. */
  readonly key?: string;
  readonly severity: Severity;
  readonly title: string;
  /** What an opportunistic attacker gains. */
  readonly why: string;
  /** What was seen, one sentence. */
  readonly seen: string;
  /** What a person runs to see the same. */
  readonly command: string;
  readonly data?: Readonly<Record<string, string | number | boolean>>;
  readonly fix: Fix;
}

export interface Fix {
  readonly title: string;
  readonly how: string;
  readonly effort: 'minutes' | 'hours' | 'days' | 'unknown';
  readonly disrupts: boolean;
}

export const fix = (title: string, how: string, effort: Fix['effort'] = 'minutes', disrupts = false): Fix => ({
  title,
  how,
  effort,
  disrupts,
});

export interface Software {
  readonly name: string;
  readonly version: string;
}

/** What one probe learnt of one port. */
export interface ServiceView {
  /** A word of our own: `http`, `ssh`, `rdp`, `dicom`, … */
  readonly service: string;
  readonly tls: boolean;
  readonly banner: string | null;
  readonly software: readonly Software[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly weaknesses: readonly Weakness[];
  readonly notSeen?: readonly string[];
}

export interface PortView extends ServiceView {
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly profile: TlsProfile | null;
  readonly grade: string | null;
  readonly certificate: ShownCertificate | null;
}

export interface ShownCertificate {
  readonly sha256: string;
  readonly subject: string;
  readonly issuer: string;
  readonly until: string;
}

export interface HostView {
  /** As the scope or the caller named it. */
  readonly host: string;
  readonly address: string;
  readonly ports: readonly PortView[];
  readonly closed: number;
  readonly silent: number;
  readonly notSeen: readonly string[];
}

export const NOTHING: ServiceView = {
  service: 'unknown',
  tls: false,
  banner: null,
  software: [],
  facts: {},
  weaknesses: [],
};

/** `203.0.113.7:443`, `[2001:db8::1]:443`. */
export const at = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** Text from outside, fit for one line of a finding. */
export function oneLine(text: string, max = 160): string {
  return text
    .slice(0, max * 4)
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029\ufffd]+/gu, ' ')
    .trim()
    .slice(0, max);
}

/** A word for a shell in single quotes; commands are shown to people, never run from here. */
export const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
