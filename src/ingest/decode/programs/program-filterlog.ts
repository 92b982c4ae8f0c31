/** pf's filter log as pfSense and OPNsense write it: one packet as comma-separated values (pfSense "Raw filter log format"). */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { intOf, ipOf } from '../decode-text.ts';

const SOURCE = logSource('pf', 'firewall');
const PARTS_MAX = 40;

/** Places of protocol name, length, addresses and ports; IPv6 has fewer values before them than IPv4. */
const PLACES = {
  '4': { protocol: 16, src: 18, dst: 19, srcPort: 20, dstPort: 21 },
  '6': { protocol: 12, src: 15, dst: 16, srcPort: 17, dstPort: 18 },
} as const;

export function decodeFilterlog(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (end - at > 2048) return null;
  const parts = text.slice(at, end).split(',', PARTS_MAX);
  const version = parts[8];
  if (version !== '4' && version !== '6') return null;
  const places = PLACES[version];
  const src = ipOf(parts[places.src] ?? '');
  const dst = ipOf(parts[places.dst] ?? '');
  if (!src || !dst) return null;
  const verdict = parts[6] ?? '';
  const action = verdict === 'pass' ? 'allow' : verdict === 'block' || verdict === 'reject' ? 'deny' : 'log';
  const protocol = (parts[places.protocol] ?? '').toLowerCase();
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.network);
  norm.action = action;
  norm.event_code = 'packet';
  norm.src_ip = src;
  norm.dst_ip = dst;
  if (protocol) norm.protocol = protocol;
  const fields: Fields = {
    action,
    src_ip: src,
    dst_ip: dst,
    rule: parts[0] ?? '',
    interface: parts[4] ?? '',
    direction: parts[7] ?? '',
  };
  if (protocol === 'tcp' || protocol === 'udp') {
    const srcPort = portOf(parts[places.srcPort]);
    const dstPort = portOf(parts[places.dstPort]);
    if (srcPort >= 0) norm.src_port = fields.src_port = srcPort;
    if (dstPort >= 0) norm.dst_port = fields.dst_port = dstPort;
  }
  return makeEvent(frame, 'syslog/filterlog', SOURCE, norm, fields);
}

function portOf(text = ''): number {
  const port = intOf(text, 0, text.length);
  return port <= 65535 ? port : -1;
}
