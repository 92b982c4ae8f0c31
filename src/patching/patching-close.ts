/** What becomes of findings that a new judgement does not see again: fixed with its proof, or left open because nobody looked. */

import type { Evidence, Finding, Rfc3339 } from '../core/index.ts';
import { packageOf, type SoftwareRecord } from './patching-package.ts';

export interface Looked {
  /** Keys of packages that were judged. */
  readonly judgedKeys: ReadonlySet<string>;
  readonly software: readonly SoftwareRecord[];
  readonly hotfixes: readonly string[];
  readonly source: string;
  /** When the newest inventory looked. */
  readonly seen: Rfc3339;
  /** Whether feeds speak of an ecosystem at all; without them nothing is closed. */
  readonly covers: (ecosystem: string) => boolean;
  readonly hasEnds: boolean;
  readonly hasDevices: boolean;
  readonly reportsOldCode: boolean;
}

/** Kinds that the judging of one asset decides. */
export const JUDGED_KINDS = [
  'missing-update',
  'no-update-yet',
  'possible-match',
  'end-of-life',
  'device-advisory',
  'device-advisory-question',
] as const;

/** The proof for each finding that is gone; those that nobody looked at are not in it. */
export function gone(findings: readonly Finding[], seen: ReadonlySet<string>, looked: Looked): Map<string, Evidence> {
  const versions = installedVersions(looked);
  const found = new Map<string, Evidence>();
  for (const finding of findings) {
    if (finding.state === 'fixed' || seen.has(finding.id)) continue;
    const what = proofOf(finding, versions, looked);
    if (what !== null)
      found.set(finding.id, { what, seen: looked.seen, data: { signal: 'inventory', source: looked.source } });
  }
  return found;
}

function installedVersions({ software, hotfixes }: Looked): Map<string, string[]> {
  const versions = new Map<string, string[]>();
  for (const one of software) {
    const item = packageOf(one, hotfixes);
    if (typeof item !== 'object') continue;
    const key = `${item.ecosystem}/${item.name}`;
    versions.set(key, [...(versions.get(key) ?? []), item.version]);
  }
  return versions;
}

function proofOf(finding: Finding, versions: ReadonlyMap<string, readonly string[]>, looked: Looked): string | null {
  const { kind, key } = finding;
  const day = looked.seen.slice(0, 16).replace('T', ' ');
  if (kind === 'end-of-life')
    return looked.hasEnds ? `The inventory of ${looked.source} (${day}) does not have it any more` : null;
  if (kind.startsWith('device-advisory'))
    return looked.hasDevices ? `The advisory does not speak of this device any more (${day})` : null;
  if (kind === 'restart-needed')
    return looked.reportsOldCode ? `${looked.source} does not see old code running any more (${day})` : null;
  const ecosystem = key.slice(0, key.indexOf('/'));
  if (!looked.covers(ecosystem)) return null;
  const installed = versions.get(key);
  if (installed === undefined) return `${key} is no longer in the inventory of ${looked.source} (${day})`;
  if (!looked.judgedKeys.has(key)) return null;
  const before = finding.evidence[0]?.data?.installed;
  if (typeof before === 'string' && installed.includes(before))
    return `No feed says any more that ${key} ${before} is affected: the advisory was corrected or withdrawn (${day})`;
  return `${key} is ${installed.join(', ')} in the inventory of ${looked.source} (${day})`;
}
