/** The one-pass reading of HL7 beside a plain one that splits strings, over messages of all shapes and in any cut. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nhsVerdict } from './network-nhs.ts';
import { connection, inspectBytes, pcap, said } from './network-testing.ts';

const IDENTIFYING: Readonly<Record<string, readonly number[]>> = {
  PID: [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 18, 19, 20, 21],
  NK1: [2, 4, 5, 6, 16, 30, 31, 32, 33],
  IN1: [16, 18, 19, 36, 49],
  IN2: [1, 2, 6, 61],
  GT1: [3, 5, 6, 7, 8, 12, 19],
  MRG: [1, 4, 7],
};
const FIELD = '|';

interface Plain {
  readonly fields: ReadonlyMap<string, number>;
  readonly patients: number;
  readonly nhs: readonly [number, number];
  readonly messages: number;
}

/** What stands in the messages, read as the standard describes them: message, segment, field, repetition, component. */
function plainly(text: string): Plain {
  const fields = new Map<string, number>();
  const people = new Set<string>();
  const nhs: [number, number] = [0, 0];
  let messages = 0;
  for (const message of text.split('\x1c')) {
    const seen = new Set<string>();
    for (const segment of message.replaceAll('\x0b', '\r').replaceAll('\n', '\r').split('\r')) {
      const values = segment.split(FIELD);
      const name = values[0] ?? '';
      let [number, second] = ['', ''];
      for (const n of IDENTIFYING[name] ?? []) {
        const value = values[n] ?? '';
        if (value === '""' || /^[ ^~&]*$/.test(value)) continue;
        seen.add(`${name}-${n}`);
        if (name !== 'PID' || n > 7 || n === 6) continue;
        if (n === 5 || n === 7) second += number === '' ? `${value}|` : '';
        if (n === 2 || n === 3) number = value.split('~')[0]?.split('^')[0] || number;
        if (n <= 4)
          for (const repetition of value.split('~')) {
            const parts = repetition.split('^');
            const verdict = nhsVerdict(parts[0] ?? '');
            const labelled = /NHS/i.test(`${parts[3] ?? ''} ${parts[4] ?? ''}`) || parts[4] === 'NH';
            if (verdict === 'valid') nhs[0]++;
            else if (verdict === 'invalid' && labelled) nhs[1]++;
          }
      }
      if (number !== '' || second !== '') people.add(number || second);
    }
    if (seen.size > 0) messages++;
    for (const path of seen) fields.set(path, (fields.get(path) ?? 0) + 1);
  }
  return { fields, patients: people.size, nhs, messages };
}

const value = fc.oneof(
  fc.constantFrom('', '', '""', ' ', '^^', '~', '9434765919^^^NHS^NH', '9434765918^^^NHS^NH', '9434765918^^^H^MR'),
  fc
    .array(fc.constantFrom('AB', '12', '^', '~', '&', ' ', 'MRN7', '^^^NHS', '943 476 5919'), { maxLength: 5 })
    .map((parts) => parts.join('')),
);
const segment = fc
  .tuple(
    fc.constantFrom('PID', 'PID', 'NK1', 'IN1', 'IN2', 'GT1', 'MRG', 'OBX', 'PV1', 'PI'),
    fc.array(value, { maxLength: 24 }),
  )
  .map(([name, values]) => [name, ...values].join(FIELD));
const message = fc
  .tuple(
    fc.constantFrom('A|B', 'LAB|WARD7', '|', 'A|C'),
    fc.constantFrom('ADT^A01', 'ORU^R01^ORU_R01', 'ACK', 'xx', ''),
    fc.array(segment, { maxLength: 6 }),
    fc.constantFrom('\r', '\n', '\r\n'),
  )
  .map(([sender, type, segments, end]) =>
    ['\x0bMSH|^~\\&|' + sender + '|E|H|2026||' + type + '|1|P|2.5', ...segments, '\x1c'].join(end),
  );

test('one pass and a plain reading find the same, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 300 }),
      (messages, size) => {
        const text = messages.map((one) => `${one}\r`).join('');
        const want = plainly(text);
        const { seen } = inspectBytes(pcap(connection([said('client', text)], { size })));
        const leak = seen.leaks.find((one) => one.kind === 'clear-text-patient-data');
        expect(leak?.messages ?? 0).toBe(want.messages);
        const counted = Object.fromEntries([...(leak?.fields ?? [])].map(([path, { times }]) => [path, times]));
        expect(counted).toEqual(Object.fromEntries(want.fields));
        expect(leak?.hashes.size ?? 0).toBe(want.patients);
        expect([leak?.nhsValid ?? 0, leak?.nhsInvalid ?? 0]).toEqual(want.nhs);
      },
    ),
    { numRuns: 400 },
  );
});

test('a capture that ends within the patient’s segment still tells of it', () => {
  const text = '\x0bMSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\rPID|1||77||FAMILY^GIVEN||19700101|F';
  const { findings } = inspectBytes(pcap(connection([said('client', text)]).slice(0, -2)));
  expect(findings[0]?.evidence[0]?.data).toMatchObject({ fields: 'PID-3, PID-5, PID-7', patients: 1 });
});

test('an answer with several patients counts each', () => {
  const text = '\x0bMSH|^~\\&|A|B|C|D|2026||RSP^K22|1|P|2.5\rPID|1||77||X\rPID|2||78||Y\rPID|3||77||X\r\x1c\r';
  const { findings } = inspectBytes(pcap(connection([said('client', text)])));
  expect(findings[0]?.evidence[0]?.data).toMatchObject({ messages: 1, patients: 2 });
});
