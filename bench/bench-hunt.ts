/** Benchmark of looking back: 1,000 indicators over an archive of as many events as are asked for (`bench hunt 10000000`). */

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openArchiveReader, openArchiveWriter } from '../src/archive/index.ts';
import { type DecodedEvent, type SourceId, systemClock } from '../src/core/index.ts';
import { huntIndicators } from '../src/detection/detection-hunt-run.ts';
import type { IndicatorRecord } from '../src/detection/indicators/indicator-import.ts';
import { buildIndicators, openIndicators } from '../src/detection/indicators/indicator-set.ts';
import { readIndicator } from '../src/detection/indicators/indicator-value.ts';

const N = Number(process.argv.find((arg) => /^\d+$/.test(arg)) ?? 2_000_000);
const EVERY_MS = 20;
const T0 = Date.UTC(2026, 0, 5);
const BLOCK = 4000;

function eventOf(i: number): DecodedEvent {
  const timeMs = T0 + i * EVERY_MS;
  const norm: DecodedEvent['norm'] =
    i % 3 === 0
      ? {
          class_uid: 3002,
          action: 'logon',
          outcome: 'success',
          user: `staff${(i * 31) % 3000}`,
          src_ip: `10.${(i >>> 9) & 63}.${(i >>> 3) & 255}.${i & 255}`,
          host: `srv-${i % 60}`,
        }
      : i % 3 === 1
        ? {
            class_uid: 4002,
            method: 'GET',
            status: 200,
            src_ip: `10.9.${(i >>> 4) & 255}.${i & 255}`,
            domain: `www${(i * 7919) % 20_000}.example.net`,
            url: `/p/${i % 5000}`,
            host: 'proxy-1',
          }
        : {
            class_uid: 4001,
            action: 'allow',
            src_ip: `10.4.${i & 255}.${(i >>> 8) & 255}`,
            dst_ip: `198.18.${(i * 13) & 255}.${(i >>> 5) & 255}`,
            dst_port: 443,
            host: 'fw-1',
          };
  return {
    seq: 1 + Math.floor(i / BLOCK),
    index: i % BLOCK,
    timeMs,
    receivedMs: timeMs,
    source: 'src_00000000000000000000000000' as SourceId,
    format: 'bench/mixed',
    logsource: { product: 'linux' },
    norm,
    fields: {},
    raw: `${timeMs} ${norm.host} ${norm.src_ip} ${norm.domain ?? norm.dst_ip ?? norm.user} ${norm.url ?? ''}`,
    marks: [],
    exercise: false,
  };
}

const dir = await mkdtemp(join(tmpdir(), 'asepsis-bench-'));
const stderr = (text: string) => process.stderr.write(`${text}\n`);
const writer = await openArchiveWriter({
  dir,
  streamId: 'bench000',
  clock: systemClock,
  retentionDays: 36_500,
  onAlarm: (sentence) => sentence && stderr(sentence),
});
const writeStarted = performance.now();
for (let from = 0; from < N; from += BLOCK) {
  const events = Array.from({ length: Math.min(BLOCK, N - from) }, (_, i) => eventOf(from + i));
  await writer.append(events, (events.at(-1) as DecodedEvent).seq);
}
await writer.flush();
// Hot parts become sealed ones with side indexes in the background.
const reader = await openArchiveReader({ dir, streamId: 'bench000', clock: systemClock });
for (let wait = 0; wait < 600; wait++) {
  const hot = (await reader.parts.list(0, Number.MAX_SAFE_INTEGER)).filter(({ id }) => id.startsWith('hot/')).length;
  if (hot === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 500));
}
await writer.close();
const writeMs = performance.now() - writeStarted;

/** A thousand as lists have them; five of each hundred addresses and names are in the archive. */
const values = Array.from({ length: 1000 }, (_, i) => {
  if (i % 4 === 0) return i % 80 === 0 ? `198.18.${i & 255}.${(i >>> 2) & 255}` : `45.${i & 255}.${(i * 7) & 255}.9`;
  if (i % 4 === 1) return i % 81 === 0 ? `www${i * 3}.example.net` : `c2-${i}.evil.example`;
  if (i % 4 === 2) return (i * 2654435761).toString(16).padStart(8, '0').repeat(8).slice(0, 64);
  return `http://drop${i}.evil.example/x/${i}`;
});
const records = values.map((value) => ({
  ...(readIndicator(value) as IndicatorRecord),
  source: 'bench',
  confidence: 60,
  untilMs: null,
}));
const stored = { set: openIndicators(buildIndicators(records)), patterns: [] };
let alerts = 0;
const hunt = async (which: typeof stored) => {
  alerts = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const progress = await huntIndicators(reader.parts, which, {
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    deep: false,
    streamId: 'bench000',
    done: new Set(),
    signal: new AbortController().signal,
    onAlerts: async (raised) => {
      alerts += raised.length;
    },
    onParts: async () => {},
  });
  const used = process.cpuUsage(cpu);
  const wallMs = performance.now() - started;
  return {
    progress,
    alerts,
    wall_ms: Math.round(wallMs),
    cpu_ms: Math.round((used.user + used.system) / 1000),
    wall_s_for_50_million: Math.round((wallMs * 50_000_000) / N / 100) / 10,
  };
};
const addressesOnly = {
  set: openIndicators(buildIndicators(records.filter(({ type }) => type === 'address' || type === 'hash'))),
  patterns: [],
};
const figures = {
  bench: 'hunt',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  events: N,
  write_s: Math.round(writeMs / 100) / 10,
  mixed: await hunt(stored),
  addresses_and_digests: await hunt(addressesOnly),
};
await reader.close();
await rm(dir, { recursive: true });
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
