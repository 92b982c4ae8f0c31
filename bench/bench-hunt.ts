/**
 * Benchmark of looking back: 1,000 indicators over an archive of as many events as are asked for (`bench hunt --events
 * 50000000 --dir FOLDER`); builds the archive first, unless an earlier run left one in the folder.
 */

import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openArchiveReader, openArchiveWriter } from '../src/archive/index.ts';
import { createRandom } from '../src/archive/testing/sample-events.ts';
import type { DecodedEvent, SourceId } from '../src/core/index.ts';
import { huntIndicators } from '../src/detection/detection-hunt-indicators.ts';
import type { IndicatorRecord } from '../src/detection/indicators/indicator-import.ts';
import { buildIndicators, openIndicators } from '../src/detection/indicators/indicator-set.ts';
import { readIndicator } from '../src/detection/indicators/indicator-value.ts';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '2000000' },
    days: { type: 'string', default: '30' },
    /** A folder to keep the archive in, or to find one that an earlier run built. */
    dir: { type: 'string' },
  },
});
const N = Number(options.events);
const DAYS = Number(options.days);
const DAY = 86_400_000;
const T0 = Date.UTC(2026, 0, 5);
const EVERY_MS = (DAYS * DAY) / N;
const BATCH = 8000;
const SETTLE_EVENTS = 4_000_000;
/** One event of so many holds an indicator. */
const PLANTED_EVENTS = 100_000;
const STREAM = 'bench000';
const hex = (i: number, length: number) => (i * 2654435761).toString(16).padStart(8, '0').repeat(16).slice(0, length);

/** A thousand as lists have them: addresses, names, digests, URLs; one of 33 is in the archive. */
const VALUES = Array.from({ length: 1000 }, (_, i) => {
  if (i % 4 === 0) return `45.${i & 255}.${(i * 7) & 255}.9`;
  if (i % 4 === 1) return `c2-${i}.evil-updates.example`;
  if (i % 4 === 2) return hex(i + 7e8, 64);
  return `http://drop${i}.evil-updates.example/x/${i}`;
});
const PLANTED = VALUES.filter((_, i) => i % 33 === 0);

const random = createRandom(7);
const below = (n: number) => Math.floor(random() * n);
/** Few values often, most rarely. */
const few = (n: number) => Math.min(n - 1, Math.floor(n ** random()) - 1);
const staff = () => `staff${few(3000)}`;
const inside = () => `10.${below(8)}.${below(24)}.${few(250) + 1}`;
const outside = () => {
  const i = few(200_000) + 1;
  return `${20 + (i % 150)}.${(i >>> 8) & 255}.${(i >>> 3) & 255}.${i & 255}`;
};
const site = () => `www${few(20_000)}.vendor${few(900)}.example`;

/** What an ordinary day consists of: log-ins, pages, connections, names, processes. */
function kindOf(i: number): { format: string; norm: DecodedEvent['norm']; raw: string } {
  const kind = i % 10;
  const user = staff();
  const src_ip = inside();
  if (kind < 2) {
    const host = `srv-${few(60)}`;
    const norm = { class_uid: 3002, action: 'logon', outcome: 'success', user, src_ip, host } as const;
    return {
      format: 'syslog/sshd',
      norm,
      raw: `Accepted publickey for ${user} from ${src_ip} port ${below(60_000)} ssh2`,
    };
  }
  if (kind < 5) {
    const dst_ip = outside();
    const norm = { class_uid: 4001, action: 'allow', src_ip, dst_ip, dst_port: 443, host: 'fw-1' } as const;
    return {
      format: 'syslog/firewall',
      norm,
      raw: `ACCEPT IN=eth0 SRC=${src_ip} DST=${dst_ip} PROTO=TCP DPT=443 ID=${i}`,
    };
  }
  if (kind < 7) {
    const domain = site();
    const url = `https://${domain}/p/${few(100_000)}?session=${hex(i, 12)}`;
    const norm = { class_uid: 4002, method: 'GET', status: 200, user, src_ip, domain, url, host: 'proxy-1' } as const;
    return { format: 'web/proxy', norm, raw: `${src_ip} ${user} GET ${url} 200 ${below(90_000)}` };
  }
  if (kind < 9) {
    const domain = site();
    const norm = { class_uid: 4003, action: 'query', src_ip, domain, host: 'dns-1' } as const;
    return { format: 'syslog/dnsmasq', norm, raw: `query[A] ${domain} from ${src_ip}` };
  }
  const app = few(400);
  const command_line = `"C:\\Program Files\\App${app}\\app.exe" --profile ${user} --job ${below(50_000)}`;
  const host = `ws-${few(4000)}.hospital.example`;
  const hash = hex(app + 5e8, 64);
  const norm = { class_uid: 1007, action: 'start', process: 'app.exe', command_line, hash, user, host } as const;
  return {
    format: 'windows/sysmon',
    norm,
    raw: JSON.stringify({ EventID: 1, CommandLine: command_line, Hashes: hash, User: user }),
  };
}

