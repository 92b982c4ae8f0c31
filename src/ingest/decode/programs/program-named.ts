/** BIND: queries, and those that were refused (`query (cache) 'x/ANY/IN' denied`, zone transfers, updates). */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import {
  endsAt,
  find,
  findLast,
  indexOfCode,
  intOf,
  ipWord,
  skipDigits,
  startsAt,
  tokenEnd,
  word,
} from '../decode-text.ts';
import { readBindTime } from '../decode-time.ts';

const SOURCE = linux('named');

/** A line of BIND's own file, with `19-Oct-2022 05:34:02.425` in front; null when it is not one. */
export function decodeNamedLine(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readBindTime(text, at, end, frame);
  if (after < 0 || text.charCodeAt(after) !== 32) return null;
  frame.program = 'named';
  return (
    decodeNamed(text, after + 1, end, frame) ??
    makeEvent(frame, 'syslog/named', SOURCE, baseNorm(frame, text, after + 1, end), NO_FIELDS)
  );
}

/** `[category: ][severity: ]client [@0x7f ]1.2.3.4#3076 (name): …`. */
export function decodeNamed(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const client = startsAt(text, 'client ', at, end) ? at : find(text, ': client ', at, Math.min(end, at + 48)) + 2;
  if (client < at + (client === at ? 0 : 2)) return null;
  let from = client + 7;
  if (text.charCodeAt(from) === 64) from = tokenEnd(text, from, end) + 1;
  const hash = indexOfCode(text, 35, from, Math.min(end, from + 64));
  if (hash < 0) return null;
  const ip = ipWord(text, from, hash);
  if (!ip) return null;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.dns);
  norm.service = 'dns';
  norm.src_ip = ip;
  const port = intOf(text, hash + 1, skipDigits(text, hash + 1, end));
  if (port >= 0 && port <= 65535) norm.src_port = port;
  const what = find(text, ': ', hash, end);
  if (what < 0) return null;
  return query(text, what + 2, end, frame, norm);
}

function query(text: string, at: number, end: number, frame: Frame, norm: ReturnType<typeof baseNorm>): DecodedEvent {
  const fields: Fields = {};
  if (startsAt(text, 'query: ', at, end)) {
    const nameEnd = tokenEnd(text, at + 7, end);
    const classEnd = tokenEnd(text, Math.min(nameEnd + 1, end), end);
    const typeEnd = tokenEnd(text, Math.min(classEnd + 1, end), end);
    norm.action = 'query';
    norm.event_code = 'dns-query';
    norm.domain = word(text, at + 7, nameEnd);
    fields.query = norm.domain;
    fields.record_type = word(text, classEnd + 1, typeEnd);
    return makeEvent(frame, 'syslog/named', SOURCE, norm, fields);
  }
  const denied =
    endsAt(text, ' denied', at, end) ||
    find(text, "' denied", at, end) > 0 ||
    find(text, 'bad zone transfer request', at, end) >= 0;
  const open = indexOfCode(text, 39, at, end);
  const close = findLast(text, "'", at, end);
  if (open > 0 && close > open) {
    const asked = text.slice(open + 1, close);
    const [name = '', type = ''] = asked.split('/', 2);
    norm.domain = word(name, 0, name.length);
    fields.query = norm.domain;
    fields.record_type = type;
  }
  norm.action =
    startsAt(text, 'zone transfer', at, end) || startsAt(text, 'bad zone transfer', at, end)
      ? 'zone-transfer'
      : startsAt(text, 'update', at, end)
        ? 'dns-update'
        : 'query';
  norm.event_code = denied ? `dns-${norm.action}-denied` : 'dns-client';
  if (denied) norm.outcome = 'failure';
  return makeEvent(frame, 'syslog/named', SOURCE, norm, fields);
}
