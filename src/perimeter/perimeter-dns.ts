/** Writes DNS questions (RFC 1035 section 4). */

import { randomBytes } from 'node:crypto';

export function dnsQuery(name: string, type: number, klass = 1, recursion = true): Buffer {
  const head = Buffer.alloc(12);
  randomBytes(2).copy(head);
  head.writeUInt16BE(recursion ? 0x0100 : 0, 2);
  head.writeUInt16BE(1, 4);
  const labels = name
    .split('.')
    .filter((label) => label !== '')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]));
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(type, 1);
  tail.writeUInt16BE(klass, 3);
  return Buffer.concat([head, ...labels, tail]);
}
