/** As much of SSH's transport (RFC 4253, 5647, 8731) as it takes to ask which ways of logging in a server offers. */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { Link } from '../perimeter-link.ts';

export interface SshLists {
  readonly kex: readonly string[];
  readonly hostKeys: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
  readonly compression: readonly string[];
}

const MSG = {
  serviceRequest: 5,
  serviceAccept: 6,
  kexInit: 20,
  newKeys: 21,
  ecdhInit: 30,
  ecdhReply: 31,
  authRequest: 50,
  authFailure: 51,
  authSuccess: 52,
  banner: 53,
} as const;
export const OUR_VERSION = 'SSH-2.0-Asepsis_perimeter';
const PACKET_BYTES_MAX = 64 * 1024;
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const CIPHERS = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr'] as const;
const MACS = [
  'hmac-sha2-256',
  'hmac-sha2-512',
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha1',
] as const;
const KEX = ['curve25519-sha256', 'curve25519-sha256@libssh.org'] as const;

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const sshString = (value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u32(bytes.length), bytes]);
};
const mpint = (bytes: Buffer): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const body = bytes.subarray(start);
  return sshString((body[0] ?? 0) > 127 ? Buffer.concat([Buffer.from([0]), body]) : body);
};

export function readString(bytes: Buffer, at: number): { value: Buffer; end: number } | null {
  if (at + 4 > bytes.length) return null;
  const length = bytes.readUInt32BE(at);
  if (at + 4 + length > bytes.length) return null;
  return { value: bytes.subarray(at + 4, at + 4 + length), end: at + 4 + length };
}

export function parseKexInit(payload: Buffer): SshLists | null {
  const lists: string[][] = [];
  let at = 17;
  for (let i = 0; i < 10; i++) {
    const next = readString(payload, at);
    if (!next) return null;
    lists.push(
      next.value
        .toString('latin1')
        .split(',')
        .filter((name) => name !== '')
        .slice(0, 100)
        .map((name) => name.slice(0, 100)),
    );
    at = next.end;
  }
  const [kex = [], hostKeys = [], , ciphers = [], , macs = [], , compression = []] = lists;
  return { kex, hostKeys, ciphers, macs, compression };
}

/** A packet in clear (RFC 4253 section 6). */
export async function readPacket(link: Link): Promise<Buffer | null> {
  const head = await link.read(5);
  if (!head) return null;
  const length = head.readUInt32BE(0);
  const padding = head.readUInt8(4);
  if (length > PACKET_BYTES_MAX || length < padding + 1) return null;
  const rest = await link.read(length - 1);
  return rest ? rest.subarray(0, length - 1 - padding) : null;
}

function frame(payload: Buffer, block: number, counted: number): Buffer {
  let padding = block - ((counted + 1 + payload.length) % block);
  if (padding < 4) padding += block;
  return Buffer.concat([u32(1 + payload.length + padding), Buffer.from([padding]), payload, randomBytes(padding)]);
}

export const clearPacket = (payload: Buffer): Buffer => frame(payload, 8, 4);

export function ourKexInit(hostKeys: readonly string[]): Buffer {
  const lists = [KEX, hostKeys, CIPHERS, CIPHERS, MACS, MACS, ['none'], ['none'], [], []];
  return Buffer.concat([
    Buffer.from([MSG.kexInit]),
    randomBytes(16),
    ...lists.map((list) => sshString(list.join(','))),
    Buffer.alloc(5),
  ]);
}

interface Protection {
  seal(payload: Buffer): Buffer;
  open(link: Link): Promise<Buffer | null>;
}

