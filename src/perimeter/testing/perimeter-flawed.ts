/**
 * TLS peers with the faults that active checks look for, spoken over the record layer after the advisories: nobody
 * packages an OpenSSL of 2014 or a BIG-IP of 2016. Each goes as far as the fault shows, and no further.
 */

import { constants, privateDecrypt, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

/**
 * `robot-alert` answers wrong padding with another alert at once; `robot-reset` hangs up on it; `robot-late` tells them
 * apart only after Finished; `noisy` answers by chance, and is no oracle; `patched` does as OpenSSL of today.
 */
export type Flaw = 'heartbleed' | 'ccs-injection' | 'robot-alert' | 'robot-reset' | 'robot-late' | 'noisy' | 'patched';
export interface Peer {
  readonly port: number;
  close(): Promise<void>;
}
interface Material {
  readonly cert: string;
  readonly key: string;
}

const SUITE = 0x002f; // TLS_RSA_WITH_AES_128_CBC_SHA
const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const u24 = (value: number) => Buffer.concat([Buffer.from([value >> 16]), u16(value & 0xffff)]);
const record = (type: number, version: number, body: Buffer) =>
  Buffer.concat([Buffer.from([type]), u16(version), u16(body.length), body]);
const handshake = (type: number, body: Buffer) => Buffer.concat([Buffer.from([type]), u24(body.length), body]);

interface Hello {
  readonly version: number;
  readonly session: Buffer;
  readonly suites: readonly number[];
  readonly extensions: ReadonlyMap<number, Buffer>;
}

/** A ClientHello out of the body of its record. */
function readHello(body: Buffer): Hello | null {
  if (body[0] !== 1 || body.length < 42) return null;
  const session = body.subarray(39, 39 + body.readUInt8(38));
  let at = 39 + session.length;
  const suites = Array.from({ length: body.readUInt16BE(at) / 2 }, (_, i) => body.readUInt16BE(at + 2 + i * 2));
  at += 2 + suites.length * 2;
  at += 1 + body.readUInt8(at) + 2;
  const extensions = new Map<number, Buffer>();
  for (; at + 4 <= body.length; at += 4 + body.readUInt16BE(at + 2))
    extensions.set(body.readUInt16BE(at), body.subarray(at + 4, at + 4 + body.readUInt16BE(at + 2)));
  return { version: body.readUInt16BE(4), session, suites, extensions };
}

function serverHello(version: number, session: Buffer, suite: number, extensions: Buffer): Buffer {
  const body = [u16(version), randomBytes(32), Buffer.from([session.length]), session, u16(suite), Buffer.from([0])];
  return handshake(2, Buffer.concat([...body, u16(extensions.length), extensions]));
}

/** Calls `each` with every whole record that arrives. */
function records(socket: Socket, each: (type: number, body: Buffer) => void): void {
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 5 && held.length >= 5 + held.readUInt16BE(3)) {
      const body = held.subarray(5, 5 + held.readUInt16BE(3));
      const type = held.readUInt8(0);
      held = held.subarray(5 + body.length);
      each(type, body);
    }
  });
}

async function listen(serve: (socket: Socket) => void, beside: readonly Server[] = []): Promise<Peer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      for (const one of [server, ...beside]) await new Promise((resolve) => one.close(resolve));
    },
  };
}

/** Whether a block decrypts to what RFC 5246 section 7.4.7.1 wants; the oracle, with the server's real key. */
function conforms(key: Buffer, encrypted: Buffer, version: number): boolean {
  let block: Buffer;
  try {
    block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, encrypted);
  } catch {
    return false;
  }
  const end = block.indexOf(0, 2);
  return block[0] === 0 && block[1] === 2 && end === block.length - 49 && block.readUInt16BE(end + 1) === version;
}

