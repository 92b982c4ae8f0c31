/** How a room's answer to its recommendation is put together, so that "no evidence" and "unknown" mean the same everywhere. */

import type { AssetId } from './ids.ts';
import type { Coverage, Severity } from './records.ts';
import { RECOMMENDATIONS, type RoomName } from './rooms.ts';
import { allRecords, type Store } from './store-port.ts';
import type { Rfc3339 } from './time.ts';

export interface CoverageCount {
  readonly unit: string;
  readonly covered: number;
  readonly notCovered: number;
  readonly unknown: number;
  /** Null: there is no evidence yet. */
  readonly measuredAt: Rfc3339 | null;
  /** The answer where something was measured. */
  readonly sentence: string;
  /** What is known of open findings; see `openFindings`. */
  readonly next?: Coverage['next'] | undefined;
  readonly evidence?: Coverage['evidence'];
}

/** The first step that brings evidence for a room. */
export function firstStepOf(room: RoomName): Coverage['next'] {
  const { firstStep, command } = RECOMMENDATIONS[room];
  return command === '' ? { title: firstStep } : { title: firstStep, command };
}

export function coverageOf(room: RoomName, count: CoverageCount): Coverage {
  const { unit, covered, notCovered, unknown, measuredAt } = count;
  return {
    room,
    state: measuredAt === null ? 'no-evidence' : 'measured',
    unit,
    in_scope: covered + notCovered + unknown,
    covered,
    not_covered: notCovered,
    unknown,
    measured_at: measuredAt,
    sentence: measuredAt === null ? 'No evidence yet.' : count.sentence,
    next: count.next ?? firstStepOf(room),
    evidence: count.evidence ?? [],
  };
}

/** A room's open findings as its coverage shows them: the action that closes most, and the link to all. */
export async function openFindings(
  store: Store,
  room: RoomName,
): Promise<{ next: Coverage['next'] | undefined; evidence: Coverage['evidence'][number] }> {
  const [action] = await store.findings.actions({ room }, 1);
  const count = await store.findings.count({ room, state: 'open' });
  return {
    next: action && { title: action.title },
    evidence: { label: `Open ${room} findings`, href: `/findings?room=${room}&state=open`, count },
  };
}

/** The assets that have an open finding of the room, of the given severities or of any. */
export async function assetsWithFindings(
  store: Store,
  room: RoomName,
  severities?: readonly Severity[],
): Promise<ReadonlySet<AssetId>> {
  const assets = new Set<AssetId>();
  for await (const finding of allRecords((page) => store.findings.list({ room, state: 'open' }, page)))
    if (finding.asset.id && (!severities || severities.includes(finding.severity))) assets.add(finding.asset.id);
  return assets;
}
