/** Which protocol a flow speaks, told by its first bytes and never by its port. */

import { createAstm, isAstm } from './network-astm.ts';
import type { Budget } from './network-budget.ts';
import { latin1, startsWith } from './network-bytes.ts';
import { createClinicalXml, isBareXml } from './network-clinical-xml.ts';
import { readSip } from './network-datagrams.ts';
import { createDicom, createDicomFile, isDicom, isDicomFile } from './network-dicom.ts';
import type { Flow, Parser } from './network-flow.ts';
import { readFreeText } from './network-free-text.ts';
import { createHl7, isHl7 } from './network-hl7.ts';
import { createHttp, isHttp } from './network-http.ts';
import { createHttp2, isHttp2 } from './network-http2.ts';
import { createKerberos, isKerberosStream } from './network-kerberos.ts';
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
import { createNcpdp, isNcpdp } from './network-ncpdp.ts';
import type { Moment } from './network-packet.ts';
import { createRdp, isRdp } from './network-rdp.ts';
import type { Report } from './network-report.ts';
import { createSmb, isSmb } from './network-smb.ts';
import type { Detect } from './network-stream.ts';
import { createSyslog, isCountedSyslog, isSyslog } from './network-syslog.ts';
import { createTds, isTds } from './network-tds.ts';
import { createTelnet, isLoginPrompt, isTelnet } from './network-telnet.ts';
import { createTls, isTls } from './network-tls.ts';
import { createX12, isX12 } from './network-x12.ts';

/** Pieces of a flow that may still be its beginning; later only what is unmistakable is recognised. */
const FIRST_PIECES = 12;

export function createDetect(report: Report, moment: Moment, budget: Budget): Detect {
  /** Formats so strict that they are looked for at every boundary, however late. */
  const unmistakable = (b: Uint8Array, at: number, end: number): Parser | null => {
    const first = b[at]!;
    if ((first === 0x4d || first === 0x0b) && isHl7(b, at, end)) return createHl7(report);
    if ((first === 1 || first === 2 || first === 4) && isDicom(b, at, end)) return createDicom(report);
    if (first === 0x50 && isHttp2(b, at, end)) return createHttp2(report, budget);
    if (first >= 0x41 && first <= 0x5a && isHttp(b, at, end)) return createHttp(report, budget);
    if ((first === 0x16 || first === 0x17) && isTls(b, at, end)) return createTls(report, moment, budget);
    if (first === 0x49 && isX12(b, at, end)) return createX12(report);
    if ((first === 5 || first === 2 || first === 0x48) && isAstm(b, at, end)) return createAstm(report);
    if (first === 0x3c && isBareXml(b, at, end)) return createClinicalXml(report);
    if ((first === 2 || first === 0x55 || (first >= 0x30 && first <= 0x39)) && isNcpdp(b, at, end))
      return createNcpdp(report);
    if (first === 0 && isSmb(b, at, end)) return createSmb(report);
    return null;
  };
  const binary = (flow: Flow, first: number, b: Uint8Array, at: number, end: number): Parser | null => {
    if (first === 0xff) return isTelnet(b, at, end) ? createTelnet(report) : null;
    if (first === 0x30) return isLdap(b, at, end) ? createLdap(report) : null;
    if (first === 0x10 && isMqtt(b, at, end)) return createMqtt(report);
    if (first === 3 && isRdp(b, at, end)) return createRdp(report);
    if ((first === 0x12 || first === 0x10 || first === 2) && isTds(b, at, end))
      return createTds(report, budget, () => createTls(report, moment, budget));
    if (first === 0x81 && isSmb(b, at, end)) return createSmb(report);
    if (first === 0 && isHttp2(b, at, end)) return createHttp2(report, budget);
    if (first === 0 && isKerberosStream(b, at, end)) return createKerberos(report);
    if (first === 0 && isPostgres(b, at, end)) return createPostgres(report);
    if (b[at + 4] === 10 && isMysqlGreeting(b, at, end)) return createMysql(report);
    if (flow.tries < 2 && isDicomFile(b, at, end)) return createDicomFile(report);
    return null;
  };
  const beginning = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): Parser | null => {
    const first = b[at]!;
    if (first === 0x52 && startsWith(b, at, end, 'RFB 00')) return createVnc(report);
    if (first === 0x53 && startsWith(b, at, end, 'SSH-')) {
      report.protectedBy(flow);
      report.said(flow, dir, 'banner', latin1(b, at, Math.min(end, at + 80)).split(/[\r\n]/, 1)[0] ?? '');
      flow.sealed = true;
      return null;
    }
    if (first === 0x3c && isSyslog(b, at, end)) return createSyslog(report);
    if (first >= 0x30 && first <= 0x39 && isCountedSyslog(b, at, end)) return createSyslog(report);
    const found = binary(flow, first, b, at, end);
    if (found !== null) return found;
    if (first >= 0x2a && first <= 0x7a) {
      if (readSip(report, flow, dir, b, at, end)) return null;
      if (isLines(b, at, end)) return createLines(report);
    }
    if (isLoginPrompt(b, at, end)) return createTelnet(report);
    if (flow.tries <= 2 && (first === 0 || (first >= 0x30 && first <= 0x39)))
      readRemoteShell(report, flow, dir, b, at, end);
    return null;
  };
  return {
    find: (flow, dir, b, start, end) =>
      unmistakable(b, start, end) ?? (flow.tries <= FIRST_PIECES ? beginning(flow, dir, b, start, end) : null),
    unclaimed(flow, dir, b, start, end) {
      if (flow.tries <= FIRST_PIECES) readFreeText(report, flow, dir, b, start, end);
    },
  };
}