export function flawedTls(flaw: Flaw, material: Material): Promise<Peer> {
  const [leaf, key] = [new X509Certificate(readFileSync(material.cert)).raw, readFileSync(material.key)];
  let count = 0;
  return listen((socket) => {
    let version = 0;
    let exchanged: boolean | null = null;
    let early = false;
    const alert = (code: number) => socket.end(record(21, version || 0x0301, Buffer.from([2, code])));
    const begin = (body: Buffer) => {
      const hello = readHello(body);
      if (!hello?.suites.includes(SUITE) || hello.version < 0x0301) return alert(40);
      version = Math.min(hello.version, 0x0303);
      const extensions = [Buffer.from('ff01000100', 'hex')];
      if (hello.extensions.has(15)) extensions.push(Buffer.from('000f000101', 'hex'));
      const chain = Buffer.concat([u24(leaf.length), leaf]);
      for (const message of [
        serverHello(version, Buffer.alloc(0), SUITE, Buffer.concat(extensions)),
        handshake(11, Buffer.concat([u24(chain.length), chain])),
        handshake(14, Buffer.alloc(0)),
      ])
        socket.write(record(22, version, message));
    };
    const exchange = (body: Buffer) => {
      exchanged = conforms(key, body.subarray(6), version);
      if (exchanged || flaw === 'robot-late') return;
      if (flaw === 'robot-alert') alert(51);
      if (flaw === 'robot-reset') socket.resetAndDestroy();
    };
    /** The end of the handshake, which nobody without the secret can encrypt rightly. */
    const finish = () => {
      if (flaw === 'noisy') return alert([20, 51, 40, 20, 21, 51, 10][count++ % 7] as number);
      alert(flaw === 'robot-late' && exchanged === false ? 40 : 20);
    };
    records(socket, (type, body) => {
      if (socket.destroyed) return;
      if (early) return alert(20);
      if (type === 24) {
        // RFC 6520 section 4: what is too short is discarded in silence. The fault: its length is believed.
        if (flaw !== 'heartbleed') return;
        const claimed = body.readUInt16BE(1);
        const memory = Buffer.alloc(claimed + 16, 'a patient’s record ');
        socket.write(record(24, version, Buffer.concat([Buffer.from([2]), u16(claimed), memory])));
      } else if (type === 20 && exchanged === null) {
        if (flaw === 'ccs-injection') early = true;
        else alert(10);
      } else if (type === 22 && exchanged !== null) finish();
      else if (type === 22 && body[0] === 1) begin(body);
      else if (type === 22 && body[0] === 16) exchange(body);
    });
  });
}

/**
 * A BIG-IP before its patch: a real TLS 1.2 server with real tickets behind something that answers a resumed session
 * with 32 bytes of session id, whatever length the client's had. `patched`: the same way in, and the real answer.
 */
export async function ticketServer(patched: boolean, material: Material): Promise<Peer> {
  const real = createTlsServer({
    cert: readFileSync(material.cert),
    key: readFileSync(material.key),
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
  }).listen(0, '127.0.0.1');
  real.on('tlsClientError', () => {});
  await once(real, 'listening');
  const tickets = new Set<string>();
  return listen(
    (socket) => {
      const inner = connect((real.address() as AddressInfo).port, '127.0.0.1');
      inner.on('error', () => {});
      // NewSessionTicket (RFC 5077 section 3.3) travels in clear.
      records(inner, (type, body) => {
        if (type === 22 && body[0] === 4) tickets.add(body.subarray(10).toString('hex'));
      });
      inner.on('data', (chunk: Buffer) => socket.write(chunk));
      socket.on('error', () => {});
      // A ClientHello of ours is one write, and arrives whole on loopback.
      socket.once('data', (chunk: Buffer) => {
        const hello = chunk[0] === 22 ? readHello(chunk.subarray(5)) : null;
        const ticket = hello?.extensions.get(35)?.toString('hex') ?? '';
        if (!patched && hello && hello.session.length > 0 && hello.session.length < 32 && tickets.has(ticket)) {
          const id = Buffer.concat([hello.session, randomBytes(32 - hello.session.length)]);
          socket.end(record(22, 0x0303, serverHello(0x0303, id, 0xc02f, Buffer.alloc(0))));
          return;
        }
        inner.write(chunk);
        socket.on('data', (more: Buffer) => inner.write(more));
      });
      socket.on('close', () => inner.destroy());
      inner.on('close', () => socket.end());
    },
    [real],
  );
}
