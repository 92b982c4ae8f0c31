/** Validates DNSSEC here, from the root's keys down (RFC 4033 to 4035, 5155, 8624): the resolver is asked, not believed. */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type DnsMessage, type DnsRecord, nameWire } from '../perimeter-dns.ts';
import { denialOfDs } from './mail-denial.ts';

export type DnssecState = { readonly state: 'secure' | 'unsigned' | 'bogus' | 'unknown'; readonly why: string };
export type AskDns = (name: string, type: number) => Promise<DnsMessage | null>;

interface Digest {
  readonly tag: number;
  readonly algorithm: number;
  readonly type: number;
  readonly digest: string;
}
/** Zone → digests of the keys that are believed. */
export type Anchors = ReadonlyMap<string, readonly Digest[]>;

/** The root zone's keys of 2017 and 2024 (IANA, root-anchors.xml). */
export const ROOT_ANCHORS: Anchors = new Map([
  [
    '',
    [
      { tag: 20326, algorithm: 8, type: 2, digest: 'e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d' },
      { tag: 38696, algorithm: 8, type: 2, digest: '683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16' },
    ],
  ],
]);

const TYPE = { soa: 6, ds: 43, rrsig: 46, dnskey: 48 } as const;
const DIGESTS: Readonly<Record<number, string>> = { 1: 'sha1', 2: 'sha256', 4: 'sha384' };
const HASHES: Readonly<Record<number, string>> = {
  5: 'sha1',
  7: 'sha1',
  8: 'sha256',
  10: 'sha512',
  13: 'sha256',
  14: 'sha384',
};
const CURVES: Readonly<Record<number, { readonly crv: string; readonly size: number }>> = {
  13: { crv: 'P-256', size: 32 },
  14: { crv: 'P-384', size: 48 },
};
/** Signatures that are tried for one set of records: more is an attack on whoever validates (KeyTrap, CVE-2023-50387). */
const TRIES_MAX = 16;
const DEPTH_MAX = 12;

/** The key tag of RFC 4034 appendix B. */
export function keyTag(data: Buffer): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (i & 1) === 0 ? (data[i] as number) << 8 : (data[i] as number);
  return (sum + (sum >> 16)) & 0xffff;
}

function keyOf(data: Buffer): KeyObject | null {
  if (data.length < 6) return null;
  const algorithm = data.readUInt8(3);
  const bytes = data.subarray(4);
  const url = (part: Buffer) => part.toString('base64url');
  try {
    const curve = CURVES[algorithm];
    if (curve) {
      if (bytes.length !== curve.size * 2) return null;
      return createPublicKey({
        key: { kty: 'EC', crv: curve.crv, x: url(bytes.subarray(0, curve.size)), y: url(bytes.subarray(curve.size)) },
        format: 'jwk',
      });
    }
    if (algorithm === 15) return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: url(bytes) }, format: 'jwk' });
    if (HASHES[algorithm] === undefined) return null;
    // RFC 3110: one byte of length, or zero and two.
    const long = bytes[0] === 0;
    const length = long ? bytes.readUInt16BE(1) : (bytes[0] ?? 0);
    const at = long ? 3 : 1;
    return createPublicKey({
      key: { kty: 'RSA', e: url(bytes.subarray(at, at + length)), n: url(bytes.subarray(at + length)) },
      format: 'jwk',
    });
  } catch {
    return null;
  }
}