function protection(cipher: string, mac: string, derive: (letter: string, bytes: number) => Buffer): Protection {
  const keyBytes = cipher.includes('256') ? 32 : 16;
  if (cipher.includes('gcm')) {
    const bump = (iv: Buffer) => iv.writeBigUInt64BE(iv.readBigUInt64BE(4) + 1n, 4);
    const [outIv, inIv] = [derive('A', 12), derive('B', 12)].map((iv) => Buffer.from(iv)) as [Buffer, Buffer];
    const [outKey, inKey] = [derive('C', keyBytes), derive('D', keyBytes)] as const;
    const name = `aes-${keyBytes * 8}-gcm` as 'aes-128-gcm';
    return {
      seal: (payload) => {
        const packet = frame(payload, 16, 0);
        const sealer = createCipheriv(name, outKey, outIv);
        sealer.setAAD(packet.subarray(0, 4));
        const body = Buffer.concat([sealer.update(packet.subarray(4)), sealer.final()]);
        bump(outIv);
        return Buffer.concat([packet.subarray(0, 4), body, sealer.getAuthTag()]);
      },
      open: async (link) => {
        const head = await link.read(4);
        if (!head || head.readUInt32BE(0) > PACKET_BYTES_MAX) return null;
        const body = await link.read(head.readUInt32BE(0) + 16);
        if (!body) return null;
        const opener = createDecipheriv(name, inKey, inIv, { authTagLength: 16 });
        opener.setAAD(head);
        opener.setAuthTag(body.subarray(body.length - 16));
        const plain = Buffer.concat([opener.update(body.subarray(0, body.length - 16)), opener.final()]);
        bump(inIv);
        return plain.subarray(1, plain.length - plain.readUInt8(0));
      },
    };
  }
  const hash = mac.includes('512') ? 'sha512' : mac.includes('sha1') ? 'sha1' : 'sha256';
  const size = hash === 'sha512' ? 64 : hash === 'sha1' ? 20 : 32;
  const etm = mac.includes('-etm');
  const name = `aes-${keyBytes * 8}-ctr`;
  const sealer = createCipheriv(name, derive('C', keyBytes), derive('A', 16));
  const opener = createDecipheriv(name, derive('D', keyBytes), derive('B', 16));
  const [outMac, inMac] = [derive('E', size), derive('F', size)] as const;
  // Three packets went in clear before keys changed: KEXINIT, ECDH, NEWKEYS.
  let outSequence = 3;
  let inSequence = 3;
  const tag = (key: Buffer, sequence: number, bytes: Buffer) =>
    createHmac(hash, key).update(u32(sequence)).update(bytes).digest();
  return {
    seal: (payload) => {
      const packet = frame(payload, 16, etm ? 0 : 4);
      if (!etm) return Buffer.concat([sealer.update(packet), tag(outMac, outSequence++, packet)]);
      const sealed = Buffer.concat([packet.subarray(0, 4), sealer.update(packet.subarray(4))]);
      return Buffer.concat([sealed, tag(outMac, outSequence++, sealed)]);
    },
    open: async (link) => {
      const first = await link.read(etm ? 4 : 16);
      if (!first) return null;
      const begun = etm ? first : opener.update(first);
      const length = begun.readUInt32BE(0);
      if (length > PACKET_BYTES_MAX || (!etm && length < 12)) return null;
      const rest = await link.read((etm ? length : length - 12) + size);
      if (!rest) return null;
      const body = rest.subarray(0, rest.length - size);
      const plain = etm ? opener.update(body) : Buffer.concat([begun.subarray(4), opener.update(body)]);
      const covered = etm ? Buffer.concat([first, body]) : Buffer.concat([begun.subarray(0, 4), plain]);
      if (!tag(inMac, inSequence++, covered).equals(rest.subarray(rest.length - size))) return null;
      return plain.subarray(1, plain.length - plain.readUInt8(0));
    },
  };
}

const firstOf = (ours: readonly string[], theirs: readonly string[]) => ours.find((name) => theirs.includes(name));

/**
 * Exchanges keys and asks "none" (RFC 4252 section 5.2): the refusal names what the server would take. No password
 * and no key is tried. Null when the server shares no algorithm with this little client.
 */
export async function authMethods(
  link: Link,
  o: { theirVersion: string; theirInit: Buffer; lists: SshLists; user: string },
): Promise<{ methods: string[]; open: boolean } | null> {
  const { lists } = o;
  const cipher = firstOf(CIPHERS, lists.ciphers);
  const mac = cipher?.includes('gcm') ? 'none' : firstOf(MACS, lists.macs);
  const kex = firstOf(KEX, lists.kex);
  if (cipher === undefined || mac === undefined || kex === undefined) return null;
  const ourInit = ourKexInit(lists.hostKeys);
  link.write(clearPacket(ourInit));
  const pair = (generateKeyPairSync as (type: string) => { publicKey: KeyObject; privateKey: KeyObject })('x25519');
  const ours = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(X25519_SPKI.length);
  link.write(clearPacket(Buffer.concat([Buffer.from([MSG.ecdhInit]), sshString(ours)])));
  const reply = await readPacket(link);
  if (reply?.[0] !== MSG.ecdhReply) return null;
  const hostKey = readString(reply, 1);
  const theirs = hostKey ? readString(reply, hostKey.end) : null;
  if (!hostKey || theirs?.value.length !== 32) return null;
  const peer = createPublicKey({ key: Buffer.concat([X25519_SPKI, theirs.value]), format: 'der', type: 'spki' });
  const shared = mpint(diffieHellman({ privateKey: pair.privateKey, publicKey: peer }));
  const exchange = createHash('sha256');
  for (const part of [OUR_VERSION, o.theirVersion, ourInit, o.theirInit, hostKey.value, ours, theirs.value])
    exchange.update(sshString(part));
  const session = exchange.update(shared).digest();
  const derive = (letter: string, bytes: number) => {
    let key = createHash('sha256').update(shared).update(session).update(letter).update(session).digest();
    while (key.length < bytes)
      key = Buffer.concat([key, createHash('sha256').update(shared).update(session).update(key).digest()]);
    return key.subarray(0, bytes);
  };
  if ((await readPacket(link))?.[0] !== MSG.newKeys) return null;
  link.write(clearPacket(Buffer.from([MSG.newKeys])));
  const secure = protection(cipher, mac, derive);
  link.write(secure.seal(Buffer.concat([Buffer.from([MSG.serviceRequest]), sshString('ssh-userauth')])));
  for (let i = 0; i < 16; i++) {
    const payload = await secure.open(link);
    if (!payload) return null;
    if (payload[0] === MSG.serviceAccept)
      link.write(
        secure.seal(
          Buffer.concat([
            Buffer.from([MSG.authRequest]),
            sshString(o.user),
            sshString('ssh-connection'),
            sshString('none'),
          ]),
        ),
      );
    else if (payload[0] === MSG.authSuccess) return { methods: [], open: true };
    else if (payload[0] === MSG.authFailure) {
      const names = readString(payload, 1)?.value.toString('latin1') ?? '';
      return {
        methods: names
          .split(',')
          .filter((name) => name !== '')
          .slice(0, 20),
        open: false,
      };
    }
  }
  return null;
}
