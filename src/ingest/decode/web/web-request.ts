/** The quoted request of a web log to columns and Sigma's field names, escapes and percent signs kept as written. */

import type { Normalised } from '../../../core/index.ts';
import type { Fields } from '../decode-frame.ts';
import { indexOfCode, lastIndexOfCode, word } from '../decode-text.ts';

const METHOD_MAX = 32;

/** Offset of the quote that closes the text begun at `at`: one that no backslash escapes; `end` when it is missing. */
export function quoteEnd(text: string, at: number, end: number): number {
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) return i;
    if (code === 92) i++;
  }
  return end;
}

/**
 * `GET /path?query HTTP/1.1` in [at, end). As the public Sigma rules expect of nginx and Apache, `cs-uri-query` holds
 * the whole target (their rules look for paths in it); `cs-uri-stem` is the path. What is no request (a TLS hello, a
 * scanner's bytes) is all target.
 */
export function putRequest(text: string, at: number, end: number, norm: Normalised, fields: Fields): void {
  let from = at;
  let to = end;
  const space = indexOfCode(text, 32, at, Math.min(end, at + METHOD_MAX));
  if (space > at && isMethod(text, at, space)) {
    norm.method = fields['cs-method'] = word(text, at, space);
    from = space + 1;
    const last = lastIndexOfCode(text, 32, from, end);
    if (last >= from && text.startsWith('HTTP/', last + 1)) {
      to = last;
      fields['cs-version'] = word(text, last + 1, end);
    }
  }
  const target = text.slice(from, to);
  const question = indexOfCode(text, 63, from, to);
  norm.url = target;
  fields['cs-uri'] = target;
  fields['cs-uri-query'] = target;
  fields['cs-uri-stem'] = question < 0 ? target : text.slice(from, question);
}

function isMethod(text: string, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (!((code >= 65 && code <= 90) || code === 45 || code === 95)) return false;
  }
  return true;
}
