/** Finds the format of a line by its first characters and gives it to the decoders that could know it. */

import type { DecodedEvent } from '../../core/index.ts';
import { decodeAudit } from './decode-audit.ts';
import { decodeCef } from './decode-cef.ts';
import type { Frame } from './decode-frame.ts';
import { isDigit, startsAt } from './decode-text.ts';
import { decodeJson } from './json/json-decode.ts';
import { decodePaloAlto } from './programs/program-firewalls.ts';
import { decodeHaproxy } from './programs/program-haproxy.ts';
import { decodeFastAlert } from './programs/program-ids.ts';
import { decodeLogon } from './programs/program-logon.ts';
import { decodeNamed, decodeNamedLine } from './programs/program-named.ts';
import { decodeNetfilter } from './programs/program-netfilter.ts';
import { decodeOpenvpnLine } from './programs/program-openvpn.ts';
import { decodePairs } from './programs/program-pairs.ts';
import { decodeVsftpdLine } from './programs/program-vsftpd.ts';
import { decodeCiscoLine } from './syslog/syslog-cisco.ts';
import { decodeMessage, knowsProgram } from './syslog/syslog-dispatch.ts';
import { readSyslogHeader } from './syslog/syslog-header.ts';
import { decodeAccess } from './web/web-access.ts';
import { decodeWebError } from './web/web-error.ts';
import { decodeDirective, decodeW3c } from './web/web-iis.ts';
import { decodeWindowsXml } from './windows/windows-xml.ts';

/** A whole line; null when no decoder knows it. */
export function decodeLine(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const code = text.charCodeAt(at);
  if (code === 60)
    return isDigit(text.charCodeAt(at + 1))
      ? decodeSyslog(text, at, end, frame)
      : decodeWindowsXml(text, at, end, frame);
  if (code === 123) return decodeJson(text, at, end, frame);
  if (code === 35) return decodeDirective(text, at, end, frame);
  if (code === 64) return decodeTai(text, at, end, frame) ?? fallback(text, at, end, frame);
  if (code === 91) return decodeWebError(text, at, end, frame) ?? fallback(text, at, end, frame);
  if (isDigit(code)) return decodeDigit(text, at, end, frame);
  const syslog = text.charCodeAt(at + 3) === 32 ? decodeSyslog(text, at, end, frame) : null;
  if (syslog) return syslog;
  if (code === 45) return decodeWindowsXml(text, at, end, frame) ?? fallback(text, at, end, frame);
  if (text.charCodeAt(at + 3) === 32) {
    const vsftpd = decodeVsftpdLine(text, at, end, frame);
    if (vsftpd) return vsftpd;
  }
  return fallback(text, at, end, frame);
}

/** Lines that begin with a digit: an ISO time, an address, a day. */
function decodeDigit(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const fifth = text.charCodeAt(at + 4);
  if (fifth === 47) {
    const error = decodeWebError(text, at, end, frame);
    if (error) return error;
  }
  if (text.charCodeAt(at + 1) === 32) {
    const syslog = decodeSyslog(text, at, end, frame);
    if (syslog) return syslog;
  }
  if (fifth === 45 && text.charCodeAt(at + 7) === 45) {
    if (text.charCodeAt(at + 10) === 84) {
      const syslog = decodeSyslog(text, at, end, frame);
      if (syslog) return syslog;
    }
    const event = decodeW3c(text, at, end, frame) ?? decodeOpenvpnLine(text, at, end, frame);
    if (event) return event;
  }
  if (text.charCodeAt(at + 2) === 45 && text.charCodeAt(at + 6) === 45) {
    const named = decodeNamedLine(text, at, end, frame);
    if (named) return named;
  }
  return decodeHaproxy(text, at, end, frame) ?? fallback(text, at, end, frame);
}

function fallback(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  reset(frame);
  const known =
    decodeAudit(text, at, end, frame) ??
    decodeCef(text, at, end, frame) ??
    decodeAccess(text, at, end, frame) ??
    decodeCiscoLine(text, at, end, frame);
  return (
    known ??
    decodeBare(text, at, end, frame) ??
    decodeNetfilter(text, at, end, frame) ??
    decodeTagged(text, at, end, frame) ??
    decodePaloAlto(text, at, end, frame) ??
    decodePairs(text, at, end, frame) ??
    // Inside JSON its fields may say which program it was.
    (frame.nest > 0 ? null : decodeLogon(text, at, end, frame))
  );
}

/** `[host ]program[123]: …` without a time, as `journalctl -o cat` and some relays pass it on; known programs only. */
function decodeTagged(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const tag = /^(?:([\w.-]{1,64}) )?([\w./-]{1,48})\[(\d{1,9})\]: /.exec(text.slice(at, Math.min(end, at + 160)));
  const program = tag?.[2];
  if (tag === null || program === undefined || !knowsProgram(program)) return null;
  if (tag[1] !== undefined) frame.host = tag[1];
  frame.program = program;
  frame.pid = Number(tag[3]);
  return decodeMessage(text, at + tag[0].length, end, frame);
}

/** multilog's `@` and 24 hexadecimal digits (TAI64N), then what the program wrote. */
function decodeTai(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const stamp = /^@4([0-9a-f]{15})([0-9a-f]{8}) (?:([\w-]{1,48}): )?/i.exec(text.slice(at, Math.min(end, at + 96)));
  if (stamp === null) return null;
  // TAI is ahead of UTC; its labels count from 2^62 (D. J. Bernstein, "TAI64, TAI64N, and TAI64NA").
  const seconds = Number.parseInt(stamp[1] as string, 16) - TAI_AHEAD_SEC;
  frame.timeMs = seconds * 1000 + Math.floor(Number.parseInt(stamp[2] as string, 16) / 1e6);
  if (stamp[3] !== undefined) frame.program = stamp[3];
  return decodeMessage(text, at + stamp[0].length, end, frame);
}

/** As multilog itself computes it: ten seconds, leap seconds left out. */
const TAI_AHEAD_SEC = 10;

/** BIND's file without times, and the alert files of Suricata and Snort. */
function decodeBare(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'client @0x', at, end) || startsAt(text, 'security: client @0x', at, end)) {
    frame.program = 'named';
    return decodeNamed(text, at, end, frame);
  }
  return decodeFastAlert(text, at, end, frame);
}

/** Forgets what a decoder that gave up has put into the frame. */
function reset(frame: Frame): void {
  if (frame.nest > 0) return;
  frame.timeMs = Number.NaN;
  frame.marks &= 8 | 16;
  frame.host = '';
  frame.program = '';
  frame.pid = -1;
  frame.severityId = 0;
}

function decodeSyslog(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const start = readSyslogHeader(text, at, end, frame);
  if (start < 0) return null;
  if (frame.program === '' || isDigit(frame.program.charCodeAt(0))) {
    const cisco = decodeCiscoLine(text, at, end, frame);
    if (cisco) return cisco;
  }
  return decodeMessage(text, start, end, frame);
}
