/** Hunts that the desk started: one at a time in the background, their progress kept, going on after a restart. */

import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import {
  type Alert,
  AsepsisError,
  LIMITS,
  nullable,
  oneOf,
  type Page,
  type RoomServices,
  rfc3339,
  TimeSchema,
} from '../core/index.ts';
import { huntIndicators } from './detection-hunt-indicators.ts';
import { type HuntProgress, huntRules } from './detection-hunt-run.ts';
import { assembleRules } from './detection-load.ts';
import { parseRules } from './detection-parse.ts';
import type { Rule } from './detection-rule.ts';
import { importIndicators } from './indicators/indicator-import.ts';
import { buildIndicators, openIndicators } from './indicators/indicator-set.ts';

export const HUNT_STATES = ['waiting', 'running', 'done', 'stopped', 'failed'] as const;
export const HuntSchema = Type.Object({
  id: Type.String({ pattern: '^hunt_[0-9a-z]{8,40}$' }),
  kind: oneOf(['rule', 'indicators']),
  name: Type.String({ maxLength: LIMITS.nameCharsMax }),
  from: TimeSchema,
  to: TimeSchema,
  deep: Type.Boolean(),
  state: oneOf(HUNT_STATES),
  started: TimeSchema,
  finished: nullable(TimeSchema),
  by: Type.String({ maxLength: LIMITS.nameCharsMax }),
  parts: Type.Integer(),
  parts_done: Type.Integer(),
  parts_skipped: Type.Integer(),
  events: Type.Integer({ description: 'Events in the parts that are done' }),
  values_tested: Type.Integer(),
  events_read: Type.Integer(),
  alerts: Type.Integer(),
  sentence: Type.String({ maxLength: LIMITS.textCharsMax }),
});
export type Hunt = Static<typeof HuntSchema>;

const COLLECTION = 'detection-hunts';
/** Progress is written this often: more would cost more than what is lost by a crash. */
const SAVE_EVERY_MS = 1000;
export const HUNT_TEXT_CHARS_MAX = 4 * 1024 * 1024;

/** @param known rules in force: what a correlation in the text counts may stand among them */
export function rulesFromText(text: string, known: readonly Rule[] = []): Rule[] {
  const parsed = parseRules(text, 'rule.yml');
  const { rules, refused } = assembleRules([...membersOf(parsed.rules, known), ...parsed.rules], parsed.filters);
  const [first] = [...parsed.refused, ...refused];
  if (first) throw new AsepsisError('RULE_INVALID', `Line ${first.line}, column ${first.column}: ${first.reason}.`);
  if (rules.length === 0) throw new AsepsisError('RULE_INVALID', 'There is no rule in it.');
  return rules;
}

/** Rules in force that correlations name and do not bring along, with what those name in turn. */
function membersOf(rules: readonly Rule[], known: readonly Rule[]): Rule[] {
  const own = new Set(rules.flatMap(({ id, name }) => [id, name]));
  const out = new Set<Rule>();
  const visit = (one: Rule): void => {
    if (one.kind !== 'correlation') return;
    for (const name of one.rules) {
      const member = own.has(name) ? undefined : known.find((other) => other.id === name || other.name === name);
      if (member === undefined || out.has(member)) continue;
      out.add(member);
      visit(member);
    }
  };
  rules.forEach(visit);
  return [...out];
}

function listFromText(text: string) {
  const { records, patterns } = importIndicators(text, { source: 'hunt', confidence: 60, untilMs: null });
  if (records.length + patterns.length === 0)
    throw new AsepsisError('BAD_REQUEST', 'The list holds neither an indicator nor a pattern.');
  return { set: openIndicators(buildIndicators(records)), patterns };
}

export interface Hunts {
  start(o: {
    kind: Hunt['kind'];
    name: string;
    text: string;
    fromMs: number;
    toMs: number;
    deep: boolean;
    by: string;
    id: string;
  }): Promise<Hunt>;
  stop(id: string): Promise<Hunt | null>;
  get(id: string): Promise<Hunt | null>;
  list(page: { limit: number; after?: string }): Promise<Page<Hunt>>;
  /** Goes on with what a restart interrupted. */
  resume(): Promise<void>;
  close(): Promise<void>;
}

interface Resume {
  readonly done: readonly string[];
  readonly state: string | null;
}

