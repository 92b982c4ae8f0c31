/**
 * QUIC's first packet: its keys come from a number that it carries itself (RFC 9001 section 5.2, RFC 9369), so that the name
 * which the client asks for can be read. Everything behind it is encrypted.
 */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { be16, be24, be32, hex } from './network-bytes.ts';
import type { Flow } from './network-flow.ts';
import { ja4 } from './network-ja4.ts';
import type { Moment } from './network-packet.ts';
import type { Report } from './network-report.ts';
import { helloName } from './network-tls.ts';

interface Version {
  readonly salt: Buffer;
  readonly prefix: string;
  /** Type of an Initial in the first byte. */
  readonly initial: number;
}

const VERSIONS: ReadonlyMap<number, Version> = new Map([
  [1, { salt: Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'), prefix: 'quic', initial: 0 }],
  [0x6b3343cf, { salt: Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex'), prefix: 'quicv2', initial: 1 }],
]);
/** A client pads its first datagram (RFC 9000 section 14.1). */
const DATAGRAM_BYTES_MIN = 1200;
const CONNECTION_ID_BYTES_MAX = 20;
const HELLO_BYTES_MAX = 16 * 1024;
const FRAMES_MAX = 256;
const TAG_BYTES = 16;
/** Hellos that wait for their second datagram. */
const OPEN_MAX = 256;
/** Opening one costs as much as a hundred other datagrams: so many a second of the capture. */
const OPENED_PER_SEC_MAX = 2000;

/** The long header of an Initial of a known version. */
export function isQuicInitial(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < DATAGRAM_BYTES_MIN || (b[at]! & 0xc0) !== 0xc0) return false;
  const version = VERSIONS.get(be32(b, at + 1));
  return version !== undefined && ((b[at]! >>> 4) & 3) === version.initial && b[at + 5]! <= CONNECTION_ID_BYTES_MAX;
}

const hmac = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const made = createHmac('sha256', key);
  for (const part of parts) made.update(part);
  return made.digest();
};

/** HKDF-Expand-Label with an empty context (RFC 8446 section 7.1): no key here is longer than one block of the hash. */
function expand(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([length >> 8, length & 255, name.length]), name, Buffer.from([0, 1])]);
  return hmac(secret, info).subarray(0, length);
}

/** A variable-length integer (RFC 9000 section 16) and where it ends; -1 when it is cut or larger than any datagram. */
function varint(b: Uint8Array, at: number, end: number): { value: number; at: number } {
  const size = 1 << (b[at]! >>> 6);
  if (at + size > end) return { value: -1, at: end };
  if (size === 1) return { value: b[at]! & 63, at: at + 1 };
  if (size === 2) return { value: be16(b, at) & 0x3fff, at: at + 2 };
  if (size === 4) return { value: be32(b, at) & 0x3fffffff, at: at + 4 };
  const high = be32(b, at) & 0x3fffffff;
  return { value: high === 0 ? be32(b, at + 4) : -1, at: at + 8 };
}

/** The frames of the client's Initial, decrypted; null when it does not fit (a server's, or no QUIC). */
function openInitial(b: Uint8Array, at: number, end: number): { frames: Uint8Array; id: string } | null {
  const version = VERSIONS.get(be32(b, at + 1));
  const idEnd = at + 6 + b[at + 5]!;
  const sourceEnd = idEnd + 1 + (b[idEnd] ?? 0);
  if (version === undefined || sourceEnd >= end) return null;
  const token = varint(b, sourceEnd, end);
  if (token.value < 0 || token.at + token.value >= end) return null;
  const length = varint(b, token.at + token.value, end);
  const number = length.at;
  if (length.value < 4 + TAG_BYTES || number + length.value > end) return null;
  const id = b.slice(at + 6, idEnd);
  const secret = expand(hmac(version.salt, id), 'client in', 32);
  const mask = createCipheriv('aes-128-ecb', expand(secret, `${version.prefix} hp`, 16), null).update(
    b.slice(number + 4, number + 4 + TAG_BYTES),
  );
  const head = b.slice(at, number + 4);
  head[0]! ^= mask[0]! & 15;
  const size = (head[0]! & 3) + 1;
  const nonce = expand(secret, `${version.prefix} iv`, 12);
  for (let i = 0; i < size; i++) {
    const place = number - at + i;
    head[place]! ^= mask[i + 1]!;
    nonce[12 - size + i]! ^= head[place]!;
  }
  try {
    const cipher = createDecipheriv('aes-128-gcm', expand(secret, `${version.prefix} key`, 16), nonce);
    const stop = number + length.value;
    cipher.setAAD(head.subarray(0, number - at + size)).setAuthTag(b.slice(stop - TAG_BYTES, stop));
    const frames = cipher.update(b.slice(number + size, stop - TAG_BYTES));
    cipher.final();
    return { frames, id: hex(id, 0, id.length) };
  } catch {
    return null;
  }
}

