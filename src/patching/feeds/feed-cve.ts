/** CISA's Vulnrichment: CVE records (JSON 5) with the points of an SSVC decision; and end-of-life dates. */

import type { EndOfLife, SsvcPoints } from '../patching-advisory.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';

export const looksLikeCveRecord = (value: unknown): value is Json =>
  isObject(value) && textAt(value, 'dataType') === 'CVE_RECORD' && isObject(value.cveMetadata);

export interface CvePoints {
  readonly cve: string;
  readonly changed: string;
  readonly points: Omit<SsvcPoints, 'feed'> | null;
}

export function readCveRecord(value: Json, faults: Faults): CvePoints | null {
  const metadata = isObject(value.cveMetadata) ? value.cveMetadata : {};
  const cve = textAt(metadata, 'cveId');
  if (!/^CVE-[0-9]{4}-[0-9]{4,19}$/.test(cve)) {
    faults.add('A CVE record without its number');
    return null;
  }
  const containers = isObject(value.containers) ? value.containers : {};
  let points: CvePoints['points'] = null;
  for (const adp of listAt(containers, 'adp')) {
    if (!isObject(adp)) continue;
    for (const metric of listAt(adp, 'metrics')) {
      const other = isObject(metric) && isObject(metric.other) ? metric.other : null;
      if (other && textAt(other, 'type') === 'ssvc' && isObject(other.content))
        points = optionsOf(listAt(other.content, 'options')) ?? points;
    }
  }
  return { cve, changed: textAt(metadata, 'dateUpdated').slice(0, 40), points };
}

/** `[{"Exploitation": "none"}, {"Automatable": "no"}, {"Technical Impact": "partial"}]`. */
function optionsOf(options: readonly unknown[]): CvePoints['points'] {
  const said = new Map<string, string>();
  for (const option of options)
    if (isObject(option))
      for (const [key, value] of Object.entries(option))
        said.set(key.toLowerCase().slice(0, 40), String(value).toLowerCase().slice(0, 40));
  const exploitation = said.get('exploitation') === 'public poc' ? 'poc' : said.get('exploitation');
  const automatable = said.get('automatable');
  const impact = said.get('technical impact');
  if (exploitation !== 'none' && exploitation !== 'poc' && exploitation !== 'active') return null;
  if ((automatable !== 'yes' && automatable !== 'no') || (impact !== 'total' && impact !== 'partial')) return null;
  return { exploitation, automatable: automatable === 'yes', total: impact === 'total' };
}

/**
 * endoflife.date: the API of a product (an array of cycles, or `{result: {name, releases}}` in its first version), or all
 * products as `{product: [cycles]}`.
 */
export function readEndOfLife(value: unknown, product: string, faults: Faults): Omit<EndOfLife, 'feed'>[] {
  if (Array.isArray(value)) return value.flatMap((row) => cycle(row, product, faults));
  if (!isObject(value)) return [];
  if (isObject(value.result)) {
    const name = textAt(value.result, 'name') || product;
    return listAt(value.result, 'releases').flatMap((row) => cycle(row, name, faults));
  }
  if (Array.isArray(value.result))
    return value.result.filter(isObject).flatMap((one) => {
      const name = textAt(one, 'name') || product;
      return listAt(one, 'releases').flatMap((row) => cycle(row, name, faults));
    });
  return Object.entries(value).flatMap(([name, rows]) =>
    Array.isArray(rows) ? rows.flatMap((row) => cycle(row, name.slice(0, 100), faults)) : [],
  );
}

function cycle(row: unknown, product: string, faults: Faults): Omit<EndOfLife, 'feed'>[] {
  if (!isObject(row)) {
    faults.add('A release that cannot be read');
    return [];
  }
  const name = (textAt(row, 'cycle') || textAt(row, 'name')).slice(0, 60);
  const said = row.eol ?? row.eolFrom ?? row.isEol;
  const day = typeof said === 'string' && /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(said) ? said : null;
  if (name === '' || (day === null && typeof said !== 'boolean')) {
    faults.add('A release without name or end');
    return [];
  }
  const latest = isObject(row.latest) ? textAt(row.latest, 'name') : textAt(row, 'latest');
  return [
    { product: product.toLowerCase(), cycle: name, day, over: said === true, latest: latest.slice(0, 60) || null },
  ];
}
