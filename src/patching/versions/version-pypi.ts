/** Python versions by PEP 440; what is no PEP 440 version comes before all that are, in setuptools' older order. */

import { compareDigits, compareLists, compareText, withoutZeros } from './version-order.ts';

interface Pep440 {
  readonly epoch: string;
  readonly release: readonly string[];
  /** Place before or after the release: phase and number; see `phases`. */
  readonly pre: readonly [number, string];
  readonly post: string | null;
  readonly dev: string | null;
  readonly local: readonly string[] | null;
}

export function comparePypi(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  if (left === null || right === null) {
    if (left !== null || right !== null) return left === null ? -1 : 1;
    return compareLists(legacy(a), legacy(b), compareText, () => -1);
  }
  return (
    compareDigits(left.epoch, right.epoch) ||
    compareLists(left.release, right.release, compareDigits, () => -1) ||
    left.pre[0] - right.pre[0] ||
    compareDigits(left.pre[1], right.pre[1]) ||
    compareAbsent(left.post, right.post, -1) ||
    compareAbsent(left.dev, right.dev, 1) ||
    compareLocal(left.local, right.local)
  );
}

function compareAbsent(a: string | null, b: string | null, absent: -1 | 1): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? absent : -absent;
  return compareDigits(a, b);
}

function compareLocal(a: readonly string[] | null, b: readonly string[] | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return compareLists(
    a,
    b,
    (left, right) => {
      const leftNumber = /^[0-9]/.test(left) && !/[a-z]/.test(left);
      const rightNumber = /^[0-9]/.test(right) && !/[a-z]/.test(right);
      if (leftNumber && rightNumber) return compareDigits(left, right);
      return leftNumber === rightNumber ? compareText(left, right) : leftNumber ? 1 : -1;
    },
    () => -1,
  );
}

const PHASES: Readonly<Record<string, number>> = {
  a: 1,
  alpha: 1,
  b: 2,
  beta: 2,
  c: 3,
  rc: 3,
  pre: 3,
  preview: 3,
};
const PHASE_DEV_ONLY = 0;
const PHASE_FINAL = 4;

function parse(version: string): Pep440 | null {
  const text = version.trim().toLowerCase();
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match;
  };
  take(/v/y);
  const epoch = take(/([0-9]+)!/y)?.[1] ?? '0';
  const release = take(/[0-9]+(?:\.[0-9]+)*/y)?.[0].split('.');
  if (!release) return null;
  while (release.length > 1 && withoutZeros(release.at(-1) as string) === '') release.pop();
  const pre = take(/[-_.]?(alpha|a|beta|b|preview|pre|c|rc)(?:[-_.]?([0-9]+))?/y);
  const post = take(/-([0-9]+)/y)?.[1] ?? postNumber(take(/[-_.]?(?:post|rev|r)(?:[-_.]?([0-9]+))?/y));
  const dev = postNumber(take(/[-_.]?dev(?:[-_.]?([0-9]+))?/y));
  const local = take(/\+([a-z0-9]+(?:[-_.][a-z0-9]+)*)/y)?.[1]?.split(/[-_.]/) ?? null;
  if (at !== text.length) return null;
  const phase = pre
    ? (PHASES[pre[1] as string] as number)
    : post === null && dev !== null
      ? PHASE_DEV_ONLY
      : PHASE_FINAL;
  return { epoch, release, pre: [phase, pre?.[2] ?? '0'], post, dev, local };
}

const postNumber = (match: RegExpExecArray | null) => (match ? (match[1] ?? '0') : null);

const LEGACY_WORDS: Readonly<Record<string, string>> = { pre: 'c', preview: 'c', '-': 'final-', rc: 'c', dev: '@' };

function legacy(version: string): string[] {
  const parts: string[] = [];
  for (const raw of version
    .trim()
    .toLowerCase()
    .split(/([0-9]+|[a-z]+|\.|-)/)) {
    if (raw === '' || raw === '.') continue;
    const part = LEGACY_WORDS[raw] ?? raw;
    if (/^[0-9]/.test(part)) parts.push(part.padStart(8, '0'));
    else pushWord(parts, `*${part}`);
  }
  pushWord(parts, '*final');
  return parts;
}

function pushWord(parts: string[], word: string): void {
  if (word < '*final') while (parts.at(-1) === '*final-') parts.pop();
  while (parts.at(-1) === '00000000') parts.pop();
  parts.push(word);
}
