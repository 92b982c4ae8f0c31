/** Fields of a record to the event that every other carrier of Windows events gives; `raw` is the same record as flat JSON. */

import { type DecodedEvent, type FieldValue, LIMITS, type SourceId } from '../../core/index.ts';
import { type Frame, newFrame } from '../decode/decode-frame.ts';
import { MARK } from '../decode/decode-marks.ts';
import { createMemories } from '../decode/decode-memory.ts';
import { zoneHere } from '../decode/decode-zone.ts';
import { windowsEvent } from '../decode/windows/windows-event.ts';
import type { RecordFields } from './evtx-record.ts';

export interface EventMaker {
  /** @param timeMs the record's own time, from its head, for events that do not state one */
  make(record: RecordFields, seq: number, timeMs: number): DecodedEvent;
}

export function createEventMaker(source: SourceId, receivedMs: number, exercise: boolean): EventMaker {
  const frame = newFrame({
    source,
    receivedMs,
    exercise,
    hint: 'json',
    zone: zoneHere(),
    zoneAssumed: false,
    memory: createMemories()(source),
  });
  return {
    make(record, seq, timeMs) {
      frame.seq = seq;
      frame.marks = record.cut ? MARK.cut : 0;
      const stated = Number.isNaN(record.timeMs) && record.time !== '' ? Date.parse(record.time) : record.timeMs;
      frame.timeMs = Number.isNaN(stated) ? timeMs : stated;
      frame.raw = rawOf(record, frame);
      return windowsEvent(record.fields, frame);
    },
  };
}

/** The decoder of JSON makes the same event of it, so a record kept as text loses nothing. */
function rawOf(record: RecordFields, frame: Frame): string {
  const fields: Record<string, FieldValue> = record.fields;
  const text = JSON.stringify(fields);
  const raw = record.time === '' ? text : `{"TimeCreated":${JSON.stringify(record.time)},${text.slice(1)}`;
  if (raw.length <= LIMITS.recordBytesMax) return raw;
  frame.marks |= MARK.cut;
  return raw.slice(0, LIMITS.recordBytesMax);
}
