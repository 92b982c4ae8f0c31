/** IP addresses as numbers and networks as address and prefix length (RFC 4632, RFC 4291). */

export interface Cidr {
  readonly text: string;
  readonly words: readonly number[];
  readonly bits: number;
}

function parseV4(text: string): number | null {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 48 && c <= 57) {
      octet = (octet < 0 ? 0 : octet * 10) + c - 48;
      if (octet > 255) return null;
    } else if (c === 46 && octet >= 0 && dots < 3) {
      value = value * 256 + octet;
      octet = -1;
      dots++;
    } else return null;
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : null;
}

/** Eight 16-bit groups, or null. An IPv4 tail and a zone index (`%eth0`) are understood. */
function parseV6(input: string): number[] | null {
  const zone = input.indexOf('%');
  let text = zone < 0 ? input : input.slice(0, zone);
  if (text.length > 45 || !text.includes(':')) return null;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    const v4 = parseV4(text.slice(lastColon + 1));
    if (v4 === null) return null;
    text = `${text.slice(0, lastColon + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  }
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups = (part: string): number[] | null => {
    if (part === '') return [];
    const out: number[] = [];
    for (const word of part.split(':')) {
      if (!/^[0-9a-fA-F]{1,4}$/.test(word)) return null;
      out.push(Number.parseInt(word, 16));
    }
    return out;
  };
  const head = groups(halves[0] as string);
  const tail = halves.length === 2 ? groups(halves[1] as string) : [];
  if (!head || !tail) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** The address as 16-bit groups: two for IPv4 (also IPv4 inside IPv6, `::ffff:1.2.3.4`), eight for IPv6. */
export function parseAddress(text: string): number[] | null {
  const v4 = parseV4(text);
  if (v4 !== null) return [v4 >>> 16, v4 & 0xffff];
  const v6 = parseV6(text);
  if (!v6) return null;
  const mapped = v6.slice(0, 5).every((word) => word === 0) && v6[5] === 0xffff;
  return mapped ? v6.slice(6) : v6;
}

/** A network such as `10.0.0.0/8` or `fe80::/10`; a bare address is a network of one. Null when it is neither. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/');
  const words = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!words) return null;
  const width = words.length * 16;
  const length = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(length) || Number(length) > width) return null;
  return { text, words, bits: Number(length) };
}

let lastText = '';
let lastWords: readonly number[] | null = null;

/** Rules ask about the same address with a dozen networks: it is read once. */
function wordsOf(text: string): readonly number[] | null {
  if (text !== lastText) {
    lastWords = parseAddress(text);
    lastText = text;
  }
  return lastWords;
}

export function inCidr(text: string, cidr: Cidr): boolean {
  const words = wordsOf(text);
  if (!words || words.length !== cidr.words.length) return false;
  for (let i = 0, left = cidr.bits; left > 0; i++, left -= 16) {
    const mask = left >= 16 ? 0xffff : (0xffff << (16 - left)) & 0xffff;
    if (((words[i] as number) & mask) !== ((cidr.words[i] as number) & mask)) return false;
  }
  return true;
}
