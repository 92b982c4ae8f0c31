/** Syslog in clear (RFC 3164, 5424, 6587): that it crosses readable, and passwords or patients that programs wrote into it. */

import { byteAt, latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { createLabelScan } from './network-labels.ts';
import type { Report } from './network-report.ts';

const MESSAGE_BYTES_MAX = 8 * 1024;
/** A value beside a word for a secret; a star or a placeholder is none. */
const SECRET =
  /\b(password|passwd|passwort|pwd|secret|api[_-]?key|access[_-]?token|community)["']?\s{0,2}[=:]\s{0,2}["']?([^\s"',;&*<>]{3,64})/i;

/** The working folder that sudo logs, and the program passwd and its PAM modules naming themselves: no secrets. */
const NOT_SECRET = /\bPWD=[/~][^;\r\n]{0,400}|\(passwd:\w{1,32}\)|\bpasswd: (?=[a-z_-]{1,32}[:(])/g;

/** A priority from 0 to 191, and what both formats put behind it. */
export function isSyslog(b: Uint8Array, at: number, end: number): boolean {
  if (b[at] !== 0x3c || end - at < 8) return false;
  let i = at + 1;
  let priority = 0;
  while (i < at + 4 && b[i]! >= 0x30 && b[i]! <= 0x39) priority = priority * 10 + b[i++]! - 0x30;
  if (i === at + 1 || b[i] !== 0x3e || priority > 191) return false;
  const next = latin1(b, i + 1, Math.min(end, i + 24));
  return /^(?:1 (?:-|\d{4}-)|[A-Z][a-z]{2} [ \d]\d |\d{1,10}: |\d{4}-\d\d-\d\dT|[\w./-]{1,20}(?:\[\d|: ))/.test(next);
}

export function readSyslog(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  flow.client = dir;
  const text = latin1(b, at, Math.min(end, at + MESSAGE_BYTES_MAX));
  const secret = SECRET.exec(text.replace(NOT_SECRET, ' '));
  if (secret) report.credential(flow, 'syslog', 'secret in a log', secret[2] ?? '', (secret[1] ?? '').toLowerCase());
  const scan = createLabelScan();
  scan.line(text);
  const patient = scan.result();
  if (patient) report.patient(flow, 'syslog', 'log line', patient);
  if (!secret && !patient) report.logs(flow);
}

/** A number of octets and a blank before each message (RFC 6587 section 3.4.1). */
export const isCountedSyslog = (b: Uint8Array, at: number, end: number): boolean => {
  let i = at;
  while (i < at + 5 && i < end && b[i]! >= 0x30 && b[i]! <= 0x39) i++;
  return i > at && b[i] === 0x20 && isSyslog(b, i + 1, end);
};

/** Over TCP, one message a line or counted. */
export function createSyslog(report: Report): Parser {
  return {
    name: 'syslog',
    read(flow, dir, b, start, end) {
      let at = start;
      let quiet = 0;
      while (at < end) {
        let from = at;
        while (from < at + 6 && from < end && b[from]! >= 0x30 && b[from]! <= 0x39) from++;
        if (from > at && b[from] === 0x20) {
          const length = Number(latin1(b, at, from));
          if (from + 1 + length > end && length <= MESSAGE_BYTES_MAX) return at;
          if (isSyslog(b, from + 1, end)) readSyslog(report, flow, dir, b, from + 1, Math.min(end, from + 1 + length));
          at = from + 1 + length;
          continue;
        }
        const stop = byteAt(b, 0x0a, at, end);
        if (stop < 0) return end - at > MESSAGE_BYTES_MAX ? end : at;
        if (isSyslog(b, at, stop)) readSyslog(report, flow, dir, b, at, stop);
        else if (++quiet > 64) flow.sealed = true;
        at = stop + 1;
      }
      return at;
    },
    lost: () => true,
  };
}
