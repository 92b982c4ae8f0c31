/** HAProxy's HTTP log: `1.2.3.4:14853 [14/Jan/2015:12:48:57.127] fe be/srv 1/0/0/3/4 200 739 - - ---- 0/0/0/0/0 0/0 "GET / HTTP/1.1"`. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { find, intOf, ipWord, lastIndexOfCode, tokenEnd, word } from '../decode-text.ts';
import { readClfTime } from '../decode-time.ts';
import { putRequest, quoteEnd } from '../web/web-request.ts';

const SOURCE = logSource(undefined, 'webserver', 'haproxy');

export function decodeHaproxy(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const stop = tokenEnd(text, at, Math.min(end, at + 64));
  const colon = lastIndexOfCode(text, 58, at, stop);
  if (colon < 0 || text.charCodeAt(stop + 1) !== 91) return null;
  const ip = ipWord(text, at, colon);
  const port = intOf(text, colon + 1, stop);
  if (!ip || port < 0 || port > 65535) return null;
  const after = readClfTime(text, stop + 2, end, frame);
  if (after < 0 || text.charCodeAt(after) !== 93) return null;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.http);
  norm.src_ip = ip;
  norm.src_port = port;
  norm.service = 'http';
  const frontEnd = tokenEnd(text, after + 2, end);
  const backEnd = tokenEnd(text, Math.min(frontEnd + 1, end), end);
  if (text.charCodeAt(frontEnd - 1) === 58) {
    // `frontend/1: SSL handshake failure`: no request came of it.
    norm.event_code = 'http-error';
    norm.action = 'connect';
    norm.outcome = 'failure';
    return makeEvent(frame, 'web/haproxy', SOURCE, norm, { 'c-ip': ip, frontend: word(text, after + 2, frontEnd - 1) });
  }
  const fields: Fields = {
    'c-ip': ip,
    frontend: word(text, after + 2, frontEnd),
    backend: word(text, frontEnd + 1, backEnd),
  };
  const timesEnd = tokenEnd(text, Math.min(backEnd + 1, end), end);
  const statusEnd = tokenEnd(text, Math.min(timesEnd + 1, end), end);
  const bytesEnd = tokenEnd(text, Math.min(statusEnd + 1, end), end);
  const status = intOf(text, timesEnd + 1, statusEnd);
  if (status >= 0) norm.status = fields['sc-status'] = status;
  const bytes = intOf(text, statusEnd + 1, bytesEnd);
  if (bytes >= 0 && status >= 0) norm.bytes = fields['sc-bytes'] = bytes;
  const quote = find(text, ' "', bytesEnd, end);
  if (quote > 0) putRequest(text, quote + 2, quoteEnd(text, quote + 2, end), norm, fields);
  else if (status < 0) return null;
  norm.event_code = status < 0 ? 'http-error' : 'http-request';
  return makeEvent(frame, 'web/haproxy', SOURCE, norm, fields);
}
