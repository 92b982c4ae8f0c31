/** Indicators as text: which kind a text is, and the one form in which it is kept and looked up. */

import { domainToASCII } from 'node:url';
import { parseAddress, parseCidr } from '../detection-cidr.ts';

export const INDICATOR_TYPES = ['address', 'cidr', 'domain', 'url', 'hash', 'email'] as const;
export type IndicatorType = (typeof INDICATOR_TYPES)[number];

export interface IndicatorValue {
  readonly type: IndicatorType;
  /** In its one form; what two spellings have in common. */
  readonly value: string;
}

const HASH_LENGTHS = new Set([32, 40, 56, 64, 96, 128]);
const HEX = /^[0-9a-f]+$/;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
export const VALUE_CHARS_MAX = 2048;

/** Takes back what people do so that nobody clicks: `hxxp://evil[.]example`, `user[at]evil[.]example`. */
export function refang(text: string): string {
  return text
    .trim()
    .replace(/^h(?:xx|XX|\*\*)p(s?):/i, 'http$1:')
    .replaceAll(/\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)/gi, '.')
    .replaceAll(/\[:\]|\[:\/\/\]/g, (found) => found.slice(1, -1))
    .replaceAll(/\[at\]|\[@\]|\(at\)/gi, '@');
}

function address(text: string): string | null {
  const words = parseAddress(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text);
  return words === null ? null : addressText(words);
}

/** One text for each address: dotted for IPv4, eight groups for IPv6. */
export function addressText(words: readonly number[]): string {
  if (words.length === 2) {
    const [high = 0, low = 0] = words;
    return `${high >>> 8}.${high & 255}.${low >>> 8}.${low & 255}`;
  }
  return words.map((word) => word.toString(16)).join(':');
}

/** A network as `address/bits` with its host bits cleared; a network of one is an address. */
function network(text: string): IndicatorValue | null {
  const cidr = parseCidr(text);
  if (cidr === null || cidr.bits === 0) return null;
  if (cidr.bits === cidr.words.length * 16) return { type: 'address', value: addressText(cidr.words) };
  return { type: 'cidr', value: `${addressText(maskWords(cidr.words, cidr.bits))}/${cidr.bits}` };
}

export function maskWords(words: readonly number[], bits: number): number[] {
  return words.map((word, i) => {
    const left = Math.max(0, Math.min(16, bits - i * 16));
    return word & ((0xffff << (16 - left)) & 0xffff);
  });
}

/** A host name of at least two labels, in ASCII and lower case; a leading `*.` or dot means the same name. */
export function domain(text: string): string | null {
  if (text.length > 253) return null;
  const bare = text.replace(/^(?:\*\.|\.)/, '').replace(/\.$/, '');
  const name = /^[\x20-\x7e]*$/.test(bare) ? bare.toLowerCase() : domainToASCII(bare);
  const labels = name.split('.');
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return null;
  return /^\d+$/.test(labels[labels.length - 1] as string) ? null : name;
}

/**
 * A URL without scheme, account, default port and fragment: logs rarely say the scheme, and proxies never see the
 * fragment. A URL that is only a host is a host.
 */
function url(text: string): IndicatorValue | null {
  if (!/^[a-z][a-z0-9+.-]{1,15}:\/\//i.test(text)) return null;
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch {
    return null;
  }
  const host = parsed.hostname;
  const name = address(host) ?? domain(host);
  if (name === null) return null;
  if ((parsed.pathname === '/' || parsed.pathname === '') && parsed.search === '')
    return address(host) === null ? { type: 'domain', value: name } : { type: 'address', value: name };
  return { type: 'url', value: urlKey(name, parsed.port, parsed.pathname + parsed.search) };
}

export const urlKey = (host: string, port: string, path: string): string =>
  `${host}${port === '' || port === '80' || port === '443' ? '' : `:${port}`}${path}`;

function email(text: string): string | null {
  const at = text.lastIndexOf('@');
  if (at < 1 || at > 64 || /\s/.test(text)) return null;
  const host = domain(text.slice(at + 1));
  return host === null ? null : `${text.slice(0, at).toLowerCase()}@${host}`;
}

/** What a text is, or null when it is no indicator. */
export function readIndicator(input: string): IndicatorValue | null {
  if (input.length > VALUE_CHARS_MAX) return null;
  const text = refang(input);
  const lower = text.toLowerCase();
  if (HASH_LENGTHS.has(lower.length) && HEX.test(lower)) return { type: 'hash', value: lower };
  if (text.includes('://')) return url(text);
  if (text.includes('@')) {
    const found = email(text);
    return found === null ? null : { type: 'email', value: found };
  }
  if (text.includes('/')) return /\/\d{1,3}$/.test(text) && parseCidr(text) ? network(text) : url(`http://${text}`);
  const ip = address(text);
  if (ip !== null) return { type: 'address', value: ip };
  const name = domain(text);
  return name === null ? null : { type: 'domain', value: name };
}
