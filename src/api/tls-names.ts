/** Names and addresses of certificates: checked, and as the constraints of an authority that may speak for no others. Pure. */

import { BlockList, isIP } from 'node:net';
import { AsepsisError } from '../core/index.ts';

const NAMES_MAX = 64;

/** One DER element (X.690 section 8.1): tag, length, contents. */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(contents);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const right = tail === undefined ? [] : groups(tail);
  const left = groups(head);
  const all = [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/**
 * Name constraints (RFC 5280 section 4.2.1.10): these DNS names with what is below them and these addresses, nothing
 * else. A kind of name that is not permitted at all is excluded outright, since a missing kind would be unlimited.
 */
export function nameConstraints(names: readonly string[]): Uint8Array {
  const subtree = (tag: number, bytes: Uint8Array) => der(0x30, der(tag, bytes));
  const dns = names.filter((name) => isIP(name) === 0).map((name) => subtree(0x82, Buffer.from(name)));
  const addresses = names
    .filter((name) => isIP(name) !== 0)
    .map((address) => addressBytes(address))
    .map((bytes) => subtree(0x87, Buffer.concat([bytes, Buffer.alloc(bytes.length, 255)])));
  const excluded: Uint8Array[] = [];
  for (const [family, size] of [
    [4, 4],
    [6, 16],
  ] as const) {
    if (!names.some((name) => isIP(name) === family)) excluded.push(subtree(0x87, Buffer.alloc(size * 2)));
  }
  if (dns.length === 0) excluded.push(subtree(0x82, Buffer.alloc(0)));
  const permitted = [...dns, ...addresses];
  return der(
    0x30,
    ...(permitted.length > 0 ? [der(0xa0, ...permitted)] : []),
    ...(excluded.length > 0 ? [der(0xa1, ...excluded)] : []),
  );
}

/** Lower-case, checked, without repeats. */
export function cleanNames(names: readonly string[]): string[] {
  const clean = [...new Set(names.map((name) => name.trim().toLowerCase().replace(/\.$/, '')))];
  if (clean.length === 0 || clean.length > NAMES_MAX) {
    throw new AsepsisError('BAD_REQUEST', `Give between 1 and ${NAMES_MAX} names.`);
  }
  for (const name of clean) {
    const labels = name.split('.');
    const dns = name.length <= 253 && labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
    if (isIP(name) === 0 && !dns)
      throw new AsepsisError('BAD_REQUEST', `${name.slice(0, 80)} is no host name or address.`);
  }
  return clean;
}

/** True when every name is one that the authority's constraints were made for. */
export function coversNames(permitted: readonly string[], names: readonly string[]): boolean {
  const addresses = new BlockList();
  for (const one of permitted) if (isIP(one) !== 0) addresses.addAddress(one, isIP(one) === 6 ? 'ipv6' : 'ipv4');
  const family = (name: string) => (isIP(name) === 6 ? 'ipv6' : 'ipv4');
  return names.every((name) =>
    isIP(name) !== 0
      ? addresses.check(name, family(name))
      : permitted.some((one) => isIP(one) === 0 && (name === one || name.endsWith(`.${one}`))),
  );
}
