/** Syslog framing (RFC 3164, RFC 5424, rsyslog's ISO variant, bare files): fills the frame, says where the message is. */

import type { Frame } from '../decode-frame.ts';
import { intOf, isDigit, isIp, skipDigits, skipSpaces, tokenEnd, word } from '../decode-text.ts';
import { readBsdTime, readIsoTime } from '../decode-time.ts';
import { readStructuredData } from './syslog-structured.ts';

const LT = 60;
const GT = 62;
const SPACE = 32;
const COLON = 58;
const OPEN = 91;
const CLOSE = 93;
const TAG_MAX = 96;

/** OCSF severity of the syslog severities emergency … debug (RFC 5424 table 2). */
const SEVERITY = [6, 5, 5, 4, 3, 2, 1, 1] as const;

export function severityOfSyslog(code: number): number {
  return SEVERITY[code & 7] as number;
}

/** `<34>`: facility and severity into the frame; offset after it, or `at` when there is none. */
export function readPri(text: string, at: number, end: number, frame: Frame): number {
  if (text.charCodeAt(at) !== LT) return at;
  const stop = skipDigits(text, at + 1, Math.min(end, at + 4));
  if (stop === at + 1 || stop >= end || text.charCodeAt(stop) !== GT) return at;
  let value = 0;
  for (let i = at + 1; i < stop; i++) value = value * 10 + text.charCodeAt(i) - 48;
  if (value > 191) return at;
  frame.severityId = SEVERITY[value & 7] as number;
  frame.facility = value >> 3;
  return stop + 1;
}

/**
 * Reads the header at `at`. Answers the offset of the message, or -1 when this is no syslog header. Host, program, pid,
 * time, severity and structured data are in the frame afterwards.
 */
export function readSyslogHeader(text: string, at: number, end: number, frame: Frame): number {
  let i = readPri(text, at, end, frame);
  const hadPri = i > at;
  if (text.charCodeAt(i) === 49 && text.charCodeAt(i + 1) === SPACE) {
    const after = readRfc5424(text, i + 2, end, frame, hadPri);
    if (after >= 0) return after;
  }
  if (hadPri) i = skipSpaces(text, i, end);
  const code = text.charCodeAt(i);
  const stamped = isDigit(code) ? readIsoStamp(text, i, end, frame) : readBsdTime(text, i, end, frame);
  if (stamped < 0) {
    if (!hadPri) return -1;
    // RFC 3164 section 4.3.3: a PRI without a usable time still opens a message.
    return readTag(text, i, end, frame);
  }
  if (stamped < end && text.charCodeAt(stamped) === COLON && text.charCodeAt(stamped + 1) === SPACE) {
    return readTag(text, stamped + 2, end, frame);
  }
  if (stamped < end && text.charCodeAt(stamped) !== SPACE) return hadPri ? readTag(text, stamped, end, frame) : -1;
  return readHostAndTag(text, skipSpaces(text, stamped, end), end, frame);
}

/** ISO time as rsyslog writes it: with `T`. A space between date and time is an application's own log, not syslog. */
function readIsoStamp(text: string, at: number, end: number, frame: Frame): number {
  return text.charCodeAt(at + 10) === 84 ? readIsoTime(text, at, end, frame) : -1;
}

function readHostAndTag(text: string, at: number, end: number, frame: Frame): number {
  const stop = tokenEnd(text, at, end);
  const last = text.charCodeAt(stop - 1);
  if (stop >= end) {
    // One single word after the time: a program that says nothing, or only a message.
    return last === COLON ? readTag(text, at, end, frame) : at;
  }
  if (last === COLON && !isIp(text, at, stop)) {
    // `Feb 12 14:10:21 kernel: …`: no host. A host name never ends with a colon, except `host :` of Cisco, which does not either.
    return readTag(text, at, end, frame);
  }
  if (isContainerStream(text, at, stop)) return stop + 3;
  frame.host = word(text, at, stop);
  let next = skipSpaces(text, stop, end);
  if (text.charCodeAt(next) === COLON && text.charCodeAt(next + 1) === SPACE) next += 2;
  // Ubiquiti repeats the host.
  if (text.startsWith(frame.host, next) && text.charCodeAt(next + frame.host.length) === SPACE)
    next += frame.host.length + 1;
  return readTag(text, next, end, frame);
}

