/** W3C extended logs (IIS): columns by the last `#Fields` line of the source, or by IIS's own default. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { intOf, ipOf, startsAt, tokenEnd, word } from '../decode-text.ts';
import { readIsoTime } from '../decode-time.ts';

const SOURCE = logSource(undefined, 'webserver', 'iis');
const COLUMNS_MAX = 64;

/** IIS 8.5 and later write these when nobody changed the set. */
const DEFAULT =
  'date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken'
    .split(' ')
    .map(columnName);

/** `cs(User-Agent)` → `cs-user-agent`, as Sigma names it. */
function columnName(name: string): string {
  return name.replaceAll('(', '-').replaceAll(')', '').toLowerCase();
}

/** `#Fields: …`, `#Software: …`, `#Version: …`, `#Date: …`; null for another line. */
export function decodeDirective(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (text.charCodeAt(at) !== 35) return null;
  const fields = startsAt(text, '#Fields: ', at, end);
  if (
    !fields &&
    !startsAt(text, '#Software: ', at, end) &&
    !startsAt(text, '#Version: ', at, end) &&
    !startsAt(text, '#Date: ', at, end)
  )
    return null;
  if (fields && end - at < 4096) {
    const names = text
      .slice(at + 9, end)
      .trim()
      .split(' ')
      .filter(Boolean)
      .slice(0, COLUMNS_MAX)
      .map(columnName);
    frame.memory.w3cFields = names.map((name) => word(name, 0, name.length));
  }
  return makeEvent(frame, 'web/w3c-directive', SOURCE, baseNorm(frame, text, at, end), NO_FIELDS);
}

/** One line of columns; null when their number or kind does not fit. */
export function decodeW3c(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const columns = frame.memory.w3cFields ?? DEFAULT;
  if (columns[0] !== 'date' || columns[1] !== 'time') return null;
  if (readIsoTime(text, at, end, frame, true) !== at + 19) return null;
  const fields: Fields = {};
  let i = at;
  let count = 0;
  for (; i <= end && count < COLUMNS_MAX; count++) {
    const stop = tokenEnd(text, i, end);
    const name = columns[count];
    if (name === undefined) return null;
    if (stop > i && !(stop === i + 1 && text.charCodeAt(i) === 45) && name !== '__proto__')
      fields[name] = word(text, i, stop);
    i = stop + 1;
  }
  if (count !== columns.length) return null;
  return iisEvent(fields, text, at, end, frame);
}

function iisEvent(fields: Fields, text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const value = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const ip = ipOf(value('c-ip'));
  if (frame.memory.w3cFields === null && (!ip || !ipOf(value('s-ip')))) return null;
  const norm: Normalised = baseNorm(frame, text, at, end, OCSF_CLASS.http);
  norm.service = 'http';
  norm.event_code = 'http-request';
  if (ip) norm.src_ip = ip;
  const server = ipOf(value('s-ip'));
  if (server) norm.dst_ip = server;
  const stem = value('cs-uri-stem');
  const query = value('cs-uri-query');
  if (stem) norm.url = query ? `${stem}?${query}` : stem;
  if (value('cs-method')) norm.method = value('cs-method');
  if (value('cs-username')) norm.user = value('cs-username');
  if (value('cs-user-agent')) norm.user_agent = value('cs-user-agent');
  if (value('cs-host')) norm.domain = value('cs-host');
  const numbers = { 'sc-status': 'status', 's-port': 'dst_port', 'sc-bytes': 'bytes' } as const;
  for (const [name, column] of Object.entries(numbers) as [keyof typeof numbers, 'status' | 'dst_port' | 'bytes'][]) {
    const number = intOf(value(name), 0, value(name).length);
    if (number >= 0) norm[column] = number;
  }
  return makeEvent(frame, 'web/iis', SOURCE, norm, fields);
}