export function createHunts(services: RoomServices, streamId: string): Hunts {
  const { store, clock, archive, dataDir } = services;
  const folder = () => join(dataDir, 'detection', 'hunts');
  const now = () => rfc3339(clock.now());
  const running = new Map<string, AbortController>();
  let queue: Promise<void> = Promise.resolve();
  let closed = false;

  const save = (hunt: Hunt) =>
    store.records.put(COLLECTION, [
      { id: hunt.id, order: Date.parse(hunt.started), tag: hunt.state, search: hunt.name, doc: hunt },
    ]);
  const get = async (id: string): Promise<Hunt | null> =>
    ((await store.records.get(COLLECTION, id))?.doc as Hunt | undefined) ?? null;
  const fileOf = (id: string, kind: 'text' | 'json') => join(folder(), `${id}.${kind}`);
  const write = async (file: string, text: string) => {
    await writeFile(`${file}.partial`, text, { mode: 0o600 });
    await rename(`${file}.partial`, file);
  };

  const work = async (hunt: Hunt, signal: AbortSignal): Promise<HuntProgress> => {
    const text = await readFile(fileOf(hunt.id, 'text'), 'utf8');
    const resume = await readFile(fileOf(hunt.id, 'json'), 'utf8').then(
      (read) => JSON.parse(read) as Resume,
      () => null,
    );
    const done = new Set(resume?.done ?? []);
    let savedMs = 0;
    let current = hunt;
    const options = {
      fromMs: Date.parse(hunt.from),
      toMs: Date.parse(hunt.to),
      deep: hunt.deep,
      streamId,
      done: new Set(done),
      signal,
      onAlerts: (alerts: readonly Alert[]) => services.raise(alerts),
      onParts: async (ids: readonly string[], progress: Readonly<HuntProgress>, state: Uint8Array | null) => {
        for (const id of ids) done.add(id);
        const ms = clock.now();
        if (ms - savedMs < SAVE_EVERY_MS && progress.partsDone < progress.parts) return;
        savedMs = ms;
        const kept: Resume = { done: [...done], state: state === null ? null : Buffer.from(state).toString('base64') };
        await write(fileOf(hunt.id, 'json'), JSON.stringify(kept));
        current = counted(current, progress, hunt.alerts);
        await save(current);
      },
    };
    return hunt.kind === 'indicators'
      ? huntIndicators(archive.parts, listFromText(text), options)
      : huntRules(archive.parts, rulesFromText(text), {
          ...options,
          state: resume?.state ? Buffer.from(resume.state, 'base64') : null,
        });
  };

  const run = async (id: string): Promise<void> => {
    const hunt = await get(id);
    if (!hunt || closed || (hunt.state !== 'waiting' && hunt.state !== 'running')) return;
    const stop = new AbortController();
    running.set(id, stop);
    await save({ ...hunt, state: 'running', sentence: 'Looking through the archive.' });
    try {
      const progress = await work(hunt, stop.signal);
      const end = counted(hunt, progress, hunt.alerts);
      await save({ ...end, state: 'done', finished: now(), sentence: doneSentence(end) });
      for (const kind of ['text', 'json'] as const) await rm(fileOf(id, kind), { force: true });
    } catch (error) {
      // Closing keeps it as running: the next start goes on.
      if (!closed) {
        const latest = (await get(id)) ?? hunt;
        const stopped = stop.signal.aborted;
        const sentence = stopped ? 'Stopped.' : error instanceof Error ? error.message : String(error);
        await save({
          ...latest,
          state: stopped ? 'stopped' : 'failed',
          finished: now(),
          sentence: sentence.slice(0, LIMITS.textCharsMax),
        });
      }
    } finally {
      running.delete(id);
    }
  };
  const enqueue = (id: string): void => {
    queue = queue.then(() =>
      run(id).catch((error: unknown) => services.log.warn({ hunt: id, error: String(error) }, 'A hunt failed')),
    );
  };

  return {
    start: async (o) => {
      // A fault of the text is said now, not when its turn comes.
      if (o.kind === 'rule') rulesFromText(o.text);
      else listFromText(o.text);
      await mkdir(folder(), { recursive: true, mode: 0o700 });
      await write(fileOf(o.id, 'text'), o.text);
      const hunt: Hunt = {
        id: o.id,
        kind: o.kind,
        name: o.name,
        from: rfc3339(o.fromMs),
        to: rfc3339(o.toMs),
        deep: o.deep,
        state: 'waiting',
        started: now(),
        finished: null,
        by: o.by,
        parts: 0,
        parts_done: 0,
        parts_skipped: 0,
        events: 0,
        values_tested: 0,
        events_read: 0,
        alerts: 0,
        sentence: 'Waiting for its turn.',
      };
      await save(hunt);
      enqueue(hunt.id);
      return hunt;
    },
    stop: async (id) => {
      const hunt = await get(id);
      if (!hunt) return null;
      running.get(id)?.abort();
      if (hunt.state === 'waiting')
        await save({ ...hunt, state: 'stopped', finished: now(), sentence: 'Stopped before it began.' });
      return get(id);
    },
    get,
    list: async (page) => {
      const found = await store.records.list(COLLECTION, {}, page, true);
      return { items: found.items.map(({ doc }) => doc as Hunt), next: found.next };
    },
    resume: async () => {
      for (const tag of ['running', 'waiting']) {
        const { items } = await store.records.list(COLLECTION, { tag }, { limit: 100 });
        for (const { id } of items) enqueue(id);
      }
    },
    close: async () => {
      closed = true;
      for (const stop of running.values()) stop.abort();
      await queue;
    },
  };
}

const counted = (hunt: Hunt, progress: Readonly<HuntProgress>, before: number): Hunt => ({
  ...hunt,
  state: 'running',
  parts: progress.parts,
  parts_done: progress.partsDone,
  parts_skipped: progress.partsSkipped,
  events: progress.rows,
  values_tested: progress.valuesTested,
  events_read: progress.eventsRead,
  alerts: before + progress.alerts,
});

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const doneSentence = (hunt: Hunt): string =>
  hunt.alerts === 0
    ? `Nothing in ${many(hunt.events, 'event')}; distinct values tested: ${hunt.values_tested}.`
    : `${many(hunt.alerts, 'alert')} from ${many(hunt.events, 'event')}; distinct values tested: ${hunt.values_tested}, events read: ${hunt.events_read}.`;
