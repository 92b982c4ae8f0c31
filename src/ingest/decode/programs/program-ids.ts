/** One-line alerts of Suricata (fast.log) and Snort: `07/11/2022-10:29:01.860293  [**] [1:2200074:2] NAME [**] … {TCP} 1.2.3.4:5 -> 6.7.8.9:80`. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { find, findLast, intOf, ipWord, lastIndexOfCode, skipDigits, tokenEnd, word } from '../decode-text.ts';
import { readUsTime } from '../decode-time.ts';

const SOURCE = logSource('suricata', undefined, 'alert');

export function decodeFastAlert(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readUsTime(text, at, end, frame);
  const open = after < 0 ? -1 : find(text, '[**] [', after, Math.min(end, after + 12));
  const close = open < 0 ? -1 : find(text, '] ', open + 6, end);
  const nameEnd = close < 0 ? -1 : find(text, ' [**]', close, end);
  // The name of the rule is ours, addresses come last: both are read from their side.
  const arrow = nameEnd < 0 ? -1 : findLast(text, ' -> ', nameEnd, end);
  const brace = arrow < 0 ? -1 : findLast(text, '} ', nameEnd, arrow);
  if (brace < 0) return null;
  const norm = baseNorm(frame, text, close + 2, nameEnd, OCSF_CLASS.securityFinding);
  const fields: Fields = { rule: word(text, open + 6, close), name: word(text, close + 2, nameEnd) };
  norm.action = 'alert';
  norm.event_code = word(text, open + 6, close);
  norm.protocol = word(text, findLast(text, '{', nameEnd, brace) + 1, brace).toLowerCase();
  const source = endpoint(text, brace + 2, arrow);
  const target = endpoint(text, arrow + 4, tokenEnd(text, arrow + 4, end));
  if (source.ip) norm.src_ip = source.ip;
  if (source.port >= 0) norm.src_port = source.port;
  if (target.ip) norm.dst_ip = target.ip;
  if (target.port >= 0) norm.dst_port = target.port;
  const priority = find(text, '[Priority: ', nameEnd, end);
  const level = priority < 0 ? -1 : intOf(text, priority + 11, skipDigits(text, priority + 11, end));
  if (level >= 1) norm.severity_id = Math.max(2, 5 - level);
  const kind = find(text, '[Classification: ', nameEnd, end);
  const kindEnd = kind < 0 ? -1 : find(text, ']', kind, end);
  if (kindEnd > 0) fields.classification = word(text, kind + 17, kindEnd);
  return makeEvent(frame, 'ids/fast', SOURCE, norm, fields);
}

function endpoint(text: string, at: number, end: number): { ip: string; port: number } {
  const whole = ipWord(text, at, end);
  const colon = lastIndexOfCode(text, 58, at, end);
  const ip = colon < 0 ? '' : ipWord(text, at, colon);
  const port = ip ? intOf(text, colon + 1, end) : -1;
  return port >= 0 && port <= 65535 ? { ip, port } : { ip: whole, port: -1 };
}
