/** OSV advisories (OSV schema 1.x): one JSON object each, in files, folders, zip archives or lines. */

import type { Severity } from '../../core/index.ts';
import { type Advisory, type Affected, shortRange } from '../patching-advisory.ts';
import { severityOfWord, worstVector } from '../patching-cvss.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import {
  ecosystemKey,
  packageKey,
  packageName,
  schemeOf,
  VERSION_CHARS_MAX,
  type VersionScheme,
} from '../patching-package.ts';
import { type Interval, inRange, osvIntervals, type VersionRange } from '../patching-range.ts';
import { parseNativeRange } from '../patching-range-text.ts';

const AFFECTED_MAX = 20_000;
const VERSIONS_MAX = 50_000;

export type OsvAnswer =
  | { readonly kind: 'advisory'; readonly advisory: Advisory; readonly modified: string }
  | { readonly kind: 'withdrawn'; readonly id: string; readonly modified: string };

export const looksLikeOsv = (value: unknown): value is Json =>
  isObject(value) &&
  typeof value.id === 'string' &&
  (Array.isArray(value.affected) || typeof value.modified === 'string');

/** One advisory; null when it is none, with the fault counted. */
export function readOsv(value: unknown, faults: Faults): OsvAnswer | null {
  if (!looksLikeOsv(value) || textAt(value, 'id').length > 128) {
    faults.add('An entry that is no OSV advisory');
    return null;
  }
  const id = textAt(value, 'id');
  const modified = textAt(value, 'modified').slice(0, 40);
  if (typeof value.withdrawn === 'string') return { kind: 'withdrawn', id, modified };
  const affected: Affected[] = [];
  for (const one of listAt(value, 'affected').slice(0, AFFECTED_MAX)) {
    const read = isObject(one) ? readAffected(one, faults) : null;
    if (read) affected.push(read);
  }
  const names = [
    id,
    ...[...listAt(value, 'aliases'), ...listAt(value, 'upstream')].filter((name) => typeof name === 'string'),
  ];
  const said = severityOf(value);
  return {
    kind: 'advisory',
    modified,
    advisory: {
      id,
      names: [...new Set(names as string[])].filter((name) => name.length <= 128).slice(0, 64),
      summary: (textAt(value, 'summary') || textAt(value, 'details')).slice(0, 400),
      severity: said?.severity ?? null,
      published: textAt(value, 'published').slice(0, 40) || null,
      ...(said?.vector ? { vector: said.vector } : {}),
      affected,
    },
  };
}

function readAffected(one: Json, faults: Faults): Affected | null {
  const named = isObject(one.package) ? one.package : null;
  if (named === null) return null; // Git commits only: nothing that an inventory of packages could meet.
  const ecosystem = textAt(named, 'ecosystem').slice(0, 128);
  const scheme = schemeOf(ecosystem);
  const name = textAt(named, 'name');
  if (scheme === null || name === '' || name.length > 256) {
    faults.add(scheme === null ? 'An ecosystem whose versions we cannot order' : 'An affected package without a name');
    return null;
  }
  const severity =
    severityOf(one)?.severity ??
    severityOfWord(textAt(isObject(one.ecosystem_specific) ? one.ecosystem_specific : {}, 'urgency'));
  return {
    key: packageKey(ecosystemKey(ecosystem), packageName(scheme, name)),
    range: shortRange(rangeOf(one, scheme, faults)),
    ...(severity === null ? {} : { severity }),
  };
}

function rangeOf(one: Json, scheme: VersionScheme, faults: Faults): VersionRange | null {
  const intervals: Interval[] = [];
  let judged = false;
  for (const range of listAt(one, 'ranges')) {
    if (!isObject(range) || textAt(range, 'type') === 'GIT') continue;
    const read = osvIntervals(scheme, listAt(range, 'events'));
    if (read === null) faults.add('A range that cannot be read');
    else {
      judged = true;
      intervals.push(...read);
    }
  }
  const exact = listAt(one, 'versions').filter(
    (version) => typeof version === 'string' && version.length <= VERSION_CHARS_MAX,
  );
  if (!judged && exact.length === 0) return null;
  // Listed versions count beside the ranges; those inside a range anyway are not worth their memory.
  const range = { scheme, intervals: boundedAbove(intervals, one, scheme), exact: [], except: [] };
  const listed = (exact as string[])
    .slice(0, VERSIONS_MAX)
    .filter((version) => inRange(range, version).affected === false);
  return { ...range, exact: listed };
}

/** GitHub's advisories say "<= 4.0.1" beside a range without an end where no version repairs it. */
function boundedAbove(intervals: readonly Interval[], one: Json, scheme: VersionScheme): readonly Interval[] {
  const said = isObject(one.database_specific)
    ? textAt(one.database_specific, 'last_known_affected_version_range')
    : '';
  const [last] = said === '' ? [] : (parseNativeRange(scheme, said)?.intervals ?? []);
  if (last === undefined || last.to === null) return intervals;
  const { to, toInclusive } = last;
  return intervals.map((interval) =>
    interval.to === null ? { ...interval, to, toInclusive, fixed: false } : interval,
  );
}

/** Vectors of all versions, the worst of them; version 2 only where nothing newer is given. */
function severityOf(value: Json): { severity: Severity; vector: string } | null {
  const said = listAt(value, 'severity').filter(isObject);
  const vectors = (old: boolean) =>
    worstVector(said.filter((one) => (textAt(one, 'type') === 'CVSS_V2') === old).map((one) => textAt(one, 'score')));
  const worst = vectors(false) ?? vectors(true);
  if (worst !== null) return worst;
  const ubuntu = said.find((one) => textAt(one, 'type') === 'Ubuntu');
  const word = ubuntu
    ? textAt(ubuntu, 'score')
    : textAt(isObject(value.database_specific) ? value.database_specific : {}, 'severity');
  const severity = severityOfWord(word);
  return severity === null ? null : { severity, vector: '' };
}