/** The same with an indicator where it belongs. */
function planted(norm: DecodedEvent['norm'], value: string): DecodedEvent['norm'] {
  const type = readIndicator(value)?.type;
  if (type === 'address') return { ...norm, dst_ip: value };
  if (type === 'domain') return { ...norm, domain: `a.${value}` };
  return type === 'hash' ? { ...norm, hash: value } : { ...norm, url: value };
}

function eventOf(i: number): DecodedEvent {
  const timeMs = Math.floor(T0 + i * EVERY_MS);
  const { format, norm, raw } = kindOf(i);
  const value = i % PLANTED_EVENTS === 7 ? PLANTED[Math.floor(i / PLANTED_EVENTS) % PLANTED.length] : undefined;
  return {
    seq: 1 + Math.floor(i / 500),
    index: i % 500,
    timeMs,
    receivedMs: timeMs,
    source: 'src_00000000000000000000000000' as SourceId,
    format,
    logsource: { product: 'linux' },
    norm: value === undefined ? norm : planted(norm, value),
    fields: {},
    raw: value === undefined ? raw : `${raw} ${value}`,
    marks: [],
    exercise: false,
  };
}

const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'asepsis-bench-')));
const clock = { nowMs: T0 + (DAYS + 1) * DAY, now: () => clock.nowMs };

async function build(): Promise<void> {
  const writer = await openArchiveWriter({ dir, streamId: STREAM, clock, retentionDays: 36_500 });
  for (let from = 0; from < N; from += BATCH) {
    const events = Array.from({ length: Math.min(BATCH, N - from) }, (_, i) => eventOf(from + i));
    await writer.append(events, events.at(-1)?.seq ?? 0);
    // Time must pass for files that were replaced to be deleted; sealing must catch up now and then.
    if (from % 200_000 === 0) clock.nowMs += 16_000;
    if (from % SETTLE_EVENTS === 0) await writer.settle();
    if (process.stderr.isTTY) process.stderr.write(`\r${from} events`);
  }
  await writer.settle();
  await writer.close();
  await writeFile(join(dir, 'built'), String(N));
}

const buildStarted = performance.now();
if (
  !(await access(join(dir, 'built')).then(
    () => true,
    () => false,
  ))
)
  await build();
const buildMs = performance.now() - buildStarted;
const reader = await openArchiveReader({ dir, streamId: STREAM, clock });
const records = VALUES.map((value) => ({
  ...(readIndicator(value) as IndicatorRecord),
  source: 'bench',
  confidence: 60,
  untilMs: null,
}));
const hunt = async (some: readonly IndicatorRecord[]) => {
  let alerts = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const stored = { set: openIndicators(buildIndicators(some)), patterns: [] };
  const progress = await huntIndicators(reader.parts, stored, {
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    deep: false,
    streamId: STREAM,
    done: new Set(),
    signal: new AbortController().signal,
    onAlerts: async (raised) => {
      alerts += raised.length;
    },
    onParts: async () => {},
  });
  const used = process.cpuUsage(cpu);
  const wall_ms = Math.round(performance.now() - started);
  return { indicators: some.length, progress, alerts, wall_ms, cpu_ms: Math.round((used.user + used.system) / 1000) };
};
const figures = {
  bench: 'hunt',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, load: loadavg()[0] },
  events: N,
  build_s: Math.round(buildMs / 100) / 10,
  mixed: await hunt(records),
  /** What most hunts are: nothing of it was ever there. */
  absent: await hunt(records.filter(({ value }) => !PLANTED.some((one) => one.endsWith(value)))),
  addresses_and_digests: await hunt(records.filter(({ type }) => type === 'address' || type === 'hash')),
  rss_mb: Math.round(process.memoryUsage().rss / 1e6),
};
await reader.close();
if (options.dir === undefined) await rm(dir, { recursive: true });
process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
