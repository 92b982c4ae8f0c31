/**
 * Benchmark of detection: own rules on syslog, and the complete public set with them on Windows telemetry mixed with the
 * traffic of an ordinary day, if that is there. Every number is a first pass: nothing was seen before. Time on the
 * processor stands beside the clock, because benchmarks run on machines that do other things too.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DecodedEvent, SourceId, StoredBlock } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';
import { measurePeers } from './detect-peers.ts';
import { clock, ordinaryJson, windowsLines } from './detect-stream.ts';

const OWN_RULES = fileURLToPath(new URL('../rules', import.meta.url));
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const SOURCE = 'src_00000000000000000000000000' as SourceId;
const ROUNDS = 5;

function decode(lines: readonly string[], hint: StoredBlock['hint'], seqFrom = 0): DecodedEvent[] {
  const decoder = createDecoder({});
  const out: DecodedEvent[] = [];
  for (let from = 0; from < lines.length; from += 500) {
    const records = lines.slice(from, from + 500).map((line) => Buffer.from(line));
    let end = 0;
    const ends = Uint32Array.from(records, (record) => {
      end += record.length;
      return end;
    });
    const block = {
      seq: seqFrom + from + 1,
      source: SOURCE,
      receivedMs: Date.now(),
      hint,
      peer: 'bench',
      exercise: false,
    };
    out.push(...decoder.decode({ ...block, data: Buffer.concat(records), ends }));
  }
  return out;
}

/** Syslog as a server writes it on an ordinary day; nothing in it is an attack. */
function ordinary(n: number): string[] {
  const kinds = [
    (i: number) =>
      `sshd[${1000 + (i % 5000)}]: Accepted publickey for staff${i % 300} from 10.1.${i % 250}.7 port ${40_000 + (i % 9999)} ssh2`,
    (i: number) => `sshd[${1000 + (i % 5000)}]: pam_unix(sshd:session): session closed for user staff${i % 300}`,
    (i: number) => `CRON[${i % 30_000}]: (root) CMD (/usr/lib/backup/run --part ${i % 17})`,
    (i: number) => `systemd[1]: session-${i}.scope: Deactivated successfully.`,
    (i: number) => `postfix/smtpd[${i % 30_000}]: connect from mail${i % 40}.example.org[192.0.2.${i % 250}]`,
    (i: number) =>
      `sudo: staff${i % 20} : TTY=pts/1 ; PWD=/home/staff ; USER=root ; COMMAND=/usr/bin/systemctl status mirth`,
    (i: number) => `kernel: [${i}.123456] eth0: link is up at 1000 Mbps, full duplex`,
    (i: number) =>
      `dovecot: imap-login: Login: user=<staff${i % 300}>, method=PLAIN, rip=10.1.2.${i % 250}, lip=10.0.0.5, TLS`,
  ];
  return Array.from(
    { length: n },
    (_, i) =>
      `<38>1 ${clock(i)} srv-${i % 40} ${(kinds[i % kinds.length] as (i: number) => string)(i)
        .replace(/^(\S+?)(?:\[(\d+)\])?: /, '$1 $2 - - ')
        .replace('  -', ' - -')}`,
  );
}

function failing(n: number): string[] {
  return Array.from(
    { length: n },
    (_, i) =>
      `<38>1 ${clock(i)} vpn-1 sshd ${i % 30_000} - - Failed password for user${i % 40} from 45.9.${i % 7}.${i % 200} port ${40_000 + (i % 9999)} ssh2`,
  );
}

const cpuUs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return user + system;
};

/** Blocks decoded and matched as they come, the two timed apart. */
function measureStream(rules: Rules, lines: readonly string[]) {
  const decoder = createDecoder({});
  const engine = createEngine(rules, { streamId: 'bench000' });
  let decodeUs = 0;
  let matchUs = 0;
  let events = 0;
  let bytes = 0;
  let alerts = 0;
  const started = performance.now();
  for (let from = 0, seq = 1; from < lines.length; from += 200, seq++) {
    const records = lines.slice(from, from + 200).map((line) => Buffer.from(line));
    let end = 0;
    const ends = Uint32Array.from(records, (record) => {
      end += record.length;
      return end;
    });
    bytes += end;
    const block = {
      seq,
      source: SOURCE,
      receivedMs: Date.now(),
      hint: 'json' as const,
      peer: 'bench',
      exercise: false,
    };
    const data = Buffer.concat(records);
    const a = cpuUs();
    const list = decoder.decode({ ...block, data, ends });
    const b = cpuUs();
    for (const event of list) alerts += engine.feed(event).length;
    matchUs += cpuUs() - b;
    decodeUs += b - a;
    events += list.length;
  }
  const rate = (us: number) => Math.round((events * 1e6) / us);
  return {
    events,
    bytes_per_event: Math.round(bytes / events),
    alerts,
    match_per_cpu_sec: rate(matchUs),
    decode_per_cpu_sec: rate(decodeUs),
    decode_and_match_per_cpu_sec: rate(decodeUs + matchUs),
    wall_per_sec: rate((performance.now() - started) * 1000),
  };
}

interface Ran {
  readonly wallMs: number;
  readonly cpuMs: number;
  /** Largest resident memory of the process, all its threads together. */
  readonly rssMb: number;
}

