/** Time stamps of logs, read by character; each reader returns the offset after the stamp, or -1 when it is none. */

import { LIMITS } from '../../core/index.ts';
import type { Frame } from './decode-frame.ts';
import { MARK } from './decode-marks.ts';
import { isDigit } from './decode-text.ts';

const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** Month 0 to 11 of the three letters at `at`, or -1. */
function monthAt(text: string, at: number): number {
  const a = text.charCodeAt(at);
  const b = text.charCodeAt(at + 1);
  const c = text.charCodeAt(at + 2);
  for (let i = 0; i < 36; i += 3) {
    if (MONTHS.charCodeAt(i) === a && MONTHS.charCodeAt(i + 1) === b && MONTHS.charCodeAt(i + 2) === c) return i / 3;
  }
  return -1;
}

function two(text: string, at: number): number {
  const high = text.charCodeAt(at) - 48;
  const low = text.charCodeAt(at + 1) - 48;
  return high >= 0 && high <= 9 && low >= 0 && low <= 9 ? high * 10 + low : -1;
}

function four(text: string, at: number): number {
  const high = two(text, at);
  const low = two(text, at + 2);
  return high < 0 || low < 0 ? -1 : high * 100 + low;
}

/** Wall-clock milliseconds as if UTC; NaN when there is no such moment. Second 60 is a leap second (RFC 5424 6.2.3). */
function wallMs(year: number, month: number, day: number, seconds: number): number {
  if (month < 0 || month > 11 || day < 1 || day > (DAYS[month] as number) || seconds < 0) return Number.NaN;
  if (month === 1 && day === 29 && !(year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))) return Number.NaN;
  return Date.UTC(year, month, day) + seconds * 1000;
}

/** Seconds of the day of `hh:mm:ss` at `at`, or -1. */
function clockAt(text: string, at: number): number {
  const hour = two(text, at);
  const minute = two(text, at + 3);
  const second = two(text, at + 6);
  if (hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 60) return -1;
  if (text.charCodeAt(at + 2) !== 58 || text.charCodeAt(at + 5) !== 58) return -1;
  return hour * 3600 + minute * 60 + second;
}

/** After a stamp without zone: Unix time by the source's zone, marked when that zone is only assumed. */
function setWall(frame: Frame, wall: number): void {
  if (frame.zoneAssumed) frame.marks |= MARK.zoneAssumed;
  frame.timeMs = Number.isNaN(wall) ? Number.NaN : frame.zone.toUnix(wall);
}

/**
 * The rule for a time without year: the latest year that does not put it more than 24 hours after its receipt.
 * 29 February looks back to the last leap year.
 */
function inferYear(frame: Frame, month: number, day: number, seconds: number): number {
  const latest = frame.receivedMs + LIMITS.futureSkewMsMax;
  const year = new Date(frame.zone.toWall(frame.receivedMs)).getUTCFullYear() + 1;
  for (let y = year; y > year - 10; y--) {
    const wall = wallMs(y, month, day, seconds);
    if (Number.isNaN(wall)) continue;
    const unix = frame.zone.toUnix(wall);
    if (unix <= latest) return unix;
  }
  return Number.NaN;
}

/** `Feb 12 14:10:21`, `Sep  8 07:46:30`, `Sep 8 07:46:30`, with a year after the day or after the clock (Cisco). */
export function readBsdTime(text: string, at: number, end: number, frame: Frame): number {
  const stamps = frame.stamps;
  if (at + 15 < end && text.charCodeAt(at + 15) === 32 && text.startsWith(stamps.bsd, at)) {
    frame.timeMs = stamps.bsdMs;
    frame.marks |= stamps.bsdMarks;
    return at + 15;
  }
  if (at + 14 > end) return -1;
  const month = monthAt(text, at);
  if (month < 0 || text.charCodeAt(at + 3) !== 32) return -1;
  let i = at + 4;
  if (text.charCodeAt(i) === 32) i++;
  let day = text.charCodeAt(i) - 48;
  if (day < 0 || day > 9) return -1;
  i++;
  if (isDigit(text.charCodeAt(i))) day = day * 10 + text.charCodeAt(i++) - 48;
  if (text.charCodeAt(i) !== 32) return -1;
  i++;
  let year = text.charCodeAt(i + 4) === 32 ? four(text, i) : -1;
  if (year > 0) i += 5;
  const seconds = clockAt(text, i);
  if (seconds < 0 || i + 8 > end) return -1;
  i += 8;
  if (year < 0 && text.charCodeAt(i) === 32 && i + 6 <= end && isEndOfToken(text, i + 5, end)) {
    const after = four(text, i + 1);
    if (after >= 1990 && after < 2100) {
      year = after;
      i += 5;
    }
  }
  const before = frame.marks;
  frame.marks = 0;
  if (frame.zoneAssumed) frame.marks |= MARK.zoneAssumed;
  if (year > 0) setWall(frame, wallMs(year, month, day, seconds));
  else {
    frame.marks |= MARK.yearInferred;
    frame.timeMs = inferYear(frame, month, day, seconds);
  }
  if (i === at + 15) {
    stamps.bsd = text.slice(at, i);
    stamps.bsdMs = frame.timeMs;
    stamps.bsdMarks = frame.marks;
  }
  frame.marks |= before;
  return readFraction(text, i, end, frame);
}

