/**
 * The traffic laboratory: real programs on a network of their own, with planted patients and secrets. Every leak is found with
 * its kind and both ends, and nothing planted comes out anywhere.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { has, type Lab, mayMakeNetworks, openLab, soon } from './harness/lab.ts';

const CLIENT = '10.77.0.2';
const SERVER = '10.77.0.1';
const ATTACKER = '10.77.0.66';
const PLANTED = {
  family: 'LABORKANARI',
  given: 'Mirabelle',
  id: 'LAB-MRN-8812',
  birth: '19640229',
  password: 'Plant-Geheim-77',
  account: 'laborant-nina',
  community: 'kanal-community-9',
} as const;

const able = mayMakeNetworks();
const ROOT = join(import.meta.dirname, '..');
const helper = join(import.meta.dirname, 'harness', 'lab-server.mjs');
let lab: Lab;

const inspect = (...args: string[]): { findings: Found[]; said: string } => {
  let said = '';
  try {
    said = execFileSync(process.execPath, [join(ROOT, 'src', 'main.ts'), 'inspect', '--json', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const failed = error as { status: number; stdout: string; stderr: string };
    if (failed.status !== 1) throw error;
    said = failed.stdout;
  }
  const findings = said
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Found);
  return { findings, said };
};

interface Found {
  id: string;
  kind: string;
  severity: string;
  asset: { name: string };
  evidence: { data: Record<string, string | number> }[];
}
const flowOf = (one: Found) =>
  `${one.kind} ${one.evidence[0]?.data.application} ${String(one.evidence[0]?.data.flow)
    .replace(CLIENT, 'client')
    .replace(SERVER, 'server')}`;

const node = (machine: string, ...args: string[]) => lab.start(machine, process.execPath, [helper, ...args]);
const listening = (machine: string, port: number, udp = false) =>
  soon(() => lab.run(machine, 'ss', [udp ? '-uln' : '-tln']).includes(`:${port} `));

/** A DICOM object with a planted patient, written by DCMTK. */
function object(): string {
  const dump = join(lab.folder, 'object.txt');
  const lines = [
    '(0008,0016) UI 1.2.840.10008.5.1.4.1.1.7',
    '(0008,0018) UI 1.2.276.0.7230010.3.1.4.1',
    '(0008,0060) CS OT',
    `(0010,0010) PN ${PLANTED.family}^${PLANTED.given}`,
    `(0010,0020) LO ${PLANTED.id}`,
    `(0010,0030) DA ${PLANTED.birth}`,
    '(0020,000d) UI 1.2.276.0.7230010.3.1.2.1',
    '(0020,000e) UI 1.2.276.0.7230010.3.1.3.1',
  ];
  writeFileSync(dump, `${lines.join('\n')}\n`);
  const file = join(lab.folder, 'object.dcm');
  execFileSync('dump2dcm', ['-q', '+te', dump, file], { stdio: 'pipe' });
  return file;
}

beforeAll(async () => {
  if (!able) return;
  lab = await openLab({ client: CLIENT, server: SERVER, attacker: ATTACKER });
}, 30_000);
afterAll(async () => {
  await lab?.close();
});

const expected: string[] = [];
const leak = (kind: string, application: string, port: string) =>
  expected.push(`${kind} ${application} client → server port ${port}`);

async function clinical(): Promise<void> {
  if (has('storescp', 'storescu', 'dump2dcm')) {
    mkdirSync(join(lab.folder, 'store'));
    lab.start('server', 'storescp', ['-od', join(lab.folder, 'store'), '11999']);
    await listening('server', 11_999);
    const file = object();
    lab.run('client', 'storescu', ['-aet', 'CT-LAB', '-aec', 'PACS-LAB', SERVER, '11999', file]);
    lab.run('client', 'storescu', ['-xi', '-aet', 'CT-LAB', '-aec', 'PACS-LAB', SERVER, '11999', file]);
    leak('clear-text-patient-data', 'dicom', '11999/tcp');
  }
  node('server', 'mllp', SERVER, '20999');
  await listening('server', 20_999);
  const hl7 = `MSH|^~\\&|LAB|W7|EPR|H|2026||ADT^A01|1|P|2.5\nPID|1||${PLANTED.id}^^^H^MR||${PLANTED.family}^${PLANTED.given}||${PLANTED.birth}\n`;
  lab.run('client', process.execPath, [helper, 'mllp-send', SERVER, '20999', hl7]);
  leak('clear-text-patient-data', 'hl7', '20999/tcp');
}

