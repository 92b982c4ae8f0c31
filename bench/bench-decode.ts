/** Events decoded a second on one core, as JSON: sshd lines, web access lines, flat Windows JSON, journal JSON. */

import { Buffer } from 'node:buffer';
import type { SourceId, StoredBlock } from '../src/core/index.ts';
import { createDecoder } from '../src/ingest/decode/index.ts';

const RECORDS = 4000;
const RECEIVED_MS = Date.UTC(2026, 4, 20, 12);

function blockOf(seq: number, make: (n: number) => string): StoredBlock {
  const parts: Buffer[] = [];
  const ends: number[] = [];
  let end = 0;
  for (let i = 0; i < RECORDS && end < 900_000; i++) {
    const part = Buffer.from(make(seq * RECORDS + i));
    end += part.length;
    parts.push(part);
    ends.push(end);
  }
  return {
    seq,
    source: `src_${seq % 8}` as SourceId,
    receivedMs: RECEIVED_MS,
    hint: 'line',
    peer: 'bench',
    exercise: false,
    data: Buffer.concat(parts),
    ends: Uint32Array.from(ends),
  };
}

const two = (n: number): string => String(n).padStart(2, '0');
const address = (n: number): string => `${1 + (n % 220)}.${(n * 7) % 256}.${(n * 13) % 256}.${(n * 29) % 256}`;

const MAKE: Readonly<Record<string, (n: number) => string>> = {
  sshd: (n) =>
    `<86>May 20 09:${two(((n / 6000) | 0) % 60)}:${two(((n / 100) | 0) % 60)} host${n % 60} sshd[${1000 + (n % 9000)}]: Failed password for ${n % 3 ? '' : 'invalid user '}user${n % 900} from ${address(n)} port ${1024 + (n % 60000)} ssh2`,
  web: (n) =>
    `${address(n)} - - [20/May/2026:09:${two(((n / 6000) | 0) % 60)}:${two(((n / 100) | 0) % 60)} +0000] "GET /portal/app/${n % 5000}?tab=${n % 9} HTTP/1.1" ${n % 11 ? 200 : 404} ${n % 90000} "https://portal.example/start" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/${100 + (n % 30)}.0"`,
  windows_json: (n) =>
    JSON.stringify({
      EventID: n % 2 ? 4625 : 4688,
      Channel: 'Security',
      SourceName: 'Microsoft-Windows-Security-Auditing',
      Hostname: `ws-${n % 300}.hospital.example`,
      TimeCreated: `2026-05-20T09:${two(((n / 6000) | 0) % 60)}:${two(((n / 100) | 0) % 60)}.123Z`,
      TargetUserName: `user${n % 900}`,
      TargetDomainName: 'HOSPITAL',
      SubjectUserName: 'SYSTEM',
      SubjectLogonId: '0x3e7',
      IpAddress: address(n),
      IpPort: String(1024 + (n % 60000)),
      LogonType: '3',
      Status: '0xc000006d',
      NewProcessName: 'C:\\Windows\\System32\\cmd.exe',
      CommandLine: `cmd.exe /c dir C:\\data\\${n % 4000}`,
      ParentProcessName: 'C:\\Windows\\explorer.exe',
      NewProcessId: '0x1f4',
      Message:
        'An account failed to log on.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-5-18\r\n\tAccount Name:\t\tSYSTEM',
    }),
  journal_json: (n) =>
    JSON.stringify({
      __REALTIME_TIMESTAMP: `17793${String(10_000_000_000 + n).slice(1)}0`,
      _HOSTNAME: `host${n % 60}`,
      SYSLOG_IDENTIFIER: 'sshd',
      PRIORITY: '6',
      _PID: String(1000 + (n % 9000)),
      _SYSTEMD_UNIT: 'ssh.service',
      MESSAGE: `Failed password for user${n % 900} from ${address(n)} port ${1024 + (n % 60000)} ssh2`,
    }),
};

function measure(name: string, seconds: number): Record<string, number> {
  const make = MAKE[name] as (n: number) => string;
  const blocks = Array.from({ length: 24 }, (_, i) => blockOf(i + 1, make));
  const decoder = createDecoder({ zoneOf: () => 'Europe/Berlin' });
  let events = 0;
  let understood = 0;
  const run = (stopAt: number): void => {
    while (performance.now() < stopAt) {
      for (const block of blocks) {
        const decoded = decoder.decode(block);
        events += decoded.length;
        if (decoded[0]?.format !== 'raw') understood += decoded.length;
      }
    }
  };
  run(performance.now() + 500);
  events = understood = 0;
  const start = performance.now();
  const before = process.cpuUsage();
  run(start + seconds * 1000);
  const took = performance.now() - start;
  // Time on the processor, the collector's threads included: it holds on a machine that does other things too.
  const cpu = process.cpuUsage(before);
  return {
    events_per_sec: Math.round((events * 1000) / took),
    us_per_event: Number(((took * 1000) / events).toFixed(3)),
    cpu_us_per_event: Number(((cpu.user + cpu.system) / events).toFixed(3)),
    understood_share: understood / events,
  };
}

const seconds = Number(process.argv[2] ?? 2);
const result: Record<string, unknown> = { name: 'decode', node: process.version };
for (const name of Object.keys(MAKE)) result[name] = measure(name, seconds);
process.stdout.write(`${JSON.stringify(result)}\n`);
