/** Text on a connection that speaks no known protocol (files over FTP, prints, home-grown interfaces): labelled patients only. */

import { latin1 } from './network-bytes.ts';
import type { Flow } from './network-flow.ts';
import { createLabelScan } from './network-labels.ts';
import type { Report } from './network-report.ts';

const TEXT_BYTES_MAX = 4096;
/** Bytes looked at before it is called text. */
const PROBE_BYTES = 48;

const isText = (b: Uint8Array, at: number, end: number): boolean => {
  const stop = Math.min(end, at + PROBE_BYTES);
  for (let i = at; i < stop; i++) {
    const c = b[i]!;
    if (c > 126 || (c < 32 && c !== 9 && c !== 10 && c !== 13)) return false;
  }
  return stop > at;
};

/** Reports a patient who is named by labels; a table needs its header in the same piece. */
export function readFreeText(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  if (end - at < 16 || !isText(b, at, end)) return;
  const text = latin1(b, at, Math.min(end, at + TEXT_BYTES_MAX));
  const patient = patientInText(text);
  if (!patient) return;
  if (flow.client < 0) flow.client = dir;
  report.patient(flow, 'text', 'text', patient);
}

export function patientInText(text: string) {
  const scan = createLabelScan();
  scan.line(text);
  const found = scan.result();
  if (found !== null) return found;
  return patientInTable(text);
}

/** Rows under a header whose columns are labels, with commas, semicolons or tabs between them. */
function patientInTable(text: string) {
  const rows = text.split(/\r?\n/, 3);
  const header = rows[0] ?? '';
  const separator = ['\t', ';', ',', '|'].find((one) => header.includes(one));
  if (separator === undefined || rows.length < 2) return null;
  const names = header.split(separator, 64);
  const values = (rows[1] ?? '').split(separator, 64);
  if (names.length < 2 || values.length !== names.length) return null;
  const scan = createLabelScan();
  const bare = (cell: string) => cell.trim().replace(/^"|"$/g, '');
  for (const [i, name] of names.entries()) scan.pair(bare(name), bare(values[i] ?? ''));
  return scan.result();
}
