/** How far patching is true: assets whose inventory is fresh, judged by feeds, and that keep their deadlines. */

import {
  type AssetId,
  allRecords,
  type Clock,
  type Coverage,
  coverageOf,
  openFindings,
  rfc3339,
  type Store,
} from '../core/index.ts';
import { readAssetSummaries } from './patching-records.ts';

const FRESH_MS = 8 * 86_400_000;

export async function patchingCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  const summaries = await readAssetSummaries(store);
  const late = new Set<AssetId>();
  const waiting = new Set<AssetId>();
  for await (const finding of allRecords((page) => store.findings.list({ room: 'patching', state: 'open' }, page))) {
    if (!finding.asset.id) continue;
    const serious = finding.severity === 'critical' || finding.severity === 'high';
    if (finding.due !== null && Date.parse(finding.due) < now) late.add(finding.asset.id);
    else if (serious && finding.due === null && finding.kind !== 'no-update-yet') waiting.add(finding.asset.id);
  }
  let [covered, overdue, unknown, fresh] = [0, 0, 0, 0];
  for await (const asset of allRecords((page) => store.assets.list({}, page))) {
    const summary = summaries.get(asset.id);
    const checked = asset.seen_by.includes('check') && now - Date.parse(asset.last_seen) < FRESH_MS;
    const listed = summary !== undefined && now - summary.newest_ms < FRESH_MS && summary.judged > 0;
    if (!checked && !listed) unknown++;
    else {
      fresh++;
      if (late.has(asset.id) || waiting.has(asset.id)) overdue++;
      else covered++;
    }
  }
  const measured = fresh > 0;
  const open = await openFindings(store, 'patching');
  const all = fresh + unknown;
  return coverageOf('patching', {
    unit: 'assets',
    covered,
    notCovered: overdue,
    unknown,
    measuredAt: measured ? rfc3339(now) : null,
    sentence: `${fresh} of ${all} assets have an inventory of the last 8 days that could be judged; ${covered} of them keep their deadlines, ${overdue} are late.`,
    next:
      open.next ??
      (measured
        ? { title: 'Bring the inventory of the other assets.', command: 'asepsis patch import FILE…' }
        : undefined),
    evidence: [open.evidence],
  });
}
