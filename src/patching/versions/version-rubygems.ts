/** RubyGems versions as Gem::Version orders them: words make a pre-release, and what is missing counts as zero. */

import { compareDigits, compareText, isDigit, runsOf, withoutZeros } from './version-order.ts';

export function compareRubygems(a: string, b: string): number {
  const left = segments(a);
  const right = segments(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareSegment(left[i] ?? '0', right[i] ?? '0');
    if (order !== 0) return order;
  }
  return 0;
}

function compareSegment(a: string, b: string): number {
  const left = isDigit(a.charCodeAt(0));
  const right = isDigit(b.charCodeAt(0));
  if (left && right) return compareDigits(a, b);
  return left === right ? compareText(a, b) : left ? 1 : -1;
}

function segments(version: string): string[] {
  const all = runsOf(version.trim().replaceAll('-', '.pre.'));
  const word = all.findIndex((run) => !isDigit(run.charCodeAt(0)));
  if (word < 0) return withoutTrailingZeros(all);
  return [...withoutTrailingZeros(all.slice(0, word)), ...withoutTrailingZeros(all.slice(word))];
}

function withoutTrailingZeros(list: string[]): string[] {
  while (list.length > 0 && withoutZeros(list.at(-1) as string) === '') list.pop();
  return list;
}
