/** Writes our own ClientHello: whatever version, suite or group a server may still take, this machine's library aside. */

import { randomBytes } from 'node:crypto';

export const VERSIONS = {
  'SSL 3.0': 0x0300,
  'TLS 1.0': 0x0301,
  'TLS 1.1': 0x0302,
  'TLS 1.2': 0x0303,
  'TLS 1.3': 0x0304,
} as const;
export type VersionName = keyof typeof VERSIONS;

/** Registry "TLS Supported Groups" (IANA), with those of the drafts that were deployed. */
export const GROUPS: ReadonlyMap<number, string> = new Map([
  [0x11ec, 'X25519MLKEM768'],
  [0x11eb, 'SecP256r1MLKEM768'],
  [0x11ed, 'SecP384r1MLKEM1024'],
  [0x6399, 'X25519Kyber768Draft00'],
  [0x0200, 'MLKEM512'],
  [0x0201, 'MLKEM768'],
  [0x0202, 'MLKEM1024'],
  [29, 'x25519'],
  [23, 'secp256r1'],
  [24, 'secp384r1'],
  [25, 'secp521r1'],
  [30, 'x448'],
  [256, 'ffdhe2048'],
  [257, 'ffdhe3072'],
  [258, 'ffdhe4096'],
  [259, 'ffdhe6144'],
  [260, 'ffdhe8192'],
  [31, 'brainpoolP256r1tls13'],
  [32, 'brainpoolP384r1tls13'],
  [33, 'brainpoolP512r1tls13'],
  [26, 'brainpoolP256r1'],
  [27, 'brainpoolP384r1'],
  [28, 'brainpoolP512r1'],
  [22, 'secp256k1'],
  [21, 'secp224r1'],
  [20, 'secp224k1'],
  [19, 'secp192r1'],
  [18, 'secp192k1'],
  [17, 'secp160r2'],
  [16, 'secp160r1'],
  [15, 'secp160k1'],
  [14, 'sect571r1'],
  [13, 'sect571k1'],
  [12, 'sect409r1'],
  [11, 'sect409k1'],
  [10, 'sect283r1'],
  [9, 'sect283k1'],
  [8, 'sect239k1'],
  [7, 'sect233r1'],
  [6, 'sect233k1'],
  [5, 'sect193r2'],
  [4, 'sect193r1'],
  [3, 'sect163r2'],
  [2, 'sect163r1'],
  [1, 'sect163k1'],
  [41, 'curveSM2'],
]);
export const groupName = (code: number): string => GROUPS.get(code) ?? `0x${code.toString(16).padStart(4, '0')}`;
export const ALL_GROUPS: readonly number[] = [...GROUPS.keys()];

/** Registry "TLS SignatureScheme", strong ones first; SHA-1 and DSA last so that old servers answer too. */
export const SIGNATURES: readonly number[] = [
  0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
  0x081a, 0x081b, 0x081c, 0x0905, 0x0904, 0x0906, 0x0303, 0x0301, 0x0402, 0x0502, 0x0602, 0x0302, 0x0203, 0x0201,
  0x0202, 0x0101,
];
export const RSA_SIGNATURES: readonly number[] = [
  0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601, 0x0201,
];
export const ECDSA_SIGNATURES: readonly number[] = [
  0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x081a, 0x081b, 0x081c, 0x0203,
];

const EXT = {
  serverName: 0,
  statusRequest: 5,
  groups: 10,
  pointFormats: 11,
  signatures: 13,
  heartbeat: 15,
  alpn: 16,
  timestamps: 18,
  encryptThenMac: 22,
  extendedMasterSecret: 23,
  sessionTicket: 35,
  supportedVersions: 43,
  pskModes: 45,
  keyShare: 51,
  renegotiation: 0xff01,
} as const;

export { EXT };

export interface Hello {
  readonly version: VersionName;
  readonly ciphers: readonly number[];
  /** A DNS name; addresses are never sent as one (RFC 6066 section 3). */
  readonly name?: string | undefined;
  readonly groups?: readonly number[];
  readonly signatures?: readonly number[];
  readonly compression?: readonly number[];
  readonly alpn?: readonly string[];
  /** Public keys by group; an empty list asks a 1.3 server which group it wants (HelloRetryRequest). */
  readonly shares?: readonly (readonly [number, Buffer])[];
  readonly cookie?: Buffer | undefined;
  /** Status request, certificate timestamps, ticket, heartbeat, extended master secret, encrypt-then-MAC. */
  readonly curious?: boolean;
  readonly ticket?: Buffer;
  readonly sessionId?: Buffer;
  readonly random?: Buffer;
}

