/** Credentials in single datagrams: SNMP communities, SIP, RADIUS/PAP, TFTP; and HL7 sent as one. */

import { be16, be32, latin1, startsWith } from './network-bytes.ts';
import type { Flow } from './network-flow.ts';
import { isHl7, readHl7Datagram } from './network-hl7.ts';
import { isKerberos, readKerberos } from './network-kerberos.ts';
import { berLength } from './network-logins.ts';
import type { Report } from './network-report.ts';
import { isSyslog, readSyslog } from './network-syslog.ts';

const SIP = ['REGISTER sip', 'INVITE sip', 'SUBSCRIBE sip', 'PUBLISH sip', 'MESSAGE sip', 'OPTIONS sip', 'BYE sip'];
const DEFAULT_COMMUNITIES = new Set(['public', 'private']);

/** Looks at one datagram; most are told by their first byte. */
export function readDatagram(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  const first = b[at]!;
  if (first === 0x30) snmp(report, flow, dir, b, at, end);
  else if (first === 0x3c) {
    if (isSyslog(b, at, end)) readSyslog(report, flow, dir, b, at, end);
  } else if (first >= 0x6a && first <= 0x7e && isKerberos(b, at, end)) readKerberos(report, flow, dir, b, at, end);
  else if (first === 0x4d || first === 0x0b) {
    if (isHl7(b, at, end)) {
      flow.client = dir;
      readHl7Datagram(report, flow, b, at, end);
    } else readSip(report, flow, dir, b, at, end);
  } else if (first === 0 && (b[at + 1] === 1 || b[at + 1] === 2)) tftp(report, flow, dir, b, at, end);
  else if (first === 1) radius(report, flow, dir, b, at, end);
  else if (first >= 0x41 && first <= 0x5a) readSip(report, flow, dir, b, at, end);
}

/** Version 0 or 1, a community, a PDU [0] to [8] (RFC 1157 section 4, RFC 1901 section 3). */
function snmp(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  const outer = berLength(b, at + 1, end);
  if (!outer || outer.at + outer.length > end || end - outer.at < 8) return;
  const i = outer.at;
  if (b[i] !== 2 || b[i + 1] !== 1 || b[i + 2]! > 1 || b[i + 3] !== 4) return;
  const community = berLength(b, i + 4, end);
  if (!community || community.length === 0 || community.at + community.length >= end) return;
  const kind = b[community.at + community.length]!;
  if (kind < 0xa0 || kind > 0xa8) return;
  const secret = b.slice(community.at, community.at + community.length);
  // An answer comes from the agent; so does a trap, but there the agent is the one who sends.
  flow.client = kind === 0xa2 ? dir ^ 1 : dir;
  const common = DEFAULT_COMMUNITIES.has(latin1(secret, 0, secret.length));
  const version = b[i + 2] === 0 ? 'v1' : 'v2c';
  report.credential(flow, 'snmp', `${version} community`, secret, common ? 'community (a default one)' : 'community');
}

/** SIP over UDP, also the first message over TCP. True when it is SIP. */
export function readSip(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): boolean {
  if (!SIP.some((word) => startsWith(b, at, end, word))) return false;
  const text = latin1(b, at, Math.min(end, at + 8192));
  const match = /\r\n(Proxy-Authorization|Authorization): {0,4}(Digest|Basic) ([^\r]{1,2048})\r/i.exec(text);
  if (match) {
    flow.client = dir;
    const user = /username="([^"]{0,128})"/.exec(match[3] ?? '')?.[1] ?? '';
    report.credential(
      flow,
      'sip',
      match[2]?.toLowerCase() === 'basic' ? 'Basic' : 'Digest',
      user,
      (match[1] ?? '').toLowerCase(),
    );
  }
  return true;
}

/** A read or write request: name, mode (RFC 1350 section 5). Nobody is asked who they are. */
function tftp(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  let i = at + 2;
  while (i < end && b[i]! >= 32 && b[i]! < 127) i++;
  if (i === at + 2 || b[i] !== 0 || i - at > 512) return;
  const mode = latin1(b, i + 1, Math.min(end, i + 10)).toLowerCase();
  if (!/^(?:octet|netascii|mail)\0/.test(mode)) return;
  flow.client = dir;
  const write = be16(b, at) === 2;
  report.credential(flow, 'tftp', write ? 'write without log-in' : 'read without log-in', '', write ? 'WRQ' : 'RRQ');
}

/** Access-Request with User-Password: hidden with MD5 and one shared secret only (RFC 2865 section 5.2). */
function radius(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  const length = be16(b, at + 2);
  if (end - at < 20 || length < 26 || length > 4096 || at + length > end) return;
  let user = -1;
  let password = -1;
  for (let i = at + 20; i < at + length; ) {
    const size = b[i + 1]!;
    if (size < 2 || i + size > at + length) return;
    if (b[i] === 1) user = i;
    if (b[i] === 2 && (size - 2) % 16 === 0 && size > 2) password = i;
    i += size;
  }
  if (user < 0 || password < 0 || be32(b, at + 4) === 0) return;
  flow.client = dir;
  report.credential(flow, 'radius', 'PAP', b.slice(user + 2, user + b[user + 1]!), 'User-Password');
}
