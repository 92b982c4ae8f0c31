/** What the desk's routes need from the rest of the system, handed in by the composition root. */

import type { ArchiveReader, Clock, Config, Incident, Store, Stream } from '../core/index.ts';
import { AsepsisError } from '../core/index.ts';
import type { IncidentChange } from '../team/index.ts';
import type { LiveBus } from './desk-live.ts';

export interface PipelineStatus {
  readonly events: number;
  readonly seq: number;
  readonly durableSeq: number;
  readonly perSec: number;
  readonly lagMs: number;
  readonly rules: readonly {
    id: string;
    title: string;
    level: string;
    tags: readonly string[];
    description: string;
    file: string;
  }[];
  readonly refused: readonly { file: string; line: number; reason: string }[];
  readonly note: string | null;
}

export interface DeskDeps {
  readonly config: Config;
  readonly store: Store;
  readonly stream: Stream;
  readonly archive: ArchiveReader;
  readonly clock: Clock;
  readonly live: LiveBus;
  readonly pipeline: () => PipelineStatus;
  readonly listeners: () => readonly { name: string; address: string }[];
  readonly exercise: boolean;
  /** What is wrong with the machinery right now; null when nothing is. */
  readonly alarm: () => string | null;
  /** Measures the nine recommendations anew. */
  readonly measure: () => Promise<void>;
  /** Changes an incident; null when there is none, `'stale'` when somebody was faster. */
  readonly changeIncident: (
    id: Incident['id'],
    change: IncidentChange,
    by: { id: string; name: string },
  ) => Promise<Incident | null | 'stale'>;
  /** Makes another incident part of this one. */
  readonly mergeIncidents: (
    id: Incident['id'],
    version: number,
    other: { readonly id: Incident['id']; readonly version: number },
  ) => Promise<{ readonly into: Incident; readonly other: Incident } | null | 'stale'>;
  /** Undoes the merge that made this incident part of another one. */
  readonly splitIncident: (
    id: Incident['id'],
    version: number,
  ) => Promise<{ readonly into: Incident; readonly other: Incident } | null | 'stale'>;
}

/** `type:value` of a filter; the value may hold colons. */
export function entityOf(text: string | undefined): { type: string; value: string } | undefined {
  if (text === undefined) return undefined;
  const colon = text.indexOf(':');
  if (colon < 1) throw new AsepsisError('BAD_REQUEST', 'entity must be type:value, such as address:192.0.2.7.');
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
}
