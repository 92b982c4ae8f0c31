/** Captures made for tests: frames, connections and a pcap around them, from the formats' own definitions. */

import assert from 'node:assert/strict';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { keyedHash } from './network-hash.ts';
import { createInspector } from './network-inspect.ts';

export interface Sent {
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
}

export const said = (from: Sent['from'], text: string): Sent => ({ from, bytes: Buffer.from(text, 'latin1') });

const CLIENT = [10, 1, 2, 3];
const SERVER = [10, 1, 9, 9];

export function ethernet(type: number, payload: Uint8Array, mac = 1): Buffer {
  return Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, mac, type >> 8, type & 255]), payload]);
}

export function ipv4(
  protocol: number,
  payload: Uint8Array,
  from: readonly number[] = CLIENT,
  to: readonly number[] = SERVER,
  fragment: { id: number; field: number } = { id: 1, field: 0 },
): Buffer {
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + payload.length, 2);
  head.writeUInt16BE(fragment.id, 4);
  head.writeUInt16BE(fragment.field, 6);
  head[8] = 64;
  head[9] = protocol;
  head.set(from, 12);
  head.set(to, 16);
  return Buffer.concat([head, payload]);
}

export function udp(sourcePort: number, targetPort: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(sourcePort, 0);
  head.writeUInt16BE(targetPort, 2);
  head.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([head, payload]);
}

export function tcp(
  sourcePort: number,
  targetPort: number,
  seq: number,
  ack: number,
  flags: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(sourcePort, 0);
  head.writeUInt16BE(targetPort, 2);
  head.writeUInt32BE(seq >>> 0, 4);
  head.writeUInt32BE(ack >>> 0, 8);
  head[12] = 0x50;
  head[13] = flags;
  return Buffer.concat([head, payload]);
}

/** IP packets of one connection with its beginning and end, cut into segments of `size` bytes. */
export function connection(
  talk: readonly Sent[],
  o: { port?: number; clientPort?: number; size?: number } = {},
): Buffer[] {
  const port = o.port ?? 40_001;
  const own = o.clientPort ?? 51_000;
  const size = o.size ?? 1400;
  // Close to the end of the sequence numbers, so that they wrap.
  const next = { client: 0xfffffff0, server: 0xffffff00 };
  const packets: Buffer[] = [];
  const send = (from: Sent['from'], flags: number, payload: Uint8Array = Buffer.alloc(0)) => {
    const other = from === 'client' ? 'server' : 'client';
    const ports = from === 'client' ? ([own, port] as const) : ([port, own] as const);
    const segment = tcp(...ports, next[from], next[other], flags, payload);
    packets.push(from === 'client' ? ipv4(6, segment) : ipv4(6, segment, SERVER, CLIENT));
    next[from] = (next[from] + payload.length + ((flags & 3) === 0 ? 0 : 1)) >>> 0;
  };
  send('client', 2);
  send('server', 18);
  for (const { from, bytes } of talk)
    for (let at = 0; at < bytes.length; at += size) send(from, 24, bytes.subarray(at, at + size));
  send('client', 17);
  send('server', 17);
  return packets;
}

export const TIME_SEC = 1_780_000_000;

/** A pcap; `form` is byte order and unit of time. */
export function pcap(
  frames: readonly Uint8Array[],
  o: { link?: number; big?: boolean; nano?: boolean; atSec?: number } = {},
): Buffer {
  const parts: Buffer[] = [];
  const words = (...values: number[]): void => {
    const b = Buffer.alloc(values.length * 4);
    for (const [i, value] of values.entries()) {
      if (o.big) b.writeUInt32BE(value >>> 0, i * 4);
      else b.writeUInt32LE(value >>> 0, i * 4);
    }
    parts.push(b);
  };
  words(o.nano ? 0xa1b23c4d : 0xa1b2c3d4, o.big ? 0x00020004 : 0x00040002, 0, 0, 262_144, o.link ?? 101);
  for (const [i, frame] of frames.entries()) {
    words((o.atSec ?? TIME_SEC) + i, o.nano ? 500_000_000 : 500_000, frame.length, frame.length);
    parts.push(Buffer.from(frame));
  }
  return Buffer.concat(parts);
}

