/** The same leaks are found however the bytes are cut, repeated, shuffled, wrapped and written down. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CANARY,
  dicomStore,
  ethernet,
  HL7,
  inspectBytes,
  ipv4,
  MLLP,
  pcap,
  type Sent,
  said,
  tcp,
  udp,
} from './network-testing.ts';
import { LOGINS } from './network-testing-logins.ts';

const x12 =
  'ISA*00*          *00*          *ZZ*CLINIC         *ZZ*PAYER          *260520*1200*^*00501*000000001*0*P*:~GS*HC*A*B*20260520*1200*1*X*005010X222A1~ST*837*0001~NM1*IL*1*' +
  `${CANARY.family}*${CANARY.given}****MI*${CANARY.id}~DMG*D8*${CANARY.birth}*F~SE*4*0001~GE*1*1~IEA*1*000000001~`;
const body = JSON.stringify({ resourceType: 'Patient', name: [{ family: CANARY.family }], birthDate: '1961-11-23' });

const CLINICAL: readonly (readonly [string, readonly Sent[]])[] = [
  [
    'HL7 over MLLP',
    [said('client', MLLP), said('server', '\x0bMSH|^~\\&|B|C|LAB|W|2026||ACK^A01|1|P|2.5\rMSA|AA|1\r\x1c\r')],
  ],
  ['HL7 bare', [said('client', HL7)]],
  [
    'DICOM',
    dicomStore(true, 700)
      .map((one) => ({ ...one, bytes: one.bytes.subarray(0, 900) }))
      .slice(0, 4),
  ],
  ['X12', [said('client', x12)]],
  [
    'FHIR',
    [
      said('client', 'GET /fhir/Patient/1 HTTP/1.1\r\nHost: x\r\n\r\n'),
      said(
        'server',
        `HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ),
    ],
  ],
];
const TALKS = [...CLINICAL, ...LOGINS.map(([app, what, talk]) => [`${app} ${what}`, talk] as const)];

interface Segment {
  readonly from: Sent['from'];
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** Segments of one connection; `size` answers how long the next one is. */
function segments(talk: readonly Sent[], size: (left: number) => number): Segment[] {
  const next = { client: 0xffffff80, server: 0x10 };
  const all: Segment[] = [];
  const put = (from: Sent['from'], flags: number, bytes: Uint8Array = new Uint8Array(0)): void => {
    const other = from === 'client' ? 'server' : 'client';
    all.push({ from, seq: next[from], ack: next[other], flags, bytes });
    next[from] = (next[from] + bytes.length + ((flags & 3) === 0 ? 0 : 1)) >>> 0;
  };
  put('client', 2);
  put('server', 18);
  put('client', 16);
  for (const { from, bytes } of talk)
    for (let at = 0; at < bytes.length; ) {
      const length = Math.max(1, Math.min(size(bytes.length - at), bytes.length - at));
      put(from, 24, bytes.subarray(at, at + length));
      at += length;
    }
  put('client', 17);
  put('server', 17);
  return all;
}

const PORTS = { client: 50_321, server: 40_404 } as const;
const segment = (one: Segment, ports = PORTS): Buffer => {
  const other = one.from === 'client' ? 'server' : 'client';
  return tcp(ports[one.from], ports[other], one.seq, one.ack, one.flags, one.bytes);
};
const SIX = { client: '20010db8000000000000000000000002', server: '20010db8000000000000000000000099' } as const;
function ipv6(next: number, payload: Uint8Array, from: Sent['from'] = 'client'): Buffer {
  const head = Buffer.from(`60000000${'0000'}${next.toString(16).padStart(2, '0')}40`, 'hex');
  head.writeUInt16BE(payload.length, 4);
  return Buffer.concat([head, Buffer.from(SIX[from] + SIX[from === 'client' ? 'server' : 'client'], 'hex'), payload]);
}
const four = (one: Segment): Buffer =>
  one.from === 'client' ? ipv4(6, segment(one)) : ipv4(6, segment(one), [10, 1, 9, 9], [10, 1, 2, 3]);
const six = (one: Segment): Buffer => ipv6(6, segment(one), one.from);
const plainly = (talk: readonly Sent[]): Segment[] => segments(talk, () => 1400);

/** What was found, without what depends on the cut. */
function leaks(capture: Buffer): string[] {
  return inspectBytes(capture)
    .seen.leaks.map((one) => {
      const fields = [...one.fields.keys()].toSorted().join(',');
      return `${one.kind} ${one.client}>${one.server}:${one.port} ${one.app} ${[...one.what.keys()].toSorted().join(',')} ${fields} ${one.hashes.size} ${one.messages}`;
    })
    .toSorted();
}
const ofSegments = (all: readonly Segment[]): string[] => leaks(pcap(all.map(four)));

