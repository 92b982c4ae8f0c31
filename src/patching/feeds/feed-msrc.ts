/**
 * Microsoft's monthly CVRF as JSON (api.msrc.microsoft.com/cvrf/v3.0): products, vulnerabilities, and the updates that
 * repair them with their build and what they supersede.
 */

import type { Severity } from '../../core/index.ts';
import type { Advisory, Affected } from '../patching-advisory.ts';
import { severityOfWord, worstVector } from '../patching-cvss.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { packageKey } from '../patching-package.ts';
import { EVERY_VERSION } from '../patching-range.ts';
import { windowsProduct } from '../patching-windows.ts';

export interface MsrcDocument {
  readonly id: string;
  readonly changed: string;
  readonly revision: string;
  readonly advisories: readonly Advisory[];
  /** KB → the KBs that it supersedes. */
  readonly supersedes: ReadonlyMap<string, readonly string[]>;
}

const valueAt = (value: Json, key: string): string => {
  const inner = value[key];
  return isObject(inner) ? textAt(inner, 'Value') : textAt(value, key);
};
const KB = /^(?:KB)?([0-9]{5,9})$/i;
const VULNERABILITIES_MAX = 5_000;

export const looksLikeMsrc = (value: unknown): value is Json =>
  isObject(value) && isObject(value.ProductTree) && Array.isArray(value.Vulnerability);

export function readMsrc(value: Json, faults: Faults): MsrcDocument {
  const tracking = isObject(value.DocumentTracking) ? value.DocumentTracking : {};
  const products = new Map<string, string>();
  const tree = isObject(value.ProductTree) ? value.ProductTree : {};
  for (const one of listAt(tree, 'FullProductName'))
    if (isObject(one)) products.set(textAt(one, 'ProductID'), textAt(one, 'Value').slice(0, 300));
  const supersedes = new Map<string, string[]>();
  const advisories: Advisory[] = [];
  for (const one of listAt(value, 'Vulnerability').slice(0, VULNERABILITIES_MAX)) {
    if (!isObject(one)) faults.add('A vulnerability that cannot be read');
    else advisories.push(...vulnerability(one, products, supersedes, faults));
  }
  return {
    id: (isObject(tracking.Identification) ? valueAt(tracking.Identification, 'ID') : '') || 'MSRC',
    changed: textAt(tracking, 'CurrentReleaseDate').slice(0, 40),
    revision: textAt(tracking, 'Version').slice(0, 32) || 'unknown',
    advisories,
    supersedes,
  };
}

function vulnerability(
  one: Json,
  products: ReadonlyMap<string, string>,
  supersedes: Map<string, string[]>,
  faults: Faults,
): Advisory[] {
  const cve = textAt(one, 'CVE');
  if (!/^(?:CVE|ADV)-?[0-9-]{4,24}$/.test(cve)) {
    faults.add('A vulnerability without CVE');
    return [];
  }
  const affected: Affected[] = [];
  for (const fix of listAt(one, 'Remediations')) {
    if (!isObject(fix)) continue;
    const kb = KB.exec(valueAt(fix, 'Description').trim())?.[1];
    const build = textAt(fix, 'FixedBuild').trim();
    for (const older of textAt(fix, 'Supercedence').split(/[\s,;]+/)) {
      const plain = KB.exec(older)?.[1];
      if (kb && plain) supersedes.set(kb, [...new Set([...(supersedes.get(kb) ?? []), plain])]);
    }
    if (kb === undefined && build === '') continue;
    for (const id of listAt(fix, 'ProductID')) {
      const name = typeof id === 'string' ? products.get(id) : undefined;
      if (name !== undefined) affected.push(...affectedProduct(name, kb, build, fix));
    }
  }
  const severity = worstThreat(one);
  const scores = listAt(one, 'CVSSScoreSets').filter(isObject);
  const worst = worstVector(scores.map((score) => textAt(score, 'Vector')));
  return [
    {
      id: cve,
      names: [cve],
      summary: valueAt(one, 'Title').slice(0, 400),
      severity: severity ?? worst?.severity ?? null,
      published: firstDay(one),
      ...(worst === null ? {} : { vector: worst.vector }),
      affected,
    },
  ];
}