function isEndOfToken(text: string, at: number, end: number): boolean {
  if (at >= end) return true;
  const code = text.charCodeAt(at);
  return code === 32 || (code === 58 && text.charCodeAt(at + 1) <= 32);
}

/** `.123456` or `,123` after a second: adds the milliseconds. */
function readFraction(text: string, at: number, end: number, frame: Frame): number {
  const code = at < end ? text.charCodeAt(at) : 0;
  if ((code !== 46 && code !== 44) || !isDigit(text.charCodeAt(at + 1))) return at;
  let i = at + 1;
  let value = 0;
  for (let scale = 100; i < end && isDigit(text.charCodeAt(i)); i++) {
    if (scale >= 1) value += (text.charCodeAt(i) - 48) * scale;
    scale /= 10;
  }
  frame.timeMs += value;
  return i;
}

/** Minutes east of UTC of `Z`, `+01:00`, `+0100`, `+01` at `at`; sets how long it was. NaN when there is none. */
let offsetLength = 0;
function offsetAt(text: string, at: number, end: number): number {
  const code = at < end ? text.charCodeAt(at) : 0;
  offsetLength = 0;
  if (code === 90 || code === 122) {
    offsetLength = 1;
    return 0;
  }
  if (code !== 43 && code !== 45) return Number.NaN;
  const hours = two(text, at + 1);
  if (hours < 0 || at + 3 > end) return Number.NaN;
  const colon = text.charCodeAt(at + 3) === 58 ? 1 : 0;
  const minutes = at + 5 + colon <= end ? two(text, at + 3 + colon) : -1;
  offsetLength = minutes < 0 ? 3 : 5 + colon;
  const total = hours * 60 + Math.max(minutes, 0);
  return code === 45 ? -total : total;
}

/**
 * `2024-08-29T01:08:59.764590+00:00` (RFC 3339), with a space or `T`, `-` or `/` between the parts of the date, any
 * fraction, and no zone at all allowed; `utc` says that a time without zone is UTC (W3C logs, Sysmon's UtcTime).
 */
export function readIsoTime(text: string, at: number, end: number, frame: Frame, utc = false): number {
  if (at + 19 > end) return -1;
  const stamps = frame.stamps;
  let wall: number;
  if (text.startsWith(stamps.iso, at)) wall = stamps.isoWallMs;
  else {
    const year = four(text, at);
    const mid = text.charCodeAt(at + 4);
    if (year < 0 || (mid !== 45 && mid !== 47) || text.charCodeAt(at + 7) !== mid) return -1;
    const between = text.charCodeAt(at + 10);
    if (between !== 84 && between !== 32 && between !== 116) return -1;
    const seconds = clockAt(text, at + 11);
    if (seconds < 0) return -1;
    wall = wallMs(year, two(text, at + 5) - 1, two(text, at + 8), seconds);
    stamps.iso = text.slice(at, at + 19);
    stamps.isoWallMs = wall;
  }
  frame.timeMs = 0;
  let i = readFraction(text, at + 19, end, frame);
  const fraction = frame.timeMs;
  const spaced =
    text.charCodeAt(i) === 32 &&
    (text.charCodeAt(i + 1) === 43 || text.charCodeAt(i + 1) === 45) &&
    isDigit(text.charCodeAt(i + 2))
      ? 1
      : 0;
  const offset = offsetAt(text, i + spaced, end);
  if (Number.isNaN(offset)) {
    if (utc) frame.timeMs = wall;
    else setWall(frame, wall);
  } else {
    i += spaced + offsetLength;
    frame.timeMs = wall - offset * 60_000;
  }
  frame.timeMs += fraction;
  return i;
}

