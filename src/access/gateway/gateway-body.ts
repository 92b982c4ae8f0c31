/** What comes too slowly is cut off: a head, a form, an upload. Each would otherwise hold a place for nothing ("slowloris"). */

import type { Readable } from 'node:stream';

export interface ArrivalTimes {
  /** A head that has begun is complete within this. */
  readonly headMs: number;
  /** A form, of at most 64 KiB, too. */
  readonly formMs: number;
  /** An upload sends at least 4 KiB in each span of this length in which it may send; a phone on bad radio does. */
  readonly uploadSpanMs: number;
}
export const ARRIVAL_TIMES: ArrivalTimes = { headMs: 20_000, formMs: 15_000, uploadSpanMs: 20_000 };
const SPAN_BYTES_MIN = 4096;

/** Calls `late` when the sender is slower than that. Spans in which the application made it wait do not count. */
export function watchUpload(body: Readable, late: () => void, spanMs: number): void {
  let bytes = 0;
  let waited = false;
  const timer = setInterval(() => {
    if (!waited && !body.isPaused() && bytes < SPAN_BYTES_MIN) {
      clearInterval(timer);
      late();
    }
    bytes = 0;
    waited = body.isPaused();
  }, spanMs);
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  body.on('pause', () => {
    waited = true;
  });
  for (const over of ['end', 'close', 'error']) body.on(over, () => clearInterval(timer));
}
