/** Benchmark of correlations: memory of a million entities, cost an event while the window grows, cost of a snapshot. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { DecodedEvent, SourceId } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';

const T0 = Date.UTC(2026, 0, 5);
const ENTITIES = Number(process.argv.find((arg) => /^\d+$/.test(arg)) ?? 1_000_000);
const EVENTS = 300_000;

const ruleOf = (type: string, timespan: string, condition: string) => `title: Failure
name: failure
logsource: { category: authentication }
detection:
  selection: { outcome: failure }
  condition: selection
---
title: Guessing
id: guessing
correlation: { type: ${type}, rules: [failure], group-by: [src_ip], timespan: ${timespan}, condition: { ${condition} } }
`;

let seq = 0;
function failure(ms: number, address: string, user: string): DecodedEvent {
  seq++;
  return {
    seq,
    index: 0,
    timeMs: ms,
    receivedMs: ms,
    source: 'src_00000000000000000000000000' as SourceId,
    format: 'syslog/sshd',
    logsource: { product: 'linux', service: 'sshd' },
    norm: {
      class_uid: 3002,
      action: 'logon',
      outcome: 'failure',
      user,
      src_ip: address,
      host: 'vpn-1',
      service: 'sshd',
    },
    fields: {},
    raw: '',
    marks: [],
    exercise: false,
  };
}
const addressOf = (i: number): string => `${45 + (i >>> 24)}.${(i >>> 16) & 255}.${(i >>> 8) & 255}.${i & 255}`;

const folder = await mkdtemp(join(tmpdir(), 'asepsis-bench-'));
async function engineOf(rule: string) {
  const file = join(folder, `${Math.random()}.yml`);
  await writeFile(file, rule);
  const { rules, refused } = await loadRules([file]);
  if (refused.length > 0) throw new Error(JSON.stringify(refused));
  return createEngine(rules, { streamId: 'bench000', stateBytesMax: 2 ** 40 });
}

// However the benchmark was started: garbage that waits must not count as memory.
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const collect = (): number => {
  gc();
  gc();
  return process.memoryUsage().heapUsed + process.memoryUsage().external;
};

/** Two events of each entity, none of which reaches a window. */
async function memory() {
  const engine = await engineOf(ruleOf('value_count', '1d', 'field: user, gte: 50'));
  const before = collect();
  const cpu = process.cpuUsage();
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < ENTITIES; i++)
      engine.feed(failure(T0 + (round * ENTITIES + i) / 10, addressOf(i), `user${i % 500}`));
  const used = process.cpuUsage(cpu);
  const bytes = collect() - before;
  const { groups, bytes: estimate } = engine.stats();
  const portions = portioned(engine);
  return {
    entities: groups,
    mb: Math.round(bytes / 1e6),
    estimate_mb: Math.round(estimate / 1e6),
    bytes_group: Math.round(bytes / groups),
    cpu_us_event: Math.round((used.user + used.system) / (ENTITIES / 50)) / 100,
    ...portions,
  };
}

/** A snapshot as the pipeline takes it: portions of 10 ms between blocks of 500 events. */
function portioned(engine: Awaited<ReturnType<typeof engineOf>>) {
  let longestMs = 0;
  let sumMs = 0;
  let portions = 0;
  const timed = <T>(work: () => T): T => {
    const started = performance.now();
    const result = work();
    const ms = performance.now() - started;
    longestMs = Math.max(longestMs, ms);
    sumMs += ms;
    return result;
  };
  const snapshot = timed(() => engine.beginSnapshot());
  for (let complete = false; !complete; portions++) {
    complete = timed(() => snapshot.step(10));
    for (let i = 0; i < 500; i++) {
      const n = portions * 500 + i;
      engine.feed(failure(T0 + (2 * ENTITIES + n) / 10, addressOf((n * 7919) % ENTITIES), `user${n % 500}`));
    }
  }
  const pieces = timed(() => snapshot.pieces());
  return {
    snapshot_mb: Math.round(pieces.reduce((sum, piece) => sum + piece.length, 0) / 1e6),
    snapshot_ms: Math.round(sumMs),
    snapshot_portions: portions,
    snapshot_longest_pause_ms: Math.round(longestMs),
  };
}

/** CPU time an event; 200 sources, each event a new account, spread so that every window is full all the time. */
async function cost(type: string, timespan: string, spanMs: number, condition: string) {
  const engine = await engineOf(ruleOf(type, timespan, condition));
  const stepMs = (3 * spanMs) / EVENTS;
  const events = Array.from({ length: EVENTS }, (_, i) =>
    failure(T0 + Math.floor(i * stepMs), addressOf((i * 7919) % 200), `user${(i * 31) % 400}`),
  );
  const cpu = process.cpuUsage();
  for (const event of events) engine.feed(event);
  const used = process.cpuUsage(cpu);
  return Math.round(((used.user + used.system) / EVENTS) * 100) / 100;
}

const SPANS = [
  ['1m', 60_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['7d', 7 * 86_400_000],
] as const;
const windows: Record<string, Record<string, number>> = {};
for (const [type, condition] of [
  ['event_count', 'gte: 4000'],
  ['value_count', 'field: user, gte: 1000'],
  ['value_sum', 'field: class_uid, gte: 100000000'],
] as const) {
  const row: Record<string, number> = {};
  await cost(type, '1m', 60_000, condition);
  for (const [name, ms] of SPANS) row[name] = await cost(type, name, ms, condition);
  windows[type] = row;
}
const figures = {
  bench: 'correlate',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  cpu_us_event_by_window: windows,
  memory: await memory(),
};
await rm(folder, { recursive: true });
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
