/** Benchmark of indicators: a million loaded, what looking for them adds to the path of an event. */

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceId, StoredBlock } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';
import { indicatorFile, readIndicators } from '../src/detection/indicators/indicator-file.ts';
import { importList } from '../src/detection/indicators/indicator-store.ts';
import { createIndicatorWatcher } from '../src/detection/indicators/indicator-watch.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';
import { ordinaryJson, windowsLines } from './detect-stream.ts';

const N = Number(process.argv.find((arg) => /^\d+$/.test(arg)) ?? 1_000_000);
const EVENTS = 60_000;
const ROUNDS = 4;
const STREAM = 'bench000';
const KINDS = ['decode', 'plain', 'watched'] as const;
type Kind = (typeof KINDS)[number];
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

const OWN_RULES = join(import.meta.dirname, '..', 'rules');
const own = (await loadRules([OWN_RULES])).rules;
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

const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] as number;

/**
 * Microseconds an event, block by block as the pipeline goes: decoded alone, decoded and matched without and with
 * indicators, in changing order. The median of all blocks leaves out those in which another process had the core.
 */
function path(rules: typeof own, lines: readonly string[], hint: StoredBlock['hint']) {
  const blocks: StoredBlock[] = [];
  for (let i = 0; i < lines.length; i += 500) blocks.push(block(lines.slice(i, i + 500), hint, blocks.length + 1));
  const us: Record<Kind, number[]> = { decode: [], plain: [], watched: [] };
  let hits = 0;
  for (let round = 0; round < ROUNDS + 1; round++) {
    const decoders = { decode: createDecoder({}), plain: createDecoder({}), watched: createDecoder({}) };
    const engines = {
      plain: createEngine(rules, { streamId: STREAM }),
      watched: createEngine(rules, { streamId: STREAM }),
    };
    const watcher = createIndicatorWatcher(stored, STREAM);
    engines.watched.watch(watcher);
    for (const [i, one] of blocks.entries()) {
      for (let turn = 0; turn < KINDS.length; turn++) {
        const kind = KINDS[(turn + i + round) % KINDS.length] as Kind;
        const started = performance.now();
        const events = decoders[kind].decode(one);
        if (kind !== 'decode') for (const event of events) engines[kind].feed(event);
        if (round > 0) us[kind].push(((performance.now() - started) * 1000) / one.ends.length);
      }
    }
    hits = watcher?.counts().hits ?? 0;
  }
  const [decode, plain, watched] = [median(us.decode), median(us.plain), median(us.watched)];
  const round2 = (n: number) => Math.round(n * 100) / 100;
  return {
    events: lines.length,
    hits,
    us_event: { decode: round2(decode), match: round2(plain - decode), indicators: round2(watched - plain) },
    added_percent_of_decode_and_match: Math.round(((watched - plain) / plain) * 1000) / 10,
  };
}

const figures: Record<string, unknown> = {
  bench: 'indicators',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
  indicators: summary.total,
  import_ms: Math.round(importMs),
  load_ms: Math.round(loadMs),
  memory_mb: Math.round((after.rss - before.rss) / 1e6),
  external_mb: Math.round((after.arrayBuffers - before.arrayBuffers) / 1e6),
  syslog: path(own, syslog, 'syslog'),
  windows: path(own, windows, 'json'),
};
/** Real Windows telemetry and an ordinary day, one to one, with the complete public set of rules. */
const at = process.argv.indexOf('--data');
const data = at > 0 ? process.argv[at + 1] : undefined;
if (data !== undefined) {
  const sets = (await readdir(join(data, 'sigma'))).filter((name) => name.startsWith('rules'));
  const { rules } = await loadRules([...sets.map((name) => join(data, 'sigma', name)), OWN_RULES]);
  const lines = await windowsLines(join(data, 'windows'), 20_000);
  figures.public_rules = rules.length;
  figures.public_on_windows = path(rules, lines, 'json');
  figures.public_on_mixed = path(
    rules,
    lines.flatMap((line, i) => [line, ordinaryJson(i)]),
    'json',
  );
}
await rm(dataDir, { recursive: true });
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
