/** The relay laboratory: real DICOM and HL7 in clear, a finding; a pair of relays, the same traffic again; fixed by what the sensor sees. */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './harness/desk.ts';
import { type Host, type Hosts, hostsPossible, openHosts } from './harness/hosts.ts';

const ROOT = join(import.meta.dirname, '..');
const ASEPSIS = join(ROOT, 'bin', 'asepsis');
const has = (program: string) => ['/usr/bin', '/usr/sbin'].some((path) => existsSync(join(path, program)));
const missing = ['storescu', 'storescp', 'dump2dcm', 'tcpdump', 'python3'].filter((program) => !has(program));
const impossible = hostsPossible() ?? (missing.length > 0 ? `${missing.join(', ')} not installed` : null);
if (impossible) process.stderr.write(`The relay laboratory is skipped: ${impossible}\n`);

/** Planted, and found nowhere afterwards. */
const PLANTED = { name: 'QUILLON', given: 'ESMERIN', mrn: '77310945', born: '19610417' };
const DUMP = `(0008,0016) UI =SecondaryCaptureImageStorage
(0008,0018) UI [1.2.276.0.7230010.3.1.4.17]
(0010,0010) PN [${PLANTED.name}^${PLANTED.given}]
(0010,0020) LO [${PLANTED.mrn}]
(0010,0030) DA [${PLANTED.born}]
(0020,000d) UI [1.2.276.0.7230010.3.1.2.17]
(0020,000e) UI [1.2.276.0.7230010.3.1.3.17]
`;
const HL7 = `MSH|^~\\&|LAB|WARD|EHR|MAIN|20260101||ADT^A01|1|P|2.5\rPID|1||${PLANTED.mrn}^^^H^MR||${PLANTED.name}^${PLANTED.given}||${PLANTED.born}|F\r`;
/** An MLLP client and server in a few lines of another language than ours. */
const SEND = `import socket,sys
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),10); s.settimeout(10)
s.sendall(b'\\x0b'+open(sys.argv[3],'rb').read()+b'\\x1c\\r'); d=s.recv(4096); print(d); sys.exit(0 if b'MSA|AA' in d else 3)`;
const TAKE = `import socketserver,sys
class H(socketserver.BaseRequestHandler):
  def handle(self):
    b=b''
    while not b.endswith(b'\\x1c\\r'):
      d=self.request.recv(4096)
      if not d: return
      b+=d
    self.request.sendall(b'\\x0bMSH|^~\\\\&|EHR|MAIN|LAB|WARD|20260101||ACK|1|P|2.5\\rMSA|AA|1\\r\\x1c\\r')
class S(socketserver.ThreadingTCPServer): allow_reuse_address=True
S((sys.argv[1],int(sys.argv[2])),H).serve_forever()`;

let folder = '';
let hosts: Hosts;
let device: Host;
let near: Host;
let far: Host;
let server: Host;
beforeAll(async () => {
  if (impossible) return;
  folder = await mkdtemp(join(tmpdir(), 'asepsis-relay-lab-'));
  hosts = openHosts();
  device = hosts.host('10.1.0.5');
  near = hosts.host('10.1.0.2');
  far = hosts.host('10.9.0.2');
  server = hosts.host('10.9.0.1');
  await writeFile(join(folder, 'dump'), DUMP);
  await writeFile(join(folder, 'message'), HL7);
  expect(spawnSync('dump2dcm', ['dump', 'one.dcm'], { cwd: folder }).status).toBe(0);
  server.start('storescp', ['--ignore', '11112']);
  server.start('python3', ['-c', TAKE, '10.9.0.1', '2575']);
  for (const port of ['11112', '2575']) await listens(server, port);
});
afterAll(async () => {
  hosts?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const listens = (host: Host, port: string) =>
  eventually(`port ${port} on ${host.address}`, async () =>
    host.run('ss', ['-Hltn', `sport = :${port}`]).out.includes(port),
  );

/** What crosses the switch while `work` is done, as a file. */
async function captured(name: string, work: () => void): Promise<string> {
  const file = join(folder, `${name}.pcap`);
  const dump: ChildProcess = hosts.mirror.start('tcpdump', ['-i', 'sw', '-w', file, '-U', '-Z', 'root', 'ip']);
  let said = '';
  dump.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await eventually('tcpdump listens', async () => said.includes('listening on'));
  work();
  // On a busy machine frames reach the file late: it is whole when it has not grown for a while.
  let size = -1;
  await eventually('the capture rests', async () => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    const before = size;
    size = statSync(file).size;
    return size > 1000 && size === before;
  });
  const ended = new Promise((resolve) => dump.once('close', resolve));
  spawnSync('pkill', ['-INT', '-f', file]);
  await ended;
  return file;
}

function asepsis(args: readonly string[], codes: readonly number[]): string {
  const done = spawnSync(ASEPSIS, args, { cwd: folder, encoding: 'utf8' });
  expect(codes, done.stderr).toContain(done.status);
  return done.stdout;
}

interface Seen {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly state: string;
  readonly severity: string;
}
const inspect = (file: string): Seen[] =>
  asepsis(['inspect', file, '--data', 'data', '--json'], [0, 1])
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Seen);
const direct = (found: readonly Seen[], app: string) =>
  found.find((one) => one.kind === 'clear-text-patient-data' && one.title.includes(`${app} from 10.1.0.5 to 10.9.0.1`));