const DICOMWEB = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so';

/** A real archive: images in, a search, its own interface and DICOMweb behind a password that crosses readable. */
async function archive(): Promise<void> {
  if (!has('Orthanc', 'storescu', 'findscu', 'dump2dcm', 'curl')) return;
  const conf = join(lab.folder, 'orthanc.json');
  const place = join(lab.folder, 'orthanc');
  mkdirSync(place);
  writeFileSync(
    conf,
    JSON.stringify({
      Name: 'LABARCHIVE',
      StorageDirectory: place,
      IndexDirectory: place,
      DicomPort: 4299,
      HttpPort: 8299,
      DicomAet: 'ORTHANC',
      RemoteAccessAllowed: true,
      AuthenticationEnabled: true,
      RegisteredUsers: { [PLANTED.account]: PLANTED.password },
      DicomAlwaysAllowFind: true,
      Plugins: existsSync(DICOMWEB) ? [DICOMWEB] : [],
      DicomWeb: { Enable: true, Root: '/dicom-web/' },
    }),
  );
  lab.start('server', 'Orthanc', [conf]);
  await listening('server', 4299);
  await listening('server', 8299);
  const file = object();
  lab.run('client', 'storescu', ['-aet', 'MR-LAB', '-aec', 'ORTHANC', SERVER, '4299', file]);
  const asked = ['-k', 'QueryRetrieveLevel=PATIENT', '-k', `PatientName=${PLANTED.family}*`, '-k', 'PatientID'];
  lab.run('client', 'findscu', ['-P', '-aet', 'MR-LAB', '-aec', 'ORTHANC', ...asked, SERVER, '4299']);
  const login = ['-s', '-m', '8', '-u', `${PLANTED.account}:${PLANTED.password}`];
  const url = `http://${SERVER}:8299`;
  const stored = lab.run('client', 'curl', [...login, '--data-binary', `@${file}`, `${url}/instances`]);
  expect(stored).toContain('Status');
  expect(lab.run('client', 'curl', [...login, `${url}/patients?expand`])).toContain(PLANTED.family);
  leak('clear-text-patient-data', 'dicom', '4299/tcp');
  leak('clear-text-credential', 'http', '8299/tcp');
  leak('clear-text-patient-data', 'http', '8299/tcp');
  if (!existsSync(DICOMWEB)) return;
  const json = ['-H', 'Accept: application/dicom+json'];
  expect(lab.run('client', 'curl', [...login, ...json, `${url}/dicom-web/studies`])).toContain(PLANTED.family);
  leak('clear-text-patient-data', 'dicomweb', '8299/tcp');
}

async function web(): Promise<void> {
  node('server', 'http', SERVER, '8099');
  await listening('server', 8099);
  const url = `http://${SERVER}:8099`;
  const curl = (...args: string[]) => lab.run('client', 'curl', ['-s', '-m', '5', ...args]);
  curl('-u', `${PLANTED.account}:${PLANTED.password}`, `${url}/basic`);
  curl('--digest', '-u', `${PLANTED.account}:${PLANTED.password}`, `${url}/digest`);
  curl('-H', `Authorization: Bearer ${PLANTED.password}`, `${url}/bearer`);
  curl('--data-urlencode', `password=${PLANTED.password}`, `${url}/form`);
  curl('--json', `{"login":"${PLANTED.account}","password":"${PLANTED.password}"}`, `${url}/json`);
  const patient = { resourceType: 'Patient', name: [{ family: PLANTED.family }], birthDate: '1964-02-29' };
  curl('-H', 'Content-Type: application/fhir+json', '-d', JSON.stringify(patient), `${url}/fhir/Patient`);
  leak('clear-text-credential', 'http', '8099/tcp');
  leak('clear-text-patient-data', 'fhir', '8099/tcp');
}

