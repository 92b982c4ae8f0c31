/**
 * Access logs of nginx and Apache: common, combined, with a virtual host in front, with anything behind. Whoever asks
 * chooses the request, the referrer, the browser's name and, with Basic authentication, the user: the server escapes
 * quotes in all of them, so the first `[time] "` that no backslash spoils is the real one.
 */

import { type DecodedEvent, type LogSource, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import {
  indexOfCode,
  intOf,
  ipWord,
  lastIndexOfCode,
  skipDigits,
  skipSpaces,
  startsAt,
  tokenEnd,
  word,
} from '../decode-text.ts';
import { readClfTime } from '../decode-time.ts';
import { putRequest, quoteEnd } from './web-request.ts';

const SOURCES: Readonly<Record<'nginx' | 'apache' | 'access', LogSource>> = {
  nginx: logSource(undefined, 'webserver', 'nginx'),
  apache: logSource(undefined, 'webserver', 'apache'),
  access: logSource(undefined, 'webserver'),
};
const HEAD_MAX = 600;

/** Offset of the `[` of the time, or -1. */
function stampAt(text: string, at: number, end: number): number {
  const limit = Math.min(end - 22, at + HEAD_MAX);
  for (let i = at; i < limit; i++) {
    if (
      text.charCodeAt(i) === 91 &&
      text.charCodeAt(i + 3) === 47 &&
      text.charCodeAt(i + 7) === 47 &&
      text.charCodeAt(i + 12) === 58
    ) {
      const close = indexOfCode(text, 93, i, Math.min(end, i + 36));
      if (close > 0 && text.charCodeAt(close + 1) === 32 && text.charCodeAt(close + 2) === 34) return i;
    }
  }
  return -1;
}

/** One line; null when it is not an access log's. */
export function decodeAccess(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const stamp = stampAt(text, at, end);
  if (stamp <= at + 1) return null;
  const headEnd = stamp - 1;
  const first = tokenEnd(text, at, headEnd);
  let clientAt = at;
  let clientEnd = first;
  let hostEnd = at;
  let ip = ipWord(text, at, first);
  if (!ip && first < headEnd) {
    const second = tokenEnd(text, first + 1, headEnd);
    ip = ipWord(text, first + 1, second);
    if (ip) {
      hostEnd = first;
      clientAt = first + 1;
      clientEnd = second;
    }
  }
  const timeEnd = readClfTime(text, stamp + 1, end, frame);
  if (timeEnd < 0) return null;
  const requestAt = indexOfCode(text, 34, timeEnd, end) + 1;
  const requestEnd = quoteEnd(text, requestAt, end);
  const statusAt = skipSpaces(text, requestEnd + 1, end);
  const statusEnd = skipDigits(text, statusAt, end);
  const status = statusEnd - statusAt === 3 ? intOf(text, statusAt, statusEnd) : -1;
  if (status < 0 && requestEnd < end) return null;

  const fields: Fields = {};
  const norm = baseNorm(frame, text, requestAt, requestEnd, OCSF_CLASS.http);
  norm.service = 'http';
  norm.event_code = 'http-request';
  if (ip) norm.src_ip = fields['c-ip'] = ip;
  else norm.src_host = fields['c-ip'] = word(text, clientAt, clientEnd);
  if (hostEnd > at) {
    const colon = lastIndexOfCode(text, 58, at, hostEnd);
    norm.domain = word(text, at, colon > at ? colon : hostEnd);
    fields['cs-host'] = word(text, at, hostEnd);
  }
  putUser(text, clientEnd, headEnd, norm, fields);
  putRequest(text, requestAt, requestEnd, norm, fields);
  const server = putRest(text, at, hostEnd, requestAt, requestEnd, statusEnd, end, status, norm, fields, frame);
  return makeEvent(frame, server === null ? 'web/access' : `web/${server}`, SOURCES[server ?? 'access'], norm, fields);
}

/** `ident user` between the address and the time; a user may hold spaces. */
function putUser(text: string, at: number, end: number, norm: Normalised, fields: Fields): void {
  const identAt = skipSpaces(text, at, end);
  const userAt = skipSpaces(text, tokenEnd(text, identAt, end), end);
  if (userAt >= end || (userAt + 1 === end && text.charCodeAt(userAt) === 45)) return;
  if (text.charCodeAt(end - 1) === 45 && text.charCodeAt(end - 2) === 32) return;
  norm.user = fields['cs-username'] = word(text, userAt, end);
}

/** Status, bytes, referrer, browser; and which server writes so, as far as the line shows it. */
function putRest(
  text: string,
  at: number,
  hostEnd: number,
  requestAt: number,
  requestEnd: number,
  statusEnd: number,
  end: number,
  status: number,
  norm: Normalised,
  fields: Fields,
  frame: Frame,
): 'nginx' | 'apache' | null {
  if (status < 0) return frame.memory.webServer;
  norm.status = fields['sc-status'] = status;
  const bytesAt = skipSpaces(text, statusEnd, end);
  const bytesEnd = tokenEnd(text, bytesAt, end);
  const bytes = intOf(text, bytesAt, bytesEnd);
  if (bytes >= 0) norm.bytes = fields['sc-bytes'] = bytes;
  let i = skipSpaces(text, bytesEnd, end);
  if (text.charCodeAt(i) === 34) {
    const stop = quoteEnd(text, i + 1, end);
    if (stop > i + 1 && !(stop === i + 2 && text.charCodeAt(i + 1) === 45))
      fields['cs-referer'] = text.slice(i + 1, stop);
    i = skipSpaces(text, stop + 1, end);
    if (text.charCodeAt(i) === 34) {
      const agentEnd = quoteEnd(text, i + 1, end);
      if (agentEnd > i + 1 && !(agentEnd === i + 2 && text.charCodeAt(i + 1) === 45)) {
        norm.user_agent = fields['cs-user-agent'] = word(text, i + 1, agentEnd);
      }
    }
  }
  // Apache's %b writes `-` for no bytes and escapes a quote as \"; nginx writes 0 and \x22. vhost_combined has a port.
  if (frame.memory.webServer === null) {
    const backslash = indexOfCode(text, 92, requestAt, requestEnd);
    if ((bytes < 0 && startsAt(text, '-', bytesAt, end)) || (backslash > 0 && text.charCodeAt(backslash + 1) === 34))
      frame.memory.webServer = 'apache';
    else if (hostEnd > at && indexOfCode(text, 58, at, hostEnd) > 0) frame.memory.webServer = 'apache';
    else if (backslash > 0 && text.startsWith('\\x22', backslash)) frame.memory.webServer = 'nginx';
  }
  return frame.memory.webServer;
}
