/** The same capture through `asepsis inspect` and through tshark with the equivalent fields, in one run, as JSON. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connection, dicomStore, ethernet, MLLP, pcap, said } from '../src/network/network-testing.ts';

const megabytes = Number(process.argv[2] ?? 48);
const folder = mkdtempSync(join(tmpdir(), 'asepsis-bench-'));
const frames: Buffer[] = [];
const page = Buffer.alloc(60_000, 'x');
for (let n = 0, bytes = 0; bytes < megabytes * 1e6; n++) {
  const clientPort = 1024 + (n % 60_000);
  const talks = [
    connection(
      [
        said('client', 'GET /image HTTP/1.1\r\nHost: a.example\r\n\r\n'),
        said('server', `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${page.length}\r\n\r\n`),
        { from: 'server', bytes: page },
      ],
      { clientPort, port: 80 },
    ),
    connection([said('client', MLLP)], { clientPort, port: 2575 }),
    connection(dicomStore(true), { clientPort, port: 104 }),
  ];
  for (const packet of talks.flat()) {
    const frame = ethernet(0x0800, packet);
    frames.push(frame);
    bytes += frame.length + 16;
  }
}
const path = join(folder, 'mixed.pcap');
writeFileSync(path, pcap(frames, { link: 1 }));

/** Seconds of wall clock and processor of a program over the capture. */
function timed(program: string, args: readonly string[]): { wall: number; cpu: number } {
  const start = performance.now();
  const ran = spawnSync(
    'bash',
    ['-c', `exec 3>&2; TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>/dev/null`, '-', program, ...args],
    {
      encoding: 'utf8',
    },
  );
  const [user = 0, system = 0] = ran.stderr.trim().split(/\s+/).map(Number);
  return { wall: (performance.now() - start) / 1000, cpu: user + system };
}

const asepsis = join(import.meta.dirname, '..', 'bin', 'asepsis');
const ours = timed(asepsis, ['inspect', '--json', path]);
const fields = ['hl7.segment', 'dicom.pdu.type', 'http.authorization', 'ip.src', 'ip.dst', 'tcp.dstport', 'eth.src'];
const theirs = timed('tshark', [
  '-n',
  '-r',
  path,
  '-d',
  'tcp.port==2575,hl7',
  '-d',
  'tcp.port==104,dicom',
  '-Y',
  'hl7 || dicom || http.authorization',
  '-T',
  'fields',
  ...fields.flatMap((field) => ['-e', field]),
]);
rmSync(folder, { recursive: true, force: true });
const round = (value: number) => Math.round(value * 100) / 100;
process.stdout.write(
  `${JSON.stringify({
    name: 'inspect-tshark',
    node: process.version,
    megabytes,
    packets: frames.length,
    asepsis: { wall_sec: round(ours.wall), cpu_sec: round(ours.cpu) },
    tshark: { wall_sec: round(theirs.wall), cpu_sec: round(theirs.cpu) },
    times_faster_cpu: round(theirs.cpu / ours.cpu),
    times_faster_wall: round(theirs.wall / ours.wall),
  })}\n`,
);
