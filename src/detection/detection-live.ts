/**
 * The engine while it serves: reads again what people changed (rules, what is switched off, suppressions, indicators) without
 * losing what it counts. Changes come as files of the room, so they survive a restart, and the engine is told to look.
 */

import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Alert, DecodedEvent } from '../core/index.ts';
import { SuppressionSchema } from './detection-control.ts';
import { createEngine, type Engine, type EngineOptions, type EngineStats } from './detection-engine.ts';
import type { LoadedRules } from './detection-load.ts';
import { indicatorFile, indicatorStamp, readIndicators } from './indicators/indicator-file.ts';
import { createIndicatorWatcher, type IndicatorCounts, type IndicatorWatcher } from './indicators/indicator-watch.ts';

export const ControlFileSchema = Type.Object({
  disabled: Type.Array(Type.String({ maxLength: 256 }), { maxItems: 20_000 }),
  suppressions: Type.Array(SuppressionSchema, { maxItems: 5000 }),
  /** Counts up when the rules are to be read again. */
  rules: Type.Integer({ minimum: 0 }),
});
export type ControlFile = Static<typeof ControlFileSchema>;
export const NO_CONTROL: ControlFile = { disabled: [], suppressions: [], rules: 0 };

const controlFile = (dataDir: string): string => join(dataDir, 'detection', 'control.json');

/** What is switched off; nothing when there is no such file. A damaged one is said and changes nothing. */
export async function readControl(dataDir: string): Promise<ControlFile> {
  const text = await readFile(controlFile(dataDir), 'utf8').catch(() => null);
  if (text === null) return NO_CONTROL;
  const value: unknown = JSON.parse(text);
  if (!Value.Check(ControlFileSchema, value)) throw new Error('what is switched off cannot be read');
  return value;
}

export async function writeControl(dataDir: string, control: ControlFile): Promise<void> {
  const file = controlFile(dataDir);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(control));
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}

export interface LiveStats extends EngineStats {
  readonly indicators: (IndicatorCounts & { readonly loaded: number }) | null;
  /** Why the last look at the files failed; null when it did not. */
  readonly lookFault: string | null;
}

export interface LiveEngine {
  readonly engine: Pick<Engine, 'feed' | 'tick' | 'beginSnapshot' | 'restore'>;
  readonly loaded: LoadedRules;
  /** Looks at the files; answers the rules when they were read again. */
  look(): Promise<LoadedRules | null>;
  stats(): LiveStats;
}

const stampOf = async (file: string): Promise<string | null> => {
  const found = await stat(file).catch(() => null);
  return found === null ? null : `${found.ino}-${found.mtimeMs}-${found.size}`;
};

export async function openLiveEngine(
  o: EngineOptions & { readonly dataDir: string; readonly load: () => Promise<LoadedRules> },
): Promise<LiveEngine> {
  const { dataDir } = o;
  let loaded = await o.load();
  let engine = createEngine(loaded.rules, o);
  let control = NO_CONTROL;
  let controlStamp: string | null = null;
  let listStamp: string | null = null;
  let watcher: IndicatorWatcher | null = null;
  let listed = 0;
  let fault: string | null = null;

  const lookAtControl = async (): Promise<LoadedRules | null> => {
    const stamp = await stampOf(controlFile(dataDir));
    if (stamp === controlStamp) return null;
    const next = await readControl(dataDir);
    const again = controlStamp !== null && next.rules !== control.rules;
    controlStamp = stamp;
    control = next;
    if (again) {
      const fresh = await o.load();
      const made = createEngine(fresh.rules, o);
      // No event is fed between the snapshot and the change: both happen in one turn.
      made.restore(engine.snapshot());
      made.watch(watcher);
      engine = made;
      loaded = fresh;
    }
    engine.control(control);
    return again ? loaded : null;
  };
  const lookAtIndicators = async (): Promise<void> => {
    const file = indicatorFile(dataDir);
    const stamp = await indicatorStamp(file);
    if (stamp === listStamp) return;
    const stored = await readIndicators(file);
    listStamp = stamp;
    listed = stored.set.size + stored.patterns.length;
    watcher = createIndicatorWatcher(stored, o.streamId);
    engine.watch(watcher);
  };
  const look = async (): Promise<LoadedRules | null> => {
    let again: LoadedRules | null = null;
    fault = null;
    for (const work of [
      async () => {
        again = await lookAtControl();
      },
      lookAtIndicators,
    ]) {
      try {
        await work();
      } catch (error) {
        // What was in force stays in force: a damaged file must switch nothing on or off.
        fault = error instanceof Error ? error.message : String(error);
      }
    }
    return again;
  };
  await look();

  return {
    engine: {
      feed: (event: DecodedEvent): readonly Alert[] => engine.feed(event),
      tick: (nowMs) => engine.tick(nowMs),
      // One that is under way when rules are read again keeps what the engine before them had counted.
      beginSnapshot: () => engine.beginSnapshot(),
      restore: (bytes) => engine.restore(bytes),
    },
    get loaded() {
      return loaded;
    },
    look,
    stats: () => ({
      ...engine.stats(),
      indicators: watcher === null ? null : { ...watcher.counts(), loaded: listed },
      lookFault: fault,
    }),
  };
}
