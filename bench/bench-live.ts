/** A live interface: traffic replayed at a rate between two namespaces, read by `asepsis inspect -i`; what was lost, as JSON. */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connection, dicomStore, ethernet, MLLP, pcap, said } from '../src/network/network-testing.ts';

const seconds = Number(process.argv[2] ?? 20);
const megabits = Number(process.argv[3] ?? 1000);
const folder = mkdtempSync(join(tmpdir(), 'asepsis-live-'));
const id = `asl${process.pid % 100_000}`;
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

/** Pages, HL7 and images of many machines, as a mirror port shows them. */
function traffic(): string {
  const page = Buffer.alloc(60_000, 'x');
  const frames: Buffer[] = [];
  for (let n = 0, bytes = 0; bytes < 48e6; n++) {
    const talks = [
      [
        said('client', 'GET /image HTTP/1.1\r\nHost: a.example\r\n\r\n'),
        said('server', `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${page.length}\r\n\r\n`),
        { from: 'server' as const, bytes: page },
      ],
      [said('client', MLLP.repeat(10))],
      dicomStore(true),
    ];
    for (const [i, talk] of talks.entries())
      for (const packet of connection(talk, { clientPort: 1024 + ((n * 3 + i) % 60_000), port: [80, 2575, 104][i]! })) {
        const frame = ethernet(0x0800, packet);
        frames.push(frame);
        bytes += frame.length;
      }
  }
  const path = join(folder, 'traffic.pcap');
  writeFileSync(path, pcap(frames, { link: 1 }));
  return path;
}

const path = traffic();
ip('netns', 'add', id);
try {
  ip('link', 'add', `${id}a`, 'mtu', '9000', 'type', 'veth', 'peer', 'name', `${id}b`);
  ip('link', 'set', `${id}b`, 'netns', id);
  ip('link', 'set', `${id}a`, 'up');
  ip('-n', id, 'link', 'set', `${id}b`, 'up', 'promisc', 'on');
  const asepsis = join(import.meta.dirname, '..', 'bin', 'asepsis');
  const reader = spawn('ip', ['netns', 'exec', id, asepsis, 'inspect', '-i', `${id}b`, '--json']);
  let said = '';
  reader.stdout.resume();
  reader.stderr.on('data', (text: Buffer) => {
    said += String(text);
  });
  while (!said.includes('Reading')) await new Promise((resolve) => setTimeout(resolve, 100));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const sent = spawnSync(
    'tcpreplay',
    ['-q', '-K', '-i', `${id}a`, `--mbps=${megabits}`, '--loop=0', `--duration=${seconds}`, path],
    { encoding: 'utf8' },
  );
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const gone = new Promise((resolve) => reader.once('exit', resolve));
  reader.kill('SIGINT');
  await gone;
  const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);
  process.stdout.write(
    `${JSON.stringify({
      name: 'live',
      node: process.version,
      wanted_mbit_per_sec: megabits,
      sent_mbit_per_sec: number(sent.stdout, /,\s*([\d.]+) Mbps/),
      sent_packets: number(sent.stdout, /Actual: (\d+) packets/),
      seen_packets: number(said, /(\d+) packets, \d+ flows/),
      lost_packets: number(said, /capture itself lost (\d+)/),
    })}\n`,
  );
} finally {
  spawnSync('ip', ['netns', 'del', id]);
  rmSync(folder, { recursive: true, force: true });
}
