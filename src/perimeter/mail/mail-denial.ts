/** Proofs that a parent holds no DS for a name: NSEC (RFC 4034 section 4, 4035 section 5.4) and NSEC3 (RFC 5155 section 8). Pure. */

import { createHash } from 'node:crypto';
import { type DnsRecord, nameText, nameWire, readName } from '../perimeter-dns.ts';

/**
 * `no-cut`: the parent itself goes on below this name, or there is nothing. `unsigned-cut`: another zone begins here,
 * and nobody vouches for its keys. `unproven`: no proof holds, and the answer is not to be believed.
 */
export type Denial = 'no-cut' | 'unsigned-cut' | 'unproven';

export const NSEC = 47;
export const NSEC3 = 50;
const TYPE = { ns: 2, soa: 6, dname: 39, ds: 43 } as const;
const OPT_OUT = 1;
/** Beyond it a proof is as good as none, for those who ask and those who answer (RFC 9276 section 3.2). */
const ITERATIONS_MAX = 150;
const LABELS_MAX = 24;

const labelsOf = (name: string) => name.split('.').filter((label) => label !== '');
const isBelow = (name: string, above: string) => above === '' || name === above || name.endsWith(`.${above}`);

/** The canonical order of names (RFC 4034 section 6.1): label by label from the right, as bytes. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [labelsOf(a).toReversed(), labelsOf(b).toReversed()];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = Buffer.compare(Buffer.from(left[i] as string, 'latin1'), Buffer.from(right[i] as string, 'latin1'));
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** The types of a bitmap of windows (RFC 4034 section 4.1.2); null when it is malformed. */
export function typesOf(bytes: Buffer): Set<number> | null {
  const found = new Set<number>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at + 1] ?? 0;
    if (length < 1 || length > 32 || at + 2 + length > bytes.length) return null;
    for (let i = 0; i < length * 8; i++)
      if (((bytes[at + 2 + (i >> 3)] as number) & (0x80 >> (i & 7))) !== 0) found.add(((bytes[at] as number) << 8) | i);
    at += 2 + length;
  }
  return found;
}

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';
/** Base 32 with the extended hex alphabet, without padding (RFC 4648 section 7). */
function base32hex(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five, 2)]).join('');
}

/** The hashed owner of RFC 5155 section 5. */
export function nsec3Hash(name: string, salt: Buffer, iterations: number): string {
  let digest = createHash('sha1').update(nameWire(name)).update(salt).digest();
  for (let i = 0; i < iterations; i++) digest = createHash('sha1').update(digest).update(salt).digest();
  return base32hex(digest);
}

/** What a record at exactly this name says of a cut; null when it is the child's own and says nothing of the parent. */
function atName(types: ReadonlySet<number>): Denial | null {
  if (types.has(TYPE.ds) || types.has(TYPE.soa)) return null;
  return types.has(TYPE.ns) ? 'unsigned-cut' : 'no-cut';
}
/** A record of a name above, where another zone or an alias begins, says nothing of what is below (RFC 6840 section 4.1). */
const endsThere = (types: ReadonlySet<number>) => types.has(TYPE.dname) || (types.has(TYPE.ns) && !types.has(TYPE.soa));

function byNsec(records: readonly DnsRecord[], child: string, zone: string): Denial | null {
  for (const { name, data } of records) {
    const next = readName(data, 0);
    const types = next && typesOf(data.subarray(next.end));
    if (!next || !types) continue;
    const after = nameText(next.labels);
    if (name === child) {
      const said = atName(types);
      if (said) return said;
      continue;
    }
    const covers = compareNames(name, child) < 0 && (after === zone || compareNames(child, after) < 0);
    if (!covers) continue;
    // The next name is below: this one is only on the way to it.
    if (isBelow(after, child)) return 'no-cut';
    if (isBelow(child, name) && endsThere(types)) continue;
    return 'no-cut';
  }
  return null;
}

interface Hashed {
  readonly owner: string;
  readonly next: string;
  readonly optOut: boolean;
  readonly types: ReadonlySet<number>;
  readonly salt: Buffer;
  readonly iterations: number;
}

function readHashed({ name, data }: DnsRecord): Hashed | null {
  if (data.length < 6 || data[0] !== 1) return null;
  const saltEnd = 5 + (data[4] as number);
  const size = data[saltEnd] ?? 0;
  if (size !== 20 || saltEnd + 1 + size > data.length) return null;
  const types = typesOf(data.subarray(saltEnd + 1 + size));
  return types
    ? {
        owner: labelsOf(name)[0] ?? '',
        next: base32hex(data.subarray(saltEnd + 1, saltEnd + 1 + size)),
        optOut: ((data[1] as number) & OPT_OUT) !== 0,
        types,
        salt: data.subarray(5, saltEnd),
        iterations: data.readUInt16BE(2),
      }
    : null;
}

function byNsec3(records: readonly DnsRecord[], child: string, zone: string): Denial | null {
  const hashed = records.map(readHashed).filter((one) => one !== null);
  const [first] = hashed;
  if (!first) return null;
  const { salt, iterations } = first;
  // One zone has one set of parameters at a time (RFC 5155 section 8.2).
  if (hashed.some((one) => one.iterations !== iterations || !one.salt.equals(salt))) return null;
  if (iterations > ITERATIONS_MAX) return 'unsigned-cut';
  const matching = (name: string) => {
    const hash = nsec3Hash(name, salt, iterations);
    return hashed.find(({ owner }) => owner === hash);
  };
  const covering = (name: string) => {
    const hash = nsec3Hash(name, salt, iterations);
    return hashed.find(({ owner, next }) =>
      owner < next ? owner < hash && hash < next : hash !== owner && (hash > owner || hash < next),
    );
  };
  const exact = matching(child);
  if (exact) return atName(exact.types);
  // The closest name above that is there, and proof that the next one below it is not (section 8.3).
  const labels = labelsOf(child);
  for (let cut = 1; cut <= labels.length - labelsOf(zone).length; cut++) {
    const closest = matching(labels.slice(cut).join('.'));
    if (!closest) continue;
    if (endsThere(closest.types)) return null;
    const cover = covering(labels.slice(cut - 1).join('.'));
    if (!cover) return null;
    return cover.optOut ? 'unsigned-cut' : 'no-cut';
  }
  return null;
}

/**
 * What the parent zone proves about a name that has no DS.
 *
 * @param isSigned whether a key of the parent signed the set of this name and type
 */
export function denialOfDs(
  authorities: readonly DnsRecord[],
  child: string,
  zone: string,
  isSigned: (name: string, type: number) => boolean,
): Denial {
  if (labelsOf(child).length > LABELS_MAX) return 'unproven';
  const proofs = (type: number) =>
    authorities.filter((one) => one.type === type && isBelow(one.name, zone) && isSigned(one.name, type)).slice(0, 8);
  return byNsec(proofs(NSEC), child, zone) ?? byNsec3(proofs(NSEC3), child, zone) ?? 'unproven';
}
