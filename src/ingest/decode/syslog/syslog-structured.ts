/** Structured data of RFC 5424 section 6.3 (`[id name="value"]…`) to fields named `id.name`. */

import { LIMITS } from '../../../core/index.ts';
import { type Fields, type Frame, putField } from '../decode-frame.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const CLOSE = 93;

/** Reads the elements at `at` into `fields`; answers the offset after them, or `at` when they are malformed. */
export function readStructuredData(text: string, at: number, end: number, frame: Frame, fields: Fields): number {
  let i = at;
  let count = 0;
  while (i < end && text.charCodeAt(i) === 91) {
    let nameEnd = i + 1;
    while (nameEnd < end && text.charCodeAt(nameEnd) > 32 && text.charCodeAt(nameEnd) !== CLOSE) nameEnd++;
    if (nameEnd >= end) return at;
    const id = text.slice(i + 1, nameEnd);
    i = nameEnd;
    while (i < end && text.charCodeAt(i) === 32) {
      while (text.charCodeAt(i) === 32) i++;
      const from = i;
      while (i < end && text.charCodeAt(i) !== 61 && text.charCodeAt(i) > 32 && text.charCodeAt(i) !== CLOSE) i++;
      if (text.charCodeAt(i) !== 61 || text.charCodeAt(i + 1) !== QUOTE) break;
      const name = text.slice(from, i);
      const valueFrom = i + 2;
      i = valueFrom;
      let escaped = false;
      while (i < end && text.charCodeAt(i) !== QUOTE) {
        if (text.charCodeAt(i) === BACKSLASH) {
          escaped = true;
          i++;
        }
        i++;
      }
      if (i >= end) return at;
      const value = text.slice(valueFrom, i++);
      if (count++ < LIMITS.eventFieldsMax) putField(fields, `${id}.${name}`, escaped ? unescaped(value) : value, frame);
    }
    if (i >= end || text.charCodeAt(i) !== CLOSE) return at;
    i++;
  }
  return i;
}

/** RFC 5424 section 6.3.3: only `"`, `\` and `]` are escaped; another backslash stands for itself. */
function unescaped(value: string): string {
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const next = value.charAt(i + 1);
    if (value.charCodeAt(i) === BACKSLASH && (next === '"' || next === '\\' || next === ']')) out += value.charAt(++i);
    else out += value.charAt(i);
  }
  return out;
}
