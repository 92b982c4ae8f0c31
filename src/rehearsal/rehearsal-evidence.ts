/** Hands the exercise's evidence to a running desk the way that a hospital would: inventories and scans by HTTP, a capture by a sensor's folder. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hospitalCapture } from './rehearsal-capture.ts';
import type { Hospital } from './rehearsal-hospital.ts';
import { deviceRegister, hospitalSoftware } from './rehearsal-inventory.ts';
import { perimeterLooks } from './rehearsal-perimeter.ts';
import type { Random } from './rehearsal-random.ts';

const ANSWER_MS = 60_000;

export async function sendEvidence(
  hospital: Hospital,
  random: Random,
  to: {
    origin: string;
    token: string;
    /** What a scanner outside pushes with: an analyst's. */
    scanToken: string;
    captureFolder: string;
    nowMs: number;
    signal: AbortSignal;
  },
): Promise<void> {
  for (const [what, body] of [
    ['the software of the servers', hospitalSoftware(hospital, random)],
    ['the register of devices', deviceRegister(hospital, random)],
  ] as const) {
    const response = await fetch(`${to.origin}/v1/inventory`, {
      method: 'POST',
      headers: { authorization: `Bearer ${to.token}`, 'content-type': 'text/csv' },
      body,
      signal: AbortSignal.any([to.signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    if (!response.ok) throw new Error(`The desk did not take ${what}: ${response.status} ${await response.text()}`);
  }
  const beside = join(to.captureFolder, '.hour.pcap.part');
  await writeFile(beside, hospitalCapture(hospital, random, to.nowMs), { mode: 0o600 });
  await rename(beside, join(to.captureFolder, 'hour.pcap'));
  for (const { from, body } of perimeterLooks(hospital, to.nowMs)) {
    const response = await fetch(`${to.origin}/v1/perimeter/observations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${to.scanToken}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.any([to.signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    if (!response.ok)
      throw new Error(`The desk did not take the scan from ${from}: ${response.status} ${await response.text()}`);
  }
}
