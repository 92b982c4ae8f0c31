/** Benchmark of detection: starter rules on syslog events, failing log-ins, and the public set on Windows telemetry if it is there. */

import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';
import type { DecodedEvent, SourceId, StoredBlock } from '../src/core/index.ts';
import { createEngine, loadRules } from '../src/detection/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const OWN_RULES = fileURLToPath(new URL('../rules', import.meta.url));
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

const clock = (i: number): string => new Date(Date.UTC(2026, 0, 5) + i * 50).toISOString();

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

/** Lines of the JSON files inside a zip archive, from its central directory (APPNOTE 4.3.12). */
async function zipLines(path: string): Promise<string[]> {
  const zip = await readFile(path);
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06'));
  const out: string[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const name = zip.toString('utf8', at + 46, at + 46 + zip.readUInt16LE(at + 28));
    const local = zip.readUInt32LE(at + 42);
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const packed = zip.subarray(from, from + zip.readUInt32LE(at + 20));
    if (name.endsWith('.json')) {
      const text = (zip.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed)).toString('utf8');
      out.push(...text.split('\n').filter((line) => line.startsWith('{')));
    }
    at += 46 + zip.readUInt16LE(at + 28) + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return out;
}

async function windowsEvents(dir: string, most: number): Promise<DecodedEvent[]> {
  const files = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.zip')).sort();
  const events: DecodedEvent[] = [];
  for (const file of files) {
    if (events.length >= most) break;
    events.push(...decode(await zipLines(join(dir, file)), 'json', events.length));
  }
  return events.slice(0, most);
}

interface Measured {
  readonly events: number;
  readonly alerts: number;
  readonly us_per_event: number;
  readonly events_per_sec: number;
}

/** The best of several rounds, each with a new engine; the first round of a cold process is reported apart. */
function measure(
  rules: Awaited<ReturnType<typeof loadRules>>['rules'],
  events: readonly DecodedEvent[],
  rounds: number,
): Measured {
  let best = Number.POSITIVE_INFINITY;
  let alerts = 0;
  for (let round = 0; round < rounds; round++) {
    const engine = createEngine(rules, { streamId: 'bench000' });
    alerts = 0;
    const started = performance.now();
    for (const event of events) alerts += engine.feed(event).length;
    best = Math.min(best, performance.now() - started);
  }
  return {
    events: events.length,
    alerts,
    us_per_event: Math.round((best * 1e6) / events.length) / 1000,
    events_per_sec: Math.round((events.length * 1000) / best),
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
  if (dataDir === null) return result;
  const sets = (await readdir(join(dataDir, 'sigma'))).filter((name) => name.startsWith('rules'));
  const started = performance.now();
  const { rules } = await loadRules([...sets.map((name) => join(dataDir, 'sigma', name)), OWN_RULES]);
  result.public_rules = rules.length;
  result.public_load_ms = Math.round(performance.now() - started);
  const events = await windowsEvents(join(dataDir, 'windows'), 200_000);
  result.public_on_windows_first_pass = measure(rules, events, 1);
  result.public_on_windows_best = measure(rules, events, ROUNDS);
  result.rss_mb = Math.round(process.memoryUsage.rss() / 1048576);
  return result;
}

const at = process.argv.indexOf('--data');
process.stdout.write(`${JSON.stringify(await benchDetect(at > 0 ? (process.argv[at + 1] ?? null) : null))}\n`);