async function services(): Promise<void> {
  if (has('vsftpd', 'curl')) {
    const conf = join(lab.folder, 'vsftpd.conf');
    const empty = join(lab.folder, 'empty');
    mkdirSync(empty);
    writeFileSync(
      conf,
      `listen=YES\nlisten_port=2199\nlocal_enable=YES\nbackground=NO\nsecure_chroot_dir=${empty}\nseccomp_sandbox=NO\n`,
    );
    lab.start('server', 'vsftpd', [conf]);
    await listening('server', 2199);
    lab.run('client', 'curl', [
      '-s',
      '-m',
      '6',
      '-u',
      `${PLANTED.account}:${PLANTED.password}`,
      `ftp://${SERVER}:2199/`,
    ]);
    leak('clear-text-credential', 'ftp', '2199/tcp');
  }
  if (has('slapd', 'ldapsearch')) {
    const conf = join(lab.folder, 'slapd.conf');
    writeFileSync(conf, `pidfile ${join(lab.folder, 'slapd.pid')}\n`);
    lab.start('server', 'slapd', ['-f', conf, '-h', `ldap://${SERVER}:3899`, '-d', '0']);
    await listening('server', 3899);
    const bind = ['-x', '-D', `cn=${PLANTED.account},dc=lab`, '-w', PLANTED.password, '-b', 'dc=lab'];
    lab.run('client', 'ldapsearch', [...bind, '-H', `ldap://${SERVER}:3899`]);
    leak('clear-text-credential', 'ldap', '3899/tcp');
  }
  if (has('snmpd', 'snmpget')) {
    const conf = join(lab.folder, 'snmpd.conf');
    writeFileSync(conf, `rocommunity ${PLANTED.community}\n`);
    lab.start('server', 'snmpd', ['-f', '-Lo', '-C', '-c', conf, `udp:${SERVER}:16199`], {
      SNMP_PERSISTENT_DIR: lab.folder,
    });
    await listening('server', 16_199, true);
    lab.run('client', 'snmpget', [
      '-v2c',
      '-c',
      PLANTED.community,
      '-r0',
      '-t2',
      `${SERVER}:16199`,
      '1.3.6.1.2.1.1.5.0',
    ]);
    leak('clear-text-credential', 'snmp', '16199/udp');
  }
  if (has('mosquitto', 'mosquitto_pub')) {
    const conf = join(lab.folder, 'mosquitto.conf');
    writeFileSync(conf, `listener 18899 ${SERVER}\nallow_anonymous true\n`);
    lab.start('server', 'mosquitto', ['-c', conf]);
    await listening('server', 18_899);
    const login = ['-u', PLANTED.account, '-P', PLANTED.password, '-t', 'ward', '-m', 'hello'];
    lab.run('client', 'mosquitto_pub', ['-h', SERVER, '-p', '18899', ...login]);
    leak('clear-text-credential', 'mqtt', '18899/tcp');
  }
  if (has('telnet')) {
    node('server', 'telnet', SERVER, '2399');
    await listening('server', 2399);
    const typed = `sleep 0.4; printf '${PLANTED.account}\\r\\n'; sleep 0.4; printf '${PLANTED.password}\\r\\n'; sleep 0.4`;
    lab.run('client', 'bash', ['-c', `(${typed}) | telnet ${SERVER} 2399`]);
    leak('clear-text-credential', 'telnet', '2399/tcp');
  }
}