const u8 = (value: number) => Buffer.from([value]);
const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const u24 = (value: number) => Buffer.from([value >> 16, (value >> 8) & 255, value & 255]);
const vector8 = (bytes: Buffer) => Buffer.concat([u8(bytes.length), bytes]);
const vector16 = (bytes: Buffer) => Buffer.concat([u16(bytes.length), bytes]);
const numbers = (values: readonly number[]) => Buffer.concat(values.map(u16));
const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), vector16(body)]);

function extensions(hello: Hello): Buffer {
  const parts: Buffer[] = [];
  const tls13 = hello.version === 'TLS 1.3';
  const add = (type: number, body: Buffer) => parts.push(extension(type, body));
  if (hello.name !== undefined)
    add(EXT.serverName, vector16(Buffer.concat([u8(0), vector16(Buffer.from(hello.name, 'latin1'))])));
  if (!tls13) add(EXT.renegotiation, vector8(Buffer.alloc(0)));
  add(EXT.groups, vector16(numbers(hello.groups ?? ALL_GROUPS)));
  if (!tls13) add(EXT.pointFormats, vector8(Buffer.from([0, 1, 2])));
  if (tls13 || hello.version === 'TLS 1.2') add(EXT.signatures, vector16(numbers(hello.signatures ?? SIGNATURES)));
  if (hello.alpn)
    add(EXT.alpn, vector16(Buffer.concat(hello.alpn.map((name) => vector8(Buffer.from(name, 'latin1'))))));
  if (hello.curious) {
    add(EXT.statusRequest, Buffer.from([1, 0, 0, 0, 0]));
    add(EXT.timestamps, Buffer.alloc(0));
    if (!tls13) {
      add(EXT.extendedMasterSecret, Buffer.alloc(0));
      add(EXT.encryptThenMac, Buffer.alloc(0));
      add(EXT.heartbeat, u8(1));
    }
  }
  if (hello.ticket || (hello.curious && !tls13)) add(EXT.sessionTicket, hello.ticket ?? Buffer.alloc(0));
  if (tls13) {
    add(EXT.supportedVersions, vector8(u16(VERSIONS['TLS 1.3'])));
    add(EXT.pskModes, vector8(u8(1)));
    if (hello.cookie) add(44, vector16(hello.cookie));
    const shares = (hello.shares ?? []).map(([group, key]) => Buffer.concat([u16(group), vector16(key)]));
    add(EXT.keyShare, vector16(Buffer.concat(shares)));
  }
  return vector16(Buffer.concat(parts));
}

/** The handshake message without its record: what transcripts are hashed over. */
export function helloMessage(hello: Hello): Buffer {
  const legacy = Math.min(VERSIONS[hello.version], VERSIONS['TLS 1.2']);
  const session = hello.sessionId ?? (hello.version === 'TLS 1.3' ? randomBytes(32) : Buffer.alloc(0));
  const body = Buffer.concat([
    u16(legacy),
    hello.random ?? randomBytes(32),
    vector8(session),
    vector16(numbers(hello.ciphers)),
    vector8(Buffer.from(hello.compression ?? [0])),
    // SSL 3.0 knows no extensions, and some of its servers stumble over them.
    hello.version === 'SSL 3.0' ? Buffer.alloc(0) : extensions(hello),
  ]);
  return Buffer.concat([u8(1), u24(body.length), body]);
}

/** A record around bytes. A first flight carries 3.1 (RFC 8446 section 5.1), SSL 3.0 its own. */
export function record(type: number, version: number, body: Buffer): Buffer {
  return Buffer.concat([u8(type), u16(version), vector16(body)]);
}

export function clientHello(hello: Hello): Buffer {
  return record(22, hello.version === 'SSL 3.0' ? 0x0300 : 0x0301, helloMessage(hello));
}

/** CLIENT-HELLO of SSL 2.0. */
export function ssl2Hello(kinds: readonly number[]): Buffer {
  const specs = Buffer.concat(kinds.map(u24));
  const body = Buffer.concat([u8(1), u16(2), u16(specs.length), u16(0), u16(16), specs, randomBytes(16)]);
  return Buffer.concat([u16(0x8000 | body.length), body]);
}
