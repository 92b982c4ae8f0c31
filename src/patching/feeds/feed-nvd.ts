/** NVD 2.0: CPE configurations. Names of programs are guessed from them, so what they find is low confidence. */

import type { Advisory, Affected } from '../patching-advisory.ts';
import { worstVector } from '../patching-cvss.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { packageKey, VERSION_CHARS_MAX } from '../patching-package.ts';
import { EVERY_VERSION, type Interval } from '../patching-range.ts';

const MATCHES_MAX = 5_000;
/** Where names of a CPE may be met: programs and devices that nothing better describes. */
const PLACES = ['windows-program', 'macos-app', 'product'] as const;

export type NvdAnswer =
  | { readonly kind: 'advisory'; readonly advisory: Advisory; readonly modified: string }
  | { readonly kind: 'withdrawn'; readonly id: string; readonly modified: string };

/** One element of `vulnerabilities`. */
export function readNvd(value: unknown, faults: Faults): NvdAnswer | null {
  const cve = isObject(value) && isObject(value.cve) ? value.cve : null;
  const id = cve ? textAt(cve, 'id') : '';
  if (cve === null || !/^CVE-[0-9]{4}-[0-9]{4,19}$/.test(id)) {
    faults.add('An entry that is no NVD vulnerability');
    return null;
  }
  const modified = textAt(cve, 'lastModified').slice(0, 40);
  if (/reject/i.test(textAt(cve, 'vulnStatus'))) return { kind: 'withdrawn', id, modified };
  const ranges = new Map<string, { intervals: Interval[]; exact: string[] }>();
  for (const match of cpeMatches(cve)) takeMatch(match, ranges, faults);
  const affected: Affected[] = [];
  for (const [name, { intervals, exact }] of ranges)
    for (const place of PLACES)
      affected.push({
        key: packageKey(place, name),
        range: { scheme: 'generic', intervals, exact, except: [] },
        low: true,
        note: 'guessed from a CPE name',
      });
  const worst = cvssVector(cve);
  const english = listAt(cve, 'descriptions')
    .filter(isObject)
    .find((one) => textAt(one, 'lang') === 'en');
  return {
    kind: 'advisory',
    modified,
    advisory: {
      id,
      names: [id],
      summary: english ? textAt(english, 'value').slice(0, 400) : '',
      severity: worst?.severity ?? null,
      published: textAt(cve, 'published').slice(0, 40) || null,
      ...(worst === null ? {} : { vector: worst.vector }),
      affected,
    },
  };
}

function* cpeMatches(cve: Json): Generator<Json> {
  let count = 0;
  for (const configuration of listAt(cve, 'configurations')) {
    if (!isObject(configuration)) continue;
    for (const node of listAt(configuration, 'nodes')) {
      if (!isObject(node)) continue;
      for (const match of listAt(node, 'cpeMatch'))
        if (isObject(match) && match.vulnerable === true && ++count <= MATCHES_MAX) yield match;
    }
  }
}

function takeMatch(match: Json, ranges: Map<string, { intervals: Interval[]; exact: string[] }>, faults: Faults): void {
  const parts = cpeParts(textAt(match, 'criteria'));
  if (parts === null) {
    faults.add('A CPE name that cannot be read');
    return;
  }
  const { vendor, product, version } = parts;
  const from = textAt(match, 'versionStartIncluding') || textAt(match, 'versionStartExcluding');
  const to = textAt(match, 'versionEndExcluding') || textAt(match, 'versionEndIncluding');
  const ranged = from !== '' || to !== '';
  if ([from, to, version].some((text) => text.length > VERSION_CHARS_MAX)) {
    faults.add('A version that is too long');
    return;
  }
  const names = new Set([product, `${vendor} ${product}`].map((text) => text.replaceAll('_', ' ')));
  for (const name of names) {
    const entry = ranges.get(name) ?? { intervals: [], exact: [] };
    ranges.set(name, entry);
    if (ranged)
      entry.intervals.push({
        from: from || null,
        fromInclusive: textAt(match, 'versionStartExcluding') === '',
        to: to || null,
        toInclusive: textAt(match, 'versionEndExcluding') === '' && to !== '',
        fixed: textAt(match, 'versionEndExcluding') !== '',
      });
    else if (version === '*' || version === '-' || version === '') entry.intervals.push(EVERY_VERSION);
    else entry.exact.push(version);
  }
}

/** "cpe:2.3:a:vendor:product:version:…" with `\:` inside a part (NISTIR 7695, section 6.2). */
function cpeParts(text: string): { vendor: string; product: string; version: string } | null {
  if (!text.startsWith('cpe:2.3:') || text.length > 1000) return null;
  const parts = text
    .replace(/\\:/g, '\u0000')
    .split(':')
    .map((part) => part.replaceAll('\u0000', ':').replace(/\\(.)/g, '$1'));
  const [, , , vendor, product, version] = parts;
  return vendor && product && version !== undefined ? { vendor, product, version } : null;
}

/** Version 2 counts only where no newer one is given: the scales are not the same. */
function cvssVector(cve: Json): ReturnType<typeof worstVector> {
  const metrics = isObject(cve.metrics) ? cve.metrics : {};
  const of = (key: string) =>
    listAt(metrics, key)
      .filter(isObject)
      .flatMap((one) => (isObject(one.cvssData) ? [textAt(one.cvssData, 'vectorString')] : []));
  return (
    worstVector(['cvssMetricV40', 'cvssMetricV31', 'cvssMetricV30'].flatMap(of)) ?? worstVector(of('cvssMetricV2'))
  );
}
