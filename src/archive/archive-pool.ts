/** A few DuckDB connections shared by searches: waits in line, and breaks off the query when the asker has gone. */

import type { DuckDBValue } from '@duckdb/node-api';
import { AsepsisError } from '../core/index.ts';
import { HEX6_MACRO } from './archive-address.ts';
import { type Duck, type DuckInstance, openDuck } from './archive-duckdb.ts';

export interface QueryPool {
  rows(sql: string, values: readonly (string | number)[], signal?: AbortSignal): Promise<DuckDBValue[][]>;
  close(): Promise<void>;
}

/** Each running query holds one of Node's four threads for files and native work; two leave room for the others. */
const CONNECTIONS = 2;
/** Queries waiting; more than that and people are told so at once. */
const WAITING_MAX = 64;

export function createQueryPool(): QueryPool {
  let instance: Promise<DuckInstance> | null = null;
  const idle: Duck[] = [];
  const waiting: (() => void)[] = [];
  const busy = new Set<() => void>();
  const running = new Set<Promise<unknown>>();
  let open = 0;
  let closed = false;

  const acquire = async (): Promise<Duck> => {
    while (idle.length === 0 && open >= CONNECTIONS) {
      if (waiting.length >= WAITING_MAX)
        throw new AsepsisError('BUSY', 'Too many searches at once.', { retryAfterSec: 2 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    if (closed) throw new AsepsisError('INTERNAL', 'The archive is closed.');
    const free = idle.pop();
    if (free !== undefined) return free;
    open += 1;
    instance ??= openDuck({ threads: 2, memoryMb: 128 });
    const duck = await (await instance).connect();
    await duck.connection.run(HEX6_MACRO);
    return duck;
  };

  const release = (duck: Duck): void => {
    idle.push(duck);
    waiting.shift()?.();
  };

  const ask = async (sql: string, values: readonly (string | number)[], signal?: AbortSignal) => {
    const duck = await acquire();
    let again: NodeJS.Timeout | undefined;
    // A query that has not quite begun does not notice the first interruption.
    const interrupt = () => {
      duck.connection.interrupt();
      again ??= setInterval(() => duck.connection.interrupt(), 50);
    };
    busy.add(interrupt);
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', interrupt, { once: true });
      return await duck.rows(sql, [...values]);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', interrupt);
      clearInterval(again);
      busy.delete(interrupt);
      release(duck);
    }
  };

  return {
    async rows(sql, values, signal) {
      signal?.throwIfAborted();
      const asked = ask(sql, values, signal);
      running.add(asked);
      try {
        return await asked;
      } finally {
        running.delete(asked);
      }
    },
    async close() {
      closed = true;
      for (const wake of waiting.splice(0)) wake();
      for (const interrupt of busy) interrupt();
      await Promise.allSettled(running);
      for (const duck of idle.splice(0)) duck.close();
      (await instance)?.close();
    },
  };
}