describe('every talk is found as it is', () => {
  for (const [name, talk] of TALKS)
    test(name, () => {
      expect(ofSegments(plainly(talk)).length).toBeGreaterThan(0);
    });
});

describe('a boundary at every byte', () => {
  for (const [name, talk] of TALKS)
    test(name, () => {
      const want = ofSegments(plainly(talk));
      for (const [turn, { bytes }] of talk.entries())
        for (let cut = 1; cut < Math.min(bytes.length, 300); cut++) {
          const parts = talk.flatMap((one, i) =>
            i === turn
              ? [
                  { from: one.from, bytes: bytes.subarray(0, cut) },
                  { from: one.from, bytes: bytes.subarray(cut) },
                ]
              : [one],
          );
          expect(ofSegments(plainly(parts)), `${turn}, ${cut}`).toEqual(want);
        }
    });
});

describe('repeated, overlapping, out of order', () => {
  const shake = fc.record({
    sizes: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
    again: fc.array(fc.nat(200), { maxLength: 12 }),
    swaps: fc.array(fc.nat(200), { maxLength: 12 }),
    back: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 20 }),
  });
  for (const [name, talk] of TALKS)
    test(name, () => {
      const want = ofSegments(plainly(talk));
      fc.assert(
        fc.property(shake, ({ sizes, again, swaps, back }) => {
          let n = 0;
          const all = segments(talk, () => sizes[n++ % sizes.length]!);
          const streams = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
          const starts = { client: 0, server: 0 };
          // Each piece may begin earlier, over bytes that were sent before.
          const wide = all.map((one, i): Segment => {
            if (one.flags !== 24) {
              if ((one.flags & 2) !== 0) starts[one.from] = one.seq + 1;
              return one;
            }
            const behind = streams[one.from];
            const over = Math.min(back[i % back.length]!, behind.length);
            streams[one.from] = Buffer.concat([behind, one.bytes]);
            const bytes = streams[one.from].subarray(behind.length - over);
            return { ...one, seq: (one.seq - over) >>> 0, bytes };
          });
          // Only what one side says in a row changes places: nobody answers what has not arrived.
          for (const at of swaps) {
            const i = 3 + (at % Math.max(1, wide.length - 6));
            const [a, z] = [wide[i], wide[i + 1]];
            if (a?.flags === 24 && z?.flags === 24 && a.from === z.from) [wide[i], wide[i + 1]] = [z, a];
          }
          for (const at of again) {
            const i = 3 + (at % Math.max(1, wide.length - 5));
            const one = wide[i]!;
            if (one.flags === 24) wide.splice(Math.min(wide.length - 2, i + (at % 5)), 0, one);
          }
          expect(ofSegments(wide)).toEqual(want);
        }),
        { numRuns: 25 },
      );
    });
});

const tag = (type: number, id: number, inner: Buffer): Buffer =>
  ethernet(type, Buffer.concat([Buffer.from([id >> 8, id & 255]), inner.subarray(12)]));
const gre = (type: number, inner: Uint8Array): Buffer =>
  ipv4(
    47,
    Buffer.concat([Buffer.from([0x20, 0, type >> 8, type & 255, 0, 0, 0, 7]), inner]),
    [172, 16, 0, 1],
    [172, 16, 0, 2],
  );
const vxlan = (inner: Uint8Array): Buffer =>
  ipv4(
    17,
    udp(50_000, 4789, Buffer.concat([Buffer.from([8, 0, 0, 0, 0, 0, 42, 0]), inner])),
    [172, 16, 0, 3],
    [172, 16, 0, 4],
  );
const geneve = (inner: Uint8Array): Buffer =>
  ipv4(
    17,
    udp(50_001, 6081, Buffer.concat([Buffer.from([2, 0, 0x65, 0x58, 0, 0, 42, 0, 1, 2, 3, 1, 9, 9, 9, 9]), inner])),
    [172, 16, 0, 5],
    [172, 16, 0, 6],
  );

