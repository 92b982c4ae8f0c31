/** Firewalls with a format of their own: Palo Alto's comma-separated records and MikroTik's sentences. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { find, intOf, ipOf } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';

const PALO_ALTO = logSource('paloalto', 'firewall');
const MIKROTIK = logSource('mikrotik', 'firewall');
const COLUMNS_MAX = 128;

/** Places in TRAFFIC and THREAT records (PAN-OS "Syslog Field Descriptions"; the same in both). */
const AT = {
  time: 6,
  src: 7,
  dst: 8,
  rule: 11,
  user: 12,
  app: 14,
  from: 16,
  to: 17,
  srcPort: 24,
  dstPort: 25,
  protocol: 29,
  action: 30,
  threat: 32,
};

/** Comma-separated values with quotes (RFC 4180). */
function valuesOf(text: string, at: number, end: number): string[] {
  const values: string[] = [];
  for (let i = at; i <= end && values.length < COLUMNS_MAX; i++) {
    if (text.charCodeAt(i) !== 34) {
      const from = i;
      while (i < end && text.charCodeAt(i) !== 44) i++;
      values.push(text.slice(from, i));
      continue;
    }
    let value = '';
    for (i++; i < end; i++) {
      if (text.charCodeAt(i) !== 34) value += text[i];
      else if (text.charCodeAt(i + 1) === 34) value += text[i++];
      else break;
    }
    values.push(value);
    while (i < end && text.charCodeAt(i) !== 44) i++;
  }
  return values;
}

function port(norm: Normalised, column: 'src_port' | 'dst_port', value: string): void {
  const number = intOf(value, 0, value.length);
  if (number > 0 && number <= 65535) norm[column] = number;
}

function addresses(norm: Normalised, fields: Fields, action: string): void {
  norm.class_uid = OCSF_CLASS.network;
  norm.action = action;
  for (const name of ['src_ip', 'dst_ip', 'src_port', 'dst_port'] as const)
    if (norm[name] !== undefined) fields[name] = norm[name];
  fields.action = action;
}

/** `1,2023/07/06 08:11:40,0164,THREAT,vulnerability,2561,…`. */
export function decodePaloAlto(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const head = text.slice(at, Math.min(end, at + 96));
  if (
    !/^\d?,\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d,\w*,(?:TRAFFIC|THREAT|SYSTEM|GLOBALPROTECT|USERID|CONFIG|AUTHENTICATION),/.test(
      head,
    )
  )
    return null;
  const values = valuesOf(text, at, end);
  const value = (place: number): string => values[place] ?? '';
  const time = timeOfValue(value(AT.time) || value(1), frame, false);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const norm = baseNorm(frame, text, at, end);
  const fields: Fields = { type: value(3), subtype: value(4) };
  norm.event_code = `${value(3)}/${value(4)}`.toLowerCase();
  if (value(3) !== 'TRAFFIC' && value(3) !== 'THREAT')
    return makeEvent(frame, 'firewall/paloalto', PALO_ALTO, norm, fields);
  const [src, dst] = [ipOf(value(AT.src)), ipOf(value(AT.dst))];
  if (src) norm.src_ip = src;
  if (dst) norm.dst_ip = dst;
  port(norm, 'src_port', value(AT.srcPort));
  port(norm, 'dst_port', value(AT.dstPort));
  if (value(AT.user)) norm.user = value(AT.user);
  if (value(AT.protocol)) norm.protocol = value(AT.protocol).toLowerCase();
  if (value(AT.app)) norm.service = value(AT.app);
  fields.rule = value(AT.rule);
  fields.zone_from = value(AT.from);
  fields.zone_to = value(AT.to);
  const said = value(AT.action);
  addresses(norm, fields, said === 'allow' || said === 'alert' ? 'allow' : 'deny');
  fields.verdict = said;
  if (value(3) === 'THREAT') {
    norm.class_uid = OCSF_CLASS.securityFinding;
    fields.threat = value(AT.threat);
    norm.message = value(AT.threat) || norm.message;
  }
  return makeEvent(frame, 'firewall/paloalto', PALO_ALTO, norm, fields);
}

/** `firewall,info drop input: in:ether1 out:(none), …, proto TCP (SYN), 1.2.3.4:59388->5.6.7.8:23, len 40`. */
export function decodeMikrotik(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const proto = find(text, ', proto ', at, end);
  if (proto < 0 || find(text, 'in:', at, proto) < 0) return null;
  const found = /^, proto ([\w-]{1,16})(?: \([\w,]{1,32}\))?, \[?([\w.:]{2,45})\]?->\[?([\w.:]{2,45})\]?/.exec(
    text.slice(proto, Math.min(end, proto + 160)),
  );
  if (found === null) return null;
  const norm = baseNorm(frame, text, at, end);
  const fields: Fields = {};
  for (const [column, portColumn, written] of [
    ['src_ip', 'src_port', found[2] as string],
    ['dst_ip', 'dst_port', found[3] as string],
  ] as const) {
    const colon = written.lastIndexOf(':');
    const ip = colon > 0 && written.includes('.') ? ipOf(written.slice(0, colon)) : ipOf(written);
    if (ip) norm[column] = ip;
    if (ip && colon > 0 && written.includes('.')) port(norm, portColumn, written.slice(colon + 1));
  }
  norm.protocol = (found[1] as string).toLowerCase();
  norm.event_code = 'packet';
  const prefix = text.slice(at, proto).toLowerCase();
  addresses(
    norm,
    fields,
    /drop|reject|block|deny/.test(prefix) ? 'deny' : /accept|allow/.test(prefix) ? 'allow' : 'log',
  );
  return makeEvent(frame, 'firewall/mikrotik', MIKROTIK, norm, fields);
}
