/** Blocks for the tests of decoders. */

import { Buffer } from 'node:buffer';
import type { DecodedEvent, RecordHint, SourceId, StoredBlock } from '../../core/index.ts';
import { createDecoder } from './decode-block.ts';

/** Receipt time of all test blocks unless another is given. */
export const RECEIVED_MS = Date.UTC(2026, 4, 20, 12, 0, 0);

interface BlockOptions {
  readonly hint?: RecordHint;
  readonly source?: string;
  readonly receivedMs?: number;
}

export function blockOf(records: readonly (string | Uint8Array)[], o: BlockOptions = {}): StoredBlock {
  const parts = records.map((record) => (typeof record === 'string' ? Buffer.from(record) : record));
  const ends = new Uint32Array(parts.length);
  let end = 0;
  parts.forEach((part, i) => {
    end += part.length;
    ends[i] = end;
  });
  return {
    seq: 7,
    source: (o.source ?? 'src_test') as SourceId,
    receivedMs: o.receivedMs ?? RECEIVED_MS,
    hint: o.hint ?? 'line',
    peer: 'test',
    exercise: false,
    data: Buffer.concat(parts),
    ends,
  };
}

/** Decodes records with a fresh decoder whose sources are all in that zone. */
export function decodeAll(
  records: readonly (string | Uint8Array)[],
  zone = 'UTC',
  o: BlockOptions = {},
): DecodedEvent[] {
  return createDecoder({ zoneOf: () => zone }).decode(blockOf(records, o));
}

export function decodeOne(record: string | Uint8Array, zone = 'UTC', o: BlockOptions = {}): DecodedEvent {
  const [event] = decodeAll([record], zone, o);
  if (!event) throw new Error('nothing was decoded');
  return event;
}
