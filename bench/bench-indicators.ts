/** Benchmark of indicators: a million loaded, what looking for them adds to the path of an event. */

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DecodedEvent, SourceId, StoredBlock } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';
import { indicatorFile, readIndicators } from '../src/detection/indicators/indicator-file.ts';
import { importList } from '../src/detection/indicators/indicator-store.ts';
import { createIndicatorWatcher } from '../src/detection/indicators/indicator-watch.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const N = Number(process.argv.find((arg) => /^\d+$/.test(arg)) ?? 1_000_000);
const EVENTS = 60_000;
const ROUNDS = 5;
const T0 = Date.UTC(2026, 0, 5);
const hex = (i: number, length: number) => (i * 2654435761).toString(16).padStart(8, '0').repeat(16).slice(0, length);

/** Addresses, networks, names, URLs, digests and e-mail addresses, as lists have them. */
function list(n: number): string {
  const kinds = [
    (i: number) => `${45 + (i % 100)}.${(i >>> 8) & 255}.${(i >>> 16) & 255}.${i & 255}`,
    (i: number) => `c2-${i.toString(36)}.evil${i % 9999}.example`,
    (i: number) => hex(i, 64),
    (i: number) => hex(i, 32),
    (i: number) => `http://drop${i % 9999}.example/files/${i}.exe`,
    (i: number) => `user${i}@mail${i % 999}.example`,
    (i: number) => `${150 + (i % 40)}.${(i >>> 6) & 255}.${(i * 4) & 255}.0/${24 + (i % 6)}`,
  ];
  return Array.from({ length: n }, (_, i) => (kinds[i % 14 === 13 ? 6 : i % 6] as (i: number) => string)(i)).join('\n');
}

function block(lines: readonly string[], hint: StoredBlock['hint'], seq: number): StoredBlock {
  const records = lines.map((line) => Buffer.from(line));
  let end = 0;
  const ends = Uint32Array.from(records, (record) => {
    end += record.length;
    return end;
  });
  const source = 'src_00000000000000000000000000' as SourceId;
  return {
    seq,
    source,
    receivedMs: Date.now(),
    hint,
    peer: 'bench',
    exercise: false,
    data: Buffer.concat(records),
    ends,
  };
}

const clock = (i: number): string => new Date(T0 + i * 50).toISOString();
const syslog = Array.from({ length: EVENTS }, (_, i) => {
  const kinds = [
    `sshd ${1000 + (i % 5000)} - - Accepted publickey for staff${i % 300} from 10.1.${i % 250}.7 port ${40_000 + (i % 9999)} ssh2`,
    `CRON ${i % 30_000} - - (root) CMD (/usr/lib/backup/run --part ${i % 17})`,
    `postfix/smtpd ${i % 30_000} - - connect from mail${i % 40}.example.org[192.0.2.${i % 250}]`,
    `dnsmasq ${i % 300} - - query[A] www${i % 4000}.example.net from 10.1.7.${i % 250}`,
    `kernel - - - [${i}.123456] FW ACCEPT IN=eth0 SRC=10.2.${i % 250}.8 DST=192.0.2.${i % 99} PROTO=TCP DPT=443`,
  ];
  return `<38>1 ${clock(i)} srv-${i % 40} ${kinds[i % kinds.length]}`;
});
const windows = Array.from({ length: EVENTS }, (_, i) =>
  JSON.stringify({
    '@timestamp': clock(i),
    Channel: 'Microsoft-Windows-Sysmon/Operational',
    EventID: i % 2 === 0 ? 1 : 3,
    Computer: `ws-${i % 200}.hospital.example`,
    ProcessId: i % 9999,
    Image: `C:\\Program Files\\App${i % 50}\\app${i % 50}.exe`,
    CommandLine: `"C:\\Program Files\\App${i % 50}\\app${i % 50}.exe" --profile ${i % 3000} --url https://api${i % 70}.vendor.example/v1/${i}`,
    User: `HOSPITAL\\staff${i % 300}`,
    Hashes: `SHA256=${hex((i % 500) + 5e8, 64)},MD5=${hex((i % 500) + 5e8, 32)}`,
    ParentImage: 'C:\\Windows\\explorer.exe',
    DestinationIp: `192.0.2.${i % 250}`,
    DestinationHostname: `host${i % 900}.vendor.example`,
  }),
);

const { rules } = await loadRules([join(import.meta.dirname, '..', 'rules')]);
const dataDir = await mkdtemp(join(tmpdir(), 'asepsis-bench-'));
const importStarted = performance.now();
const summary = await importList({ dataDir, own: [], nowMs: T0 }, list(N), {
  source: 'bench',
  confidence: 70,
  untilMs: null,
});
const importMs = performance.now() - importStarted;
globalThis.gc?.();
const before = process.memoryUsage();
const loadStarted = performance.now();
const stored = await readIndicators(indicatorFile(dataDir));
const loadMs = performance.now() - loadStarted;
globalThis.gc?.();
const after = process.memoryUsage();

const cpuUs = (work: () => void): number => {
  const cpu = process.cpuUsage();
  work();
  const used = process.cpuUsage(cpu);
  return used.user + used.system;
};
const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] as number;

/** CPU microseconds an event of decoding and matching, without and with indicators, in turns. */
function path(lines: readonly string[], hint: StoredBlock['hint']) {
  const decoder = createDecoder({});
  const blocks: StoredBlock[] = [];
  for (let i = 0; i < lines.length; i += 500) blocks.push(block(lines.slice(i, i + 500), hint, blocks.length + 1));
  const events: DecodedEvent[] = blocks.flatMap((one) => [...decoder.decode(one)]);
  const plain: number[] = [];
  const watched: number[] = [];
  const decode: number[] = [];
  let hits = 0;
  for (let round = 0; round < ROUNDS + 1; round++) {
    for (const with_ of [false, true]) {
      const engine = createEngine(rules, { streamId: 'bench000' });
      const watcher = createIndicatorWatcher(stored, 'bench000');
      if (with_) engine.watch(watcher);
      const us = cpuUs(() => {
        for (const event of events) engine.feed(event);
      });
      if (round > 0) (with_ ? watched : plain).push(us / events.length);
      if (with_) hits = watcher?.counts().hits ?? 0;
    }
    const fresh = createDecoder({});
    const us = cpuUs(() => {
      for (const one of blocks) fresh.decode(one);
    });
    if (round > 0) decode.push(us / events.length);
  }
  const us = { decode: median(decode), match: median(plain), indicators: median(watched) - median(plain) };
  const round2 = (n: number) => Math.round(n * 100) / 100;
  return {
    events: events.length,
    hits,
    cpu_us_event: { decode: round2(us.decode), match: round2(us.match), indicators: round2(us.indicators) },
    added_percent_of_decode_and_match: Math.round((us.indicators / (us.decode + us.match)) * 1000) / 10,
  };
}

const figures = {
  bench: 'indicators',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  indicators: summary.total,
  import_ms: Math.round(importMs),
  load_ms: Math.round(loadMs),
  memory_mb: Math.round((after.rss - before.rss) / 1e6),
  external_mb: Math.round((after.arrayBuffers - before.arrayBuffers) / 1e6),
  syslog: path(syslog, 'syslog'),
  windows: path(windows, 'json'),
};
await rm(dataDir, { recursive: true });
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
