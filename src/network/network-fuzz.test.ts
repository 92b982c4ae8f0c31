/** Hostile input: mutated captures, mutated streams, random bytes. Nothing throws, and the work stays bounded. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { assetDrafts } from './network-asset-records.ts';
import { createCaptureReader } from './network-capture.ts';
import { patientInQuery, patientsInXml, readJson } from './network-fhir.ts';
import { createInspector } from './network-inspect.ts';
import { looseJson } from './network-json.ts';
import { nhsVerdict } from './network-nhs.ts';
import {
  CANARY,
  connection,
  dicomStore,
  ethernet,
  ipv4,
  MLLP,
  pcap,
  pcapng,
  type Sent,
  said,
  udp,
} from './network-testing.ts';

const RUNS = 150;

function inspectBytes(bytes: Uint8Array, flowsMax = 128) {
  const inspector = createInspector({ hash: () => 'h', flowsMax });
  const reader = createCaptureReader(inspector.frame);
  reader.push(bytes);
  reader.end();
  const seen = inspector.finish();
  expect(seen.memory.left).toBe(0);
  return { seen, findings: assessInspection(seen, { routers: new Set() }), machines: assetDrafts(seen, () => true) };
}

const bytes = (from: Sent['from'], text: string): Sent => ({
  from,
  bytes: Buffer.from(text.replaceAll(' ', ''), 'hex'),
});
const dgram = (source: number, target: number, text: string) =>
  ethernet(0x0800, ipv4(17, udp(source, target, Buffer.from(text.replaceAll(' ', ''), 'hex'))));

const TALKS: readonly (readonly Sent[])[] = [
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
  [
    said(
      'client',
      'ISA*00*          *00*          *ZZ*CLINIC         *ZZ*PAYER          *260520*1200*^*00501*000000001*0*P*:~GS*HC*A~ST*837*1~NM1*IL*1*X*Y****MI*1~DMG*D8*1~SE*1~',
    ),
  ],
  [said('client', '\x05\x021H|\\^&|||A\rP|1|9|||X^Y\r\x17AB\r\n\x022L|1\r\x03CD\r\n\x04')],
  [said('client', '<?xml version="1.0"?><OBS.R01><PT><PT.patient_id V="1"/><PT.name V="X"/></PT></OBS.R01>')],
  [said('client', "UNA:+./*'UIB+UNOA:0++1'UIH+SCRIPT:010+1'PTT+1+19600101+X:Y+F+1:MR'".padEnd(90))],
  [said('client', '<34>May 20 12:00:00 host app: password=abcdef MRN: 12345 DOB: 1.2.1960\n'.repeat(3))],
  [
    bytes('client', '0300002a25e00000000000436f6f6b69653a206d737473686173683d61620d0a0100080003000000'),
    bytes('server', '030000130ed000001234000200080000000000'),
  ],
  [bytes('client', `00000060ff534d42${'73'.repeat(60)}4e544c4d5353500003000000${'10'.repeat(80)}`)],
  [bytes('server', `000000386b363034a003020105a10302010ba6283026a003020117a103020102a21a0418${'00'.repeat(24)}`)],
  [
    bytes(
      'client',
      `1201002f000001000000150006010 01b000102001c000103001d0004ff0c001001${'00'.repeat(20)}`.replaceAll(' ', ''),
    ),
    bytes('client', `100100a000000100${'98000000'}04000074${'5e00'.repeat(70)}`),
  ],
  [
    bytes(
      'client',
      `16030100a5010000a10303${'11'.repeat(32)}00000600040013010100007200000010000e00000b7777772e782e6578616d000d00080006040308040401002b00030203040010000e000c02683208687474702f312e31${'002d000201010033'.repeat(3)}`,
    ),
  ],
];
/** Small packets of the local network. */
const LOCAL = [
  dgram(
    67,
    68,
    `020106000000000000000000000000000a01023200000000${'00'.repeat(212)}638253633501053604 0a0102010304 0a010201ff`,
  ),
  dgram(5355, 50_000, '000784000001000100000000047770616400000100010477706164000001000100000009000 40a010242'),
  dgram(53, 50_000, '000781800001000100000000036869730765786d706c6500000100 01c00c000100010000000900040a010505'),
  dgram(
    137,
    137,
    '0007850000000001000000002045464644464e4546434e434e434e434e434e434e434e434e414141000020000100000009000600000a010242',
  ),
  dgram(1900, 1900, Buffer.from('NOTIFY * HTTP/1.1\r\nNT: urn:x\r\nSERVER: FRITZ!Box\r\n\r\n').toString('hex')),
  dgram(547, 546, '070102030001000e000100011c39cf88080027fe8f95'),
  ethernet(0x0806, Buffer.from('00010800060400020200000000420a0102030200000000090a010909', 'hex'), 66),
  ethernet(
    0x0800,
    ipv4(
      1,
      Buffer.from(
        `050100000a010242${'4500001c000100004011000 00a0102030a090909'.replaceAll(' ', '')}0001000200080000`,
        'hex',
      ),
    ),
  ),
];
const frames = [
  ...TALKS.flatMap((talk, i) => connection(talk, { clientPort: 1000 + i, size: 200 })),
  ipv4(17, udp(1, 161, Buffer.from('302602010104067075626c6963a019', 'hex'))),
]
  .map((packet) => ethernet(0x0800, packet))
  .concat(LOCAL);
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
    const some = fc.uint8Array({ maxLength: 400 });
    const link = fc.constantFrom(0, 1, 9, 12, 50, 51, 101, 108, 113, 276, 147);
    fc.assert(
      fc.property(some, link, (b, l) => void inspectBytes(pcap([b], { link: l }))),
      { numRuns: RUNS },
    );
    fc.assert(
      fc.property(some, fc.boolean(), (b, asTcp) => void inspectBytes(pcap([ipv4(asTcp ? 6 : 17, b)]))),
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
