/** The flow table beside a plain map, and what resting flows, reused ports and a full table do to what is found. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { createInspector } from './network-inspect.ts';
import { createFlowTable, type FlowTable } from './network-table.ts';
import { connection, dicomStore, inspectBytes, ipv4, MLLP, pcap, said, tcp } from './network-testing.ts';

const tableOf = (flowsMax: number, heldMax: number): FlowTable =>
  createFlowTable({ flowsMax, heldMax, onGone: () => undefined, onRest: () => false });

function take(table: FlowTable, from: number, to: number, ports: readonly [number, number], timeMs = 0): number {
  table.probe.set([0, 0, 0xffff, from, 0, 0, 0xffff, to]);
  return table.take(ports[0], ports[1], 0, timeMs);
}

test('a flow has one place, whichever end sends, also once the table has grown', () => {
  const table = tableOf(40_000, 100);
  const known = new Map<string, number>();
  for (let turn = 0; turn < 2; turn++)
    for (let i = 0; i < 20_000; i++) {
      const [a, z] = [i * 7, (i * 13) % 911];
      const ports = [i % 5000, 80 + (i % 3)] as const;
      const key = [`${a}:${ports[0]}`, `${z}:${ports[1]}`].toSorted().join(' ');
      const slot = turn === 0 ? take(table, a, z, ports) : take(table, z, a, [ports[1], ports[0]]);
      expect(known.get(key) ?? slot).toBe(slot);
      known.set(key, slot);
    }
  expect(new Set(known.values()).size).toBe(known.size);
  expect(table.size).toBe(known.size);
});

test('what an object knows stays when the flow rests', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 1 }),
      fc.boolean(),
      fc.nat(255),
      fc.tuple(fc.integer({ min: -1, max: 0xffffffff }), fc.integer({ min: -1, max: 0xffffffff })),
      (client, talked, tries, seqs) => {
        const table = tableOf(16, 4);
        const slot = take(table, 1, 2, [3, 4]);
        const flow = table.flow(slot);
        Object.assign(flow, { client, talked, tries });
        const side = (nextSeq: number) => ({
          nextSeq,
          pending: null,
          pendingBytes: 0,
          carry: null,
          carryLength: 0,
          askAt: 0,
          skip: 0,
          finSeq: -1,
          strays: 0,
        });
        flow.sides = [side(seqs[0]), side(seqs[1])];
        table.rest(flow);
        expect(table.held(slot)).toBeNull();
        const again = table.flow(slot);
        expect(again).not.toBe(flow);
        expect(again).toMatchObject({ slot, client, talked, tries, udp: false, sealed: false });
        expect((again.sides ?? [{ nextSeq: -1 }, { nextSeq: -1 }]).map((one) => one.nextSeq)).toEqual(seqs);
      },
    ),
  );
});

test('a full table lets the stalest of a few go', () => {
  const table = tableOf(64, 8);
  for (let i = 0; i < 1000; i++) take(table, i, 1, [9, 9], i);
  expect(table.size).toBe(64);
  expect(table.evicted).toBe(936);
  expect(take(table, 999, 1, [9, 9], 1000)).toBeGreaterThanOrEqual(0);
  expect(table.evicted).toBe(936);
});

const TALKS = [
  [said('client', MLLP.repeat(3))],
  dicomStore(true, 512),
  [said('client', 'GET / HTTP/1.1\r\nAuthorization: Basic YTpi\r\n\r\n'), said('server', 'HTTP/1.1 204 No\r\n\r\n')],
  [said('client', 'nothing that anybody knows, again and again. '.repeat(40)), said('client', MLLP)],
];

test('connections one after another need one object, and all leaks are found with four', () => {
  const packets = TALKS.flatMap((talk, i) => connection(talk, { clientPort: 3000 + i, size: 100 }));
  const inspector = createInspector({ hash: () => 'h', heldMax: 4 });
  createCaptureReader(inspector.frame).push(pcap(packets));
  const seen = inspector.finish();
  const kinds = (leaks: typeof seen.leaks) => leaks.map((one) => `${one.kind} ${one.app} ${one.messages}`).toSorted();
  expect(kinds(seen.leaks)).toEqual(kinds(inspectBytes(pcap(packets)).seen.leaks));
  expect(seen.flows.givenUp).toBe(0);
});

test('more open messages than there is room for: counted, and what comes later is found again', () => {
  const open = Array.from({ length: 40 }, (_, i) =>
    connection([said('client', MLLP.slice(0, 200)), said('client', MLLP.slice(200)), said('client', MLLP)], {
      clientPort: 4000 + i,
    }).slice(0, -2),
  );
  // The first packets of all, then the second of all, and so on.
  const packets = Array.from({ length: 5 }, (_, n) => open.map((one) => one[n]!)).flat();
  const inspector = createInspector({ hash: () => 'h', heldMax: 8 });
  createCaptureReader(inspector.frame).push(pcap(packets));
  const seen = inspector.finish();
  expect(seen.flows.givenUp).toBeGreaterThan(0);
  const [finding] = assessInspection(seen, { routers: new Set() });
  expect(Number(finding?.evidence[0]?.data?.messages)).toBeGreaterThanOrEqual(40);
});

test('the same ports again, after an end and without one, from both sides and from one', () => {
  const once = connection([said('client', MLLP)]);
  for (const [cut, way] of [
    [0, 'both'],
    [2, 'both'],
    [0, 'client'],
  ] as const) {
    const one = cut === 0 ? once : once.slice(0, -cut);
    const from = way === 'both' ? one : one.filter((packet) => packet.readUInt16BE(20) !== 40_001);
    const { findings } = inspectBytes(pcap([...from, ...from, ...from]));
    expect(findings[0]?.evidence[0]?.data).toMatchObject({ messages: 3, patients: 1 });
  }
});

test('answers alone, on ports that come again', () => {
  const hl7 = Buffer.from(MLLP, 'latin1');
  const answers = (seq: number) =>
    [
      tcp(2575, 4000, seq, 1, 18),
      tcp(2575, 4000, seq + 1, 1, 24, hl7),
      tcp(2575, 4000, seq + 1 + hl7.length, 1, 17),
    ].map((one) => ipv4(6, one));
  const { findings } = inspectBytes(pcap([...answers(77), ...answers(9_000_000)]));
  expect(findings[0]?.evidence[0]?.data).toMatchObject({ messages: 2 });
});