/** `stdout F ` and `stderr P ` of the Kubernetes container log stand where a host would; there is no tag either. */
function isContainerStream(text: string, at: number, stop: number): boolean {
  if (stop - at !== 6 || (!text.startsWith('stdout', at) && !text.startsWith('stderr', at))) return false;
  const flag = text.charCodeAt(stop + 1);
  return (flag === 70 || flag === 80) && text.charCodeAt(stop + 2) === SPACE;
}

/** `sshd[123]: `, `kernel: `, `dovecot: `; leaves the program empty when the text does not begin with a tag. */
function readTag(text: string, at: number, end: number, frame: Frame): number {
  // `%ASA-6-302013: ` is Cisco's own mark, not a program.
  if (text.charCodeAt(at) === 37) return at;
  const limit = Math.min(end, at + TAG_MAX);
  let i = at;
  for (; i < limit; i++) {
    const code = text.charCodeAt(i);
    if (code === COLON || code === OPEN || code <= SPACE) break;
  }
  if (i === at || i >= limit) return at;
  const code = text.charCodeAt(i);
  if (code === COLON) {
    if (i + 1 < end && text.charCodeAt(i + 1) !== SPACE) return at;
    frame.program = word(text, at, i);
    return skipOne(text, i + 1, end);
  }
  if (code !== OPEN) return at;
  const stop = skipDigits(text, i + 1, Math.min(end, i + 11));
  let close = stop;
  while (close < limit && text.charCodeAt(close) !== CLOSE) close++;
  if (close >= limit) return at;
  const colon = close + 1;
  if (colon < end && text.charCodeAt(colon) !== COLON && text.charCodeAt(colon) !== SPACE) return at;
  frame.program = word(text, at, i);
  if (stop === close && stop > i + 1) {
    let pid = 0;
    for (let d = i + 1; d < stop; d++) pid = pid * 10 + text.charCodeAt(d) - 48;
    frame.pid = pid;
  }
  return skipOne(text, text.charCodeAt(colon) === COLON ? colon + 1 : colon, end);
}

function skipOne(text: string, at: number, end: number): number {
  return at < end && text.charCodeAt(at) === SPACE ? at + 1 : Math.min(at, end);
}

/** RFC 5424 section 6 after `VERSION SP`; -1 when the time is neither `-` nor RFC 3339. */
function readRfc5424(text: string, at: number, end: number, frame: Frame, hadPri: boolean): number {
  let i: number;
  if (text.charCodeAt(at) === 45 && text.charCodeAt(at + 1) === SPACE && hadPri) i = at + 1;
  else i = readIsoTime(text, at, end, frame);
  if (i < 0 || text.charCodeAt(i) !== SPACE) return -1;
  i++;
  const host = tokenEnd(text, i, end);
  if (!isNil(text, i, host)) frame.host = word(text, i, host);
  i = Math.min(host + 1, end);
  const app = tokenEnd(text, i, end);
  if (!isNil(text, i, app)) frame.program = word(text, i, app);
  i = Math.min(app + 1, end);
  const proc = tokenEnd(text, i, end);
  if (proc - i < 11) frame.pid = intOf(text, i, proc);
  i = Math.min(tokenEnd(text, Math.min(proc + 1, end), end) + 1, end);
  if (text.charCodeAt(i) === 45) i++;
  else if (text.charCodeAt(i) === OPEN) {
    const data = {};
    const stop = readStructuredData(text, i, end, frame, data);
    if (stop > i) {
      frame.fields = data;
      i = stop;
    }
  }
  i = skipOne(text, i, end);
  // RFC 5424 section 6.4: the message may begin with a byte order mark.
  if (text.charCodeAt(i) === 0xfeff) i++;
  return Math.min(i, end);
}

function isNil(text: string, at: number, end: number): boolean {
  return end <= at || (end === at + 1 && text.charCodeAt(at) === 45);
}
