/**
 * fail2ban's own samples (Debian's package brings its tests): every line with its `failJSON` truth, whether it is a failure and
 * from which address, beside what our decoders make of it. Left out where the package is not installed.
 */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DecodedEvent, SourceId } from '../src/core/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const SAMPLES = '/usr/lib/python3/dist-packages/fail2ban/tests/files/logs';
/** Least shares, measured: of lines of formats that a decoder knows, those judged alike. */
const ADDRESS_MIN = 0.84;
const FAILURE_MIN = 0.5;

interface Sample {
  readonly line: string;
  readonly match: boolean;
  readonly host: string | null;
}

function samplesOf(text: string): Sample[] {
  const out: Sample[] = [];
  let truth: { match?: boolean; host?: string } | null = null;
  for (const line of text.split('\n')) {
    const found = /^#\s*failJSON:\s*(\{.*\})/.exec(line);
    if (found) {
      try {
        truth = JSON.parse(found[1] as string) as { match?: boolean; host?: string };
      } catch {
        truth = null;
      }
    } else if (!line.startsWith('#') && line.trim() !== '' && truth) {
      out.push({ line, match: truth.match === true, host: truth.host ?? null });
      truth = null;
    }
  }
  return out;
}

function decode(line: string): DecodedEvent | null {
  const data = Buffer.from(line, 'utf8');
  const [event] = createDecoder({ zoneOf: () => 'UTC' }).decode({
    seq: 1,
    source: 'src_00000000000000000000000000' as SourceId,
    receivedMs: Date.now(),
    hint: 'line',
    peer: 'conformance',
    exercise: false,
    data,
    ends: Uint32Array.from([data.length]),
  });
  return event ?? null;
}

const isAddress = (host: string): boolean => /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.includes(':');
const HOSTILE = new Set(['failure', 'blocked', 'denied', 'error']);

/** A failure in our words: an outcome that says so, a refusal, a finding of another sensor, or a web error. */
function isFailure({ norm }: DecodedEvent): boolean {
  return HOSTILE.has(norm.outcome ?? '') || norm.class_uid === 2001 || (norm.status ?? 0) >= 400;
}

export async function conformanceFail2ban(): Promise<{ name: string; ok: boolean; lines: string[] }> {
  if (!existsSync(SAMPLES)) return { name: 'fail2ban', ok: true, lines: ['fail2ban is not installed: left out'] };
  let all = 0;
  let known = 0;
  let addresses = 0;
  let addressesSame = 0;
  let verdicts = 0;
  let verdictsSame = 0;
  const unknown = new Map<string, number>();
  const unlike = new Map<string, number>();
  const bump = (map: Map<string, number>, name: string) => map.set(name, (map.get(name) ?? 0) + 1);
  for (const name of readdirSync(SAMPLES).sort()) {
    const path = join(SAMPLES, name);
    if (!statSync(path).isFile()) continue;
    for (const { line, match, host } of samplesOf(readFileSync(path, 'utf8'))) {
      all++;
      const event = decode(line);
      if (!event || event.format === 'raw' || event.format.endsWith('/other')) {
        bump(unknown, name);
        continue;
      }
      known++;
      if (match && host !== null && isAddress(host)) {
        addresses++;
        if (event.norm.src_ip === host) addressesSame++;
      }
      verdicts++;
      if (isFailure(event) === match) verdictsSame++;
      else bump(unlike, `${name} (${match ? 'a failure there' : 'no failure there'})`);
    }
  }
  const share = (part: number, of: number) => `${part} of ${of} (${((100 * part) / Math.max(1, of)).toFixed(1)} %)`;
  const shown = (map: Map<string, number>) =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .map(([what, count]) => `${what} ${count}`)
      .join(', ');
  return {
    name: 'fail2ban',
    ok: addressesSame >= addresses * ADDRESS_MIN && verdictsSame >= verdicts * FAILURE_MIN,
    lines: [
      `${share(known, all)} lines are of formats that a decoder knows`,
      `of these, addresses as in failJSON: ${share(addressesSame, addresses)}, at least ${ADDRESS_MIN * 100} %`,
      `failure or not as in failJSON: ${share(verdictsSame, verdicts)}, at least ${FAILURE_MIN * 100} %`,
      `no decoder: ${shown(unknown)}`,
      `judged otherwise: ${shown(unlike)}`,
    ],
  };
}
