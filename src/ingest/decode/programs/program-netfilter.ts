/** Packets that the Linux kernel logs (nftables, iptables, ufw, Proxmox, Ubiquiti): `IN=eth0 OUT= SRC=… DST=… DPT=…`. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { find, indexOfCode, intOf, ipWord, tokenEnd, word } from '../decode-text.ts';

const SOURCE = logSource('linux', 'firewall');
const PAIRS_MAX = 48;

/** Words of a log prefix that say what happened to the packet; the first that is found counts. */
const VERDICTS: readonly (readonly [string, string])[] = [
  ['BLOCK', 'deny'],
  ['DROP', 'deny'],
  ['REJECT', 'deny'],
  ['DENY', 'deny'],
  ['ALLOW', 'allow'],
  ['ACCEPT', 'allow'],
  ['AUDIT', 'audit'],
];

function verdictOf(prefix: string): string {
  const upper = prefix.toUpperCase();
  // Ubiquiti: `[WAN_LOCAL-D-2147483647]`, D(rop), R(eject) or A(ccept); the rule's own name may say anything.
  const own = upper.startsWith('[') ? upper.slice(0, upper.indexOf(']') + 1) : '';
  if (own.includes('-A-')) return 'allow';
  if (own.includes('-D-') || own.includes('-R-')) return 'deny';
  for (const [wordInPrefix, action] of VERDICTS) if (upper.includes(wordInPrefix)) return action;
  return 'log';
}

/** The packet line at `at`, whatever stands before `SRC=`; null when it is none. */
export function decodeNetfilter(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const src = find(text, ' SRC=', at, end);
  if (src < 0 || find(text, ' DST=', src, end) < 0) return null;
  let start = find(text, 'IN=', at, src + 1);
  if (start < 0) start = find(text, 'OUT=', at, src + 1);
  if (start < 0) return null;
  const fields: Fields = {};
  let prefixAt = at;
  if (text.charCodeAt(at) === 91 && text.charCodeAt(at + 1) <= 57) {
    // `[12345.678901] ` is the kernel's own clock.
    const close = indexOfCode(text, 93, at, start);
    if (close > 0) prefixAt = close + 1;
  }
  const prefix = text.slice(prefixAt, start).trim();
  for (let i = start, count = 0; i < end && count < PAIRS_MAX; count++) {
    const stop = tokenEnd(text, i, end);
    const equals = indexOfCode(text, 61, i, stop);
    // The first of two is the packet's; a second `LEN=` belongs to UDP, a second `SRC=` to the packet inside an ICMP error.
    if (equals > i) {
      const name = word(text, i, equals);
      if (fields[name] === undefined && name !== '__proto__') fields[name] = word(text, equals + 1, stop);
    } else if (text.charCodeAt(i) === 91) break;
    i = stop + 1;
  }
  const action = verdictOf(prefix);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.network);
  norm.action = action;
  norm.event_code = 'packet';
  const srcIp = ipOfField(fields.SRC);
  const dstIp = ipOfField(fields.DST);
  if (srcIp) norm.src_ip = fields.src_ip = srcIp;
  if (dstIp) norm.dst_ip = fields.dst_ip = dstIp;
  const srcPort = portOfField(fields.SPT);
  const dstPort = portOfField(fields.DPT);
  if (srcPort >= 0) norm.src_port = fields.src_port = srcPort;
  if (dstPort >= 0) norm.dst_port = fields.dst_port = dstPort;
  if (typeof fields.PROTO === 'string') norm.protocol = fields.PROTO.toLowerCase();
  fields.action = action;
  if (prefix) fields.prefix = prefix;
  return makeEvent(frame, 'syslog/netfilter', SOURCE, norm, fields);
}

function ipOfField(value: Fields[string] | undefined): string {
  return typeof value === 'string' ? ipWord(value, 0, value.length) : '';
}

function portOfField(value: Fields[string] | undefined): number {
  const port = typeof value === 'string' ? intOf(value, 0, value.length) : -1;
  return port <= 65535 ? port : -1;
}
