/** Reading integers, addresses and short texts out of bytes at an offset. */

export const be16 = (b: Uint8Array, i: number): number => (b[i]! << 8) | b[i + 1]!;
export const be24 = (b: Uint8Array, i: number): number => (b[i]! << 16) | (b[i + 1]! << 8) | b[i + 2]!;
export const be32 = (b: Uint8Array, i: number): number =>
  ((b[i]! << 24) | (b[i + 1]! << 16) | (b[i + 2]! << 8) | b[i + 3]!) >>> 0;
export const le16 = (b: Uint8Array, i: number): number => b[i]! | (b[i + 1]! << 8);
export const le32 = (b: Uint8Array, i: number): number =>
  (b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24)) >>> 0;

/** Where the byte stands first between `from` and `end`; -1 when it does not. The buffer behind `end` is never looked at. */
export function byteAt(b: Uint8Array, byte: number, from: number, end: number): number {
  for (let i = from; i < end; i++) if (b[i] === byte) return i;
  return -1;
}

/** Does the text stand at this place? ASCII, exact case. */
export function startsWith(b: Uint8Array, at: number, end: number, text: string): boolean {
  if (end - at < text.length) return false;
  for (let i = 0; i < text.length; i++) if (b[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

const SHORT_BYTES = 24;

/** Bytes as text, one character a byte; for protocol words, never for what a person typed. */
export function latin1(b: Uint8Array, start: number, end: number): string {
  // A loop beats making a Buffer for the short texts that protocols are made of.
  if (end - start <= SHORT_BYTES) {
    let text = '';
    for (let i = start; i < end; i++) text += String.fromCharCode(b[i] ?? 0);
    return text;
  }
  return Buffer.from(b.buffer, b.byteOffset + start, Math.max(0, end - start)).toString('latin1');
}

export function hex(b: Uint8Array, start: number, length: number, separator = ''): string {
  let text = '';
  for (let i = 0; i < length; i++) text += (i > 0 ? separator : '') + (b[start + i] ?? 0).toString(16).padStart(2, '0');
  return text;
}

/** An address of 4 words as text: IPv4 when the first three say so (RFC 4291 section 2.5.5.2), else IPv6 (RFC 5952). */
export function addressText(words: Int32Array, at: number): string {
  const w = (i: number) => words[at + i]! >>> 0;
  if (w(0) === 0 && w(1) === 0 && w(2) === 0xffff) {
    const v = w(3);
    return `${v >>> 24}.${(v >>> 16) & 255}.${(v >>> 8) & 255}.${v & 255}`;
  }
  const groups: number[] = [];
  for (let i = 0; i < 4; i++) groups.push(w(i) >>> 16, w(i) & 0xffff);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > bestLength) [best, bestLength] = [i, n];
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`;
}

/** 16 bytes as an address. */
export const address6 = (b: Uint8Array, at: number): string =>
  addressText(Int32Array.of(be32(b, at), be32(b, at + 4), be32(b, at + 8), be32(b, at + 12)), 0);

/** A name that a device says about itself, cut down to what cannot steer a terminal or hold much of anything else. */
export function deviceName(text: string, most = 32): string {
  const name = text.trim();
  return name.length <= most && /^[\w.^-][\w .^/-]*$/.test(name) ? name : '';
}
