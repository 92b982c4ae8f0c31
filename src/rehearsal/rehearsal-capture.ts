/** A capture of the generated hospital's network as a pcap: patients and log-ins in clear, some connections protected. Every patient is made up. */

import type { Hospital, Host } from './rehearsal-hospital.ts';
import type { Random } from './rehearsal-random.ts';

const SYN = 2;
const ACK = 16;
const PSH = 8;
const FIN = 1;

interface Talk {
  readonly client: Host;
  readonly server: Host;
  readonly port: number;
  /** In turns, the client's words first. */
  readonly words: readonly { readonly fromClient: boolean; readonly text: string }[];
}

const mac = (host: Host): Buffer => {
  const [, , net = '0', own = '0'] = host.address.split('.');
  return Buffer.from([0x02, 0x20, 0, 0, Number(net), Number(own)]);
};
const address = (host: Host): Buffer => Buffer.from(host.address.split('.').map(Number));

/** RFC 1071 over an even or odd number of bytes. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  const all = Buffer.concat(parts);
  for (let i = 0; i < all.length; i += 2) sum += (all[i] as number) * 256 + (all[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function frame(
  from: Host,
  to: Host,
  ports: readonly [number, number],
  tcp: { seq: number; ack: number; flags: number; data: Buffer },
): Buffer {
  const segment = Buffer.alloc(20 + tcp.data.length);
  segment.writeUInt16BE(ports[0], 0);
  segment.writeUInt16BE(ports[1], 2);
  segment.writeUInt32BE(tcp.seq >>> 0, 4);
  segment.writeUInt32BE(tcp.ack >>> 0, 8);
  segment[12] = 0x50;
  segment[13] = tcp.flags;
  segment.writeUInt16BE(64_240, 14);
  tcp.data.copy(segment, 20);
  const length = Buffer.from([0, 6, segment.length >> 8, segment.length & 255]);
  segment.writeUInt16BE(checksum(address(from), address(to), length, segment), 16);
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + segment.length, 2);
  head.writeUInt16BE(0x4000, 6);
  head[8] = 64;
  head[9] = 6;
  address(from).copy(head, 12);
  address(to).copy(head, 16);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([mac(to), mac(from), Buffer.from([8, 0]), head, segment]);
}

function connection(talk: Talk, clientPort: number): Buffer[] {
  const frames: Buffer[] = [];
  const next = { client: 1000, server: 5000 };
  const send = (fromClient: boolean, flags: number, text = '') => {
    const data = Buffer.from(text, 'latin1');
    const ports = fromClient ? ([clientPort, talk.port] as const) : ([talk.port, clientPort] as const);
    const [own, other] = fromClient ? (['client', 'server'] as const) : (['server', 'client'] as const);
    const [from, to] = fromClient ? [talk.client, talk.server] : [talk.server, talk.client];
    frames.push(frame(from, to, ports, { seq: next[own], ack: flags === SYN ? 0 : next[other], flags, data }));
    next[own] += data.length + (flags & (SYN | FIN) ? 1 : 0);
  };
  send(true, SYN);
  send(false, SYN | ACK);
  send(true, ACK);
  for (const { fromClient, text } of talk.words) send(fromClient, PSH | ACK, text);
  send(true, FIN | ACK);
  send(false, FIN | ACK);
  send(true, ACK);
  return frames;
}

function admission(random: Random, index: number): string {
  const name = `${random.pick(['ALDER', 'BRANT', 'CORVIN', 'DELAND', 'EVREN'])}^${random.pick(['A', 'B', 'C', 'D'])}`;
  const born = `19${40 + random.int(50)}0${1 + random.int(9)}1${random.int(9)}`;
  const lines = [
    `MSH|^~\\&|LAB|NORTH|HL7-1|MAIN|20260101||ORU^R01|X${index}|P|2.5`,
    `PID|1||EX${100_000 + random.int(900_000)}^^^EXERCISE^MR||${name}||${born}|U`,
    'OBX|1|NM|718-7^HGB||13.1|g/dL|||||F',
  ];
  return `\x0b${lines.join('\r')}\r\x1c\r`;
}
const ACCEPTED = '\x0bMSH|^~\\&|HL7-1|MAIN|LAB|NORTH|20260101||ACK|1|P|2.5\rMSA|AA|1\r\x1c\r';

/** What the mirror port of a switch would have seen in an ordinary hour, shortened. */
export function hospitalCapture(hospital: Hospital, random: Random, atMs: number): Buffer {
  const named = (name: string) => hospital.hosts.find((host) => host.name === name) as Host;
  const talks: Talk[] = [];
  const results = Array.from({ length: 12 }, (_, i) => [
    { fromClient: true, text: admission(random, i) },
    { fromClient: false, text: ACCEPTED },
  ]).flat();
  talks.push({ client: named('lab-1'), server: named('hl7-1'), port: 2575, words: results });
  for (const device of ['monitor-1', 'monitor-4'])
    talks.push({ client: named(device), server: named('ehr-app-1'), port: 6661, words: results.slice(0, 4) });
  talks.push({
    client: named('ct-1'),
    server: named('files-1'),
    port: 21,
    words: [
      { fromClient: false, text: '220 files-1 ready\r\n' },
      { fromClient: true, text: 'USER ct-export\r\n' },
      { fromClient: false, text: '331 password\r\n' },
      { fromClient: true, text: 'PASS exercise-only\r\n' },
      { fromClient: false, text: '230 logged in\r\n' },
    ],
  });
  for (const ward of hospital.hostsOf('ward').slice(0, 8))
    talks.push({
      client: ward,
      server: named('backup-1'),
      port: 22,
      words: [
        { fromClient: false, text: 'SSH-2.0-OpenSSH_9.2\r\n' },
        { fromClient: true, text: 'SSH-2.0-OpenSSH_9.2\r\n' },
      ],
    });
  const frames = talks.flatMap((talk, i) => connection(talk, 49_152 + i));
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(262_144, 16);
  head.writeUInt32LE(1, 20);
  const parts: Buffer[] = [head];
  for (const [i, bytes] of frames.entries()) {
    const stamp = Buffer.alloc(16);
    const us = atMs * 1000 + i * 700;
    stamp.writeUInt32LE(Math.floor(us / 1e6), 0);
    stamp.writeUInt32LE(us % 1e6, 4);
    stamp.writeUInt32LE(bytes.length, 8);
    stamp.writeUInt32LE(bytes.length, 12);
    parts.push(stamp, bytes);
  }
  return Buffer.concat(parts);
}