describe('wrapped', () => {
  const ways: Readonly<Record<string, (one: Segment) => Buffer>> = {
    'one VLAN tag': (one) => tag(0x8100, 5, ethernet(0x0800, four(one))),
    'two VLAN tags': (one) => tag(0x88a8, 7, tag(0x8100, 5, ethernet(0x0800, four(one)))),
    'MPLS with two labels': (one) =>
      ethernet(0x8847, Buffer.concat([Buffer.from([0, 1, 0, 64, 0, 2, 1, 64]), four(one)])),
    'PPPoE session': (one) => {
      const packet = four(one);
      const head = Buffer.from([0x11, 0, 0, 9, 0, 0, 0, 0x21]);
      head.writeUInt16BE(packet.length + 2, 4);
      return ethernet(0x8864, Buffer.concat([head, packet]));
    },
    'GRE with a key': (one) => ethernet(0x0800, gre(0x0800, four(one))),
    'Ethernet in GRE in VLAN': (one) => tag(0x8100, 9, ethernet(0x0800, gre(0x6558, ethernet(0x0800, four(one))))),
    'VXLAN in VXLAN': (one) => ethernet(0x0800, vxlan(ethernet(0x0800, vxlan(ethernet(0x0800, four(one)))))),
    'Geneve with an option': (one) => ethernet(0x0800, geneve(ethernet(0x0800, four(one)))),
    'IP in IP in IP': (one) => ethernet(0x0800, ipv4(4, ipv4(4, four(one), [1, 1, 1, 1], [2, 2, 2, 2]), [3, 3, 3, 3])),
    'IPv6 in IPv4': (one) => ethernet(0x0800, ipv4(41, six(one), [3, 3, 3, 3])),
    'IPv4 in IPv6': (one) => ethernet(0x86dd, ipv6(4, four(one))),
    'IPv6 alone': (one) => ethernet(0x86dd, six(one)),
    'IPv6 with extension headers': (one) => {
      const options = Buffer.from([60, 0, 1, 4, 0, 0, 0, 0, 6, 1, ...Buffer.alloc(14)]);
      return ethernet(0x86dd, ipv6(0, Buffer.concat([options, segment(one)]), one.from));
    },
  };
  for (const [way, wrap] of Object.entries(ways))
    test(way, () => {
      for (const [name, talk] of TALKS) {
        const all = segments(talk, () => 97);
        const address = (text: string) =>
          way.includes('IPv6') && way !== 'IPv4 in IPv6'
            ? text.replace('10.1.2.3>10.1.9.9', '2001:db8::2>2001:db8::99')
            : text;
        expect(leaks(pcap(all.map(wrap), { link: 1 })), name).toEqual(ofSegments(all).map(address).toSorted());
      }
    });
});

/** The pieces of one IPv4 packet, `size` bytes each, each a little over the one before. */
function fragments4(packet: Buffer, id: number, size: number, over: number): Buffer[] {
  const payload = packet.subarray(20);
  const [from, to] = [[...packet.subarray(12, 16)], [...packet.subarray(16, 20)]];
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const start = Math.max(0, at - over);
    const more = at + size < payload.length ? 0x2000 : 0;
    pieces.push(ipv4(6, payload.subarray(start, at + size), from, to, { id, field: more | (start >> 3) }));
  }
  return pieces;
}
function fragments6(packet: Buffer, id: number, size: number, from: Sent['from']): Buffer[] {
  const payload = packet.subarray(40);
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const head = Buffer.alloc(8);
    head[0] = 6;
    head.writeUInt16BE(at | (at + size < payload.length ? 1 : 0), 2);
    head.writeUInt32BE(id, 4);
    pieces.push(ipv6(44, Buffer.concat([head, payload.subarray(at, at + size)]), from));
  }
  return pieces;
}

test('fragments of IPv4 and IPv6, over each other, last first, between those of others', () => {
  for (const [name, talk] of TALKS) {
    const all = plainly(talk);
    const want = ofSegments(all);
    for (const [size, over] of [
      [24, 0],
      [64, 8],
      [256, 128],
    ] as const)
      for (const turned of [false, true]) {
        const pieces = all.map((one, i) => {
          const list = fragments4(four(one), i + 1, size, over);
          return turned ? list.toReversed() : list;
        });
        expect(leaks(pcap(pieces.flat())), `${name} ${size} ${over} ${turned}`).toEqual(want);
      }
    const sixes = all.flatMap((one, i) => fragments6(six(one), i + 1, 64, one.from).toReversed());
    expect(leaks(pcap(sixes)), name).toEqual(
      want.map((text) => text.replace('10.1.2.3>10.1.9.9', '2001:db8::2>2001:db8::99')),
    );
  }
});

