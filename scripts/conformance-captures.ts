/** Inspection over captures from the field: no exception, what their names promise is found, no patient where there is none. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assessInspection, createInspector, keyedHash, readCapture } from '../src/network/index.ts';
import { hasTshark, tsharkFlows } from './conformance-tshark.ts';

/** Captures by path → an application that must be found in them, and of which kind. */
const EXPECTED: readonly { path: RegExp; app: string; kind: string }[] = [
  { path: /tapirx\/HL7-/, app: 'hl7', kind: 'clear-text-patient-data' },
  { path: /tapirx\/dicom_/, app: 'dicom', kind: 'clear-text-clinical-protocol' },
  { path: /ndpi\/hl7\./, app: 'hl7', kind: 'clear-text-patient-data' },
  { path: /ndpi\/http_auth\./, app: 'http', kind: 'clear-text-credential' },
  { path: /ndpi\/rsh\./, app: 'rsh', kind: 'clear-text-credential' },
  { path: /ndpi\/sip_hello\./, app: 'sip', kind: 'clear-text-credential' },
  { path: /ndpi\/telnet\./, app: 'telnet', kind: 'clear-text-credential' },
  { path: /ndpi\/tftp\./, app: 'tftp', kind: 'clear-text-credential' },
  { path: /ndpi\/(pop3_stls|smtp-starttls)\./, app: 'tls', kind: 'weak-tls' },
  { path: /suricata-verify\/.*mqtt[^/]*userpass/, app: 'mqtt', kind: 'clear-text-credential' },
  { path: /suricata-verify\/.*snmp-v2c-get/, app: 'snmp', kind: 'clear-text-credential' },
  { path: /suricata-verify\/.*ftp-(download|upload|retr|too-long)/, app: 'ftp', kind: 'clear-text-credential' },
  { path: /suricata-verify\/.*rfb-parser/, app: 'vnc', kind: 'clear-text-credential' },
  { path: /suricata-verify\/.*telnet-01/, app: 'telnet', kind: 'clear-text-credential' },
  { path: /ndpi\/kerberos-login\./, app: 'kerberos', kind: 'weak-authentication' },
  { path: /suricata-verify\/krb5-kerberoasting/, app: 'kerberos', kind: 'weak-authentication' },
  { path: /ndpi\/rdp3\.|suricata-verify\/rdp-protocol/, app: 'rdp', kind: 'weak-authentication' },
  { path: /ndpi\/rsh-syslog-false-positive/, app: 'syslog', kind: 'clear-text-logs' },
  { path: /ndpi\/smb_frags\.|suricata-verify\/(?:smb1-02|smb-eicar)/, app: 'smb', kind: 'weak-authentication' },
  {
    path: /suricata-verify\/(?:smb-version-keyword|smb2-named-pipe|smb2-ntlmssp)/,
    app: 'smb',
    kind: 'weak-authentication',
  },
  {
    path: /ndpi\/(?:ftp)\.|suricata-verify\/(?:ftp-epsv|ftp-port-memcap|filestore-ftp)/,
    app: 'ftp',
    kind: 'clear-text-credential',
  },
  { path: /suricata-verify\/.*tftp-01/, app: 'tftp', kind: 'clear-text-credential' },
];
const HOLDS_PATIENTS = /tapirx\/HL7-|ndpi\/hl7\./;
const MUTATIONS = 8;
/** A capture of some hundred kilobytes that needs longer is a fault, whatever the machine does beside. */
const CAPTURE_MS_MAX = 20_000;

async function findingsOf(path: string): Promise<{ kind: string; app: string; flow: string }[]> {
  const inspector = createInspector({ hash: keyedHash(Buffer.alloc(32)) });
  inspector.file(path);
  await readCapture(path, inspector.frame);
  return assessInspection(inspector.finish(), { routers: new Set() }).map((one) => ({
    kind: one.kind,
    app: String(one.evidence[0]?.data?.application ?? ''),
    flow: flowOf(one.key),
  }));
}

/** `client server port` of a finding about a flow. */
function flowOf(key: string): string {
  const parts = /^([^>]{1,64})>(.{1,64}):(\d{1,5})\//.exec(key);
  return parts ? `${parts[1]} ${parts[2]} ${parts[3]}` : '';
}

/** The same capture with bytes changed inside its packets; the same changes each time. */
async function mutate(path: string, seed: number): Promise<void> {
  const { createCaptureReader } = await import('../src/network/network-capture.ts');
  const inspector = createInspector({ hash: keyedHash(Buffer.alloc(32)), flowsMax: 1024 });
  let state = seed + 1;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
  const reader = createCaptureReader((bytes, start, end, original, timeMs, link) => {
    if (end > start && next() % 3 === 0)
      for (let i = 0; i < 3; i++) bytes[start + (next() % (end - start))] = next() & 255;
    inspector.frame(bytes, start, end, original, timeMs, link);
  });
  reader.push(readFileSync(path));
  assessInspection(inspector.finish(), { routers: new Set() });
}

/** Runs the network room over `<dataDir>/captures`. */
export async function conformanceCaptures(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const folder = join(dataDir, 'captures');
  const name = 'captures';
  if (!existsSync(folder)) return { name, ok: true, lines: ['no captures in this data folder'] };
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((file) => /\.pcap(?:ng)?$/.test(file))
    .toSorted();
  const lines: string[] = [];
  let faults = 0;
  let promised = 0;
  let kept = 0;
  let slowestMs = 0;
  let agreed = 0;
  const second = hasTshark();
  const fault = (sentence: string) => {
    faults++;
    if (lines.length < 40) lines.push(sentence);
  };
  for (const file of files) {
    const path = join(folder, file);
    const from = performance.now();
    try {
      const found = await findingsOf(path);
      for (const { path: where, app, kind } of EXPECTED) {
        if (!where.test(file)) continue;
        promised++;
        if (found.some((one) => one.app === app && one.kind === kind)) kept++;
        else fault(`${file}: no ${kind} of ${app}`);
      }
      if (!HOLDS_PATIENTS.test(file) && found.some((one) => one.kind === 'clear-text-patient-data'))
        fault(`${file}: a patient where there is none`);
      if (second) {
        for (const [key, packets] of tsharkFlows(path)) {
          const [app = '', ...flow] = key.split(' ');
          if (found.some((one) => one.app === app && one.flow === flow.join(' '))) agreed++;
          else fault(`${file}: tshark reads ${key} in ${packets} packets, we do not`);
        }
      }
      for (let seed = 0; seed < MUTATIONS; seed++) await mutate(path, seed);
    } catch (error) {
      fault(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - from);
    if (performance.now() - from > CAPTURE_MS_MAX) fault(`${file}: took ${Math.round(performance.now() - from)} ms`);
  }
  const mutated = files.length * MUTATIONS;
  lines.unshift(
    `${files.length} captures, ${mutated} mutated ones; ${kept} of ${promised} promised findings; slowest ${Math.round(slowestMs)} ms`,
    second
      ? `tshark: ${agreed} flows of HL7, DICOM, LDAP, FTP, SNMP and MQTT that both see; every other one is a fault above`
      : 'tshark is not installed: no second opinion',
  );
  return { name, ok: faults === 0 && promised > 0, lines };
}
