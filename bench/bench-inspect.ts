/** Bytes of capture a second on one core, as JSON: ordinary traffic, clinical traffic, small packets, many flows. */

import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCaptureReader } from '../src/network/network-capture.ts';
import { keyedHash } from '../src/network/network-hash.ts';
import { readCapture } from '../src/network/network-input.ts';
import { createInspector } from '../src/network/network-inspect.ts';
import { createSpread } from '../src/network/network-spread.ts';
import { connection, dicomStore, ethernet, ipv4, MLLP, pcap, said, tcp, udp } from '../src/network/network-testing.ts';

const TARGET_BYTES = 96 * 1024 * 1024;
const PIECE = 1 << 19;

/** The same bytes each time, without a pattern that is easy on anybody. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

const BODY = noise(400_000);
const web = [
  said('client', 'GET /image HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  said('server', `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${BODY.length}\r\n\r\n`),
  { from: 'server' as const, bytes: BODY },
];
const record = Buffer.concat([Buffer.from([0x17, 3, 3, 0x40, 0]), BODY.subarray(0, 16_384)]);
const tls = Array.from({ length: 20 }, () => ({ from: 'server' as const, bytes: record }));
const unknown = [{ from: 'client' as const, bytes: BODY }];

/** A packet for every two of data, as receivers send them. */
function withAcks(packets: readonly Buffer[]): Buffer[] {
  const ack = packets[1]!.subarray(0, 40);
  const reply = Buffer.from(ack);
  reply[33] = 16;
  return packets.flatMap((packet, i) => (i % 2 === 0 ? [packet] : [packet, reply]));
}

const talk = (sent: Parameters<typeof connection>[0], n: number, size = 1400) =>
  withAcks(connection(sent, { clientPort: 1024 + (n % 60_000), port: n % 3 === 0 ? 443 : 8080 + (n % 50), size }));
const names = (n: number) =>
  Array.from({ length: 20 }, (_, i) =>
    ipv4(17, udp(1024 + ((n * 20 + i) % 60_000), 53, BODY.subarray(i * 64, i * 64 + 60))),
  );

const MAKE: Readonly<Record<string, (n: number) => Buffer[]>> = {
  ordinary: (n) => [
    ...talk(web, n * 4),
    ...talk(tls, n * 4 + 1),
    ...talk(unknown, n * 4 + 2),
    ...names(n),
    ...(n % 8 === 0 ? talk([said('client', MLLP.repeat(20))], n * 4 + 3) : []),
  ],
  clinical: (n) => [...talk([said('client', MLLP.repeat(200))], n * 2), ...talk(dicomStore(n % 2 === 0), n * 2 + 1)],
  small_packets: (n) => talk([said('client', BODY.subarray(0, 6000).toString('latin1'))], n, 64),
  many_flows: (n) =>
    Array.from({ length: 200 }, (_, i) =>
      ipv4(17, udp(1024 + (n % 60_000), 5000 + i, BODY.subarray(0, 200)), [10, n >> 8, n, i]),
    ),
};

function captureOf(make: (n: number) => Buffer[]): { bytes: Buffer; packets: number } {
  const frames: Buffer[] = [];
  let bytes = 0;
  for (let n = 0; bytes < TARGET_BYTES; n++)
    for (const packet of make(n)) {
      const frame = ethernet(0x0800, packet);
      frames.push(frame);
      bytes += frame.length + 16;
    }
  return { bytes: pcap(frames, { link: 1 }), packets: frames.length };
}

function measure(name: string, seconds: number): Record<string, number> {
  const capture = captureOf(MAKE[name]!);
  const once = () => {
    const inspector = createInspector({ hash: keyedHash(Buffer.alloc(32, 7)) });
    const reader = createCaptureReader(inspector.frame);
    for (let at = 0; at < capture.bytes.length; at += PIECE) reader.push(capture.bytes.subarray(at, at + PIECE));
    return inspector.finish();
  };
  let seen = once();
  const before = process.cpuUsage();
  const start = performance.now();
  let rounds = 0;
  while (performance.now() - start < seconds * 1000) {
    seen = once();
    rounds++;
  }
  const took = (performance.now() - start) / 1000;
  const used = process.cpuUsage(before);
  const megabytes = (capture.bytes.length * rounds) / 1e6;
  return {
    mb_per_sec: Math.round(megabytes / took),
    // Per second on the processor, the collector's threads included: it holds on a machine that does other things too.
    mb_per_cpu_sec: Math.round(megabytes / ((used.user + used.system) / 1e6)),
    packets_per_sec: Math.round((capture.packets * rounds) / took),
    bytes_per_packet: Math.round(capture.bytes.length / capture.packets),
    flows: seen.flows.opened,
    leaks: seen.leaks.length,
  };
}

