/** A small reader of DER (X.690): bounded, for the few fields that the platform's certificate class does not tell. */

export interface Der {
  readonly tag: number;
  readonly body: Buffer;
  /** Where the next element begins. */
  readonly end: number;
}

export function der(bytes: Buffer, at = 0): Der | null {
  if (at + 2 > bytes.length) return null;
  const tag = bytes.readUInt8(at);
  let length = bytes.readUInt8(at + 1);
  let start = at + 2;
  if (length > 127) {
    const count = length & 127;
    if (count === 0 || count > 4 || start + count > bytes.length) return null;
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  return start + length > bytes.length
    ? null
    : { tag, body: bytes.subarray(start, start + length), end: start + length };
}

const CHILDREN_MAX = 4096;

export function children(body: Buffer): Der[] {
  const found: Der[] = [];
  for (let at = 0; at < body.length && found.length < CHILDREN_MAX; ) {
    const next = der(body, at);
    if (!next) break;
    found.push(next);
    at = next.end;
  }
  return found;
}

/** A UTCTime or GeneralizedTime, Unix milliseconds; null when it is none. */
export function derTime({ tag, body }: Der): number | null {
  const text = body.toString('latin1');
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(?:\.\d+)?Z$/.exec(text);
  if (!match || (tag !== 0x17 && tag !== 0x18)) return null;
  const year = Number(match[1]);
  const full = tag === 0x18 ? year : year < 50 ? 2000 + year : 1900 + year;
  return Date.UTC(
    full,
    Number(match[2]) - 1,
    Number(match[3]),
    Number(match[4]),
    Number(match[5]),
    Number(match[6] ?? 0),
  );
}