const send = (to: Host, dicom: string, hl7: string) => {
  const stored = device.run('storescu', [to.address, dicom, 'one.dcm'], { cwd: folder });
  expect(stored.code, stored.out).toBe(0);
  const taken = device.run('python3', ['-c', SEND, to.address, hl7, join(folder, 'message')]);
  expect(taken.code, taken.out).toBe(0);
};

test.skipIf(impossible !== null)(
  'clear text, a pair of relays, the same traffic: fixed by evidence, and open again when it returns',
  async () => {
    const before = inspect(await captured('before', () => send(server, '11112', '2575')));
    const images = direct(before, 'DICOM');
    const messages = direct(before, 'HL7');
    expect([images?.state, messages?.state]).toEqual(['open', 'open']);

    for (const [name, finding, local, tunnel, status] of [
      ['pacs', images, '11113', '2762', '9465'],
      ['adt', messages, '2576', '6661', '9466'],
    ] as const) {
      asepsis(
        ['relay', 'pair', name, '--finding', finding?.id ?? '', '--data', 'data'].concat([
          '--listen',
          `10.1.0.2:${local}`,
          '--tunnel',
          `10.9.0.2:${tunnel}`,
          '--seen-as',
          '10.1.0.2',
          '--status',
          `127.0.0.1:${status}`,
        ]),
        [0],
      );
      far.start(ASEPSIS, ['relay', 'run', join(folder, name, 'far', 'relay.yaml')], { cwd: folder });
      await listens(far, tunnel);
      near.start(ASEPSIS, ['relay', 'run', join(folder, name, 'near', 'relay.yaml')], { cwd: folder });
      await listens(near, local);
    }

    const after = await captured('after', () => {
      send(near, '11113', '2576');
    });
    inspect(after);
    const state = async (id: string | undefined) => {
      const { openStore } = await import('../src/store/index.ts');
      const { systemClock } = await import('../src/core/index.ts');
      const store = await openStore({ dataDir: join(folder, 'data'), clock: systemClock });
      try {
        return await store.findings.get(id as never);
      } finally {
        await store.close();
      }
    };
    expect((await state(images?.id))?.state).toBe('fixed');
    expect((await state(messages?.id))?.state).toBe('fixed');
    expect((await state(images?.id))?.fixed_by?.what).toContain('relay pacs');
    // Between the sites nothing of the patient can be read.
    const between = spawnSync('tcpdump', ['-r', after, '-A', 'host 10.9.0.2 and host 10.1.0.2'], {
      encoding: 'latin1',
    });
    expect(between.stdout.length).toBeGreaterThan(1000);
    for (const value of Object.values(PLANTED)) expect(between.stdout).not.toContain(value);

    const again = inspect(await captured('again', () => send(server, '11112', '2575')));
    expect(direct(again, 'DICOM')?.state, JSON.stringify(again)).toBe('open');
    expect((await state(images?.id))?.reopened).toBe(1);
    expect(
      (await state(images?.id))?.evidence.some((one) => one.what.includes('although') || one.what.includes('relay')),
    ).toBe(true);

    for (const path of filesIn(join(folder, 'data')))
      for (const value of Object.values(PLANTED))
        expect(readFileSync(path).includes(value), `${value} in ${path}`).toBe(false);
  },
);

function* filesIn(place: string): Generator<string> {
  for (const name of readdirSync(place)) {
    const path = join(place, name);
    if (statSync(path).isDirectory()) yield* filesIn(path);
    else yield path;
  }
}
