/** Which source a sender is: looked up once, bounded in number, with what was dropped counted and told to the store. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, rfc3339, type Source, type SourceCount, type SourceId, type Store } from '../core/index.ts';

/** A flood of forged sender addresses must not fill the database: beyond this many, all new ones are one source. */
const SOURCES_MAX = 4096;
const FLUSH_MS = 2000;
const RETRY_MS = 1000;

export interface Sources {
  /** The source of this kind and name; waits while the store does not answer, rejects when `signal` aborts. */
  ensure(kind: Source['kind'], name: string, more?: { address?: string; zone?: string }): Promise<SourceId>;
  /** Counts something that went wrong: `dropped` records were refused, cut or lost. */
  fault(id: SourceId, what: string, dropped?: number): void;
  /** Tells the store what was counted. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function createSources(o: {
  store: Pick<Store, 'sources'>;
  clock: Clock;
  exercise: boolean;
  /** Aborts when nobody waits for a source any more. */
  signal: AbortSignal;
  log: (o: object, msg: string) => void;
}): Sources {
  const known = new Map<string, Promise<SourceId>>();
  const counts = new Map<SourceId, Map<string, { count: number; dropped: number; lastMs: number }>>();
  let loading: Promise<number> | null = null;
  let made = 0;

  /** How many there are already from earlier runs, once. */
  const load = () => {
    loading ??= o.store.sources.list({ exercise: o.exercise }).then((list) => {
      for (const source of list) known.set(`${source.kind}\n${source.name}`, Promise.resolve(source.id));
      made += list.length;
      return made;
    });
    loading.catch(() => {
      loading = null;
    });
    return loading;
  };
  const make = async (kind: Source['kind'], name: string, more: { address?: string; zone?: string }) => {
    for (;;) {
      try {
        const source = { kind, name, ...more, exercise: o.exercise };
        return (await o.store.sources.ensure(source, rfc3339(o.clock.now()))).id;
      } catch (error) {
        if (o.signal.aborted) throw error;
        o.log({ err: error, kind, name }, 'the store does not answer; this source waits');
        await sleep(RETRY_MS, undefined, { signal: o.signal });
      }
    }
  };
  const flush = async () => {
    if (counts.size === 0) return;
    const changes: SourceCount[] = [...counts].map(([id, faults]) => ({
      id,
      events: 0,
      bytes: 0,
      notUnderstood: 0,
      dropped: [...faults.values()].reduce((sum, fault) => sum + fault.dropped, 0),
      lastSeen: null,
      formats: {},
      faults: [...faults].map(([what, fault]) => ({ what, count: fault.count, last: rfc3339(fault.lastMs) })),
    }));
    counts.clear();
    await o.store.sources.count(changes);
  };
  const timer = setInterval(() => {
    flush().catch((error) => o.log({ err: error }, 'what was dropped could not be counted'));
  }, FLUSH_MS);
  timer.unref();

  return {
    async ensure(kind, name, more = {}) {
      await load().catch(() => 0);
      const bounded = name.slice(0, 256);
      let key = `${kind}\n${bounded}`;
      let found = known.get(key);
      if (found) return found;
      const other = made >= SOURCES_MAX;
      if (other) {
        key = `${kind}\nother`;
        found = known.get(key);
        if (found) return found;
      }
      made++;
      found = other ? make(kind, 'other', { address: 'senders beyond the limit' }) : make(kind, bounded, more);
      known.set(key, found);
      found.catch(() => known.delete(key));
      return found;
    },
    fault(id, what, dropped = 0) {
      const faults = counts.get(id) ?? new Map<string, { count: number; dropped: number; lastMs: number }>();
      counts.set(id, faults);
      const fault = faults.get(what) ?? { count: 0, dropped: 0, lastMs: 0 };
      fault.count += Math.max(1, dropped);
      fault.dropped += dropped;
      fault.lastMs = o.clock.now();
      faults.set(what, fault);
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush().catch((error) => o.log({ err: error }, 'what was dropped could not be counted'));
    },
  };
}
