/** One connection, one ClientHello, one answer. */

import { isIP } from 'node:net';
import type { Gate, Target } from '../perimeter-gate.ts';
import { createLink, type Link } from '../perimeter-link.ts';
import {
  type Answer,
  type Flight,
  type KeyExchange,
  messages,
  parseCertificates,
  parseKeyExchange,
  parseServerHello,
} from './tls-answer.ts';
import { cipherName } from './tls-ciphers.ts';
import { clientHello, type Hello } from './tls-hello.ts';
import { type StartTls, startTls } from './tls-starttls.ts';

export interface TlsTarget extends Target {
  readonly startTls?: StartTls | undefined;
  /** The name sent in the ClientHello, where it differs from the host. */
  readonly name?: string | undefined;
}

export interface Talker {
  readonly target: TlsTarget;
  readonly name: string | undefined;
  /** Opens a connection that waits for a ClientHello. */
  connect(purpose: string): Promise<Link | 'refused' | 'closed' | 'no-starttls'>;
  say(hello: Hello, purpose: string): Promise<Answer>;
  /** Everything up to ServerHelloDone of TLS 1.2 and older. */
  flight(hello: Hello, purpose: string): Promise<Flight | Answer>;
  readonly connections: () => number;
}

/** Silence this long after a ClientHello is an answer. */
const ANSWER_MS = 4000;
const BYTES_MAX = 192 * 1024;
const HANDSHAKE = {
  serverHello: 2,
  certificate: 11,
  keyExchange: 12,
  certificateRequest: 13,
  done: 14,
  status: 22,
} as const;

export function createTalker(gate: Gate, target: TlsTarget, answerMs = ANSWER_MS): Talker {
  let connections = 0;
  const name = target.name ?? (isIP(target.host) ? undefined : target.host);
  const connect: Talker['connect'] = async (purpose) => {
    connections++;
    const opened = await gate.open(target, `tls ${purpose}`);
    if (opened.kind === 'refused') return 'refused';
    if (opened.kind !== 'open') return 'closed';
    const link = createLink(opened.socket, { timeMs: answerMs, bytesMax: BYTES_MAX });
    if (target.startTls && !(await startTls(link, target.startTls, name ?? target.host))) {
      link.close();
      return 'no-starttls';
    }
    return link;
  };
  const begin = async (hello: Hello, purpose: string): Promise<Link | Answer> => {
    const link = await connect(purpose);
    if (typeof link === 'string') return { kind: link === 'refused' ? 'refused' : 'closed' };
    link.write(clientHello({ name, ...hello }));
    return link;
  };
  return {
    target,
    name,
    connect,
    connections: () => connections,
    say: async (hello, purpose) => {
      const link = await begin(hello, purpose);
      if (!('write' in link)) return link;
      try {
        for await (const message of messages(link)) {
          if ('kind' in message) return message;
          if (message.type !== HANDSHAKE.serverHello) return { kind: 'malformed' };
          const parsed = parseServerHello(message.body, message.raw);
          return parsed ? { kind: 'hello', hello: parsed } : { kind: 'malformed' };
        }
        return { kind: 'closed' };
      } finally {
        link.close();
      }
    },
    flight: async (hello, purpose) => {
      const link = await begin(hello, purpose);
      if (!('write' in link)) return link;
      try {
        return await readFlight(link);
      } finally {
        link.close();
      }
    },
  };
}

async function readFlight(link: Link): Promise<Flight | Answer> {
  let hello: ReturnType<typeof parseServerHello> = null;
  let certificates: readonly Buffer[] = [];
  let ocsp: Buffer | null = null;
  let keyExchange: KeyExchange | null = null;
  let asksClientCertificate = false;
  const flight = (): Flight | Answer =>
    hello ? { hello, certificates, ocsp, keyExchange, asksClientCertificate } : { kind: 'malformed' };
  for await (const message of messages(link)) {
    // What came before a fault is kept: half a flight still tells the suite.
    if ('kind' in message) return hello ? flight() : message;
    if (message.type === HANDSHAKE.serverHello) hello = parseServerHello(message.body, message.raw);
    else if (message.type === HANDSHAKE.certificate) certificates = parseCertificates(message.body, false)?.list ?? [];
    else if (message.type === HANDSHAKE.status) ocsp = message.body.subarray(4);
    else if (message.type === HANDSHAKE.keyExchange && hello)
      keyExchange = parseKeyExchange(message.body, cipherName(hello.cipher), hello.version === 0x0303);
    else if (message.type === HANDSHAKE.certificateRequest) asksClientCertificate = true;
    else if (message.type === HANDSHAKE.done) return flight();
    if (!hello) return { kind: 'malformed' };
  }
  return flight();
}
