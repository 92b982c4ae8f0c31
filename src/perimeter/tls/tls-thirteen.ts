/** A TLS 1.3 handshake of our own up to the server's certificate (RFC 8446), for servers that speak nothing older. */

import {
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  decapsulate,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import type { Link } from '../perimeter-link.ts';
import {
  type Answer,
  parseCertificates,
  parseExtensions,
  parseServerHello,
  readRecord,
  type ServerHello,
} from './tls-answer.ts';
import { EXT, GROUPS, type Hello, helloMessage, record } from './tls-hello.ts';
import type { Talker } from './tls-talk.ts';

export interface Thirteen {
  readonly hello: ServerHello;
  readonly group: number;
  readonly alpn: string | null;
  readonly certificates: readonly Buffer[];
  readonly ocsp: Buffer | null;
  readonly timestamps: Buffer | null;
  readonly asksClientCertificate: boolean;
  readonly signature: number | null;
}

interface Secret {
  readonly share: Buffer;
  readonly finish: (peer: Buffer) => Buffer;
}

const CURVES: Readonly<Record<number, string>> = { 23: 'prime256v1', 24: 'secp384r1', 25: 'secp521r1' };
const X_KEYS = {
  29: { name: 'x25519', spki: Buffer.from('302a300506032b656e032100', 'hex') },
  30: { name: 'x448', spki: Buffer.from('3042300506032b656f033900', 'hex') },
} as const;
const MLKEM_768 = { key: 1184, text: 1088 } as const;
const MESSAGES_BYTES_MAX = 160 * 1024;

function xKey(group: 29 | 30): Secret {
  const { name, spki } = X_KEYS[group];
  const pair = (generateKeyPairSync as (type: string) => { publicKey: KeyObject; privateKey: KeyObject })(name);
  return {
    share: pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(spki.length),
    finish: (peer) =>
      diffieHellman({
        privateKey: pair.privateKey,
        publicKey: createPublicKey({ key: Buffer.concat([spki, peer]), format: 'der', type: 'spki' }),
      }),
  };
}

/** ML-KEM first, then X25519 (draft-ietf-tls-ecdhe-mlkem). */
function hybridKey(): Secret {
  const kem = (generateKeyPairSync as (type: string) => { publicKey: KeyObject; privateKey: KeyObject })('ml-kem-768');
  const classic = xKey(29);
  const der = kem.publicKey.export({ type: 'spki', format: 'der' });
  return {
    share: Buffer.concat([der.subarray(der.length - MLKEM_768.key), classic.share]),
    finish: (peer) =>
      Buffer.concat([
        decapsulate(kem.privateKey, peer.subarray(0, MLKEM_768.text)) as Buffer,
        classic.finish(peer.subarray(MLKEM_768.text)),
      ]),
  };
}

function keyFor(group: number): Secret | null {
  if (group === 29 || group === 30) return xKey(group);
  if (group === 0x11ec) return hybridKey();
  const curve = CURVES[group];
  if (curve === undefined) return null;
  const ecdh = createECDH(curve);
  return { share: ecdh.generateKeys(), finish: (peer) => ecdh.computeSecret(peer) };
}

/** HKDF-Expand-Label (RFC 8446 section 7.1). */
function expandLabel(hash: string, secret: Buffer, label: string, context: Buffer, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, 'latin1');
  const info = Buffer.concat([
    Buffer.from([length >> 8, length & 255, name.length]),
    name,
    Buffer.from([context.length]),
    context,
  ]);
  const blocks: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (let i = 1; Buffer.concat(blocks).length < length; i++) {
    last = createHmac(hash, secret)
      .update(last)
      .update(info)
      .update(Buffer.from([i]))
      .digest();
    blocks.push(last);
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function serverKeys(cipher: number, shared: Buffer, transcript: readonly Buffer[]) {
  const hash = cipher === 0x1302 ? 'sha384' : 'sha256';
  const size = hash === 'sha384' ? 48 : 32;
  const zero = Buffer.alloc(size);
  const empty = createHash(hash).digest();
  const early = createHmac(hash, zero).update(zero).digest();
  const handshake = createHmac(hash, expandLabel(hash, early, 'derived', empty, size))
    .update(shared)
    .digest();
  const seen = createHash(hash);
  for (const message of transcript) seen.update(message);
  const traffic = expandLabel(hash, handshake, 's hs traffic', seen.digest(), size);
  const [algorithm, keyBytes] =
    cipher === 0x1302
      ? (['aes-256-gcm', 32] as const)
      : cipher === 0x1303
        ? (['chacha20-poly1305', 32] as const)
        : (['aes-128-gcm', 16] as const);
  return {
    algorithm,
    key: expandLabel(hash, traffic, 'key', Buffer.alloc(0), keyBytes),
    iv: expandLabel(hash, traffic, 'iv', Buffer.alloc(0), 12),
  };
}

function open(keys: ReturnType<typeof serverKeys>, sequence: number, header: Buffer, body: Buffer): Buffer | null {
  if (body.length < 17) return null;
  const nonce = Buffer.from(keys.iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ sequence) >>> 0, 8);
  const decipher = createDecipheriv(keys.algorithm as 'aes-128-gcm', keys.key, nonce, { authTagLength: 16 });
  decipher.setAAD(header);
  decipher.setAuthTag(body.subarray(body.length - 16));
  try {
    const plain = Buffer.concat([decipher.update(body.subarray(0, body.length - 16)), decipher.final()]);
    let end = plain.length;
    while (end > 0 && plain[end - 1] === 0) end--;
    return plain[end - 1] === 22 ? plain.subarray(0, end - 1) : null;
  } catch {
    return null;
  }
}

const CIPHERS = [0x1301, 0x1302, 0x1303] as const;

/** The first answer on a link: a ServerHello in one record, as all servers send it. */
async function serverHello(link: Link): Promise<ServerHello | Answer> {
  for (let i = 0; i < 4; i++) {
    const next = await readRecord(link);
    if (next === 'not-tls' || next === 'malformed') return { kind: next };
    if (next === null) return { kind: (link.ended ?? 'closed') as 'closed' };
    if (next.type === 21) return { kind: 'alert', code: next.body[1] ?? 0 };
    if (next.type === 20) continue;
    if (next.type !== 22 || next.body[0] !== 2 || next.body.length < 4) return { kind: 'malformed' };
    const length = next.body.readUIntBE(1, 3);
    return (
      parseServerHello(next.body.subarray(4, 4 + length), next.body.subarray(0, 4 + length)) ?? { kind: 'malformed' }
    );
  }
  return { kind: 'malformed' };
}

/**
 * Handshakes up to the server's Finished and reads what it shows. Nothing is authenticated: what is seen is judged
 * afterwards, and no data of ours follows.
 */
export async function thirteen(
  talker: Talker,
  o: { alpn?: readonly string[]; signatures?: readonly number[]; groups?: readonly number[] },
): Promise<Thirteen | Answer> {
  const link = await talker.connect('1.3 handshake');
  if (typeof link === 'string') return { kind: link === 'refused' ? 'refused' : 'closed' };
  try {
    const groups = o.groups ?? [29, 23, 24, 0x11ec, 25, 30];
    const first = groups[0] as number;
    let secret = keyFor(first);
    const base: Hello = {
      version: 'TLS 1.3',
      ciphers: CIPHERS,
      name: talker.name,
      groups,
      curious: true,
      shares: secret ? [[first, secret.share]] : [],
      ...(o.alpn ? { alpn: o.alpn } : {}),
      ...(o.signatures ? { signatures: o.signatures } : {}),
      sessionId: Buffer.alloc(32, 7),
      random: Buffer.from(createHash('sha256').update(`${Date.now()} ${Math.random()}`).digest()),
    };
    let message = helloMessage(base);
    let transcript: Buffer[] = [message];
    link.write(record(22, 0x0301, message));
    let hello = await serverHello(link);
    if ('kind' in hello) return hello;
    if (hello.retryGroup !== null) {
      const group = hello.retryGroup;
      secret = GROUPS.has(group) ? keyFor(group) : null;
      if (!secret) return { kind: 'alert', code: 40 };
      const hash = hello.cipher === 0x1302 ? 'sha384' : 'sha256';
      const digest = createHash(hash).update(message).digest();
      const cookie = hello.extensions.get(44)?.subarray(2);
      message = helloMessage({ ...base, shares: [[group, secret.share]], ...(cookie ? { cookie } : {}) });
      // The first ClientHello is replaced by its hash (RFC 8446 section 4.4.1).
      transcript = [Buffer.from([254, 0, 0, digest.length]), digest, hello.raw, message];
      link.write(record(22, 0x0303, message));
      hello = await serverHello(link);
      if ('kind' in hello) return hello;
    }
    if (hello.version !== 0x0304 || !hello.share || !secret || hello.shareGroup === null) return { kind: 'malformed' };
    const keys = serverKeys(hello.cipher, secret.finish(hello.share), [...transcript, hello.raw]);
    return { ...(await readProtected(link, keys)), hello, group: hello.shareGroup };
  } catch {
    // A key share of the wrong length or off the curve: the other side's fault.
    return { kind: 'malformed' };
  } finally {
    link.close();
  }
}

type Shown = Omit<Thirteen, 'hello' | 'group'>;

async function readProtected(link: Link, keys: ReturnType<typeof serverKeys>): Promise<Shown> {
  let held = Buffer.alloc(0);
  const shown = {
    alpn: null as string | null,
    certificates: [] as readonly Buffer[],
    ocsp: null as Buffer | null,
    timestamps: null as Buffer | null,
    asksClientCertificate: false,
    signature: null as number | null,
  };
  for (let sequence = 0; held.length < MESSAGES_BYTES_MAX; ) {
    const next = await readRecord(link);
    if (next === null || typeof next === 'string') return shown;
    if (next.type === 20) continue;
    if (next.type !== 23) return shown;
    const plain = open(keys, sequence++, next.header, next.body);
    if (!plain) return shown;
    held = Buffer.concat([held, plain]);
    while (held.length >= 4 && held.length >= 4 + held.readUIntBE(1, 3)) {
      const length = held.readUIntBE(1, 3);
      const body = held.subarray(4, 4 + length);
      const type = held.readUInt8(0);
      held = held.subarray(4 + length);
      if (type === 20) return shown;
      if (type === 13) shown.asksClientCertificate = true;
      else if (type === 8 && body.length >= 2) shown.alpn = chosenAlpn(parseExtensions(body.subarray(2)));
      else if (type === 15 && body.length >= 2) shown.signature = body.readUInt16BE(0);
      else if (type === 11) {
        const parsed = parseCertificates(body, true);
        shown.certificates = parsed?.list ?? [];
        const more = parsed?.firstExtensions ? parseExtensions(parsed.firstExtensions) : null;
        shown.ocsp = more?.get(EXT.statusRequest)?.subarray(4) ?? null;
        shown.timestamps = more?.get(EXT.timestamps) ?? null;
      }
    }
  }
  return shown;
}

export function chosenAlpn(extensions: ReadonlyMap<number, Buffer> | null): string | null {
  const body = extensions?.get(EXT.alpn);
  if (!body || body.length < 4) return null;
  return body
    .subarray(3, 3 + body.readUInt8(2))
    .toString('latin1')
    .slice(0, 64);
}