/** A pcapng with one interface in nanoseconds. */
export function pcapng(frames: readonly Uint8Array[], link = 101): Buffer {
  const block = (type: number, body: Buffer): Buffer => {
    const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(type, 0);
    head.writeUInt32LE(padded.length + 12, 4);
    return Buffer.concat([head, padded, head.subarray(4)]);
  };
  const section = Buffer.from('4d3c2b1a01000000ffffffffffffffff', 'hex');
  const face = Buffer.from([link, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
  const packets = frames.map((frame, i) => {
    const head = Buffer.alloc(20);
    const units = BigInt(TIME_SEC + i) * 1_000_000_000n + 500_000_000n;
    head.writeUInt32LE(Number(units >> 32n), 4);
    head.writeUInt32LE(Number(units & 0xffffffffn), 8);
    head.writeUInt32LE(frame.length, 12);
    head.writeUInt32LE(frame.length, 16);
    return block(6, Buffer.concat([head, frame]));
  });
  return Buffer.concat([block(0x0a0d0d0a, section), block(1, face), ...packets]);
}

/** Planted patients and secrets: none of these may be anywhere in what the room answers. */
export const CANARY = {
  family: 'KANARIENVOGEL',
  given: 'Zwetschge',
  id: 'MRN77700421',
  nhs: '9434765919',
  birth: '19611123',
  street: 'Papageienallee 77',
  secret: 'Geheim-Vogel-4711',
  account: 'schwester-canary',
} as const;

export const HL7 = [
  'MSH|^~\\&|LAB|WARD7|EPIC|HOSP|20260520120000||ADT^A01|1|P|2.5',
  'EVN|A01|20260520120000',
  `PID|1||${CANARY.id}^^^HOSP^MR~${CANARY.nhs}^^^NHS^NH||${CANARY.family}^${CANARY.given}||${CANARY.birth}|F|||${CANARY.street}^^Town`,
  `NK1|1|${CANARY.family}^Spouse|SPO`,
  `IN1|1|PLAN|1|||||||||||||${CANARY.family}^${CANARY.given}`,
  '',
].join('\r');
export const MLLP = `\x0b${HL7}\x1c\r`;

function element(group: number, item: number, vr: string, value: Uint8Array, explicit: boolean): Buffer {
  const padded = value.length % 2 === 0 ? value : Buffer.concat([value, Buffer.from(' ')]);
  const head = Buffer.alloc(8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(item, 2);
  if (explicit) {
    head.write(vr, 4, 'latin1');
    head.writeUInt16LE(padded.length, 6);
  } else head.writeUInt32LE(padded.length, 4);
  return Buffer.concat([head, padded]);
}

/** A data set with a nested sequence of undefined length before the patient, and pixels after. */
export function dataSet(explicit: boolean): Buffer {
  const text = (group: number, item: number, vr: string, value: string) =>
    element(group, item, vr, Buffer.from(value, 'latin1'), explicit);
  const sequence = Buffer.from(explicit ? '0800401153510000ffffffff' : '08004011ffffffff', 'hex');
  return Buffer.concat([
    text(8, 0x16, 'UI', '1.2.840.10008.5.1.4.1.1.2'),
    sequence,
    Buffer.from('feff00e0ffffffff', 'hex'),
    text(8, 0x1150, 'UI', '1.2.3'),
    Buffer.from('feff0de000000000feffdde000000000', 'hex'),
    text(0x10, 0x10, 'PN', `${CANARY.family}^${CANARY.given}`),
    text(0x10, 0x20, 'LO', CANARY.id),
    text(0x10, 0x30, 'DA', CANARY.birth),
    text(0x28, 0x10, 'US', '\x00\x02'),
    Buffer.alloc(20_000, 7),
  ]);
}

function pdu(type: number, body: Uint8Array): Buffer {
  const head = Buffer.from([type, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

function item(type: number, body: Uint8Array): Buffer {
  const head = Buffer.from([type, 0, 0, 0]);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** A C-STORE: association, command, data set in fragments of `size`. */
export function dicomStore(explicit: boolean, size = 4096): Sent[] {
  const head = Buffer.concat([
    Buffer.from([0, 1, 0, 0]),
    Buffer.from('ARCHIVE'.padEnd(16) + 'CT-ROOM-2'.padEnd(16)),
    Buffer.alloc(32),
  ]);
  const syntax = Buffer.from(explicit ? '1.2.840.10008.1.2.1' : '1.2.840.10008.1.2');
  const asked = item(0x20, Buffer.concat([Buffer.from([1, 0, 0, 0]), item(0x40, syntax)]));
  const agreed = item(0x21, Buffer.concat([Buffer.from([1, 0, 0, 0]), item(0x40, syntax)]));
  const command = Buffer.from('000000010200000001000000', 'hex');
  command.writeUInt16LE(0, 0);
  command.set(Buffer.from('00000001020000000100', 'hex'), 0);
  const fragments: Sent[] = [];
  const value = (header: number, bytes: Uint8Array) => {
    const pdv = Buffer.alloc(6);
    pdv.writeUInt32BE(bytes.length + 2, 0);
    pdv[4] = 1;
    pdv[5] = header;
    fragments.push({ from: 'client', bytes: pdu(4, Buffer.concat([pdv, bytes])) });
  };
  value(3, command.subarray(0, 10));
  const set = dataSet(explicit);
  for (let at = 0; at < set.length; at += size) value(at + size >= set.length ? 2 : 0, set.subarray(at, at + size));
  return [
    { from: 'client', bytes: pdu(1, Buffer.concat([head, asked])) },
    { from: 'server', bytes: pdu(2, Buffer.concat([head, agreed])) },
    ...fragments,
  ];
}

/** Inspects a capture handed over in pieces; fails when anything that comes out holds a planted value. */
export function inspectBytes(capture: Uint8Array, piece = capture.length) {
  const inspector = createInspector({ hash: keyedHash(Buffer.from('key')), flowsMax: 256 });
  const reader = createCaptureReader(inspector.frame);
  for (let at = 0; at < capture.length; at += piece) reader.push(capture.subarray(at, at + piece));
  const end = reader.end();
  const seen = inspector.finish();
  const findings = assessInspection(seen, { routers: new Set() });
  const all = JSON.stringify([
    findings,
    [...seen.pairs],
    seen.leaks.map((leak) => [...leak.fields, ...leak.names, ...leak.what]),
  ]);
  for (const canary of Object.values(CANARY)) assert(!all.includes(canary), canary);
  assert(!all.includes(Buffer.from(CANARY.secret).toString('base64').slice(0, 12)));
  return { findings, seen, end };
}
export const inspectTalk = (talk: readonly Sent[], size?: number) =>
  inspectBytes(pcap(connection(talk, size === undefined ? {} : { size }))).findings;
