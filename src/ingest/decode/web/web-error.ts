/** Error logs of nginx (`2021/12/01 13:53:33 [error] 31#31: …, client: …`) and Apache (`[Fri Oct 08 … 2021] [core:error] …`). */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import {
  entryOf,
  find,
  findLast,
  indexOfCode,
  intOf,
  ipWord,
  isDigit,
  lastIndexOfCode,
  skipDigits,
  skipSpaces,
  startsAt,
  word,
} from '../decode-text.ts';
import { readCtime, readIsoTime } from '../decode-time.ts';
import { logonOutcome, readLogon } from '../programs/program-logon.ts';
import { putRequest, quoteEnd } from './web-request.ts';

const NGINX = logSource(undefined, 'webserver', 'nginx');
const APACHE = logSource(undefined, 'webserver', 'apache');
const SEVERITY: Readonly<Record<string, number>> = {
  emerg: 6,
  alert: 5,
  crit: 5,
  error: 4,
  warn: 3,
  notice: 2,
  info: 1,
  debug: 1,
};

export function decodeWebError(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const code = text.charCodeAt(at);
  if (code === 91) return decodeApache(text, at, end, frame);
  return isDigit(code) && text.charCodeAt(at + 4) === 47 ? decodeNginx(text, at, end, frame) : null;
}

function decodeNginx(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readIsoTime(text, at, end, frame);
  if (after < 0 || !startsAt(text, ' [', after, end)) return null;
  const close = indexOfCode(text, 93, after, Math.min(end, after + 20));
  const level = close < 0 ? '' : word(text, after + 2, close);
  const pidAt = close + 2;
  const pidEnd = skipDigits(text, pidAt, end);
  const severity = entryOf(SEVERITY, level);
  if (severity === undefined || text.charCodeAt(pidEnd) !== 35) return null;
  frame.severityId = severity;
  frame.program = 'nginx';
  frame.pid = intOf(text, pidAt, pidEnd);
  frame.memory.webServer = 'nginx';
  const colon = find(text, ': ', pidEnd, end);
  const from = colon < 0 ? close + 2 : colon + 2;
  const norm = baseNorm(frame, text, from, end, OCSF_CLASS.http);
  norm.event_code = 'http-error';
  norm.service = 'http';
  const fields: Fields = { level };
  // nginx appends `, client: …, server: …, request: "…", …` itself, so the last one counts.
  const client = findLast(text, ', client: ', from, end);
  if (client > 0) {
    const comma = indexOfCode(text, 44, client + 2, end);
    const ip = ipWord(text, client + 10, comma < 0 ? end : comma);
    if (ip) norm.src_ip = fields['c-ip'] = ip;
    putPart(text, client, end, 'server: ', 'server', fields);
    const request = find(text, ', request: "', client, end);
    if (request > 0) putRequest(text, request + 12, quoteEnd(text, request + 12, end), norm, fields);
    const host = findLast(text, ', host: "', client, end);
    if (host > 0) norm.domain = fields['cs-host'] = word(text, host + 9, quoteEnd(text, host + 9, end));
    const login = findLast(text, ', login: "', client, end);
    if (login > 0) norm.user = word(text, login + 10, quoteEnd(text, login + 10, end));
  }
  putBasicFailure(text, from, client > 0 ? client : end, norm, 'user "', '"');
  if (find(text, 'FastCGI sent in stderr: ', from, Math.min(end, from + 64)) >= 0)
    putApplication(text, from, client > 0 ? client : end, norm);
  return makeEvent(frame, 'web/nginx-error', NGINX, norm, fields);
}

function putPart(text: string, at: number, end: number, lead: string, name: string, fields: Fields): void {
  const place = find(text, lead, at, end);
  if (place < 0) return;
  const comma = indexOfCode(text, 44, place, end);
  fields[name] = word(text, place + lead.length, comma < 0 ? end : comma);
}