/** Runs a program, looking now and then at what the kernel says of it (proc(5): stat, status; a tick is 10 ms). */
async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: 'ignore', env });
  const seen = { cpuMs: 0, rssMb: 0 };
  const look = async (): Promise<void> => {
    const [stat, status] = await Promise.all(
      ['stat', 'status'].map((name) => readFile(`/proc/${child.pid}/${name}`, 'utf8').catch(() => '')),
    );
    const [user, system] = (stat?.slice(stat.lastIndexOf(')') + 2) ?? '').split(' ').slice(11, 13).map(Number);
    seen.cpuMs = Math.max(seen.cpuMs, 10 * ((user ?? 0) + (system ?? 0)));
    seen.rssMb = Math.max(seen.rssMb, Math.round(Number(/VmHWM:\s+(\d+)/.exec(status ?? '')?.[1] ?? 0) / 1024));
  };
  const timer = setInterval(() => void look(), 20);
  await once(child, 'exit');
  clearInterval(timer);
  return { wallMs: performance.now() - started, ...seen };
}

/** `asepsis detect` on a file, without what starting it costs. */
async function measureCommand(lines: readonly string[], folders: readonly string[], threads: number) {
  const dir = await mkdtemp(join(tmpdir(), 'asepsis-bench-'));
  try {
    await writeFile(join(dir, 'one.ndjson'), `${lines[0]}\n`);
    await writeFile(join(dir, 'all.ndjson'), `${lines.join('\n')}\n`);
    const rules = folders.flatMap((folder) => ['--rules', folder]);
    const detect = (file: string) =>
      run([MAIN, 'detect', file, ...rules, '--json', '--threads', String(threads)], {
        ...process.env,
        XDG_CACHE_HOME: dir,
      });
    await detect(join(dir, 'one.ndjson'));
    const start = await detect(join(dir, 'one.ndjson'));
    const all = await detect(join(dir, 'all.ndjson'));
    const rate = (ms: number) => Math.round((lines.length * 1000) / ms);
    return {
      threads,
      start_ms: Math.round(start.wallMs),
      wall_per_sec: rate(all.wallMs - start.wallMs),
      per_cpu_sec: rate(all.cpuMs - start.cpuMs),
      rss_mb: all.rssMb,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Reading all rules: from their files, and from the cache. */
async function measureLoading(folders: readonly string[]) {
  const cacheDir = await mkdtemp(join(tmpdir(), 'asepsis-bench-'));
  try {
    const timed = async () => {
      const cpu = cpuUs();
      const started = performance.now();
      const { rules, waiting } = await loadRules(folders, { cacheDir });
      createEngine(rules, { streamId: 'bench000' });
      const ms = { cpu_ms: Math.round((cpuUs() - cpu) / 1000), wall_ms: Math.round(performance.now() - started) };
      return { rules, waiting: waiting.length, ms };
    };
    const cold = await timed();
    const cached = await timed();
    return { rules: cold.rules, waiting: cold.waiting, cold: cold.ms, cached: cached.ms };
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}

type Rules = Awaited<ReturnType<typeof loadRules>>['rules'];

interface Measured {
  readonly events: number;
  readonly alerts: number;
  readonly cpu_us_per_event: number;
  readonly events_per_cpu_sec: number;
}

/** The best of several rounds, each with a new engine. */
function measure(rules: Rules, events: readonly DecodedEvent[], rounds: number): Measured {
  let best = Number.POSITIVE_INFINITY;
  let alerts = 0;
  for (let round = 0; round < rounds; round++) {
    const engine = createEngine(rules, { streamId: 'bench000' });
    alerts = 0;
    const started = cpuUs();
    for (const event of events) alerts += engine.feed(event).length;
    best = Math.min(best, cpuUs() - started);
  }
  return {
    events: events.length,
    alerts,
    cpu_us_per_event: Math.round((best * 1000) / events.length) / 1000,
    events_per_cpu_sec: Math.round((events.length * 1e6) / best),
  };
}

/** @param dataDir a folder with `sigma/` and `windows/`; null leaves the public set out */
async function benchDetect(dataDir: string | null) {
  const own = (await loadRules([OWN_RULES])).rules;
  const result: Record<string, unknown> = {
    bench: 'detect',
    node: process.version,
    cpu: cpus()[0]?.model,
    own_rules: own.length,
    syslog_not_matching: measure(own, decode(ordinary(100_000), 'syslog'), ROUNDS),
    syslog_failing_logins: measure(own, decode(failing(100_000), 'syslog'), ROUNDS),
  };
  const sshd = failing(20_000).map((line, i) => {
    const at = new Date(Date.UTC(2026, 0, 5) + i * 1000).toISOString().slice(11, 19);
    return `Jan  5 ${at} vpn-1 sshd[${1000 + (i % 5000)}]: ${line.split(' - - ')[1]}`;
  });
  result.peers_lines_per_cpu_sec = {
    ...(await measurePeers(sshd)),
    // All of our rules, not one filter.
    asepsis_all_own_rules: measureStream(own, sshd).decode_and_match_per_cpu_sec,
  };
  if (dataDir === null) return result;
  const sets = (await readdir(join(dataDir, 'sigma'))).filter((name) => name.startsWith('rules'));
  const folders = [...sets.map((name) => join(dataDir, 'sigma', name)), OWN_RULES];
  const { rules, waiting, cold, cached } = await measureLoading(folders);
  result.public_rules = { active: rules.length, waiting_for_placeholders: waiting };
  result.public_load = { cold, cached };
  const windows = await windowsLines(join(dataDir, 'windows'), 100_000);
  const mixed = windows.flatMap((line, i) => [line, ordinaryJson(i)]);
  result.public_on_mixed = measureStream(rules, mixed);
  result.public_on_windows = measureStream(rules, windows);
  result.command_on_mixed = [await measureCommand(mixed, folders, 1), await measureCommand(mixed, folders, 2)];
  result.load_average = loadavg()[0];
  return result;
}

const at = process.argv.indexOf('--data');
process.stdout.write(`${JSON.stringify(await benchDetect(at > 0 ? (process.argv[at + 1] ?? null) : null))}\n`);
