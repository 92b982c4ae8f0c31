/**
 * `asepsis bench relay`: C-STORE of real DICOM objects with dcmtk straight, through a pair of relays and through a pair of
 * stunnels in the same run, and the round trip of a 2 KB HL7 message. Prints one JSON object.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse, stringify } from 'yaml';

const { values } = parseArgs({
  options: {
    mb: { type: 'string', default: '200' },
    messages: { type: 'string', default: '3000' },
    json: { type: 'boolean' },
  },
});
const ROOT = join(import.meta.dirname, '..');
const HOST = '127.0.0.1';
const OBJECT_MB = 4;
const objects = Math.max(1, Math.round(Number(values.mb) / OBJECT_MB));
const messages = Number(values.messages);

const folder = await mkdtemp(join(tmpdir(), 'asepsis-bench-relay-'));
const children: ChildProcess[] = [];
const has = (program: string) => ['/usr/bin', '/usr/sbin', '/bin'].some((path) => existsSync(join(path, program)));

function run(program: string, args: readonly string[], cwd = folder): ChildProcess {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, HOST, () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Nothing listens on port ${port}.`);
}

/** A pair of ours or of stunnel's in front of `server`; answers the port of its near end. */
async function pairTo(server: number, how: 'asepsis' | 'stunnel'): Promise<number> {
  const place = join(folder, `${how}-${server}`);
  const [near, far] = [await freePort(), await freePort()];
  const made = spawnSync(
    join(ROOT, 'bin', 'asepsis'),
    ['relay', 'pair', place, '--name', 'bench', '--kind', 'dicom', '--from', HOST].concat([
      '--listen',
      `${HOST}:${near}`,
      '--tunnel',
      `${HOST}:${far}`,
      '--to',
      `${HOST}:${server}`,
    ]),
  );
  if (made.status !== 0) throw new Error(String(made.stderr));
  for (const side of ['far', 'near']) {
    if (how === 'stunnel') run('stunnel4', ['stunnel.conf'], join(place, side));
    else {
      const path = join(place, side, 'relay.yaml');
      const config = parse(await readFile(path, 'utf8'));
      delete config.status;
      await writeFile(path, stringify(config));
      run(join(ROOT, 'bin', 'asepsis'), ['relay', 'run', path]);
    }
    await listening(side === 'far' ? far : near);
  }
  return near;
}

async function makeObjects(): Promise<void> {
  await mkdir(join(folder, 'objects'));
  const size = Math.round(Math.sqrt((OBJECT_MB * 1024 * 1024) / 2));
  const pixels = join(folder, 'pixels');
  await writeFile(pixels, Buffer.alloc(size * size * 2, 7));
  const dump = [
    '(0008,0016) UI =SecondaryCaptureImageStorage',
    '(0008,0018) UI [1.2.276.0.7230010.3.1.4.1]',
    '(0010,0010) PN [Bench^Relay]',
    '(0010,0020) LO [0]',
    '(0020,000d) UI [1.2.276.0.7230010.3.1.2.1]',
    '(0020,000e) UI [1.2.276.0.7230010.3.1.3.1]',
    '(0028,0002) US 1',
    '(0028,0004) CS [MONOCHROME2]',
    `(0028,0010) US ${size}`,
    `(0028,0011) US ${size}`,
    '(0028,0100) US 16',
    '(0028,0101) US 16',
    '(0028,0102) US 15',
    '(0028,0103) US 0',
    `(7fe0,0010) OW =${pixels}`,
  ];
  await writeFile(join(folder, 'dump'), `${dump.join('\n')}\n`);
  const made = spawnSync('dump2dcm', ['dump', 'objects/one.dcm'], { cwd: folder });
  if (made.status !== 0) throw new Error(`dump2dcm: ${made.stderr.toString()}`);
}

/** MB a second of `objects` C-STOREs over one association. */
async function store(port: number): Promise<number> {
  const startedMs = performance.now();
  // +r repeats the association; one association with many objects is what a modality does.
  const files = Array.from({ length: objects }, () => 'objects/one.dcm');
  const code = await new Promise<number | null>((resolve) =>
    run('storescu', ['--max-pdu', '131072', HOST, String(port), ...files]).once('close', resolve),
  );
  if (code !== 0) throw new Error(`storescu ended with ${code}.`);
  return (objects * OBJECT_MB) / ((performance.now() - startedMs) / 1000);
}

const HL7 = `\x0bMSH|^~\\&|LAB|WARD|EHR|MAIN|20260101||ORU^R01|1|P|2.5\rOBX|1|TX|||${'x'.repeat(1900)}\r\x1c\r`;
const ACK = '\x0bMSH|^~\\&|EHR|MAIN|LAB|WARD|20260101||ACK|1|P|2.5\rMSA|AA|1\r\x1c\r';

/** Round trips in ms, sorted. */
async function roundTrips(port: number): Promise<number[]> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const made = connect(port, HOST, () => resolve(made)).once('error', reject);
  });
  socket.setNoDelay(true);
  const times: number[] = [];
  for (let i = 0; i < messages; i++) {
    const startedMs = performance.now();
    socket.write(HL7);
    for (let got = 0; got < ACK.length; )
      got += await new Promise<number>((resolve) => socket.once('data', (chunk) => resolve(chunk.length)));
    times.push(performance.now() - startedMs);
  }
  socket.destroy();
  return times.sort((a, b) => a - b);
}
const percentile = (sorted: readonly number[], part: number) => sorted[Math.floor(sorted.length * part)] ?? 0;
const round = (value: number) => Math.round(value * 100) / 100;

try {
  for (const program of ['storescu', 'storescp', 'dump2dcm'])
    if (!has(program)) throw new Error(`${program} is needed: install dcmtk.`);
  await makeObjects();
  const scp = await freePort();
  run('storescp', ['--ignore', '--max-pdu', '131072', String(scp)]);
  await listening(scp);
  const engine = createServer((socket) => {
    socket.setNoDelay(true);
    let held = 0;
    socket.on('data', (chunk) => {
      held += chunk.length;
      if (held < HL7.length) return;
      held -= HL7.length;
      socket.write(ACK);
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => engine.listen(0, HOST, resolve));
  const hl7 = (engine.address() as { port: number }).port;
  const ways: [string, number, number][] = [['straight', scp, hl7]];
  ways.push(['asepsis', await pairTo(scp, 'asepsis'), await pairTo(hl7, 'asepsis')]);
  if (has('stunnel4')) ways.push(['stunnel', await pairTo(scp, 'stunnel'), await pairTo(hl7, 'stunnel')]);
  const result: Record<string, unknown> = { objects, object_mb: OBJECT_MB, messages };
  const rates: Record<string, number> = {};
  const p99: Record<string, number> = {};
  // Taken in turns, so that what else the machine does meets all alike; the best of three counts.
  for (let turn = 0; turn < 3; turn++)
    for (const [name, port] of ways) rates[name] = Math.max(rates[name] ?? 0, await store(port));
  for (const [name, , port] of ways) {
    const times = await roundTrips(port);
    p99[name] = percentile(times, 0.99);
    result[`${name}_hl7_ms`] = { p50: round(percentile(times, 0.5)), p99: round(p99[name]) };
  }
  for (const [name, rate] of Object.entries(rates)) result[`${name}_store_mb_s`] = round(rate);
  if (rates.stunnel) result.store_of_stunnel = round((rates.asepsis ?? 0) / rates.stunnel);
  result.added_p99_ms = round((p99.asepsis ?? 0) - (p99.straight ?? 0));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  engine.close();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}
