/** QUIC's first packet: the example of the specification, hellos in pieces and in two datagrams, and what is none. */

import { createCipheriv, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inspectBytes, ipv4, pcap, udp } from './network-testing.ts';

const seen = (...datagrams: readonly Uint8Array[]) =>
  inspectBytes(pcap(datagrams.map((one) => ipv4(17, udp(50_000, 8443, one))))).seen;

/** The ClientHello of RFC 9001 appendix A.2, for `example.com`. */
const HELLO = Buffer.from(
  '010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff',
  'hex',
);
const ID = Buffer.from('8394c8f03e515708', 'hex');

/** Written from RFC 9001 section 5 with HKDF spelt out, to have packets of any frames. */
function initial(frames: Buffer, number = 2, id = ID): Buffer {
  const hmac = (key: Uint8Array, data: Uint8Array) => createHmac('sha256', key).update(data).digest();
  const expand = (secret: Buffer, label: string, length: number) => {
    const name = Buffer.from(`tls13 ${label}`);
    return hmac(secret, Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])).subarray(
      0,
      length,
    );
  };
  const secret = expand(hmac(Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'), id), 'client in', 32);
  const plain = Buffer.concat([frames, Buffer.alloc(Math.max(0, 1162 - frames.length))]);
  const length = 4 + plain.length + 16;
  const head = Buffer.concat([
    Buffer.from([0xc3, 0, 0, 0, 1, id.length]),
    id,
    Buffer.from([0, 0, 0x40 | (length >> 8), length & 255, 0, 0, 0, number]),
  ]);
  const nonce = Buffer.from(expand(secret, 'quic iv', 12));
  nonce[11]! ^= number;
  const cipher = createCipheriv('aes-128-gcm', expand(secret, 'quic key', 16), nonce).setAAD(head);
  const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const mask = createCipheriv('aes-128-ecb', expand(secret, 'quic hp', 16), null).update(body.subarray(0, 16));
  const packet = Buffer.concat([head, body]);
  packet[0]! ^= mask[0]! & 15;
  for (let i = 0; i < 4; i++) packet[head.length - 4 + i]! ^= mask[i + 1]!;
  return packet;
}
const varint = (value: number) => (value < 64 ? [value] : [0x40 | (value >> 8), value & 255]);
const crypto = (offset: number, bytes: Buffer) =>
  Buffer.concat([Buffer.from([6, ...varint(offset), ...varint(bytes.length)]), bytes]);

test('the protected packet of RFC 9001 appendix A.2', () => {
  const packet = initial(crypto(0, HELLO));
  // As printed there: the header, and the beginning of the payload.
  expect(packet.subarray(0, 22).toString('hex')).toBe('c000000001088394c8f03e5157080000449e7b9aec34');
  const { handshakes, pairs } = seen(packet);
  expect(handshakes).toMatchObject([{ version: 'QUIC', name: 'example.com', port: 8443, client: '10.1.2.3' }]);
  expect(handshakes[0]?.ja4).toMatch(/^q13d02/);
  expect([...pairs.values()].map((one) => one.state)).toEqual(['protected']);
});

test('frames in any order, in two datagrams; nothing from what was changed', () => {
  const [a, b, c] = [HELLO.subarray(0, 50), HELLO.subarray(50, 120), HELLO.subarray(120)];
  const shuffled = Buffer.concat([crypto(120, c), Buffer.from([0, 1, 0]), crypto(0, a), crypto(50, b)]);
  expect(seen(initial(shuffled)).handshakes).toMatchObject([{ name: 'example.com' }]);
  const [one, two] = [initial(Buffer.concat([crypto(120, c), crypto(0, a)]), 0), initial(crypto(50, b), 1)];
  expect(seen(one).handshakes).toEqual([]);
  expect(seen(one, two).handshakes).toMatchObject([{ name: 'example.com' }]);
  expect(seen(two, one, one, two).handshakes).toMatchObject([{ name: 'example.com', count: 1 }]);
  const broken = initial(crypto(0, HELLO));
  broken[300]! ^= 1;
  expect(seen(broken).handshakes).toEqual([]);
});

test('any bytes, and any frames: no fault', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.boolean(), (bytes, inside) => {
      const forged = Buffer.concat([Buffer.from('c000000001', 'hex'), bytes, Buffer.alloc(1200)]);
      seen(inside ? initial(Buffer.from(bytes)) : forged);
    }),
    { numRuns: 200 },
  );
});