/** `04/Jan/2020:08:41:43 +0000` of web access logs; the zone may be missing (haproxy writes milliseconds instead). */
export function readClfTime(text: string, at: number, end: number, frame: Frame): number {
  const stamps = frame.stamps;
  if (at + 26 <= end && text.startsWith(stamps.clf, at)) {
    frame.timeMs = stamps.clfMs;
    return at + 26;
  }
  if (at + 20 > end || text.charCodeAt(at + 2) !== 47 || text.charCodeAt(at + 6) !== 47) return -1;
  const month = monthAt(text, at + 3);
  const seconds = clockAt(text, at + 12);
  const year = four(text, at + 7);
  if (month < 0 || seconds < 0 || year < 0 || text.charCodeAt(at + 11) !== 58) return -1;
  const wall = wallMs(year, month, two(text, at), seconds);
  let i = at + 20;
  const offset = text.charCodeAt(i) === 32 ? offsetAt(text, i + 1, end) : Number.NaN;
  if (Number.isNaN(offset)) {
    setWall(frame, wall);
    return readFraction(text, i, end, frame);
  }
  i += 1 + offsetLength;
  frame.timeMs = wall - offset * 60_000;
  if (i === at + 26) {
    stamps.clf = text.slice(at, i);
    stamps.clfMs = frame.timeMs;
  }
  return i;
}

/** `Fri Oct 08 17:08:41.203277 2021` (Apache's error log), `Mon Jun  8 12:08:44 2020` (ctime: vsftpd). */
export function readCtime(text: string, at: number, end: number, frame: Frame): number {
  if (at + 23 > end || text.charCodeAt(at + 3) !== 32) return -1;
  const month = monthAt(text, at + 4);
  if (month < 0) return -1;
  let i = at + 8;
  if (text.charCodeAt(i) === 32) i++;
  let day = text.charCodeAt(i++) - 48;
  if (day < 0 || day > 9) return -1;
  if (isDigit(text.charCodeAt(i))) day = day * 10 + text.charCodeAt(i++) - 48;
  const seconds = clockAt(text, i + 1);
  if (seconds < 0 || text.charCodeAt(i) !== 32) return -1;
  frame.timeMs = 0;
  i = readFraction(text, i + 9, end, frame);
  const fraction = frame.timeMs;
  const year = i + 5 <= end ? four(text, i + 1) : -1;
  if (year < 0) return -1;
  setWall(frame, wallMs(year, month, day, seconds));
  frame.timeMs += fraction;
  return i + 5;
}

/** `19-Oct-2022 05:34:02.425` (BIND). */
export function readBindTime(text: string, at: number, end: number, frame: Frame): number {
  if (
    at + 20 > end ||
    text.charCodeAt(at + 2) !== 45 ||
    text.charCodeAt(at + 6) !== 45 ||
    text.charCodeAt(at + 11) !== 32
  )
    return -1;
  const month = monthAt(text, at + 3);
  const seconds = clockAt(text, at + 12);
  if (month < 0 || seconds < 0) return -1;
  setWall(frame, wallMs(four(text, at + 7), month, two(text, at), seconds));
  return readFraction(text, at + 20, end, frame);
}

/** `07/11/2022-10:29:01.860293` (Suricata's fast.log: month first). */
export function readUsTime(text: string, at: number, end: number, frame: Frame): number {
  if (
    at + 19 > end ||
    text.charCodeAt(at + 2) !== 47 ||
    text.charCodeAt(at + 5) !== 47 ||
    text.charCodeAt(at + 10) !== 45
  )
    return -1;
  const seconds = clockAt(text, at + 11);
  if (seconds < 0) return -1;
  setWall(frame, wallMs(four(text, at + 6), two(text, at) - 1, two(text, at + 3), seconds));
  return readFraction(text, at + 19, end, frame);
}

/** A time as JSON carries it: RFC 3339 text, or Unix seconds, milli-, micro- or nanoseconds by size. NaN when neither. */
export function timeOfValue(value: unknown, frame: Frame, utc: boolean): number {
  if (
    typeof value === 'number' ||
    (typeof value === 'string' && value.length >= 9 && value.length <= 20 && allDigits(value))
  ) {
    const size = Number(value);
    if (size > 1e17) return Math.floor(size / 1e6);
    if (size > 1e14) return Math.floor(size / 1e3);
    return size > 1e11 ? Math.floor(size) : Math.floor(size * 1000);
  }
  if (typeof value !== 'string') return Number.NaN;
  return readIsoTime(value, 0, value.length, frame, utc) < 0 ? Number.NaN : frame.timeMs;
}

function allDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isDigit(text.charCodeAt(i)) && text.charCodeAt(i) !== 46) return false;
  return true;
}
