/** How long searches and histograms take over an archive of many events; builds one first, unless it is given; one JSON object. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openArchiveReader, openArchiveWriter } from '../src/archive/index.ts';
import { createRandom, createSamples } from '../src/archive/testing/sample-events.ts';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '2000000' },
    days: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '40' },
    /** A folder to keep the archive in, or to find one that an earlier run built. */
    dir: { type: 'string' },
  },
});
const events = Number(values.events);
const days = Number(values.days);
const rounds = Number(values.rounds);
const DAY = 86_400_000;
const START = Date.UTC(2026, 2, 1);
const END = START + days * DAY;
const STREAM = 'benchstr';
const BATCH = 8000;

const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'bench-search-')));
const clock = { nowMs: END + DAY, now: () => clock.nowMs };
const started = performance.now();
const noted = await readFile(join(dir, 'addresses.json'), 'utf8').catch(() => null);
const addresses = noted === null ? await build() : (JSON.parse(noted) as string[]);
const buildMs = performance.now() - started;

async function build(): Promise<string[]> {
  const writer = await openArchiveWriter({ dir, streamId: STREAM, clock, retentionDays: 36_500 });
  const samples = createSamples({ seed: 1, startMs: START, perSec: events / (days * 86_400) });
  const seen: string[] = [];
  for (let done = 0; done < events; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, events - done) }, () => samples.next());
    if (seen.length < 5000) seen.push(String(batch[done % batch.length]?.norm.src_ip));
    await writer.append(batch, batch.at(-1)?.seq ?? 0);
    if (done % 200_000 === 0) {
      await writer.settle();
      // Time must pass for files that were replaced to be deleted.
      clock.nowMs += 16_000;
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${done} events`);
  }
  await writer.settle();
  await writer.close();
  if (values.dir !== undefined) await writeFile(join(dir, 'addresses.json'), JSON.stringify(seen));
  return seen;
}

const reader = await openArchiveReader({ dir, streamId: STREAM, clock });
const random = createRandom(99);
const whole = { fromMs: START, toMs: END + DAY };

async function measure(work: (round: number) => Promise<number>) {
  const times: number[] = [];
  let results = 0;
  const cold = performance.now();
  await work(0);
  const first_ms = Math.round(performance.now() - cold);
  for (let round = 1; round <= rounds; round++) {
    const from = performance.now();
    results += await work(round);
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0);
  return { first_ms, p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(1), results: Math.round(results / rounds) };
}

const search = (query: string, limit = 100) =>
  reader.search({ query, ...whole, limit }).then((page) => page.items.length);
const any = () => addresses[Math.floor(random() * addresses.length)] as string;
const answer = {
  bench: 'search',
  events,
  days,
  build_sec: Math.round(buildMs / 1000),
  address: await measure(() => search(`src_ip:${any()}`)),
  address_absent: await measure((round) => search(`src_ip:198.51.100.${round}`)),
  newest: await measure(() => search('')),
  failures_of_user: await measure(() => search('user:root AND outcome:failure')),
  network: await measure(() => search(`src_ip:${any().split('.')[0]}.0.0.0/8`)),
  word: await measure(() => search('"invalid user"')),
  histogram_daily: await measure(async () => (await reader.histogram({ query: '', ...whole }, DAY)).length),
  histogram_hourly: await measure(async () => (await reader.histogram({ query: '', ...whole }, DAY / 24)).length),
  histogram_address: await measure(
    async () => (await reader.histogram({ query: `src_ip:${any()}`, ...whole }, DAY)).length,
  ),
  rss_mb: Math.round(process.memoryUsage().rss / 1e6),
};
await reader.close();
if (values.dir === undefined) await rm(dir, { recursive: true, force: true });
console.log(JSON.stringify(answer));
