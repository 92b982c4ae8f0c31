/** The records of one chunk: those that its header knows, and, when it is damaged, every whole one that still stands in it. */

import type { Buffer } from 'node:buffer';
import type { DecodedEvent } from '../../core/index.ts';
import { u32 } from './evtx-bytes.ts';
import type { EventMaker } from './evtx-event.ts';
import {
  type ChunkHeader,
  RECORD_BYTES_MIN,
  RECORD_HEAD_BYTES,
  RECORDS_AT,
  recordBytes,
  recordNumber,
} from './evtx-layout.ts';
import type { RecordReader } from './evtx-record.ts';
import { fileTimeMs } from './evtx-values.ts';

export interface EvtxCounts {
  chunks: number;
  /** Chunks whose signature or checksums do not hold, or that end before they should. */
  damagedChunks: number;
  records: number;
  /** Records whose frame is whole but whose content is not, or only in part, and places where a record should have been. */
  damagedRecords: number;
  /** Windows did not close the file. */
  dirty: boolean;
  /** The file's own header does not hold. */
  damagedHeader: boolean;
}

export interface ChunkReader {
  readonly reader: RecordReader;
  readonly maker: EventMaker;
  readonly counts: EvtxCounts;
}

const SIGNATURE = '**\0\0';

/** Which records behind the end that a chunk states are read: none, those that continue its numbers, or all. */
export type Beyond = 'none' | 'newer' | 'all';

/**
 * Gives the chunk's events in order.
 * @param header null when it is lost: then records are looked for from `from` on
 * @param beyond the header of a file that was not closed may be older than its records
 */
export function* readChunk(
  bytes: Buffer,
  header: ChunkHeader | null,
  beyond: Beyond,
  to: ChunkReader,
  from = RECORDS_AT,
): Generator<DecodedEvent> {
  const { reader, maker, counts } = to;
  const sound = header?.sound === true;
  reader.open(bytes);
  counts.chunks++;
  if (!sound) counts.damagedChunks++;
  const stated = header?.freeAt ?? bytes.length;
  const end = sound && beyond === 'none' ? stated : bytes.length;
  let last = -1;
  for (let at = from; at + RECORD_BYTES_MIN <= end; ) {
    const size = recordBytes(bytes, at);
    if (size === 0) {
      // What lies behind the stated end, and zeros, are free space, not damage.
      if (at < stated && u32(bytes, at) !== 0) counts.damagedRecords++;
      const next = bytes.indexOf(SIGNATURE, at + 1, 'latin1');
      if (next < 0) return;
      at = next;
      continue;
    }
    // Behind the stated end a smaller number is a record of an earlier round of the log, written over in part.
    const number = recordNumber(bytes, at);
    if (at < stated || beyond === 'all' || number > last) {
      last = number;
      const record = reader.read(at + RECORD_HEAD_BYTES, at + size - 4);
      if (record === null || record.torn) counts.damagedRecords++;
      if (record !== null) yield maker.make(record, ++counts.records, fileTimeMs(bytes, at + 16));
    }
    at += size;
  }
}
