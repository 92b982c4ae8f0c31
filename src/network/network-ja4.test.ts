/** Fingerprints against the examples of the published definition. */

import { expect, test } from 'vitest';
import { ja4, ja4s } from './network-ja4.ts';

const words = (text: string): Buffer => Buffer.from(text.replaceAll(',', ''), 'hex');
const sized = (bytes: Uint8Array, lengthBytes: 1 | 2): Buffer =>
  Buffer.concat([Buffer.from(lengthBytes === 1 ? [bytes.length] : [bytes.length >> 8, bytes.length & 255]), bytes]);
const extension = (type: string, body: Uint8Array) => Buffer.concat([words(type), sized(body, 2)]);

function hello(o: { suites: string; extensions: readonly Buffer[] }): Buffer {
  return Buffer.concat([
    Buffer.from('0303', 'hex'),
    Buffer.alloc(32),
    Buffer.from([0]),
    sized(words(o.suites), 2),
    Buffer.from([1, 0]),
    sized(Buffer.concat(o.extensions), 2),
  ]);
}

test('the browser of the definition, with GREASE and in another order', () => {
  // Cipher suites, extensions and signature algorithms of the published raw form of t13d1516h2_8daaf6152771_e5627efa2ab1.
  const body = hello({
    suites: 'aaaa,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035',
    extensions: [
      extension('3a3a', Buffer.alloc(0)),
      extension('0000', Buffer.from('000d00000a6578616d706c652e6f', 'hex')),
      ...['0017', 'ff01', '000a', '000b', '0023'].map((type) => extension(type, Buffer.alloc(1))),
      extension('0010', Buffer.from('000c02683208687474702f312e31', 'hex')),
      extension('0005', Buffer.alloc(1)),
      extension('000d', sized(words('0403,0804,0401,0503,0805,0501,0806,0601'), 2)),
      ...['0012', '0033', '002d'].map((type) => extension(type, Buffer.alloc(1))),
      extension('002b', sized(words('2a2a,0304,0303'), 1)),
      ...['001b', '4469', '0015'].map((type) => extension(type, Buffer.alloc(1))),
      extension('1a1a', Buffer.alloc(1)),
    ],
  });
  expect(ja4(body, 0, body.length)).toBe('t13d1516h2_8daaf6152771_e5627efa2ab1');
  for (let cut = 0; cut < body.length; cut += 7) expect(() => ja4(body, 0, cut)).not.toThrow();
});

test('nothing to say is zeros', () => {
  const body = hello({ suites: '', extensions: [] });
  expect(ja4(body, 0, body.length)).toBe('t12i000000_000000000000_000000000000');
});

test('servers of the definition', () => {
  const answer = (...types: readonly string[]) =>
    Buffer.concat([
      Buffer.from('0303', 'hex'),
      Buffer.alloc(32),
      Buffer.from('00130100', 'hex'),
      sized(Buffer.concat(types.map((type) => extension(type, words('0304')))), 2),
    ]);
  const print = (body: Buffer) => ja4s(body, 0, body.length);
  expect(print(answer('002b', '0033'))).toBe('t130200_1301_a56c5b993250');
  expect(print(answer('0033', '002b'))).toBe('t130200_1301_234ea6891581');
});
