/** CVSS base scores from their vectors: 2.0, 3.0 and 3.1 (specification section 7), 4.0. */

import type { Severity } from '../core/index.ts';
import { cvss4Base } from './patching-cvss4.ts';

const WEIGHTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  AV: { N: 0.85, A: 0.62, L: 0.55, P: 0.2 },
  AC: { L: 0.77, H: 0.44 },
  UI: { N: 0.85, R: 0.62 },
  C: { H: 0.56, L: 0.22, N: 0 },
  I: { H: 0.56, L: 0.22, N: 0 },
  A: { H: 0.56, L: 0.22, N: 0 },
};
const PRIVILEGES = { U: { N: 0.85, L: 0.62, H: 0.27 }, C: { N: 0.85, L: 0.68, H: 0.5 } } as const;

const WEIGHTS_2: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  AV: { L: 0.395, A: 0.646, N: 1 },
  AC: { H: 0.35, M: 0.61, L: 0.71 },
  Au: { M: 0.45, S: 0.56, N: 0.704 },
  C: { N: 0, P: 0.275, C: 0.66 },
  I: { N: 0, P: 0.275, C: 0.66 },
  A: { N: 0, P: 0.275, C: 0.66 },
};
const VECTOR_CHARS_MAX = 256;

/** Version and metrics of a vector; null when it is none, or says something twice. */
function readVector(vector: string): { version: 2 | 3 | 4; metrics: ReadonlyMap<string, string> } | null {
  if (vector.length > VECTOR_CHARS_MAX) return null;
  const found = /^(?:CVSS:(2\.0|3\.[01]|4\.0)\/|CVSS2#)?([A-Za-z]{1,3}:.*)$/.exec(
    vector.trim().replace(/^\((.*)\)$/, '$1'),
  );
  if (!found) return null;
  const metrics = new Map<string, string>();
  for (const part of (found[2] as string).replace(/\/$/, '').split('/')) {
    const [name = '', value = '', more] = part.split(':', 3);
    if (value === '' || more !== undefined || metrics.has(name)) return null;
    metrics.set(name, value);
  }
  // Only version 2 goes without its name, and it alone has "Au".
  if (found[1] === undefined && !metrics.has('Au')) return null;
  return { version: found[1]?.startsWith('4') ? 4 : found[1]?.startsWith('3') ? 3 : 2, metrics };
}

/** The base score of a vector of version 2, 3.0, 3.1 or 4.0; null when it is none, or not complete. */
export function cvssScore(vector: string): number | null {
  const read = readVector(vector);
  if (read === null) return null;
  if (read.version === 4) return cvss4Base(read.metrics);
  return read.version === 3 ? base3(read.metrics) : base2(read.metrics);
}

/** How bad a vector's base score is. Version 2 has no "critical" (its guide, and how the NVD says it). */
export function severityOfVector(vector: string): Severity | null {
  const read = readVector(vector);
  const score = read === null ? null : cvssScore(vector);
  if (read === null || score === null) return null;
  const severity = severityOfScore(score);
  return read.version === 2 && severity === 'critical' ? 'high' : severity;
}

export interface ReadVector {
  readonly vector: string;
  readonly severity: Severity;
  readonly score: number;
}
/** Feeds repeat a few thousand vectors hundreds of thousands of times: each is read once, and its text is in memory once. */
const known = new Map<string, ReadVector | null>();
const KNOWN_MAX = 20_000;

/** The worst of several vectors about one vulnerability; null when none can be read. */
export function worstVector(vectors: readonly string[]): ReadVector | null {
  let worst: ReadVector | null = null;
  for (const vector of vectors) {
    const read = knownVector(vector);
    if (read !== null && (worst === null || read.score > worst.score)) worst = read;
  }
  return worst;
}

function knownVector(vector: string): ReadVector | null {
  const found = known.get(vector);
  if (found !== undefined) return found;
  const severity = severityOfVector(vector);
  const score = cvssScore(vector);
  const read = severity === null || score === null ? null : { vector, severity, score };
  if (known.size >= KNOWN_MAX) known.clear();
  if (vector.length <= VECTOR_CHARS_MAX) known.set(vector, read);
  return read;
}

function weighed(
  metrics: ReadonlyMap<string, string>,
  tables: Readonly<Record<string, Readonly<Record<string, number>>>>,
): Readonly<Record<string, number>> | null {
  const values: Record<string, number> = {};
  for (const [name, weights] of Object.entries(tables)) {
    const value = metrics.get(name) ?? '';
    if (!Object.hasOwn(weights, value)) return null;
    values[name] = weights[value] as number;
  }
  return values;
}

/** Version 2, section 3.2.1. */
function base2(metrics: ReadonlyMap<string, string>): number | null {
  const values = weighed(metrics, WEIGHTS_2);
  if (values === null) return null;
  const { AV = 0, AC = 0, Au = 0, C = 0, I = 0, A = 0 } = values;
  const impact = 10.41 * (1 - (1 - C) * (1 - I) * (1 - A));
  if (impact === 0) return 0;
  return Math.round((0.6 * impact + 0.4 * (20 * AV * AC * Au) - 1.5) * 1.176 * 10) / 10;
}

function base3(metrics: ReadonlyMap<string, string>): number | null {
  const scope = metrics.get('S');
  const values = weighed(metrics, WEIGHTS);
  if ((scope !== 'U' && scope !== 'C') || values === null) return null;
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

/** What a vector says for SSVC: an attack over the network that needs nobody can be automated; all harm is total. */
export function cvssPoints(vector: string): { automatable: boolean; total: boolean } | null {
  const read = readVector(vector);
  if (read === null || cvssScore(vector) === null) return null;
  const has = (text: string) =>
    text
      .split('/')
      .every((part) => read.metrics.get(part.slice(0, part.indexOf(':'))) === part.slice(part.indexOf(':') + 1));
  if (read.version === 2) return { automatable: has('AV:N/AC:L/Au:N'), total: has('C:C/I:C/A:C') };
  if (read.version === 3) return { automatable: has('AV:N/AC:L/PR:N/UI:N'), total: has('C:H/I:H/A:H') };
  // Version 4 may say itself whether an attack can be automated.
  const told = read.metrics.get('AU');
  const automatable = told === 'Y' || told === 'N' ? told === 'Y' : has('AV:N/AC:L/AT:N/PR:N/UI:N');
  return { automatable, total: has('VC:H/VI:H/VA:H') };
}
