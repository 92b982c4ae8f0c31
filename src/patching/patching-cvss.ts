/** CVSS 3.0 and 3.1 base scores from their vectors (specification section 7); other versions are left unsaid. */

import type { Severity } from '../core/index.ts';

const WEIGHTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  AV: { N: 0.85, A: 0.62, L: 0.55, P: 0.2 },
  AC: { L: 0.77, H: 0.44 },
  UI: { N: 0.85, R: 0.62 },
  C: { H: 0.56, L: 0.22, N: 0 },
  I: { H: 0.56, L: 0.22, N: 0 },
  A: { H: 0.56, L: 0.22, N: 0 },
};
const PRIVILEGES = { U: { N: 0.85, L: 0.62, H: 0.27 }, C: { N: 0.85, L: 0.68, H: 0.5 } } as const;

/** The base score of a vector "CVSS:3.1/AV:N/…"; null when it is none of version 3 or not complete. */
export function cvssScore(vector: string): number | null {
  if (vector.length > 256 || !/^CVSS:3\.[01]\//.test(vector)) return null;
  const metrics = new Map(
    vector
      .split('/')
      .slice(1)
      .map((part) => part.split(':', 2) as [string, string]),
  );
  const scope = metrics.get('S');
  if (scope !== 'U' && scope !== 'C') return null;
  const values: Record<string, number> = {};
  for (const [name, weights] of Object.entries(WEIGHTS)) {
    const value = metrics.get(name) ?? '';
    if (!Object.hasOwn(weights, value)) return null;
    values[name] = weights[value] as number;
  }
  const privileges = PRIVILEGES[scope][(metrics.get('PR') ?? '') as 'N' | 'L' | 'H'];
  if (privileges === undefined) return null;
  const { AV = 0, AC = 0, UI = 0, C = 0, I = 0, A = 0 } = values;
  const base = 1 - (1 - C) * (1 - I) * (1 - A);
  const impact = scope === 'U' ? 6.42 * base : 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15;
  if (impact <= 0) return 0;
  const exploitability = 8.22 * AV * AC * privileges * UI;
  return roundUp(Math.min(scope === 'U' ? impact + exploitability : 1.08 * (impact + exploitability), 10));
}

// Appendix A of 3.1: rounding up that floating point cannot upset.
function roundUp(value: number): number {
  const whole = Math.round(value * 100_000);
  return whole % 10_000 === 0 ? whole / 100_000 : (Math.floor(whole / 10_000) + 1) / 10;
}

/** The qualitative scale (specification section 5). */
export function severityOfScore(score: number): Severity {
  if (score >= 9) return 'critical';
  if (score >= 7) return 'high';
  if (score >= 4) return 'medium';
  return score > 0 ? 'low' : 'information';
}

const WORDS: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  high: 'high',
  important: 'high',
  moderate: 'medium',
  medium: 'medium',
  low: 'low',
  negligible: 'information',
  unimportant: 'information',
  none: 'information',
};

/** A feed's own word for how bad it is; null when it says none that is known. */
export function severityOfWord(word: string): Severity | null {
  const lower = word.toLowerCase();
  return Object.hasOwn(WORDS, lower) ? (WORDS[lower] as Severity) : null;
}

/** What a vector of version 3 says for SSVC: an attack over the network that needs nobody can be automated; all harm is total. */
export function cvssPoints(vector: string): { automatable: boolean; total: boolean } | null {
  if (cvssScore(vector) === null) return null;
  const has = (...parts: readonly string[]) => parts.every((part) => `${vector}/`.includes(`/${part}/`));
  return { automatable: has('AV:N', 'AC:L', 'PR:N', 'UI:N'), total: has('C:H', 'I:H', 'A:H') };
}
