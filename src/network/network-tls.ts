/** TLS handshakes: the version and cipher that were agreed on, and the certificate where it is still readable (RFC 5246, 8446). */

import type { Budget } from './network-budget.ts';
import { be16, be24, latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { ja4, ja4s } from './network-ja4.ts';
import type { Moment } from './network-packet.ts';
import type { Report } from './network-report.ts';
import { certificateFacts } from './network-tls-certificate.ts';

const NOTHING = new Uint8Array(0);
const HANDSHAKE_BYTES_MAX = 48 * 1024;
const RECORD_BYTES_MAX = 16_384 + 2048;

const TLS_NAMES: Readonly<Record<number, string>> = {
  768: 'SSL 3.0',
  769: 'TLS 1.0',
  770: 'TLS 1.1',
  771: 'TLS 1.2',
  772: 'TLS 1.3',
};

const VERSION_NAMES: Readonly<Record<number, string>> = {
  768: 'SSL 3.0',
  769: 'TLS 1.0',
  770: 'TLS 1.1',
};

export function isTls(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 6 || b[at + 1] !== 3 || b[at + 2]! > 4) return false;
  const length = be16(b, at + 3);
  if (length === 0 || length > RECORD_BYTES_MAX) return false;
  if (b[at] === 0x16) return b[at + 5]! === 1 || b[at + 5]! === 2 || b[at + 5]! === 11;
  return b[at] === 0x17 && length >= 17;
}

/** Suites that nobody should agree on: none, export, anonymous, RC4, DES and 3DES (RFC 7525 section 4.1, RFC 9325). */
function weakSuite(suite: number): string {
  if (suite <= 0x0002 || suite === 0x003b) return 'cipher NULL';
  if ([3, 6, 8, 0x0b, 0x0e, 0x11, 0x14, 0x17, 0x19].includes(suite)) return 'cipher EXPORT';
  if ([4, 5, 0x18, 0xc002, 0xc007, 0xc00c, 0xc011, 0xc016].includes(suite)) return 'cipher RC4';
  if ([7, 9, 0x0c, 0x0f, 0x12, 0x15, 0x1a].includes(suite)) return 'cipher DES';
  if ([0x0a, 0x0d, 0x10, 0x13, 0x16, 0x1b, 0xc003, 0xc008, 0xc00d, 0xc012, 0xc017].includes(suite))
    return 'cipher 3DES';
  return [0x34, 0x3a, 0x6c, 0x6d, 0xc015, 0xc018, 0xc019].includes(suite) ? 'cipher without authentication' : '';
}

/** The name that a ClientHello asks for (RFC 6066 section 3); empty without one. */
export function helloName(b: Uint8Array, at: number, end: number): string {
  let here = at + 34;
  if (here >= end) return '';
  here += 1 + b[here]!;
  here += 2 + be16(b, here);
  here += 1 + (b[here] ?? 0);
  here += 2;
  for (; here + 4 <= end; here += 4 + be16(b, here + 2)) {
    const length = be16(b, here + 7);
    if (be16(b, here) !== 0 || here + 9 + length > end || length > 64) continue;
    return latin1(b, here + 9, here + 9 + length);
  }
  return '';
}

interface Way {
  handshake: Uint8Array;
  length: number;
  over: boolean;
}

