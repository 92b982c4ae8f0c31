/** What indicators a text holds, said with regular expressions over whole words: slow, obvious, for comparison in tests only. */

import { inCidr, parseAddress, parseCidr } from '../detection-cidr.ts';
import { addressText, type IndicatorValue } from '../indicators/indicator-value.ts';

const WORD = /[0-9A-Za-z.:@_+\-\u0080-\uffff]+/g;
const DIGITS = /[0-9A-Fa-f]+/g;
const DIGEST_LENGTHS = [32, 40, 56, 64, 96, 128];

/** Where a word may begin: after an escape its letters may belong to it. */
function starts(text: string, at: number): number[] {
  const before = text.slice(0, at);
  if (before.endsWith('\\u')) return [at, at + 4];
  if (!before.endsWith('\\')) return [at];
  const letter = text[at] ?? '';
  return letter === 'u' ? [at, at + 5] : 'ntrbf'.includes(letter) ? [at, at + 1] : [at];
}

/** The values of a list that stand in a text. */
export function plainIndicators(list: readonly IndicatorValue[], text: string): Set<string> {
  const out = new Set<string>();
  const has = (type: IndicatorValue['type'], value: string): boolean => {
    if (!list.some((one) => one.type === type && one.value === value.toLowerCase())) return false;
    out.add(`${type} ${value.toLowerCase()}`);
    return true;
  };
  const address = (word: string): void => {
    const words = parseAddress(word);
    if (words === null) return;
    const value = addressText(words);
    if (has('address', value)) return;
    const networks = list.flatMap((one) => (one.type === 'cidr' ? (parseCidr(one.value) ?? []) : []));
    const [narrowest] = networks.filter((cidr) => inCidr(value, cidr)).sort((a, b) => b.bits - a.bits);
    if (narrowest) out.add(`cidr ${narrowest.text}`);
  };
  const name = (host: string): void => {
    const labels = host.toLowerCase().split('.');
    const tails = labels.map((_, i) => labels.slice(i).join('.')).filter((tail) => tail.includes('.'));
    tails.some((tail) => has('domain', tail));
  };
  const url = (from: number): void => {
    const whole = /^[^\0-\x20"'<>#]*/.exec(text.slice(from).replaceAll('\\/', '/'))?.[0] ?? '';
    if (!has('url', whole) && whole.includes('?')) has('url', whole.slice(0, whole.indexOf('?')));
  };
  const word = (from: number, end: number): void => {
    let start = from + (/^\.*/.exec(text.slice(from, end))?.[0].length ?? 0);
    let body = text.slice(start, end).replace(/[.:]+$/, '');
    if (body.length < 4) return;
    const at = body.lastIndexOf('@');
    if (at >= 0) {
      has('email', body.slice(body.slice(0, at).lastIndexOf(':') + 1));
      start += at + 1;
      body = body.slice(at + 1);
    }
    const colons = body.split(':').length - 1;
    if (colons >= 2) {
      address(body);
      return;
    }
    const port = /^(.*):\d{1,5}$/.exec(body);
    if (port === null && colons === 1) {
      start += body.indexOf(':') + 1;
      body = body.slice(body.indexOf(':') + 1);
    }
    const host = port?.[1] ?? body;
    if (/^[\d.]+$/.test(host)) address(host);
    else name(host);
    if (/^\\?\//.test(text.slice(end))) url(start);
  };
  for (const { index, 0: found } of text.matchAll(WORD))
    for (const start of starts(text, index)) if (start < index + found.length) word(start, index + found.length);
  for (const { index, 0: found } of text.matchAll(DIGITS))
    for (const start of starts(text, index)) {
      const digest = text.slice(start, index + found.length);
      if (DIGEST_LENGTHS.includes(digest.length)) has('hash', digest);
    }
  return out;
}
