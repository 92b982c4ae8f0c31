/** Responses among the rooms' documents: numbered, and each change with a place in the order of all changes. */

import { type Clock, LIMITS, type RecordFilter, type Store } from '../../core/index.ts';
import type { Pending, StoredResponse } from './response-decide.ts';
import type { ResponseRecord } from './response-schema.ts';

export const RESPONSES = 'detection-responses';
const NUMBER_KEY = 'responses.number';
/** What waits for the worker is found by this tag, everything else by its state. */
const PENDING_TAG = 'pending';

interface Doc {
  readonly response: ResponseRecord;
  readonly pending: Pending;
}

const rowOf = ({ response, pending, changed }: StoredResponse) => ({
  id: response.id,
  order: changed,
  tag: pending === null ? response.state : PENDING_TAG,
  search: `state:${response.state} ${response.kind} ${response.target} ${response.reason} ${response.proposed_by} ${response.incident ?? ''}`,
  doc: { response, pending } satisfies Doc,
});

const storedOf = (record: { order: number; doc: unknown }): StoredResponse => ({
  ...(record.doc as Doc),
  changed: record.order,
});

/** Later than every change so far, and not before now. */
async function nextChange(store: Store, clock: Clock): Promise<number> {
  const newest = await store.records.list(RESPONSES, {}, { limit: 1 });
  return Math.max(clock.now(), (newest.items[0]?.order ?? 0) + 1);
}

/** Another text whenever a response changed. */
export async function newestChange(store: Store): Promise<string> {
  const [newest] = (await store.records.list(RESPONSES, {}, { limit: 1 })).items;
  return newest === undefined ? '' : `${newest.order} ${newest.id} ${newest.version}`;
}

export async function nextNumber(store: Store): Promise<number> {
  const last = Number((await store.values.get(NUMBER_KEY)) ?? 0);
  await store.values.set(NUMBER_KEY, String(last + 1));
  return last + 1;
}

export async function insertResponse(
  store: Store,
  clock: Clock,
  made: { response: ResponseRecord; pending: Pending },
): Promise<StoredResponse> {
  const stored = { ...made, changed: await nextChange(store, clock) };
  await store.records.insert(RESPONSES, rowOf(stored));
  return stored;
}

export async function readResponse(store: Store, id: string): Promise<(StoredResponse & { version: number }) | null> {
  const record = await store.records.get(RESPONSES, id);
  return record === null ? null : { ...storedOf(record), version: record.version };
}

/** Null when somebody was faster. */
export async function replaceResponse(
  store: Store,
  clock: Clock,
  version: number,
  next: { response: ResponseRecord; pending: Pending },
): Promise<StoredResponse | null> {
  const stored = { ...next, changed: await nextChange(store, clock) };
  return (await store.records.replace(RESPONSES, rowOf(stored), version)) ? stored : null;
}

/** All that match, newest change first, at most `max`. */
async function all(store: Store, filter: RecordFilter, max: number): Promise<(StoredResponse & { version: number })[]> {
  const found: (StoredResponse & { version: number })[] = [];
  let after: string | undefined;
  do {
    const page = await store.records.list(
      RESPONSES,
      filter,
      after === undefined ? { limit: LIMITS.pageRowsMax } : { limit: LIMITS.pageRowsMax, after },
    );
    found.push(...page.items.map((record) => ({ ...storedOf(record), version: record.version })));
    after = page.next ?? undefined;
  } while (after !== undefined && found.length < max);
  return found.slice(0, max);
}

/** More than this in force at once is a blocklist, and belongs into a firewall's own feed. */
export const ACTIVE_MAX = 20_000;

export async function responsesInForce(store: Store): Promise<(StoredResponse & { version: number })[]> {
  const waiting = await all(store, { tag: PENDING_TAG }, ACTIVE_MAX);
  const active = await all(store, { tag: 'active' }, ACTIVE_MAX);
  return [...waiting.filter(({ response }) => response.state === 'active'), ...active].slice(0, ACTIVE_MAX);
}

export const responsesPending = (store: Store) => all(store, { tag: PENDING_TAG }, ACTIVE_MAX);
export const responsesSince = (store: Store, changedMs: number) => all(store, { from: changedMs }, ACTIVE_MAX);

export async function listResponses(
  store: Store,
  filter: { state?: string; text?: string },
  page: { limit: number; after?: string },
): Promise<{ items: ResponseRecord[]; next: string | null }> {
  const text = filter.state === undefined ? filter.text : `state:${filter.state}`;
  const found = await store.records.list(RESPONSES, text === undefined ? {} : { text }, page);
  return { items: found.items.map((record) => storedOf(record).response), next: found.next };
}