interface Hello {
  readonly bytes: Uint8Array;
  /** Which of them are there. */
  readonly there: Uint8Array;
}

/** Puts the CRYPTO frames (RFC 9000 section 19.6) where they belong; browsers shuffle them on purpose. */
function gather(hello: Hello, frames: Uint8Array): void {
  for (let at = 0, turns = 0; at < frames.length && turns < FRAMES_MAX; ) {
    const type = frames[at]!;
    at++;
    if (type <= 1) continue;
    turns++;
    if (type !== 6) return;
    const offset = varint(frames, at, frames.length);
    const length = varint(frames, offset.at, frames.length);
    const stop = length.at + length.value;
    if (offset.value < 0 || length.value < 0 || stop > frames.length) return;
    if (offset.value + length.value > HELLO_BYTES_MAX) return;
    hello.bytes.set(frames.subarray(length.at, stop), offset.value);
    hello.there.fill(1, offset.value, offset.value + length.value);
    at = stop;
  }
}

/** Where the ClientHello ends; -1 while bytes are missing. */
function helloEnd({ bytes, there }: Hello): number {
  if (there[0] === 0 || there[3] === 0 || bytes[0] !== 1) return -1;
  const end = 4 + be24(bytes, 1);
  return end <= HELLO_BYTES_MAX && there.indexOf(0) >= end ? end : -1;
}

export interface Quic {
  /** True when the datagram is an Initial. */
  read(flow: Flow, dir: number, b: Uint8Array, at: number, end: number): boolean;
}

export function createQuic(report: Report, moment: Moment): Quic {
  const open = new Map<string, Hello>();
  let second = 0;
  let opened = 0;
  return {
    read(flow, dir, b, at, end) {
      if (!isQuicInitial(b, at, end)) return false;
      // The client is whoever sent the first one.
      if (flow.sealed || dir !== flow.client) return true;
      const now = Math.floor(moment.timeMs / 1000);
      if (now !== second) opened = 0;
      second = now;
      if (++opened > OPENED_PER_SEC_MAX) return true;
      const initial = openInitial(b, at, end);
      if (initial === null) return true;
      const hello = open.get(initial.id) ?? {
        bytes: new Uint8Array(HELLO_BYTES_MAX),
        there: new Uint8Array(HELLO_BYTES_MAX + 1),
      };
      gather(hello, initial.frames);
      const stop = helloEnd(hello);
      open.delete(initial.id);
      if (stop < 0) {
        open.set(initial.id, hello);
        if (open.size > OPEN_MAX)
          for (const oldest of open.keys()) {
            open.delete(oldest);
            break;
          }
        return true;
      }
      flow.sealed = true;
      const print = ja4(hello.bytes, 4, stop);
      report.handshake(flow, {
        version: 'QUIC',
        name: helloName(hello.bytes, 4, stop),
        ja4: print === null ? '' : `q${print.slice(1)}`,
        ja4s: '',
      });
      report.protectedBy(flow);
      return true;
    },
  };
}
