/** Records of Windows event logs a second on one core, as JSON: chunks of mixed events repeated in a large file. */

import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEvtx } from '../src/ingest/evtx/index.ts';
import { text, uint32, type WrittenEvent, writeEvtx } from '../src/ingest/evtx/testing/evtx-writer.ts';

const CHUNKS_DIFFERENT = 40;
const TIMES = 60;

const names = (list: Record<string, string | number>): WrittenEvent['data'] =>
  Object.entries(list).map(([name, value]) => [name, typeof value === 'number' ? uint32(value) : text(value)]);

/** A log-on and a process start of Sysmon, with as many fields as these have. */
function eventOf(n: number): WrittenEvent {
  const common = { computer: `ws-${n % 300}.hospital.example`, number: n + 1, timeMs: Date.UTC(2026, 4, 20) + n * 37 };
  if (n % 2 === 0)
    return {
      ...common,
      eventId: 4624,
      channel: 'Security',
      provider: 'Microsoft-Windows-Security-Auditing',
      data: names({
        SubjectUserSid: 'S-1-5-18',
        SubjectUserName: `WS-${n % 300}$`,
        SubjectDomainName: 'HOSPITAL',
        SubjectLogonId: '0x3e7',
        TargetUserSid: `S-1-5-21-1-2-3-${n % 900}`,
        TargetUserName: `user${n % 900}`,
        TargetDomainName: 'HOSPITAL',
        TargetLogonId: `0x${n.toString(16)}`,
        LogonType: 3,
        LogonProcessName: 'Kerberos',
        AuthenticationPackageName: 'Kerberos',
        WorkstationName: `WS-${n % 300}`,
        LogonGuid: '{00000000-0000-0000-0000-000000000000}',
        TransmittedServices: '-',
        LmPackageName: '-',
        KeyLength: 0,
        ProcessId: '0x0',
        ProcessName: '-',
        IpAddress: `10.0.${n % 256}.${(n * 7) % 256}`,
        IpPort: String(1024 + (n % 60_000)),
        ImpersonationLevel: '%%1833',
      }),
    };
  return {
    ...common,
    eventId: 1,
    channel: 'Microsoft-Windows-Sysmon/Operational',
    provider: 'Microsoft-Windows-Sysmon',
    data: names({
      RuleName: '-',
      UtcTime: '2026-05-20 09:14:03.123',
      ProcessGuid: '0197231E-005A-6928-A50B-000000000D00',
      ProcessId: 1000 + (n % 9000),
      Image: 'C:\\Windows\\System32\\cmd.exe',
      FileVersion: '10.0.26100.7019 (WinBuild.160101.0800)',
      Description: 'Windows Command Processor',
      Product: 'Microsoft Windows Operating System',
      Company: 'Microsoft Corporation',
      OriginalFileName: 'Cmd.Exe',
      CommandLine: `"C:\\Windows\\System32\\cmd.exe" /c dir C:\\data\\${n % 4000}`,
      CurrentDirectory: 'C:\\Windows\\system32\\',
      User: `HOSPITAL\\user${n % 900}`,
      LogonId: '0x3e7',
      TerminalSessionId: 1,
      IntegrityLevel: 'Medium',
      Hashes:
        'MD5=1FD4DD58C75D6F2EDCDB337EE686231E,SHA256=4208893C871D2499F184E3F0F2554DA89F451FA9E98D95FC9516C5AE8F2B3BBD',
      ParentProcessId: 4460,
      ParentImage: 'C:\\Windows\\explorer.exe',
      ParentCommandLine: 'C:\\Windows\\Explorer.EXE',
    }),
  };
}

async function readAll(path: string): Promise<Record<string, number>> {
  const before = process.cpuUsage();
  const start = performance.now();
  const events = readEvtx(path);
  let fields = 0;
  for await (const event of events) if (event.fields.EventID !== undefined) fields++;
  const tookMs = performance.now() - start;
  const cpu = process.cpuUsage(before);
  if (fields !== events.counts.records || events.counts.damagedRecords > 0) throw new Error('records were lost');
  return {
    records: fields,
    records_per_sec: Math.round((fields * 1000) / tookMs),
    us_per_record: Number(((tookMs * 1000) / fields).toFixed(3)),
    cpu_us_per_record: Number(((cpu.user + cpu.system) / fields).toFixed(3)),
    records_per_cpu_sec: Math.round((fields * 1e6) / (cpu.user + cpu.system)),
    mb_per_sec: Math.round(statSync(path).size / 1000 / tookMs),
  };
}

const dir = mkdtempSync(join(tmpdir(), 'asepsis-bench-evtx-'));
try {
  const path = join(dir, 'large.evtx');
  const small = writeEvtx(Array.from({ length: CHUNKS_DIFFERENT * 40 }, (_, n) => eventOf(n)));
  const chunks = small.subarray(4096);
  writeFileSync(path, Buffer.concat([small.subarray(0, 4096), ...Array.from({ length: TIMES }, () => chunks)]));
  await readAll(path);
  const result = {
    name: 'evtx',
    node: process.version,
    ...(await readAll(path)),
    rss_mb: process.memoryUsage.rss() >> 20,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  rmSync(dir, { recursive: true });
}
