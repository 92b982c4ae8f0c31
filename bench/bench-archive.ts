/** Bytes of an sshd event on disk and how fast events are appended, made durable, sealed and merged; one JSON object. */

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createManifestReader } from '../src/archive/archive-manifest-file.ts';
import { openArchiveWriter } from '../src/archive/archive-writer.ts';
import { createSamples } from '../src/archive/testing/sample-events.ts';

const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, rate: { type: 'string', default: '600' } },
});
const events = Number(values.events);
const START = Date.UTC(2026, 2, 1, 9);
const BATCH = 2000;

const dir = await mkdtemp(join(tmpdir(), 'bench-archive-'));
const clock = { nowMs: START, now: () => clock.nowMs };
const writer = await openArchiveWriter({ dir, streamId: 'benchstr', clock, retentionDays: 36_500 });
const samples = createSamples({ seed: 1, startMs: START, perSec: Number(values.rate) });

let appendMs = 0;
let appendCpuUs = 0;
let flushMs = 0;
let rawBytes = 0;
let rssMax = 0;
for (let done = 0; done < events; done += BATCH) {
  const batch = Array.from({ length: Math.min(BATCH, events - done) }, () => samples.next());
  for (const event of batch) rawBytes += event.raw.length;
  let started = performance.now();
  const cpu = process.threadCpuUsage();
  await writer.append(batch, batch.at(-1)?.seq ?? 0);
  appendMs += performance.now() - started;
  const { user, system } = process.threadCpuUsage(cpu);
  appendCpuUs += user + system;
  if ((done / BATCH) % 50 === 49) {
    started = performance.now();
    await writer.flush();
    flushMs += performance.now() - started;
  }
  rssMax = Math.max(rssMax, process.memoryUsage().rss);
}
await writer.flush();
clock.nowMs += 61_000;
let started = performance.now();
await writer.settle();
const sealMs = performance.now() - started;
const size = async () => {
  const manifest = createManifestReader(dir);
  await manifest.refresh();
  const entries = [...manifest.state.live.values()];
  let bytes = 0;
  for (const entry of entries) bytes += entry.bytes + (await stat(join(dir, `${entry.file}.idx`))).size;
  return { files: entries.length, bytes };
};
const sealed = await size();
clock.nowMs = START + 365 * 86_400_000;
started = performance.now();
await writer.settle();
const compactMs = performance.now() - started;
rssMax = Math.max(rssMax, process.memoryUsage().rss);
const compacted = await size();
await writer.close();
await rm(dir, { recursive: true, force: true });

const per = (value: number) => Math.round((value / events) * 1000) / 1000;
console.log(
  JSON.stringify({
    bench: 'archive',
    events,
    raw_bytes_per_event: per(rawBytes),
    bytes_per_event: per(compacted.bytes),
    bytes_per_event_sealed: per(sealed.bytes),
    files: compacted.files,
    append_us: per(appendCpuUs),
    append_wall_us: per(appendMs * 1000),
    flush_us: per(flushMs * 1000),
    append_events_per_sec: Math.round((events / appendMs) * 1000),
    seal_us_after_appending: per(sealMs * 1000),
    compact_us: per(compactMs * 1000),
    rss_mb_max: Math.round(rssMax / 1e6),
  }),
);
