/** The scores of a vulnerability in CSAF 2.0 (`scores`) and 2.1 (`metrics`): by their vectors, else by the number that is given. */

import type { Severity } from '../core/index.ts';
import { cvssScore, severityOfScore, severityOfVector } from './patching-cvss.ts';
import { isObject, type Json, listAt, textAt } from './patching-input.ts';

export interface CsafScore {
  readonly score: number;
  readonly severity: Severity;
  /** "" where only the number is given. */
  readonly vector: string;
}

/**
 * The worst one, for one product where it is told. Version 2 counts only where nothing newer is given.
 *
 * @param product an id of the product tree
 */
export function csafScores(vulnerability: Json, product?: string): CsafScore | null {
  const entries = [...listAt(vulnerability, 'scores'), ...listAt(vulnerability, 'metrics')]
    .filter(isObject)
    .filter((one) => product === undefined || listAt(one, 'products').includes(product))
    .map((one) => (isObject(one.content) ? one.content : one));
  const worst = (keys: readonly string[]): CsafScore | null => {
    let found: CsafScore | null = null;
    for (const entry of entries)
      for (const key of keys) {
        const read = isObject(entry[key]) ? scoreOf(entry[key]) : null;
        if (read !== null && (found === null || read.score > found.score)) found = read;
      }
    return found;
  };
  return worst(['cvss_v4', 'cvss_v3']) ?? worst(['cvss_v2']);
}

function scoreOf(cvss: Json): CsafScore | null {
  const vector = textAt(cvss, 'vectorString');
  const score = cvssScore(vector);
  const severity = severityOfVector(vector);
  if (score !== null && severity !== null) return { score, severity, vector };
  const base = cvss.baseScore;
  return typeof base === 'number' && base >= 0 && base <= 10
    ? { score: base, severity: severityOfScore(base), vector: '' }
    : null;
}
