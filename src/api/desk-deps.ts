/** What the desk's routes need from the rest of the system, handed in by the composition root. */

import { type TSchema, Type } from 'typebox';
import type { ArchiveReader, Clock, Config, Incident, Store, Stream } from '../core/index.ts';
import { AsepsisError, LIMITS } from '../core/index.ts';
import type { IncidentChange } from '../team/index.ts';
import { oneOf as wordOf } from './api-routes.ts';
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
}

export const optionalText = (maxLength: number = LIMITS.nameCharsMax) => Type.Optional(Type.String({ maxLength }));
export const optionalOf = <const T extends string>(values: readonly T[]) => Type.Optional(wordOf(values));
export const pageOf = <S extends TSchema>(item: S) =>
  Type.Object({ items: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) });

/** `type:value` of a filter; the value may hold colons. */
export function entityOf(text: string | undefined): { type: string; value: string } | undefined {
  if (text === undefined) return undefined;
  const colon = text.indexOf(':');
  if (colon < 1) throw new AsepsisError('BAD_REQUEST', 'entity must be type:value, such as address:192.0.2.7.');
  return { type: text.slice(0, colon), value: text.slice(colon + 1) };
}

export function pageRequest(query: { limit: number; after?: string }): { limit: number; after?: string } {
  return query.after === undefined ? { limit: query.limit } : { limit: query.limit, after: query.after };
}

/** Keeps only what is set: an absent filter is absent, not `undefined`. */
export function given<T extends object>(filter: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

export function found<T>(value: T | null, what: string): T {
  if (value === null) throw new AsepsisError('NOT_FOUND', `There is no such ${what}.`);
  return value;
}