test('one side only: what the other says is not needed for patients', () => {
  for (const [name, talk] of CLINICAL) {
    for (const side of ['client', 'server'] as const) {
      const said = talk.filter((one) => one.from === side);
      if (said.length === 0 || name === 'FHIR') continue;
      const all = plainly(talk).filter((one) => one.from === side);
      const found = leaks(pcap(all.map(four)));
      expect(
        found.some((text) => text.startsWith('clear-text-')),
        `${name} ${side}`,
      ).toBe(true);
    }
  }
  const answer = plainly(CLINICAL.at(-1)![1]).filter((one) => one.from === 'server');
  expect(leaks(pcap(answer.map(four)))[0]).toMatch(/^clear-text-patient-data 10\.1\.2\.3>10\.1\.9\.9:40404 fhir/);
});

test('the beginning is missing: the next message is found', () => {
  const two = [said('client', MLLP), said('client', MLLP)];
  const all = segments(two, () => 71).slice(3);
  for (let skip = 0; skip < 5; skip++) {
    const [found] = leaks(pcap(all.slice(skip).map(four)));
    expect(found, String(skip)).toMatch(/^clear-text-patient-data 10\.1\.2\.3>10\.1\.9\.9:40404 hl7/);
  }
});

/** A pcapng with three interfaces: Ethernet in nanoseconds, raw IP in microseconds, Linux cooked in units of 2^-20 s. */
function manyInterfaces(packets: readonly Buffer[]): Buffer {
  const block = (type: number, content: Uint8Array): Buffer => {
    const padded = Buffer.concat([content, Buffer.alloc((4 - (content.length % 4)) % 4)]);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(type, 0);
    head.writeUInt32LE(padded.length + 12, 4);
    return Buffer.concat([head, padded, head.subarray(4)]);
  };
  const face = (link: number, resolution: number) =>
    block(1, Buffer.from([link, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]));
  const cooked = Buffer.from('00000001000602000000000100000800', 'hex');
  const units = [1_000_000_000n, 1_000_000n, 1n << 20n];
  const wrap = [
    (packet: Buffer) => ethernet(0x0800, packet),
    (packet: Buffer) => packet,
    (packet: Buffer) => Buffer.concat([cooked, packet]),
  ];
  const blocks = packets.map((packet, i) => {
    const frame = wrap[i % 3]!(packet);
    const head = Buffer.alloc(20);
    const at = 1_780_000_000n * units[i % 3]!;
    head.writeUInt32LE(i % 3, 0);
    head.writeUInt32LE(Number(at >> 32n), 4);
    head.writeUInt32LE(Number(at & 0xffffffffn), 8);
    head.writeUInt32LE(frame.length, 12);
    head.writeUInt32LE(frame.length, 16);
    return block(6, Buffer.concat([head, frame]));
  });
  const section = Buffer.from('4d3c2b1a01000000ffffffffffffffff', 'hex');
  return Buffer.concat([block(0x0a0d0d0a, section), face(1, 9), face(101, 6), face(113, 0x80 | 20), ...blocks]);
}

test('several interfaces of different kinds and clocks in one pcapng', () => {
  for (const [name, talk] of TALKS) {
    const all = segments(talk, () => 97);
    const capture = manyInterfaces(all.map(four));
    expect(leaks(capture), name).toEqual(ofSegments(all));
    for (const leak of inspectBytes(capture).seen.leaks) expect(leak.lastMs).toBe(1_780_000_000_000);
  }
});

test('a file that ends anywhere: nothing is made up, and what was whole is found', () => {
  const packets = TALKS.slice(0, 6)
    .flatMap(([, talk]) => plainly(talk))
    .map(four);
  for (const whole of [pcap(packets), manyInterfaces(packets)]) {
    const known = new Set(inspectBytes(whole).seen.leaks.map((one) => `${one.app} ${one.kind}`));
    for (let end = 0; end < whole.length; end += 41) {
      const { seen, end: told } = inspectBytes(whole.subarray(0, end));
      if (end % 4 !== 0) expect(told.fault).not.toBeNull();
      // A clinical protocol may be seen before its patient is.
      for (const one of seen.leaks)
        if (one.kind !== 'clear-text-clinical-protocol') expect(known).toContain(`${one.app} ${one.kind}`);
    }
  }
});

test('packets cut short by the capture are counted, and what they hold is read', () => {
  const packets = segments(CLINICAL[0]![1], () => 200).map(four);
  const cut = packets.map((packet) => packet.subarray(0, 190));
  const capture = pcap(cut);
  // The record's second length is that of the packet on the wire.
  for (let at = 24, i = 0; at < capture.length; i++) {
    capture.writeUInt32LE(packets[i]!.length, at + 12);
    at += 16 + cut[i]!.length;
  }
  const { seen, findings } = inspectBytes(capture);
  expect(seen.packets.cut).toBeGreaterThan(0);
  expect(findings.map((one) => one.kind)).toContain('clear-text-patient-data');
});
