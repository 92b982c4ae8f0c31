/** The log as another thread of the same process sees it: consumers and random reads up to the last durable block. */

import { AsepsisError, type StoredBlock, type StreamConsumer } from '../core/index.ts';
import { createConsumers } from './stream-consumer.ts';
import { readIdentity } from './stream-identity.ts';
import { createLogReader, type OnFault } from './stream-reader.ts';
import { createSignal } from './stream-signal.ts';

export interface SegmentReader {
  readonly streamId: string;
  consumer(name: string, options?: { from?: 'start' | 'end' | number }): Promise<StreamConsumer>;
  read(seq: number): Promise<StoredBlock | null>;
  close(): Promise<void>;
}

/**
 * @param o.signal the stream's `signal`, handed to this thread
 * @param o.onFault told about each damaged range that a consumer stepped over; a process warning by default
 */
export async function openSegmentReader(o: {
  dir: string;
  signal: SharedArrayBuffer;
  onFault?: OnFault;
}): Promise<SegmentReader> {
  const identity = await readIdentity(o.dir);
  if (identity === null) throw new AsepsisError('STREAM_CORRUPT', `${o.dir} holds no event log.`);
  const { streamId, key } = identity;
  const signal = createSignal(o.signal);
  const onFault = o.onFault ?? ((fault) => process.emitWarning(fault.message, { code: fault.code }));
  const reader = createLogReader({ dir: o.dir, key, signal, onFault });
  const consumers = createConsumers({ dir: o.dir, key, signal, reader });
  return {
    streamId,
    consumer: (name, options) => consumers.open(name, options),
    read: (seq) => reader.read(seq),
    async close() {
      await consumers.closeAll();
      await reader.close();
    },
  };
}
