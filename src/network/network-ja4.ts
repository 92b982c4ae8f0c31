/** JA4 and JA4S fingerprints of TLS handshakes, as FoxIO published them (technical details of JA4, 2023). */

import { createHash } from 'node:crypto';
import { be16, latin1 } from './network-bytes.ts';

const EXTENSIONS_MAX = 256;
const SUITES_MAX = 1024;
const SNI = 0;
const SIGNATURES = 13;
const ALPN = 16;
const VERSIONS = 43;

const VERSION_NAMES: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
};

/** Values that mean nothing and are there to keep others flexible (RFC 8701). */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >>> 8 === (value & 0xff);
const hex4 = (value: number): string => value.toString(16).padStart(4, '0');
const short = (text: string): string =>
  text === '' ? '000000000000' : createHash('sha256').update(text).digest('hex').slice(0, 12);
const two = (count: number): string => String(Math.min(count, 99)).padStart(2, '0');

interface Extension {
  readonly type: number;
  readonly at: number;
  readonly end: number;
}

function extensions(b: Uint8Array, from: number, end: number): Extension[] {
  const found: Extension[] = [];
  for (let at = from; at + 4 <= end && found.length < EXTENSIONS_MAX; ) {
    const stop = at + 4 + be16(b, at + 2);
    if (stop > end) break;
    found.push({ type: be16(b, at), at: at + 4, end: stop });
    at = stop;
  }
  return found;
}

/** First and last character of the first protocol; hexadecimal where one of them is no letter or digit. */
function alpn(b: Uint8Array, extension: Extension | undefined): string {
  if (!extension || extension.end - extension.at < 4) return '00';
  const length = b[extension.at + 2]!;
  const from = extension.at + 3;
  if (length === 0 || from + length > extension.end) return '00';
  const first = latin1(b, from, from + 1);
  const last = latin1(b, from + length - 1, from + length);
  if (/^[a-z0-9]{2}$/i.test(first + last)) return first + last;
  const digit = (c: string, n: 0 | 1) => c.charCodeAt(0).toString(16).padStart(2, '0').charAt(n);
  return digit(first, 0) + digit(last, 1);
}

/** The body of a ClientHello; null when it is cut or not one. */
export function ja4(b: Uint8Array, at: number, end: number): string | null {
  let here = at + 34;
  if (here >= end) return null;
  here += 1 + b[here]!;
  if (here + 2 > end) return null;
  const suitesEnd = here + 2 + be16(b, here);
  if (suitesEnd + 1 > end) return null;
  const suites: string[] = [];
  for (let i = here + 2; i + 2 <= suitesEnd && suites.length < SUITES_MAX; i += 2)
    if (!isGrease(be16(b, i))) suites.push(hex4(be16(b, i)));
  here = suitesEnd + 1 + b[suitesEnd]!;
  const all = here + 2 <= end ? extensions(b, here + 2, Math.min(end, here + 2 + be16(b, here))) : [];
  const real = all.filter((one) => !isGrease(one.type));
  const find = (type: number) => real.find((one) => one.type === type);
  const listed = list16(b, find(VERSIONS), 1).filter((one) => !isGrease(one));
  const version = VERSION_NAMES[listed.length > 0 ? Math.max(...listed) : be16(b, at)] ?? '00';
  const sorted = real
    .filter((one) => one.type !== SNI && one.type !== ALPN)
    .map((one) => hex4(one.type))
    .toSorted();
  const signatures = list16(b, find(SIGNATURES), 2)
    .filter((one) => !isGrease(one))
    .map(hex4);
  const body = sorted.join(',') + (signatures.length > 0 ? `_${signatures.join(',')}` : '');
  const head = `t${version}${find(SNI) ? 'd' : 'i'}${two(suites.length)}${two(real.length)}${alpn(b, find(ALPN))}`;
  return `${head}_${short(suites.toSorted().join(','))}_${short(sorted.length === 0 ? '' : body)}`;
}

/** Numbers of two bytes behind a length of one or two bytes. */
function list16(b: Uint8Array, extension: Extension | undefined, lengthBytes: 1 | 2): number[] {
  if (!extension || extension.end - extension.at < lengthBytes) return [];
  const size = lengthBytes === 1 ? b[extension.at]! : be16(b, extension.at);
  const values: number[] = [];
  const stop = Math.min(extension.end, extension.at + lengthBytes + size);
  for (let i = extension.at + lengthBytes; i + 2 <= stop; i += 2) values.push(be16(b, i));
  return values;
}

/** The body of a ServerHello. */
export function ja4s(b: Uint8Array, at: number, end: number): string | null {
  const suiteAt = at + 35 + (b[at + 34] ?? 0);
  if (end - at < 38 || suiteAt + 3 > end) return null;
  const from = suiteAt + 5;
  const all = from <= end ? extensions(b, from, Math.min(end, from + be16(b, suiteAt + 3))) : [];
  const versions = all.find((one) => one.type === VERSIONS);
  const version = VERSION_NAMES[versions ? be16(b, versions.at) : be16(b, at)] ?? '00';
  const types = all.map((one) => hex4(one.type));
  const head = `t${version}${two(all.length)}${alpn(
    b,
    all.find((one) => one.type === ALPN),
  )}`;
  return `${head}_${hex4(be16(b, suiteAt))}_${short(types.join(','))}`;
}
