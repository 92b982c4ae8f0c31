/** NuGet versions: four numbers, then a pre-release as in semver but without regard to case; the build part is ignored. */

import { compareDigits, isDigit } from './version-order.ts';
import { comparePre } from './version-semver.ts';

export function compareNuget(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  for (let i = 0; i < Math.max(left.numbers.length, right.numbers.length); i++) {
    const order = compareDigits(left.numbers[i] ?? '', right.numbers[i] ?? '');
    if (order !== 0) return order;
  }
  return comparePre(left.pre, right.pre);
}

function parse(version: string): { numbers: string[]; pre: string[] } {
  let text = version.trim().toLowerCase();
  if (text.startsWith('v')) text = text.slice(1);
  const plus = text.indexOf('+');
  if (plus >= 0) text = text.slice(0, plus);
  const numbers: string[] = [];
  let at = 0;
  while (isDigit(text.charCodeAt(at))) {
    const start = at;
    while (isDigit(text.charCodeAt(at))) at++;
    numbers.push(text.slice(start, at));
    if (text[at] !== '.') break;
    at++;
  }
  const rest = text.slice(at);
  const pre = rest.startsWith('-') ? rest.slice(1) : rest;
  return { numbers, pre: pre === '' ? [] : pre.split('.') };
}