async function attacks(): Promise<string[]> {
  const kinds: string[] = [];
  const spoofs = has('arpspoof');
  const running: ReturnType<Lab['start']>[] = [];
  if (spoofs) {
    // It passes on what it is sent, so that nobody notices.
    lab.run('attacker', 'bash', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
    for (const [victim, other] of [
      [CLIENT, SERVER],
      [SERVER, CLIENT],
    ] as const)
      running.push(lab.start('attacker', 'arpspoof', ['-i', 'eth0', '-t', victim, other]));
    kinds.push('arp-conflict', 'arp-spoofing', 'relayed-traffic');
  }
  if (has('dnsmasq')) {
    const serve = (machine: string, own: string, more: string[]) =>
      lab.start(machine, 'dnsmasq', [
        '--keep-in-foreground',
        '--conf-file=/dev/null',
        '--port=0',
        '--interface=eth0',
        '--user=root',
        `--dhcp-range=10.77.0.100,10.77.0.120,1h`,
        `--dhcp-option=3,${own}`,
        `--dhcp-leasefile=${join(lab.folder, `${machine}.leases`)}`,
        `--pid-file=${join(lab.folder, `${machine}.pid`)}`,
        ...more,
      ]);
    serve('server', SERVER, []);
    lab.run('attacker', 'ip', ['addr', 'add', 'fd00:77::66/64', 'dev', 'eth0', 'nodad']);
    serve('attacker', ATTACKER, ['--enable-ra', '--dhcp-range=fd00:77::,ra-only', '--dhcp-authoritative']);
    await listening('server', 67, true);
    await listening('attacker', 67, true);
    lab.run('client', process.execPath, [helper, 'dhcp-ask', '0', '3500']);
    kinds.push('rogue-dhcp-server', 'unexpected-router-advertisement');
  }
  if (spoofs) {
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const args = [helper, 'mllp-send', SERVER, '20999', 'MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5'];
    lab.run('client', process.execPath, args, { timeoutMs: 3000 });
    for (const spoof of running) spoof.kill('SIGKILL');
    for (const machine of ['client', 'server']) lab.run(machine, 'ip', ['neigh', 'flush', 'all']);
  }
  return kinds;
}

test.skipIf(!able)(
  'every planted leak is found with kind and ends, and nothing planted comes out',
  async () => {
    const path = await lab.capture('all.pcap');
    await clinical();
    await archive();
    await web();
    await services();
    const signs = await attacks();
    await lab.finishCapture();
    const data = join(lab.folder, 'data');
    const { findings, said } = inspect(path, '--data', data);
    const flows = new Set(findings.map(flowOf));
    for (const one of expected) expect(flows, one).toContain(one);
    const kinds = new Set(findings.map((one) => one.kind));
    for (const kind of signs) expect(kinds, kind).toContain(kind);
    const middle = findings.find((one) => one.kind === 'arp-spoofing');
    if (signs.includes('arp-spoofing')) expect(Number(middle?.evidence[0]?.data.clear_flows)).toBeGreaterThan(0);
    const http = findings.find((one) => flowOf(one) === 'clear-text-credential http client → server port 8099/tcp');
    expect(http?.evidence[0]?.data.kinds).toMatch(/^(?=.*Basic)(?=.*Digest)(?=.*Bearer)(?=.*form)(?=.*JSON log-in)/);
    const dicom = findings.find((one) => flowOf(one).endsWith('dicom client → server port 11999/tcp'));
    if (has('storescp', 'storescu', 'dump2dcm'))
      expect(dicom?.evidence[0]?.data).toMatchObject({
        fields: '(0010,0010) ×2, (0010,0020) ×2, (0010,0030) ×2',
        patients: 1,
        names: expect.stringContaining('CT-LAB') as string,
      });
    if (has('Orthanc', 'findscu')) {
      const orthanc = findings.find((one) => flowOf(one).endsWith('dicom client → server port 4299/tcp'));
      expect(orthanc?.evidence[0]?.data.kinds).toMatch(/^(?=.*C-STORE)(?=.*C-FIND)(?=.*C-FIND answer)/);
      expect(orthanc?.evidence[0]?.data.names).toContain('ORTHANC');
    }
    const outputs = [said, inspect(path, '--assets').said, inspect(path, '--tls').said];
    for (const file of readdirSync(data, { recursive: true, withFileTypes: true }))
      if (file.isFile()) outputs.push(readFileSync(join(file.parentPath, file.name), 'latin1'));
    for (const output of outputs)
      for (const [name, value] of Object.entries(PLANTED)) expect(output.includes(value), name).toBe(false);
  },
  110_000,
);

test.skipIf(!able || !has('dumpcap'))(
  'a live interface is read through a program of its own',
  async () => {
    node('server', 'mllp', SERVER, '20777');
    await listening('server', 20_777);
    const main = join(ROOT, 'src', 'main.ts');
    const child = lab.start('tap', process.execPath, [main, 'inspect', '-i', 'eth0', '--seconds', '5', '--json']);
    let out = '';
    let said = '';
    child.stdout?.on('data', (text: Buffer) => {
      out += String(text);
    });
    child.stderr?.on('data', (text: Buffer) => {
      said += String(text);
    });
    expect(await soon(() => said.includes('Reading eth0'), 20_000)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const hl7 = `MSH|^~\\&|LAB|W7|EPR|H|2026||ADT^A01|1|P|2.5\nPID|1||${PLANTED.id}||${PLANTED.family}\n`;
    lab.run('client', process.execPath, [helper, 'mllp-send', SERVER, '20777', hl7]);
    await new Promise((resolve) => child.once('exit', resolve));
    expect(child.exitCode).toBe(1);
    expect(out).toContain('port 20777');
    for (const value of Object.values(PLANTED)) expect(out + said).not.toContain(value);
  },
  40_000,
);