/** `user "x": password mismatch`, `user "x" was not found in …` (nginx); `user x: authentication failure …`, `user x not found` (Apache). */
function putBasicFailure(text: string, at: number, end: number, norm: Normalised, lead: string, close: string): void {
  const user = find(text, lead, at, end);
  if (user < 0) return;
  const stop = close === '"' ? find(text, close, user + lead.length, end) : endOfName(text, user + lead.length, end);
  if (stop < 0) return;
  if (
    find(text, 'password mismatch', stop, end) < 0 &&
    find(text, 'not found', stop, end) < 0 &&
    find(text, 'authentication failure', stop, end) < 0 &&
    find(text, 'Password Mismatch', stop, end) < 0
  )
    return;
  norm.user = word(text, user + lead.length, stop);
  norm.class_uid = OCSF_CLASS.authentication;
  norm.action = 'logon';
  norm.outcome = 'failure';
  norm.event_code = 'http-auth-failed';
}

/** A log-in that the application behind the server speaks of. */
function putApplication(text: string, at: number, end: number, norm: Normalised): void {
  const message = text.slice(at, end);
  const outcome = norm.outcome === undefined ? logonOutcome(message) : null;
  if (outcome === null) return;
  readLogon(message, norm);
  norm.class_uid = OCSF_CLASS.authentication;
  norm.action = 'logon';
  norm.outcome = outcome;
  norm.event_code = outcome === 'failure' ? 'http-auth-failed' : 'http-auth-ok';
}

function endOfName(text: string, at: number, end: number): number {
  let first = -1;
  for (const after of [': ', ' not found', ' authentication failure']) {
    const place = find(text, after, at, end);
    if (place >= 0 && (first < 0 || place < first)) first = place;
  }
  return first;
}

function decodeApache(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readCtime(text, at + 1, end, frame);
  if (after < 0 || !startsAt(text, '] [', after, end)) return null;
  const fields: Fields = {};
  let level = '';
  let ip = '';
  let port = -1;
  let i = after + 2;
  // Groups in brackets: module:level, pid, client; the rest is the message.
  for (let count = 0; count < 6 && text.charCodeAt(i) === 91; count++) {
    const close = indexOfCode(text, 93, i, Math.min(end, i + 160));
    if (close < 0) break;
    if (count === 0) {
      const colon = lastIndexOfCode(text, 58, i, close);
      level = word(text, (colon < 0 ? i : colon) + 1, close);
      if (entryOf(SEVERITY, level) === undefined && !level.startsWith('trace')) return null;
      if (colon > i + 1) fields.module = word(text, i + 1, colon);
    } else if (startsAt(text, '[pid ', i, close)) frame.pid = intOf(text, i + 5, skipDigits(text, i + 5, close));
    else if (startsAt(text, '[client ', i, close) && !ip) {
      const colon = lastIndexOfCode(text, 58, i + 8, close);
      ip = ipWord(text, i + 8, close);
      const alone = colon > 0 ? ipWord(text, i + 8, colon) : '';
      // `::1:37752` reads as an address too; Apache 2.4 always adds the port.
      if (alone && colon > 0 && close - colon > 1 && intOf(text, colon + 1, close) > 0) {
        ip = alone;
        port = intOf(text, colon + 1, close);
      }
    } else if (count > 3 || !ip) {
      if (count > 2) break;
    }
    i = skipSpaces(text, close + 1, end);
  }
  frame.severityId = entryOf(SEVERITY, level) ?? 1;
  frame.program ||= 'apache';
  frame.memory.webServer = 'apache';
  const norm = baseNorm(frame, text, i, end, OCSF_CLASS.http);
  norm.event_code = 'http-error';
  norm.service = 'http';
  fields.level = level;
  if (ip) norm.src_ip = fields['c-ip'] = ip;
  if (port > 0 && port <= 65535) norm.src_port = port;
  const request = find(text, 'Invalid URI in request ', i, end);
  if (request >= 0) putRequest(text, request + 23, end, norm, fields);
  putBasicFailure(text, i, end, norm, 'user ', ':');
  // Other messages quote what the client asked for; these are the application's own words.
  if (String(fields.module ?? '').startsWith('php') || startsAt(text, 'AH01071: Got error ', i, end))
    putApplication(text, i, end, norm);
  return makeEvent(frame, 'web/apache-error', APACHE, norm, fields);
}
