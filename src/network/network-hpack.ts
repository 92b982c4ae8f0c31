/** Header fields of HTTP/2 (RFC 7541): static and dynamic table, integers, Huffman-coded text. Never throws, and is bounded. */

import { latin1 } from './network-bytes.ts';

/** Appendix A, in order from 1: name, and value where there is one. */
const STATIC: readonly (readonly [string, string])[] =
  `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`
    .split('|')
    .map((line) => {
      const space = line.indexOf(' ');
      return space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)];
    });

/**
 * Lengths of the codes of Appendix B; codes of one length follow each other in the order of their characters, so that the
 * lengths say them. Characters that no header needs have codes of 20 bits and more: text ends there.
 */
const LENGTHS: readonly (readonly [number, string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\0$@[]~'],
  [14, '^}'],
  [15, '<`{'],
  [19, '\\'],
];
const BITS_MAX = 19;
/** By length and code: `length << 20 | code`. */
const CODES: ReadonlyMap<number, string> = (() => {
  const codes = new Map<number, string>();
  let code = 0;
  let before = 0;
  for (const [length, letters] of LENGTHS) {
    code <<= length - before;
    before = length;
    for (const letter of letters) codes.set((length << 20) | code++, letter);
  }
  return codes;
})();

const TEXT_CHARS_MAX = 8192;
const TABLE_BYTES_MAX = 4096;
/** What an entry counts beside its text (section 4.1). */
const ENTRY_BYTES = 32;
const FIELDS_MAX = 200;

function huffman(b: Uint8Array, start: number, end: number): string {
  let text = '';
  let code = 0;
  let length = 0;
  for (let at = start; at < end && text.length < TEXT_CHARS_MAX; at++)
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((b[at]! >>> bit) & 1);
      length++;
      const letter = length < 5 ? undefined : CODES.get((length << 20) | code);
      if (letter !== undefined) {
        text += letter;
        code = 0;
        length = 0;
      } else if (length > BITS_MAX) return text;
    }
  return text;
}

export type HeaderFields = (readonly [name: string, value: string])[];

/** Reads header blocks of one direction, one after another. */
export function createHpack(): { read(b: Uint8Array, start: number, end: number): HeaderFields } {
  const dynamic: (readonly [string, string])[] = [];
  let used = 0;
  let most = TABLE_BYTES_MAX;
  let at = 0;

  const entry = (index: number): readonly [string, string] => STATIC[index - 1] ?? dynamic[index - 62] ?? ['', ''];
  const evict = (): void => {
    while (used > most) {
      const [name, value] = dynamic.pop() ?? ['', ''];
      used = dynamic.length === 0 ? 0 : used - name.length - value.length - ENTRY_BYTES;
    }
  };
  /** Section 5.1; -1 when it does not end. */
  const integer = (b: Uint8Array, end: number, prefix: number): number => {
    const mask = (1 << prefix) - 1;
    let value = b[at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; at < end && shift < 21; shift += 7) {
      const c = b[at++]!;
      value += (c & 127) << shift;
      if (c < 128) return value;
    }
    return -1;
  };
  const text = (b: Uint8Array, end: number): string | null => {
    if (at >= end) return null;
    const packed = b[at]! >= 128;
    const length = integer(b, end, 7);
    if (length < 0 || at + length > end) return null;
    const from = at;
    at += length;
    return packed ? huffman(b, from, at) : latin1(b, from, Math.min(at, from + TEXT_CHARS_MAX));
  };
  const literal = (b: Uint8Array, end: number, prefix: number, keep: boolean): readonly [string, string] | null => {
    const index = integer(b, end, prefix);
    const name = index === 0 ? text(b, end) : index < 0 ? null : entry(index)[0];
    const value = name === null ? null : text(b, end);
    if (name === null || value === null) return null;
    if (keep) {
      dynamic.unshift([name, value]);
      used += name.length + value.length + ENTRY_BYTES;
      evict();
    }
    return [name, value];
  };

  return {
    read(b, start, end) {
      const fields: HeaderFields = [];
      at = start;
      while (at < end && fields.length < FIELDS_MAX) {
        const first = b[at]!;
        if (first >= 128) fields.push(entry(integer(b, end, 7)));
        else if (first >= 32 && first < 64) {
          most = Math.min(TABLE_BYTES_MAX, Math.max(0, integer(b, end, 5)));
          evict();
        } else {
          const field = first >= 64 ? literal(b, end, 6, true) : literal(b, end, 4, false);
          if (field === null) return fields;
          fields.push(field);
        }
      }
      return fields;
    },
  };
}