export function createTls(report: Report, moment: Moment, budget: Budget): Parser {
  const ways: readonly [Way, Way] = [
    { handshake: NOTHING, length: 0, over: false },
    { handshake: NOTHING, length: 0, over: false },
  ];
  let serverName = '';
  let clientPrint = '';

  const serverHello = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    if (end - at < 38) return;
    let version = be16(b, at);
    const session = b[at + 34]!;
    const suiteAt = at + 35 + session;
    if (suiteAt + 3 > end) return;
    for (let here = suiteAt + 5; here + 4 <= end; here += 4 + be16(b, here + 2))
      if (be16(b, here) === 43 && here + 6 <= end) version = be16(b, here + 4);
    const old = VERSION_NAMES[version];
    const weak = weakSuite(be16(b, suiteAt));
    report.handshake(flow, {
      version: TLS_NAMES[version] ?? 'unknown',
      name: serverName,
      ja4: clientPrint,
      ja4s: ja4s(b, at, end) ?? '',
    });
    if (old !== undefined) report.weakTls(flow, old, serverName);
    if (weak !== '') report.weakTls(flow, weak, serverName);
    if (old === undefined && weak === '') report.protectedBy(flow);
  };

  const clientHello = (b: Uint8Array, at: number, end: number): void => {
    clientPrint = ja4(b, at, end) ?? '';
    serverName = helloName(b, at, end);
  };

  const certificate = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    if (end - at < 6) return;
    const length = be24(b, at + 3);
    if (length === 0 || at + 6 + length > end) return;
    const facts = certificateFacts(b.slice(at + 6, at + 6 + length));
    if (!facts) return;
    const name = serverName || facts.name;
    report.certificate(flow, facts, serverName);
    if (serverName !== '' && !facts.fits(serverName)) report.weakTls(flow, 'certificate for another name', name);
    if (moment.timeMs > 0 && moment.timeMs > facts.toMs) report.weakTls(flow, 'certificate expired', name);
    if (moment.timeMs > 0 && moment.timeMs < facts.fromMs) report.weakTls(flow, 'certificate not valid yet', name);
    if (facts.selfSigned) report.weakTls(flow, 'certificate self-signed', name);
    if (facts.sha1 && !facts.selfSigned) report.weakTls(flow, 'certificate signed with SHA-1', name);
    if (facts.shortKey) report.weakTls(flow, 'certificate with a short key', name);
  };

  /** Reads whole handshake messages from what was gathered of one direction. */
  const messages = (flow: Flow, dir: number, way: Way): void => {
    let at = 0;
    const b = way.handshake;
    while (way.length - at >= 4) {
      const type = b[at]!;
      const end = at + 4 + be24(b, at + 1);
      if (end > way.length) break;
      if (type === 1) {
        flow.client = dir;
        clientHello(b, at + 4, end);
      } else if (type === 2) {
        flow.client = dir ^ 1;
        serverHello(flow, b, at + 4, end);
      } else if (type === 11 && dir !== flow.client) certificate(flow, b, at + 4, end);
      at = end;
    }
    b.copyWithin(0, at, way.length);
    way.length -= at;
  };

  const gather = (way: Way, b: Uint8Array, start: number, end: number): void => {
    const length = way.length + end - start;
    if (length > HANDSHAKE_BYTES_MAX) {
      way.over = true;
      return;
    }
    if (way.handshake.length < length) {
      const size = Math.max(1024, length * 2);
      if (!budget.take(size)) {
        way.over = true;
        return;
      }
      budget.give(way.handshake.length);
      const bigger = new Uint8Array(size);
      bigger.set(way.handshake.subarray(0, way.length));
      way.handshake = bigger;
    }
    way.handshake.set(b.subarray(start, end), way.length);
    way.length = length;
  };

  const free = (way: Way): void => {
    if (way.handshake.length === 0) return;
    budget.give(way.handshake.length);
    way.handshake = NOTHING;
    way.length = 0;
  };

  return {
    name: 'tls',
    free() {
      for (const way of ways) free(way);
    },
    read(flow, dir, b, start, end) {
      const way = ways[dir]!;
      let at = start;
      while (at < end && !way.over) {
        if (end - at < 5) return at;
        const length = be16(b, at + 3);
        if (b[at]! < 0x14 || b[at]! > 0x18 || b[at + 1] !== 3 || length > RECORD_BYTES_MAX) way.over = true;
        else if (b[at] === 0x16) {
          if (end - at < 5 + length) return at;
          gather(way, b, at + 5, at + 5 + length);
          messages(flow, dir, way);
          at += 5 + length;
        } else if (b[at] === 0x15) at += 5 + length;
        else way.over = true;
      }
      if (way.over) free(way);
      // From here on it is encrypted; nothing more of this flow is read.
      if (ways[0].over && ways[1].over) {
        if (at + 2 <= end && be16(b, at) === 0x1703) report.protectedBy(flow);
        flow.sealed = true;
      }
      return way.over ? end : at;
    },
  };
}
