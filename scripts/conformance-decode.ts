/** Decoders over real logs: no exception, at least the share understood that was measured, agreement with the samples' own truth. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DecodedEvent, RecordHint, SourceId, StoredBlock } from '../src/core/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

/** Sample folders by what their name begins with → formats that count as understood there, and the least share. */
const FAMILIES: readonly { name: string; folder: RegExp; format: RegExp; floor: number }[] = [
  {
    name: 'sshd',
    folder: /^(ssh|opnsense-sshd|syslog-logs$|whitelists$|geoip)/,
    format: /^syslog\/sshd$/,
    floor: 0.99,
  },
  { name: 'pam', folder: /^(pam|synology)/, format: /^syslog\/(pam|sudo)$/, floor: 0.99 },
  { name: 'postfix', folder: /^(postfix|postscreen)/, format: /^syslog\/postfix$/, floor: 0.99 },
  { name: 'dovecot', folder: /^dovecot/, format: /^syslog\/dovecot$/, floor: 0.99 },
  { name: 'vsftpd', folder: /^vsftpd/, format: /^syslog\/vsftpd$/, floor: 0.99 },
  { name: 'bind', folder: /^bind9/, format: /^syslog\/named$/, floor: 0.98 },
  { name: 'openvpn', folder: /^openvpn/, format: /^syslog\/openvpn$/, floor: 0.95 },
  { name: 'haproxy', folder: /^haproxy/, format: /^web\/haproxy$/, floor: 0.95 },
  { name: 'firewall', folder: /^(iptables|proxmox-iptables)/, format: /^syslog\/netfilter$/, floor: 0.99 },
  { name: 'audit', folder: /^(auditd|laurel)/, format: /^auditd\//, floor: 0.99 },
  {
    name: 'web',
    folder:
      /^(CVE-|nginx_http-logs|nginx-http|nginx-cve|nginx_req|nginx-mail|apache-(cve|http)|apache2|http-(cve|wordpress|bf|dos)|modsecurity|f5|fortinet|spring4)/,
    format: /^web\//,
    floor: 0.98,
  },
  { name: 'suricata', folder: /^suricata-/, format: /^(json\/suricata|ids\/fast)$/, floor: 0.98 },
  { name: 'windows-xml', folder: /^(windows-logs|cve-2023-23397|iis-xml)/, format: /^windows\//, floor: 0.99 },
];
/** Least share of named addresses and accounts that must be the same as in the samples' truth. */
const ADDRESS_FLOOR = 0.98;
const ACCOUNT_FLOOR = 0.94;
const WINDOWS_FLOOR = 0.999;
const RECORDS_MAX = 400;

interface Line {
  readonly text: string;
  ok: boolean;
}

function blocksOf(records: readonly Buffer[], source: string, hint: RecordHint): StoredBlock[] {
  const blocks: StoredBlock[] = [];
  for (let at = 0; at < records.length; at += RECORDS_MAX) {
    const part = records.slice(at, at + RECORDS_MAX);
    let end = 0;
    const ends = Uint32Array.from(part, (record) => {
      end += record.length;
      return end;
    });
    blocks.push({
      seq: blocks.length + 1,
      source: source as SourceId,
      receivedMs: Date.now(),
      hint,
      peer: 'conformance',
      exercise: false,
      data: Buffer.concat(part),
      ends,
    });
  }
  return blocks;
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const stop = bytes.indexOf(10, from);
    const end = stop < 0 ? bytes.length : stop;
    if (end > from) lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return lines;
}

interface Truth {
  message: string;
  ip: string;
  user: string;
}

/** What a `parser.assert` says of each event of the parsing stage: its message, address and account. */
function truthOf(path: string): Truth[] {
  const found = new Map<string, Truth>();
  const pattern = /^results\["s0[12]-[a-z]+"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.(Parsed|Meta)\["(\w+)"\] == (".*")$/;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const match = pattern.exec(line.trim());
    if (!match) continue;
    const [, parser = '', index = '', kind = '', name = '', quoted = ''] = match;
    const key = `${parser}[${index}]`;
    let truth = found.get(key);
    if (!truth) {
      truth = { message: '', ip: '', user: '' };
      found.set(key, truth);
    }
    let value: unknown;
    try {
      value = JSON.parse(quoted);
    } catch {
      continue;
    }
    if (typeof value !== 'string') continue;
    if (kind === 'Parsed' && name === 'message') truth.message = value.trim();
    else if (kind === 'Meta' && name === 'source_ip') truth.ip = value;
    else if (kind === 'Meta' && (name === 'target_user' || name === 'username' || name === 'user'))
      truth.user ||= value;
  }
  return [...found.values()].filter((truth) => truth.message !== '' && (truth.ip !== '' || truth.user !== ''));
}

const plainIp = (ip: string): string => (ip.startsWith('::ffff:') ? ip.slice(7) : ip);

/** Counts agreement between the truth and the event that carries its message. */
function compare(truths: readonly Truth[], events: readonly DecodedEvent[], tally: Tally, where: string): void {
  for (const truth of truths) {
    const event = events.find((one) => one.raw.includes(truth.message) && one.format !== 'raw');
    if (!event || event.format.endsWith('/other')) continue;
    if (truth.ip) {
      tally.ips++;
      if (event.norm.src_ip === plainIp(truth.ip)) tally.ipsSame++;
      else
        tally.different.push(
          `${where}: address ${truth.ip}, ours ${event.norm.src_ip ?? 'none'}: ${event.raw.slice(0, 160)}`,
        );
    }
    if (truth.user && truth.user !== '-') {
      tally.users++;
      // Some samples' truth keeps the quotes that the program wrote around a name.
      const user = truth.user.replace(/^'(.*)'$/, '$1');
      if (event.norm.user === user || event.norm.target_user === user) tally.usersSame++;
      else
        tally.different.push(
          `${where}: account ${truth.user}, ours ${event.norm.user ?? 'none'}: ${event.raw.slice(0, 160)}`,
        );
    }
  }
}

interface Tally {
  ips: number;
  ipsSame: number;
  users: number;
  usersSame: number;
  readonly different: string[];
}

const percent = (part: number, all: number): string =>
  all === 0 ? 'none' : `${((100 * part) / all).toFixed(2)} % of ${all}`;

function samples(folder: string): Line[] {
  const lines: Line[] = [];
  const tally: Tally = { ips: 0, ipsSame: 0, users: 0, usersSame: 0, different: [] };
  const shares = new Map<string, { all: number; understood: number }>();
  const decoder = createDecoder({ zoneOf: () => 'UTC' });
  for (const name of readdirSync(folder).sort()) {
    const inside = join(folder, name);
    if (!existsSync(join(inside, 'config.yaml'))) continue;
    const events: DecodedEvent[] = [];
    for (const file of readdirSync(inside)) {
      if (!file.endsWith('.log')) continue;
      for (const block of blocksOf(linesOf(readFileSync(join(inside, file))), `src_${name}`, 'line'))
        events.push(...decoder.decode(block));
    }
    const family = FAMILIES.find((one) => one.folder.test(name));
    if (family) {
      const share = shares.get(family.name) ?? { all: 0, understood: 0 };
      share.all += events.length;
      share.understood += events.filter((event) => family.format.test(event.format)).length;
      shares.set(family.name, share);
    }
    if (existsSync(join(inside, 'parser.assert'))) compare(truthOf(join(inside, 'parser.assert')), events, tally, name);
  }
  for (const family of FAMILIES) {
    const share = shares.get(family.name);
    if (!share) continue;
    lines.push({
      text: `${family.name}: understood ${percent(share.understood, share.all)} (at least ${family.floor * 100} %)`,
      ok: share.understood >= share.all * family.floor,
    });
  }
  lines.push({
    text: `addresses as in the samples' truth: ${percent(tally.ipsSame, tally.ips)}`,
    ok: tally.ipsSame >= tally.ips * ADDRESS_FLOOR,
  });
  lines.push({
    text: `accounts as in the samples' truth: ${percent(tally.usersSame, tally.users)}`,
    ok: tally.usersSame >= tally.users * ACCOUNT_FLOOR,
  });
  for (const text of tally.different.slice(0, 20)) lines.push({ text: `  differs: ${text}`, ok: true });
  const failed = decoder.takeCounts().some((count) => count.faults.some((fault) => fault.what === 'decoder-failed'));
  lines.push({ text: `exceptions in the decoders of samples: ${failed ? 'yes' : 'none'}`, ok: !failed });
  return lines;
}

function zipsIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.zip'))
    .map((name) => join(folder, name))
    .sort();
}

function windows(folder: string): Line[] {
  const decoder = createDecoder({ zoneOf: () => 'UTC' });
  let all = 0;
  let understood = 0;
  let categorised = 0;
  let slowestMs = 0;
  for (const zip of zipsIn(folder)) {
    // The archives hold resource forks of the machine that packed them; only the JSON lines count.
    const bytes = execFileSync('unzip', ['-p', zip, '-x', '__MACOSX/*'], {
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for (const block of blocksOf(linesOf(bytes), 'src_windows', 'json')) {
      const before = performance.now();
      const events = decoder.decode(block);
      slowestMs = Math.max(slowestMs, (performance.now() - before) / Math.max(1, events.length));
      all += events.length;
      for (const event of events) {
        if (event.format.startsWith('windows/')) understood++;
        if (event.logsource.service !== undefined) categorised++;
      }
    }
  }
  const failed = decoder.takeCounts().some((count) => count.faults.some((fault) => fault.what === 'decoder-failed'));
  return [
    {
      text: `Windows events understood: ${percent(understood, all)} (at least ${WINDOWS_FLOOR * 100} %)`,
      ok: all > 0 && understood >= all * WINDOWS_FLOOR,
    },
    {
      text: `Windows events with a Sigma service: ${percent(categorised, all)} (at least 99 %)`,
      ok: categorised >= all * 0.99,
    },
    { text: `slowest block, mean of its events: ${slowestMs.toFixed(3)} ms (at most 100)`, ok: slowestMs < 100 },
    { text: `exceptions in the decoders of Windows events: ${failed ? 'yes' : 'none'}`, ok: !failed },
  ];
}

/** Runs over the folder of field data; what is missing there is left out and said. */
export async function conformanceDecode(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const lines: Line[] = [];
  const hub = join(dataDir, 'logs', 'crowdsec-hub');
  if (existsSync(hub)) lines.push(...samples(hub));
  else lines.push({ text: 'no log samples in this folder', ok: true });
  const archives = join(dataDir, 'windows');
  if (existsSync(archives)) lines.push(...windows(archives));
  else lines.push({ text: 'no Windows archives in this folder', ok: true });
  return {
    name: 'decoders',
    ok: lines.every((line) => line.ok),
    lines: lines.map((line) => `${line.ok ? '' : 'FAILED '}${line.text}`),
  };
}

if (process.argv[1] === import.meta.filename) {
  const result = await conformanceDecode(process.argv[2] ?? '../shared/data');
  process.stdout.write(`${result.lines.join('\n')}\n`);
  process.exitCode = result.ok ? 0 : 1;
}