/** The same capture on one thread and on two that inspect, in turns: how many times as fast. */
async function twoCores(name: string, seconds: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-bench-'));
  const path = join(folder, 'capture.pcap');
  const { bytes } = captureOf(MAKE[name]!);
  for (let round = 0; round < ROUNDS; round++) appendFileSync(path, round === 0 ? bytes : bytes.subarray(24));
  const key = Buffer.alloc(32, 7);
  const one = async () => {
    const inspector = createInspector({ hash: keyedHash(key) });
    await readCapture(path, inspector.frame);
    inspector.finish();
  };
  const spread = async (threads: number) => {
    const made = createSpread(key, threads);
    await readCapture(path, made.frame, { pieces: made.pieces });
    await made.finish();
  };
  await one();
  const timed = async (work: () => Promise<void>) => {
    const used = process.cpuUsage();
    const start = performance.now();
    await work();
    const { user, system } = process.cpuUsage(used);
    return { sec: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
  };
  const alone = { sec: 0, cpu: 0 };
  const both = { sec: 0, cpu: 0 };
  let turns = 0;
  for (const until = performance.now() + seconds * 1000; performance.now() < until; turns++) {
    for (const [sum, work] of [
      [alone, one],
      [both, () => spread(2)],
    ] as const) {
      const took = await timed(work);
      sum.sec += took.sec;
      sum.cpu += took.cpu;
    }
  }
  rmSync(folder, { recursive: true });
  const megabytes = (bytes.length * turns * ROUNDS) / 1e6;
  const ratio = (value: number) => Math.round(value * 100) / 100;
  return {
    one_mb_per_sec: Math.round(megabytes / alone.sec),
    two_mb_per_sec: Math.round(megabytes / both.sec),
    times: ratio(alone.sec / both.sec),
    // What two cores would give if nothing else ran on them.
    times_by_cpu: ratio((2 * alone.cpu) / both.cpu),
  };
}
/** So often the traffic stands in the file: threads need a tenth of a second to start. */
const ROUNDS = 12;

const OPEN = 1_000_000;
const HELLO = said('client', 'GET /status HTTP/1.1\r\nHost: device.example\r\nUser-Agent: monitor\r\n\r\n').bytes;

/** A million connections that are all open at once, a tenth of them inside a request: what is kept, and in how much memory. */
function openFlows(): Record<string, number> {
  const inspector = createInspector({ hash: keyedHash(Buffer.alloc(32, 7)) });
  const before = process.memoryUsage.rss();
  const started = process.cpuUsage();
  let packets = 0;
  const put = (frame: Buffer) => inspector.frame(frame, 0, frame.length, frame.length, 1e12 + packets++ / 100, 1);
  for (let i = 0; i < OPEN; i++) {
    const client = [10, i >> 18, (i >> 10) & 255, (i >> 2) & 255];
    const server = [10, 200, 0, i % 64];
    const port = 1024 + (i % 50_000);
    const send = (flags: number, seq: number, bytes?: Uint8Array) =>
      put(ethernet(0x0800, ipv4(6, tcp(port, 8080, seq, 1, flags, bytes), client, server)));
    if (i % 4 === 0) {
      put(ethernet(0x0800, ipv4(17, udp(port, 9000, BODY.subarray(0, 100)), client, server)));
      continue;
    }
    send(2, i);
    put(ethernet(0x0800, ipv4(6, tcp(8080, port, 7, i + 1, 18), server, client)));
    if (i % 10 === 1) send(24, i + 1, HELLO);
    else if (i % 4 === 1) send(24, i + 1, BODY.subarray(i % 1000, (i % 1000) + 400));
  }
  const used = process.cpuUsage(started);
  const rss = process.memoryUsage.rss();
  const { flows } = inspector.finish();
  return {
    opened: flows.opened,
    evicted: flows.evicted,
    read_in_part: flows.givenUp,
    packets,
    us_per_packet_with_making_it: Math.round(((used.user + used.system) / packets) * 100) / 100,
    rss_mb: Math.round(rss / 1e6),
    rss_added_mb: Math.round((rss - before) / 1e6),
  };
}

const seconds = Number(process.argv[2] ?? 2);
const wanted = process.argv.slice(3);
const result: Record<string, unknown> = { name: 'inspect', node: process.version };
for (const name of Object.keys(MAKE))
  if (wanted.length === 0 || wanted.includes(name)) result[name] = measure(name, seconds);
if (wanted.length === 0 || wanted.includes('two_cores'))
  result.two_cores = { clinical: await twoCores('clinical', seconds), ordinary: await twoCores('ordinary', seconds) };
if (wanted.includes('open_flows')) result.open_flows = openFlows();
else result.rss_mb = Math.round(process.memoryUsage.rss() / 1e6);
if (wanted.length === 0) {
  // In a process of its own: the captures above are in this one's memory.
  const alone = spawnSync(process.execPath, ['--max-semi-space-size=8', import.meta.filename, '0', 'open_flows'], {
    encoding: 'utf8',
  });
  result.open_flows = (JSON.parse(alone.stdout) as { open_flows: object }).open_flows;
}
process.stdout.write(`${JSON.stringify(result)}\n`);