function verifies(set: readonly DnsRecord[], signature: Buffer, key: Buffer): boolean {
  const [first] = set;
  const algorithm = signature.readUInt8(2);
  const object = keyOf(key);
  if (!first || !object || key.readUInt8(3) !== algorithm) return false;
  const ttl = signature.subarray(4, 8);
  const labels = first.name === '' ? 0 : first.name.split('.').length;
  const signed = signature.readUInt8(3);
  if (signed > labels) return false;
  // Fewer labels than the name has: the records come from a wildcard (RFC 4035 section 5.3.2).
  const owner =
    signed === labels
      ? nameWire(first.name)
      : nameWire(
          `*.${first.name
            .split('.')
            .slice(labels - signed)
            .join('.')}`,
        );
  const rows = set
    .map(({ type, klass, data }) => {
      const head = Buffer.alloc(10);
      head.writeUInt16BE(type, 0);
      head.writeUInt16BE(klass, 2);
      ttl.copy(head, 4);
      head.writeUInt16BE(data.length, 8);
      return { data, row: Buffer.concat([owner, head, data]) };
    })
    .sort((a, b) => Buffer.compare(a.data, b.data));
  const signerEnd = 18 + wireLength(signature, 18);
  const message = Buffer.concat([
    signature.subarray(0, 18),
    nameWire(signerOf(signature)),
    ...rows.map(({ row }) => row),
  ]);
  const bytes = signature.subarray(signerEnd);
  try {
    if (algorithm === 15) return verify(null, message, object, bytes);
    const hash = HASHES[algorithm] as string;
    return CURVES[algorithm]
      ? verify(hash, message, { key: object, dsaEncoding: 'ieee-p1363' }, bytes)
      : verify(hash, message, object, bytes);
  } catch {
    return false;
  }
}

function wireLength(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length && (bytes[at] ?? 0) > 0 && (bytes[at] ?? 0) < 64) at += 1 + (bytes[at] as number);
  return at + 1 - start;
}

/** The signer's name is never compressed (RFC 4034 section 3.1.7). */
function signerOf(signature: Buffer): string {
  const labels: string[] = [];
  for (
    let at = 18;
    at < signature.length && (signature[at] ?? 0) > 0 && labels.length < 128;
    at += 1 + (signature[at] as number)
  )
    labels.push(signature.toString('latin1', at + 1, at + 1 + (signature[at] as number)).toLowerCase());
  return labels.join('.');
}

/** Whether one of the keys signed these records, now. */
function isSigned(
  records: readonly DnsRecord[],
  name: string,
  type: number,
  zone: string,
  keys: readonly Buffer[],
  nowMs: number,
): boolean {
  const set = records.filter((record) => record.type === type && record.name === name);
  const now = Math.floor(nowMs / 1000);
  let tries = 0;
  for (const { data } of records.filter((record) => record.type === TYPE.rrsig && record.name === name)) {
    if (data.length < 20 || data.readUInt16BE(0) !== type || signerOf(data) !== zone) continue;
    if (now > data.readUInt32BE(8) || now < data.readUInt32BE(12)) continue;
    for (const key of keys) {
      if (keyTag(key) !== data.readUInt16BE(16)) continue;
      if (++tries > TRIES_MAX) return false;
      if (verifies(set, data, key)) return true;
    }
  }
  return false;
}

const ofType = (message: DnsMessage | null, name: string, type: number) =>
  message?.answers.filter((record) => record.type === type && record.name === name) ?? [];

/** The zone's keys, when one that the parent vouches for signed them. */
async function keysOf(
  ask: AskDns,
  zone: string,
  digests: readonly Digest[],
  nowMs: number,
): Promise<Buffer[] | DnssecState> {
  const message = await ask(zone, TYPE.dnskey);
  if (!message) return { state: 'unknown', why: `the keys of ${zone || 'the root'} could not be asked` };
  const keys = ofType(message, zone, TYPE.dnskey).map(({ data }) => data);
  const vouched = keys.filter((key) =>
    digests.some(({ tag, algorithm, type, digest }) => {
      const hash = DIGESTS[type];
      return (
        hash !== undefined &&
        keyTag(key) === tag &&
        key[3] === algorithm &&
        createHash(hash).update(nameWire(zone)).update(key).digest('hex') === digest
      );
    }),
  );
  if (vouched.length === 0)
    return { state: 'bogus', why: `no key of ${zone || 'the root'} is the one that its parent names` };
  if (!isSigned(message.answers, zone, TYPE.dnskey, zone, vouched, nowMs))
    return { state: 'bogus', why: `the keys of ${zone || 'the root'} are not signed, or the signature is over` };
  return keys;
}

