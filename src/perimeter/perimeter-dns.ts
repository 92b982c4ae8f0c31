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

/** A question that wants signatures, and no opinion of the resolver about them: EDNS with DO, and CD (RFC 4035 section 3.2). */
export function signedQuery(name: string, type: number): Buffer {
  const query = dnsQuery(name, type);
  query.writeUInt16BE(query.readUInt16BE(2) | 0x0010, 2);
  query.writeUInt16BE(1, 10);
  return Buffer.concat([query, Buffer.from([0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0])]);
}

export interface DnsRecord {
  /** Lower case, without the final dot; the root is empty. */
  readonly name: string;
  readonly type: number;
  readonly klass: number;
  readonly ttl: number;
  /** Names inside are not compressed any more, for the types of RFC 1035. */
  readonly data: Buffer;
}

export interface DnsMessage {
  readonly id: number;
  readonly flags: number;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
}

const RECORDS_MAX = 512;
const JUMPS_MAX = 32;

/** A name, compressed or not (RFC 1035 section 4.1.4); null when it is malformed. Labels keep their case in `labels`. */
export function readName(bytes: Buffer, start: number): { labels: Buffer[]; end: number } | null {
  const labels: Buffer[] = [];
  let at = start;
  let end = -1;
  let size = 0;
  for (let jumps = 0; jumps < JUMPS_MAX && at < bytes.length; ) {
    const length = bytes.readUInt8(at);
    if (length === 0) return { labels, end: end < 0 ? at + 1 : end };
    if ((length & 0xc0) === 0xc0) {
      if (at + 2 > bytes.length) return null;
      if (end < 0) end = at + 2;
      at = bytes.readUInt16BE(at) & 0x3fff;
      jumps++;
      continue;
    }
    size += length + 1;
    if (length > 63 || size > 254 || at + 1 + length > bytes.length) return null;
    labels.push(bytes.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return null;
}

export const nameText = (labels: readonly Buffer[]): string =>
  labels.map((label) => label.toString('latin1').toLowerCase()).join('.');

/** A name on the wire in lower case: the canonical form of RFC 4034 section 6.2. */
export function nameWire(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label.toLowerCase(), 'latin1')])),
    Buffer.from([0]),
  ]);
}

/** Types whose data begins with so many bytes and then names: NS, CNAME, SOA, PTR, MX. */
const NAMES_IN: Readonly<Record<number, { before: number; names: number }>> = {
  2: { before: 0, names: 1 },
  5: { before: 0, names: 1 },
  6: { before: 0, names: 2 },
  12: { before: 0, names: 1 },
  15: { before: 2, names: 1 },
};

function readRecord(bytes: Buffer, at: number): { record: DnsRecord; end: number } | null {
  const owner = readName(bytes, at);
  if (!owner || owner.end + 10 > bytes.length) return null;
  const length = bytes.readUInt16BE(owner.end + 8);
  const start = owner.end + 10;
  if (start + length > bytes.length) return null;
  const type = bytes.readUInt16BE(owner.end);
  const shape = NAMES_IN[type];
  let data = bytes.subarray(start, start + length);
  if (shape) {
    const parts = [bytes.subarray(start, start + shape.before)];
    let next = start + shape.before;
    for (let i = 0; i < shape.names; i++) {
      const name = readName(bytes, next);
      if (!name) return null;
      parts.push(nameWire(nameText(name.labels)));
      next = name.end;
    }
    data = Buffer.concat([...parts, bytes.subarray(Math.min(next, start + length), start + length)]);
  }
  return {
    record: {
      name: nameText(owner.labels),
      type,
      klass: bytes.readUInt16BE(owner.end + 2),
      ttl: bytes.readUInt32BE(owner.end + 4),
      data,
    },
    end: start + length,
  };
}

/** A whole message; null when it is malformed. */
export function readMessage(bytes: Buffer): DnsMessage | null {
  if (bytes.length < 12) return null;
  let at = 12;
  for (let i = 0; i < bytes.readUInt16BE(4); i++) {
    const name = readName(bytes, at);
    if (!name || i > 4) return null;
    at = name.end + 4;
  }
  const section = (count: number): DnsRecord[] | null => {
    const records: DnsRecord[] = [];
    for (let i = 0; i < Math.min(count, RECORDS_MAX); i++) {
      const next = readRecord(bytes, at);
      if (!next) return null;
      records.push(next.record);
      at = next.end;
    }
    return records;
  };
  const answers = section(bytes.readUInt16BE(6));
  const authorities = answers ? section(bytes.readUInt16BE(8)) : null;
  if (!answers || !authorities) return null;
  return { id: bytes.readUInt16BE(0), flags: bytes.readUInt16BE(2), answers, authorities };
}