function affectedProduct(name: string, kb: string | undefined, build: string, fix: Json): Affected[] {
  const windows = windowsProduct(name);
  const range = /^[0-9]+(?:\.[0-9]+){1,5}$/.test(build)
    ? {
        scheme: 'generic' as const,
        intervals: [{ ...EVERY_VERSION, to: build, fixed: true }],
        exact: [],
        except: [],
      }
    : null;
  const restart = /^yes/i.test(
    isObject(fix.RestartRequired) ? textAt(fix.RestartRequired, 'Value') : textAt(fix, 'RestartRequired'),
  );
  if (windows !== null)
    return [
      {
        key: packageKey('windows', windows),
        range,
        fixedBy: kb === undefined ? [] : [kb],
        ...(restart ? { restart } : {}),
      },
    ];
  // Programs are met by their name as Windows lists it; without a build nothing can be compared.
  return range === null ? [] : [{ key: packageKey('windows-program', programName(name)), range, low: true }];
}

/** "Microsoft SQL Server 2019 for x64-based Systems (GDR)" → "microsoft sql server 2019". */
export const programName = (name: string) =>
  name
    .slice(0, 250)
    .toLowerCase()
    .replace(/\((?:gdr|cu[^)]{0,20}|32-bit|64-bit|x64|x86)[^)]{0,40}\)/g, '')
    .replace(/ for (?:x64|32-bit|arm64|64-bit)[^,]{0,40}$/, '')
    .replace(/ +/g, ' ')
    .trim();

function worstThreat(one: Json): Severity | null {
  let worst: Severity | null = null;
  const order = ['critical', 'high', 'medium', 'low', 'information'];
  for (const threat of listAt(one, 'Threats')) {
    // Type 3 is severity in Microsoft's CVRF: Critical, Important, Moderate, Low.
    const word = isObject(threat) && Number(threat.Type) === 3 ? valueAt(threat, 'Description').toLowerCase() : '';
    const severity = severityOfWord(word === 'important' ? 'high' : word === 'moderate' ? 'medium' : word);
    if (severity && (worst === null || order.indexOf(severity) < order.indexOf(worst))) worst = severity;
  }
  return worst;
}

function firstDay(one: Json): string | null {
  const days = listAt(one, 'RevisionHistory')
    .filter(isObject)
    .map((row) => textAt(row, 'Date'))
    .filter((day) => !Number.isNaN(Date.parse(day)));
  return days.sort()[0]?.slice(0, 40) ?? null;
}

const CHAIN_MAX = 500;

/** Every statement's `fixedBy` with all updates that came after, over all months together. */
export function withSupersedence(
  advisories: readonly Advisory[],
  supersedes: ReadonlyMap<string, readonly string[]>,
): Advisory[] {
  const newer = new Map<string, string[]>();
  for (const [kb, olds] of supersedes) for (const old of olds) newer.set(old, [...(newer.get(old) ?? []), kb]);
  const chains = new Map<string, readonly string[]>();
  const chainOf = (kb: string): readonly string[] => {
    const known = chains.get(kb);
    if (known) return known;
    const seen = new Set([kb]);
    for (const one of seen) for (const next of newer.get(one) ?? []) if (seen.size < CHAIN_MAX) seen.add(next);
    chains.set(kb, [...seen]);
    return [...seen];
  };
  return advisories.map((advisory) => ({
    ...advisory,
    affected: advisory.affected.map((one) =>
      one.fixedBy?.[0] === undefined ? one : { ...one, fixedBy: chainOf(one.fixedBy[0]) },
    ),
  }));
}