function digestsOf(records: readonly DnsRecord[]): Digest[] {
  return records
    .filter(({ data }) => data.length > 4)
    .map(({ data }) => ({
      tag: data.readUInt16BE(0),
      algorithm: data.readUInt8(2),
      type: data.readUInt8(3),
      digest: data.toString('hex', 4),
    }));
}

type Cut = { readonly child: string; readonly message: DnsMessage } | DnssecState;

/** The next zone below the parent on the way to the name: one with a DS, or an end of the chain that the parent proves. */
async function nextCut(
  ask: AskDns,
  labels: readonly string[],
  parent: { readonly name: string; readonly depth: number; readonly keys: readonly Buffer[] },
  nowMs: number,
): Promise<Cut> {
  for (let next = parent.depth + 1; next <= labels.length; next++) {
    const child = labels.slice(labels.length - next).join('.');
    const message = await ask(child, TYPE.ds);
    if (!message) return { state: 'unknown', why: `the DS of ${child} could not be asked` };
    if (ofType(message, child, TYPE.ds).length > 0) return { child, message };
    const { authorities } = message;
    const denial = denialOfDs(authorities, child, parent.name, (name, type) =>
      isSigned(authorities, name, type, parent.name, parent.keys, nowMs),
    );
    const above = parent.name || 'the root';
    if (denial === 'unsigned-cut') return { state: 'unsigned', why: `${above} proves that it holds no DS of ${child}` };
    if (denial === 'unproven')
      return { state: 'bogus', why: `${above} is said to hold no DS of ${child}, and no signed record proves it` };
    // Nothing begins at this name: the parent goes on below it.
  }
  return { state: 'bogus', why: `${parent.name || 'the root'} proves that no zone begins at ${labels.join('.')}` };
}

/**
 * Follows the chain from an anchor to the zone, and checks the signature of its SOA. That a parent has no DS is only
 * believed with a proof (NSEC, NSEC3): otherwise whoever is in the path could make a signed zone look unsigned.
 */
export async function validate(
  ask: AskDns,
  zone: string,
  nowMs: number,
  anchors: Anchors = ROOT_ANCHORS,
): Promise<DnssecState> {
  const labels = zone
    .toLowerCase()
    .split('.')
    .filter((label) => label !== '');
  let depth = labels.length;
  while (depth > 0 && !anchors.has(labels.slice(labels.length - depth).join('.'))) depth--;
  let parent = labels.slice(labels.length - depth).join('.');
  let digests = anchors.get(parent);
  if (!digests) return { state: 'unknown', why: 'there is no key to begin with' };
  for (let steps = 0; steps <= DEPTH_MAX; steps++) {
    const keys = await keysOf(ask, parent, digests, nowMs);
    if (!Array.isArray(keys)) return keys;
    if (depth === labels.length) {
      const soa = await ask(parent, TYPE.soa);
      if (!soa) return { state: 'unknown', why: 'the zone could not be asked' };
      return isSigned(soa.answers, parent, TYPE.soa, parent, keys, nowMs)
        ? { state: 'secure', why: 'the chain holds' }
        : { state: 'bogus', why: `the records of ${parent} are not signed by its keys, or the signature is over` };
    }
    const cut = await nextCut(ask, labels, { name: parent, depth, keys }, nowMs);
    if ('state' in cut) return cut;
    const { child, message } = cut;
    if (!isSigned(message.answers, child, TYPE.ds, parent, keys, nowMs))
      return { state: 'bogus', why: `the DS of ${child} is not signed by ${parent || 'the root'}` };
    digests = digestsOf(ofType(message, child, TYPE.ds)).filter(({ type }) => DIGESTS[type] !== undefined);
    // Only digests that nobody here can compute: as if there were none (RFC 4035 section 5.2).
    if (digests.length === 0) return { state: 'unsigned', why: `the DS of ${child} is of an unknown kind` };
    parent = child;
    depth = child.split('.').length;
  }
  return { state: 'unknown', why: 'the chain is too long' };
}
