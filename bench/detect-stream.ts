/** What benchmarks of detection are fed with: Windows telemetry of attacks out of its archives, and an ordinary day. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

export const clock = (i: number): string => new Date(Date.UTC(2026, 0, 5) + i * 50).toISOString();

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

/** Windows telemetry of attacks, spread over all archives. */
export async function windowsLines(dir: string, most: number): Promise<string[]> {
  const files = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.zip')).sort();
  const all: string[] = [];
  for (const file of files) all.push(...(await zipLines(join(dir, file))));
  const step = Math.max(1, all.length / most);
  return Array.from({ length: Math.min(most, all.length) }, (_, i) => all[Math.floor(i * step)] as string);
}

/** An ordinary day as shippers send it: log-ons, connections and process starts of Windows, web, sshd, DNS, firewall. */
export function ordinaryJson(i: number): string {
  const time = clock(i);
  const host = `ws-${i % 400}.hospital.example`;
  const windows = (EventID: number, Channel: string, data: object) =>
    JSON.stringify({ EventTime: time, UtcTime: time, Hostname: host, EventID, Channel, SourceName: Channel, ...data });
  switch (i % 8) {
    case 0:
      return windows(4624, 'Security', {
        TargetUserName: `user${i % 900}`,
        TargetDomainName: 'HOSPITAL',
        TargetLogonId: `0x${i.toString(16)}`,
        LogonType: '3',
        LogonProcessName: 'Kerberos',
        AuthenticationPackageName: 'Kerberos',
        WorkstationName: '-',
        IpAddress: `10.2.${i % 250}.${(i * 7) % 250}`,
        IpPort: String(49152 + (i % 9999)),
      });
    case 1:
      return windows(3, 'Microsoft-Windows-Sysmon/Operational', {
        Image: 'C:\\Program Files\\Epic\\Hyperspace\\hyperspace.exe',
        User: `HOSPITAL\\user${i % 900}`,
        Protocol: 'tcp',
        Initiated: 'true',
        SourceIp: `10.2.${i % 250}.9`,
        DestinationIp: `10.0.5.${i % 20}`,
        DestinationPort: '443',
        DestinationHostname: `ehr-${i % 20}.hospital.example`,
      });
    case 2:
      return windows(1, 'Microsoft-Windows-Sysmon/Operational', {
        ProcessGuid: `{6a910b9d-498a-5ee0-${(i % 65536).toString(16).padStart(4, '0')}-000000000400}`,
        Image: 'C:\\Windows\\System32\\svchost.exe',
        CommandLine: `C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s wuauserv ${i % 50}`,
        ParentImage: 'C:\\Windows\\System32\\services.exe',
        ParentCommandLine: 'C:\\Windows\\System32\\services.exe',
        OriginalFileName: 'svchost.exe',
        Company: 'Microsoft Corporation',
        IntegrityLevel: 'System',
        User: 'NT AUTHORITY\\SYSTEM',
        Hashes: `SHA256=${(i % 99).toString(16).padStart(64, 'a')}`,
      });
    case 3:
      return JSON.stringify({
        '@timestamp': time,
        ecs: { version: '8.11.0' },
        event: { category: ['web'], dataset: 'nginx.access', outcome: 'success' },
        source: { ip: `198.51.100.${i % 250}` },
        url: { path: `/portal/appointments/${i % 5000}`, original: `/portal/appointments/${i % 5000}?lang=en` },
        http: { request: { method: 'GET' }, response: { status_code: 200, body: { bytes: 5120 } } },
        user_agent: { original: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36' },
        host: { name: 'portal-1' },
      });
    case 4:
    case 5:
      return JSON.stringify({
        __REALTIME_TIMESTAMP: String(Date.UTC(2026, 0, 5) * 1000 + i * 50_000),
        _HOSTNAME: `srv-${i % 40}`,
        SYSLOG_IDENTIFIER: 'sshd',
        _PID: String(1000 + (i % 5000)),
        PRIORITY: '6',
        MESSAGE: `Accepted publickey for staff${i % 300} from 10.1.${i % 250}.7 port ${40_000 + (i % 9999)} ssh2`,
      });
    case 6:
      return JSON.stringify({
        timestamp: time,
        flow_id: i,
        event_type: 'dns',
        src_ip: `10.2.${i % 250}.9`,
        src_port: 50_000 + (i % 9999),
        dest_ip: '10.0.0.53',
        dest_port: 53,
        proto: 'UDP',
        dns: { type: 'query', rrname: `host-${i % 700}.vendor.example`, rrtype: 'A' },
      });
    default:
      return windows(5156, 'Security', {
        ProcessID: String(i % 9000),
        Application: '\\device\\harddiskvolume2\\windows\\system32\\svchost.exe',
        Direction: '%%14593',
        SourceAddress: `10.2.${i % 250}.9`,
        SourcePort: String(50_000 + (i % 9999)),
        DestAddress: '10.0.0.53',
        DestPort: '53',
        Protocol: '17',
      });
  }
}
