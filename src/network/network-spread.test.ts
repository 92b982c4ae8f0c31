/** Several threads find what one finds: the same findings over captures of all kinds, in files and in small pieces. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { keyedHash } from './network-hash.ts';
import { createInspector, type Inspection } from './network-inspect.ts';
import { createSpread } from './network-spread.ts';
import { threadOf } from './network-spread-hash.ts';
import { connection, dicomStore, ethernet, ipv4, MLLP, pcap, said, tcp, udp } from './network-testing.ts';
import { LOGINS } from './network-testing-logins.ts';

const KEY = Buffer.alloc(32, 3);
const FIELD = join(import.meta.dirname, '..', '..', '..', 'shared', 'data', 'captures');

function alone(captures: readonly Uint8Array[]): Inspection {
  const inspector = createInspector({ hash: keyedHash(KEY) });
  for (const [i, capture] of captures.entries()) {
    inspector.file(`${i}.pcap`);
    createCaptureReader(inspector.frame).push(capture);
  }
  return inspector.finish();
}

async function together(captures: readonly Uint8Array[], threads: number, piece: number): Promise<Inspection> {
  const spread = createSpread(KEY, threads);
  for (const [i, capture] of captures.entries()) {
    spread.file(`${i}.pcap`);
    const reader = createCaptureReader(spread.frame, spread.pieces);
    for (let at = 0; at < capture.length; at += piece) reader.push(capture.subarray(at, at + piece));
  }
  return spread.finish();
}

/** Everything that is told, in one order. */
const told = (seen: Inspection) => ({
  // What one thread knows of a mail server on another port than mail's, the others do not.
  findings: assessInspection(seen, { routers: new Set() })
    .filter((one) => one.kind !== 'starttls-stripped')
    // Files in no order of time: what a router was first seen with depends on which machine came first.
    .map((one) => JSON.stringify(one.kind === 'consumer-router' ? [one.kind, one.key, one.severity, one.title] : one))
    .toSorted(),
  packets: seen.packets,
  streams: seen.streams,
  // Fragments of DNS have no ports: they are a flow of their own elsewhere.
  evicted: seen.flows.evicted + seen.flows.givenUp,
  // The end of a file is told at each thread's last packet.
  pairs: [...seen.pairs].map(([key, { state }]) => `${key} ${state}`).toSorted(),
  machines: seen.machines
    .map((one) =>
      JSON.stringify([
        one.address,
        [...one.facts].map(([what, values]) => `${what} ${[...values].toSorted().join()}`).toSorted(),
      ]),
    )
    .toSorted(),
  handshakes: seen.handshakes.map((one) => JSON.stringify(one)).toSorted(),
});

/** The same talk between other machines. */
const between = (talk: Parameters<typeof connection>[0], n: number, size = 200) =>
  connection(talk, { size, clientPort: 2000 + n }).map((packet) => {
    packet[packet.readUInt16BE(20) === 40_001 ? 19 : 15] = n;
    return ethernet(0x0800, packet);
  });
const talks = [[said('client', MLLP.repeat(4))], dicomStore(true, 600), ...LOGINS.map(([, , talk]) => talk)];
const frames = Array.from({ length: 40 }, (_, n) => between(talks[n % talks.length]!, n + 1)).flat();
// Packets of many connections between each other.
const mixed = frames.map((frame, i) => [(i * 7919) % frames.length, i, frame] as const);

test('made-up traffic, in pieces of any size', async () => {
  const whole = pcap(frames, { link: 1 });
  const second = pcap(
    mixed.toSorted((a, z) => Math.floor(a[1] / 50) - Math.floor(z[1] / 50)).map(([, , frame]) => frame),
    { link: 1 },
  );
  const want = told(alone([whole, second]));
  expect(want.findings.length).toBeGreaterThan(30);
  for (const [threads, piece] of [
    [2, 1 << 20],
    [3, 1000],
    [1, 777],
  ] as const)
    expect(told(await together([whole, second], threads, piece))).toEqual(want);
});

test.skipIf(!existsSync(FIELD))('captures from the field (skipped where there are none)', async () => {
  const paths = readdirSync(FIELD, { recursive: true })
    .map(String)
    .filter((path) => /(?:tapirx|ndpi).*\.pcap(?:ng)?$/.test(path))
    .toSorted();
  expect(paths.length).toBeGreaterThan(20);
  const captures = paths.map((path) => readFileSync(join(FIELD, path)));
  expect(told(await together(captures, 2, 100_000))).toEqual(told(alone(captures)));
});

test('a packet longer than a piece, and one that lies across many', async () => {
  const long = ethernet(0x0800, ipv4(6, tcp(3, 4, 1, 1, 24, Buffer.alloc(60_000, 65))));
  const capture = pcap([long, ...frames.slice(0, 30), long], { link: 1 });
  expect(told(await together([capture], 2, 97))).toEqual(told(alone([capture])));
});

test('both ways of two machines, their fragments and tunnels, go to the same thread', () => {
  const address = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  fc.assert(
    fc.property(
      address,
      address,
      fc.integer({ min: 1024, max: 65_535 }),
      fc.integer({ min: 2, max: 16 }),
      (a, z, port, threads) => {
        const of = (frame: Buffer, link = 1) => threadOf(frame, 0, frame.length, link, threads);
        const wrapped = (packet: Buffer) => ethernet(0x0800, packet);
        const there = ipv4(6, tcp(port, 2575, 1, 1, 16), a, z);
        const back = ipv4(6, tcp(2575, port, 1, 1, 16), z, a);
        const thread = of(wrapped(there));
        expect(thread).toBeLessThan(threads);
        expect(of(wrapped(back))).toBe(thread);
        expect(of(there, 101)).toBe(thread);
        const tagged = Buffer.concat([wrapped(there).subarray(0, 12), Buffer.from([0x81, 0, 0, 5, 8, 0]), there]);
        expect(of(tagged)).toBe(thread);
        const piece = ipv4(6, Buffer.alloc(16), z, a, { id: 9, field: 0x2010 });
        expect(of(wrapped(piece))).toBe(thread);
        expect(of(wrapped(ipv4(17, udp(port, 53, Buffer.alloc(12)), a, z)))).toBe(0);
      },
    ),
  );
  for (let length = 0; length < 60; length++)
    expect(threadOf(frames[0]!, 0, Math.min(length, frames[0]!.length), 1, 4)).toBeLessThan(4);
});
