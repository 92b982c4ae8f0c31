/** Events that are in OCSF already (Security Lake, Tenzir, our own export): every column has its path. */

import { type DecodedEvent, NORMALISED_COLUMNS, NORMALISED_NAMES, type Normalised } from '../../../core/index.ts';
import { type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { timeOfValue } from '../decode-time.ts';
import { putColumn } from './json-columns.ts';
import { flatten, type JsonObject, textAt, valueAt } from './json-text.ts';

export function decodeOcsf(object: JsonObject, frame: Frame, text: string, at: number, end: number): DecodedEvent {
  const time = timeOfValue(valueAt(object, 'time') ?? valueAt(object, 'time_dt'), frame, true);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const norm: Record<string, string | number> = {};
  for (const column of NORMALISED_NAMES) {
    const value = textAt(object, NORMALISED_COLUMNS[column].ocsf);
    if (value) putColumn(norm, column, value);
  }
  const status = textAt(object, 'status').toLowerCase();
  if (status) norm.outcome = status;
  if (norm.action !== undefined) norm.action = String(norm.action).toLowerCase();
  norm.message ??= text.slice(at, Math.min(end, at + 256));
  const product = textAt(object, 'metadata.product.name').slice(0, 64).toLowerCase();
  return makeEvent(frame, 'json/ocsf', logSource(product || undefined), norm as Normalised, flatten(object, frame));
}
