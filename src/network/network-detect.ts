/** Which protocol a flow speaks, told by its first bytes and never by its port. */

import type { Budget } from './network-budget.ts';
import { startsWith } from './network-bytes.ts';
import { readSip } from './network-datagrams.ts';
import { createDicom, isDicom } from './network-dicom.ts';
import type { Flow, Parser } from './network-flow.ts';
import { createHl7, isHl7 } from './network-hl7.ts';
import { createHttp, isHttp } from './network-http.ts';
import { createLines, isLines } from './network-lines.ts';
import {
  createLdap,
  createMqtt,
  createMysql,
  createPostgres,
  createVnc,
  isLdap,
  isMqtt,
  isMysqlGreeting,
  isPostgres,
  readRemoteShell,
} from './network-logins.ts';
import type { Moment } from './network-packet.ts';
import type { Report } from './network-report.ts';
import type { Detect } from './network-stream.ts';
import { createTelnet, isTelnet } from './network-telnet.ts';
import { createTls, isTls } from './network-tls.ts';

/** Pieces of a flow that may still be its beginning; later only what is unmistakable is recognised. */
const FIRST_PIECES = 12;

export function createDetect(report: Report, moment: Moment, budget: Budget): Detect {
  /** Formats so strict that they are looked for at every boundary, however late. */
  const unmistakable = (b: Uint8Array, at: number, end: number): Parser | null => {
    const first = b[at]!;
    if ((first === 0x4d || first === 0x0b) && isHl7(b, at, end)) return createHl7(report);
    if ((first === 1 || first === 2 || first === 4) && isDicom(b, at, end)) return createDicom(report);
    if (first >= 0x41 && first <= 0x5a && isHttp(b, at, end)) return createHttp(report, budget);
    if ((first === 0x16 || first === 0x17) && isTls(b, at, end)) return createTls(report, moment, budget);
    return null;
  };
  const beginning = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): Parser | null => {
    const first = b[at]!;
    if (first === 0xff) return isTelnet(b, at, end) ? createTelnet(report) : null;
    if (first === 0x30) return isLdap(b, at, end) ? createLdap(report) : null;
    if (first === 0x10 && isMqtt(b, at, end)) return createMqtt(report);
    if (first === 0x52 && startsWith(b, at, end, 'RFB 00')) return createVnc(report);
    if (first === 0x53 && startsWith(b, at, end, 'SSH-')) {
      report.protectedBy(flow);
      flow.sealed = true;
      return null;
    }
    if (first === 0 && isPostgres(b, at, end)) return createPostgres(report);
    if (b[at + 4] === 10 && isMysqlGreeting(b, at, end)) return createMysql(report);
    if (first >= 0x2a && first <= 0x7a) {
      if (readSip(report, flow, dir, b, at, end)) return null;
      if (isLines(b, at, end)) return createLines(report);
    }
    if (flow.tries <= 2 && (first === 0 || (first >= 0x30 && first <= 0x39)))
      readRemoteShell(report, flow, dir, b, at, end);
    return null;
  };
  return (flow, dir, b, start, end) =>
    unmistakable(b, start, end) ?? (flow.tries <= FIRST_PIECES ? beginning(flow, dir, b, start, end) : null);
}
