/** A named consumer: delivers in order from its stored position, remembers durably what was acknowledged. */

import assert from 'node:assert';
import { AsepsisError, type StoredBlock, type StreamConsumer } from '../core/index.ts';
import { diskError } from './stream-disk.ts';
import { type Offset, openOffset } from './stream-offsets.ts';
import type { Cursor, LogReader } from './stream-reader.ts';
import type { LogKey } from './stream-record.ts';
import { listSegments } from './stream-segment.ts';
import type { SeqSignal } from './stream-signal.ts';

export interface Consumers {
  open(name: string, options?: { from?: 'start' | 'end' | number }): Promise<StreamConsumer>;
  closeAll(): Promise<void>;
}

export function createConsumers(o: { dir: string; key: LogKey; signal: SeqSignal; reader: LogReader }): Consumers {
  const names = new Set<string>();
  const consumers = new Set<StreamConsumer>();

  async function initial(from: 'start' | 'end' | number): Promise<number> {
    if (from === 'end') return o.signal.durable();
    if (from === 'start') return Math.max(0, ((await listSegments(o.dir))[0] ?? 1) - 1);
    assert(Number.isSafeInteger(from) && from >= 1, 'a position is a sequence number');
    return Math.min(from - 1, o.signal.durable());
  }

  return {
    async open(name, options = {}) {
      if (names.has(name)) throw new AsepsisError('CONFLICT', `The consumer ${name} is open already.`);
      names.add(name);
      try {
        const first = await initial(options.from ?? 'start');
        const offset = await openOffset({ ...o, name, initial: first, durable: o.signal.durable() });
        const consumer = createConsumer(offset, o.reader.cursor(offset.acked() + 1), o.signal, () => {
          names.delete(name);
          consumers.delete(consumer);
        });
        consumers.add(consumer);
        return consumer;
      } catch (error) {
        names.delete(name);
        throw diskError(error, `Opening the consumer ${name}`);
      }
    },
    async closeAll() {
      for (const consumer of consumers) await consumer.close();
    },
  };
}

function createConsumer(offset: Offset, cursor: Cursor, signal: SeqSignal, forget: () => void): StreamConsumer {
  const closing = new AbortController();
  let running: Promise<readonly StoredBlock[]> | null = null;

  async function deliver(maxBlocks: number, abort: AbortSignal): Promise<readonly StoredBlock[]> {
    while (!abort.aborted && !closing.signal.aborted) {
      const blocks = await cursor.pull(maxBlocks);
      if (blocks.length > 0) return blocks;
      await signal.wait(cursor.position() - 1, [abort, closing.signal]);
    }
    return [];
  }

  return {
    get ackedSeq() {
      return offset.acked();
    },
    async next(maxBlocks, abort) {
      assert(running === null && maxBlocks >= 1, 'one call of next at a time');
      running = deliver(maxBlocks, abort);
      try {
        return await running;
      } finally {
        running = null;
      }
    },
    async ack(seq) {
      assert(seq < cursor.position(), 'only what was delivered is acknowledged');
      await offset.ack(seq);
    },
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      await running?.catch(() => {});
      await cursor.close();
      await offset.close();
      forget();
    },
  };
}
