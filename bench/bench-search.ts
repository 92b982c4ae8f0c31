/** How long searches and histograms take over an archive of many events; builds one first, unless it is given; one JSON object. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
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
const SETTLE_EVENTS = 4_000_000;
/** One event of so many has a word that no other has. */
const WORD_EVENTS = 400_000;
const COUNTED_EVENTS = 2_000_000;

const dir = values.dir ?? (await mkdtemp(join(tmpdir(), 'bench-search-')));
const clock = { nowMs: END + DAY, now: () => clock.nowMs };
const started = performance.now();
interface Noted {
  /** As often as events have them. */
  readonly addresses: readonly string[];
  /** The rarest ones. */
  readonly rare: readonly string[];
}
const noted = await readFile(join(dir, 'noted.json'), 'utf8').catch(() => null);
const { addresses, rare } = noted === null ? await build() : (JSON.parse(noted) as Noted);
const buildMs = performance.now() - started;
const buildCpu = process.cpuUsage();

async function build(): Promise<Noted> {
  const writer = await openArchiveWriter({ dir, streamId: STREAM, clock, retentionDays: 36_500 });
  const samples = createSamples({ seed: 1, startMs: START, perSec: events / (days * 86_400) });
  const addresses: string[] = [];
  const counts = new Map<string, number>();
  for (let done = 0; done < events; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, events - done) }, () => samples.next());
    if (addresses.length < 5000) addresses.push(String(batch[done % batch.length]?.norm.src_ip));
    if (done < COUNTED_EVENTS) {
      for (const { norm } of batch) counts.set(String(norm.src_ip), (counts.get(String(norm.src_ip)) ?? 0) + 1);
    }
    const marked = batch[7];
    if (done % WORD_EVENTS === 0 && marked !== undefined) batch[7] = { ...marked, raw: `${marked.raw} xmrig ${done}` };
    await writer.append(batch, batch.at(-1)?.seq ?? 0);
    // Time must pass for files that were replaced to be deleted.
    if (done % 200_000 === 0) clock.nowMs += 16_000;
    // Sealing goes on beside the appending; now and then it must catch up.
    if (done % SETTLE_EVENTS === 0) await writer.settle();
    if (process.stderr.isTTY) process.stderr.write(`\r${done} events`);
  }
  await writer.settle();
  await writer.close();
  const rarest = [...counts].sort((a, b) => a[1] - b[1]).slice(0, 200);
  const made = { addresses, rare: rarest.map(([address]) => address) };
  if (values.dir !== undefined) await writeFile(join(dir, 'noted.json'), JSON.stringify(made));
  return made;
}

const reader = await openArchiveReader({ dir, streamId: STREAM, clock });
const random = createRandom(99);
const whole = { fromMs: START, toMs: END + DAY };

async function measure(work: (round: number) => Promise<number>) {
  const times: number[] = [];
  const cpu = process.cpuUsage();
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
  const { user, system } = process.cpuUsage(cpu);
  const cpu_ms = Math.round((user + system) / 1000 / (rounds + 1));
  return { first_ms, p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(1), cpu_ms, results: Math.round(results / rounds) };
}

const search = (query: string, limit = 100) =>
  reader.search({ query, ...whole, limit }).then((page) => page.items.length);
const any = () => addresses[Math.floor(random() * addresses.length)] as string;
const answer = {
  bench: 'search',
  events,
  days,
  build_sec: Math.round(buildMs / 1000),
  build_cpu_sec: Math.round((buildCpu.user + buildCpu.system) / 1e6),
  address: await measure(() => search(`src_ip:${any()}`)),
  address_absent: await measure((round) => search(`src_ip:198.51.100.${round}`)),
  newest: await measure(() => search('')),
  failures_of_user: await measure(() => search('user:root AND outcome:failure')),
  network: await measure(() => search(`src_ip:${any().split('.')[0]}.0.0.0/8`)),
  address_rare: await measure((round) => search(`src_ip:${rare[round % rare.length]}`)),
  word: await measure(() => search('"invalid user"')),
  word_absent: await measure((round) => search(`"mimikatz-${round}"`)),
  word_rare: await measure(() => search('xmrig')),
  histogram_daily: await measure(async () => (await reader.histogram({ query: '', ...whole }, DAY)).length),
  histogram_hourly: await measure(async () => (await reader.histogram({ query: '', ...whole }, DAY / 24)).length),
  histogram_address: await measure(
    async () => (await reader.histogram({ query: `src_ip:${any()}`, ...whole }, DAY)).length,
  ),
  histogram_rare: await measure(
    async (round) => (await reader.histogram({ query: `src_ip:${rare[round % rare.length]}`, ...whole }, DAY)).length,
  ),
  load: loadavg()[0],
  rss_mb: Math.round(process.memoryUsage().rss / 1e6),
};
await reader.close();
if (values.dir === undefined) await rm(dir, { recursive: true, force: true });
console.log(JSON.stringify(answer));
