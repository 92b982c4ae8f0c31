/** Hostile input: mutated captures, mutated streams, random bytes. Nothing throws, and the work stays bounded. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { patientInQuery, patientsInXml, readJson } from './network-fhir.ts';
import { createInspector } from './network-inspect.ts';
import { looseJson } from './network-json.ts';
import { nhsVerdict } from './network-nhs.ts';
import { CANARY, connection, dicomStore, ethernet, ipv4, MLLP, pcap, pcapng, said, udp } from './network-testing.ts';

const RUNS = 150;

function inspectBytes(bytes: Uint8Array, flowsMax = 128) {
  const inspector = createInspector({ hash: () => 'h', flowsMax });
  const reader = createCaptureReader(inspector.frame);
  reader.push(bytes);
  reader.end();
  const seen = inspector.finish();
  expect(seen.memory.left).toBe(0);
  return { seen, findings: assessInspection(seen, { routers: new Set() }) };
}

const TALKS = [
  [said('client', MLLP)],
  dicomStore(true, 300),
  dicomStore(false, 50),
  [
    said(
      'client',
      'POST /x?a=b HTTP/1.1\r\nContent-Length: 20\r\nContent-Type: application/json\r\n\r\n{"resourceType":"Pat',
    ),
  ],
  [said('server', '220 x ESMTP\r\n'), said('client', 'EHLO a\r\nAUTH PLAIN AAAA\r\n')],
  [said('client', '\x16\x03\x01\x00\x2e\x01\0\0\x2a\x03\x03'.padEnd(51, 'r'))],
  [said('server', 'RFB 003.008\n'), said('client', 'RFB 003.008\n')],
];
const frames = [
  ...TALKS.flatMap((talk, i) => connection(talk, { clientPort: 1000 + i, size: 200 })),
  ipv4(17, udp(1, 161, Buffer.from('302602010104067075626c6963a019', 'hex'))),
].map((packet) => ethernet(0x0800, packet));
const SEEDS = [pcap(frames, { link: 1 }), pcapng(frames, 1)];

const mutation = fc.array(fc.record({ at: fc.nat(1 << 16), byte: fc.nat(255), length: fc.nat(12) }), {
  minLength: 1,
  maxLength: 40,
});

function mutated(seed: Buffer, changes: readonly { at: number; byte: number; length: number }[], from: number): Buffer {
  const copy = Buffer.from(seed);
  for (const { at, byte, length } of changes) {
    const start = from + (at % Math.max(1, copy.length - from));
    copy.fill(byte, start, Math.min(copy.length, start + length));
  }
  return copy;
}

describe('nothing throws', () => {
  for (const seed of SEEDS)
    test('mutated captures', () => {
      fc.assert(
        fc.property(mutation, (changes) => void inspectBytes(mutated(seed, changes, 0))),
        { numRuns: RUNS },
      );
    });
  test('mutated packets in a whole file', () => {
    fc.assert(
      fc.property(mutation, fc.integer({ min: 0, max: frames.length - 1 }), (changes, which) => {
        const broken = frames.map((frame, i) => (i % 7 === which % 7 ? mutated(frame, changes, 14) : frame));
        inspectBytes(pcap(broken, { link: 1 }));
      }),
      { numRuns: RUNS },
    );
  });
  test('mutated streams, cut anywhere', () => {
    fc.assert(
      fc.property(
        mutation,
        fc.integer({ min: 0, max: TALKS.length - 1 }),
        fc.integer({ min: 1, max: 90 }),
        (changes, which, size) => {
          const talk = TALKS[which]!.map((part) => ({
            ...part,
            bytes: mutated(Buffer.from(part.bytes).subarray(0, 2000), changes, 0),
          }));
          inspectBytes(pcap(connection(talk, { size })));
        },
      ),
      { numRuns: RUNS },
    );
  });
  test('random bytes under every link type', () => {
    const bytes = fc.uint8Array({ maxLength: 400 });
    const link = fc.constantFrom(0, 1, 9, 12, 50, 51, 101, 108, 113, 276, 147);
    fc.assert(
      fc.property(bytes, link, (b, l) => void inspectBytes(pcap([b], { link: l }))),
      { numRuns: RUNS },
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), (b, asTcp) => void inspectBytes(pcap([ipv4(asTcp ? 6 : 17, b)]))),
      { numRuns: RUNS },
    );
  });
  test('random text in bodies and queries', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.json(),
      fc.string({ unit: fc.constantFrom('{', '[', '"', ',', ':', 'a', '\\', ']', '}') }),
    );
    fc.assert(
      fc.property(text, (t) => {
        looseJson(t);
        readJson(t);
        patientsInXml(`http://hl7.org/fhir<Patient${t}`);
        patientInQuery(`/Patient?name=${t}`);
      }),
      { numRuns: RUNS },
    );
    readJson('['.repeat(200_000));
  });
});

test('loose JSON reads what JSON.parse reads', () => {
  const shape = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(shape)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]))
        : typeof value === 'string'
          ? JSON.stringify(value).slice(1, -1)
          : String(value);
  const plain = fc
    .jsonValue({ maxDepth: 6 })
    .filter((value) => !JSON.stringify(value).includes('\\') && !JSON.stringify(value).includes('__proto__'));
  fc.assert(
    fc.property(plain, (value) => {
      const text = JSON.stringify(value);
      expect(JSON.stringify(looseJson(text))).toBe(JSON.stringify(shape(value)));
    }),
  );
});

test('the check digit of an NHS number', () => {
  for (const [text, verdict] of [
    ['9434765919', 'valid'],
    ['943 476 5919', 'valid'],
    ['9434765918', 'invalid'],
    ['943476591', null],
    ['94347659190', null],
    ['MRN4765919', null],
  ] as const)
    expect(nhsVerdict(text)).toBe(verdict);
});

describe('the work is bounded', () => {
  test('a full flow table gives up the stalest, and still finds', () => {
    const many = Array.from({ length: 5000 }, (_, i) => ipv4(17, udp(1024 + i, 7, Buffer.from('x'))));
    const { seen, findings } = inspectBytes(pcap([...many, ...connection([said('client', MLLP)])]), 64);
    expect(seen.flows.evicted).toBeGreaterThan(4900);
    expect(findings[0]?.kind).toBe('clear-text-patient-data');
    expect(JSON.stringify(findings)).not.toContain(CANARY.family);
  });
  test('many flows that finish nothing wait within one ceiling, and give it back', () => {
    const inspector = createInspector({ hash: () => 'h', waitingBytesMax: 1 << 20 });
    const reader = createCaptureReader(inspector.frame);
    const starts = [
      `GET / HTTP/1.1\r\nX: ${'a'.repeat(9000)}`,
      `POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n${'{'.repeat(9000)}`,
      `\x16\x03\x01\x30\x00\x01\0\x90\0${'r'.repeat(9000)}`,
      `\x16\x03\x01\x10\x00\x01\0\x90\0${'r'.repeat(4092)}`,
    ];
    for (let i = 0; i < 400; i++)
      reader.push(
        pcap(connection([said('client', starts[i % 4]!)], { clientPort: 2000 + i }).slice(0, -2)).subarray(
          i === 0 ? 0 : 24,
        ),
      );
    const { memory } = inspector.finish();
    expect(memory.peak).toBeLessThanOrEqual(1 << 20);
    expect(memory.peak).toBeGreaterThan(900_000);
    expect(memory.refused).toBeGreaterThan(0);
    expect(memory.left).toBe(0);
  });
  test('endless lines, segments and heads do not pile up', () => {
    for (const start of [
      MLLP.slice(0, 120),
      'GET / HTTP/1.1\r\nX: ',
      '220 x ESMTP\r\n',
      '\x16\x03\x01\x40\0\x01\0\xff\xff',
    ])
      expect(() =>
        inspectBytes(pcap(connection([said('client', start + 'A'.repeat(300_000))], { size: 1400 }))),
      ).not.toThrow();
  });
  test('everything out of order, with holes', () => {
    const packets = connection([said('client', MLLP.repeat(400))], { size: 100 });
    const shuffled = packets.filter((_, i) => i % 5 !== 3);
    const reversed = [...shuffled.slice(0, 2), ...shuffled.slice(2).toReversed()];
    expect(inspectBytes(pcap(reversed)).seen.streams.gaps).toBeGreaterThan(0);
  });
});
