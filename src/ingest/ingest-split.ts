/** Takes bodies and files apart into records: lines, JSON values, Windows event XML. Each works on any chunks. */

import { LIMITS } from '../core/index.ts';
import { createTail } from './ingest-tail.ts';

export interface SplitSink {
  /** The bytes are only valid during the call. */
  record(bytes: Uint8Array, start: number, end: number): void;
  /** A record was cut to the limit. */
  cut(): void;
}

export interface Splitter {
  push(chunk: Buffer): void;
  /** Emits what is unfinished; answers what is wrong with the whole, null when nothing. */
  end(): string | null;
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;

/** Lines ending in LF or CR LF; empty ones are no records. */
export function splitLines(sink: SplitSink): Splitter {
  const tail = createTail(LIMITS.recordBytesMax);
  let skipping = false;
  const emit = (bytes: Buffer, start: number, end: number) => {
    const last = end > start && bytes[end - 1] === CR ? end - 1 : end;
    if (last > start) sink.record(bytes, start, last);
  };
  const keep = (chunk: Buffer, start: number, end: number) => {
    if (skipping || tail.add(chunk, start, end) === end - start) return;
    sink.cut();
    skipping = true;
  };
  const flush = () => {
    emit(tail.bytes, 0, tail.length);
    tail.clear();
    skipping = false;
  };
  return {
    push(chunk) {
      let at = 0;
      for (let lf = chunk.indexOf(LF); lf >= 0; lf = chunk.indexOf(LF, at)) {
        if (tail.length === 0 && !skipping && lf - at <= LIMITS.recordBytesMax) {
          emit(chunk, at, lf);
        } else {
          keep(chunk, at, lf);
          flush();
        }
        at = lf + 1;
      }
      if (at < chunk.length) keep(chunk, at, chunk.length);
    },
    end() {
      flush();
      return null;
    },
  };
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125] as const;
const BOM = [0xef, 0xbb, 0xbf];

/**
 * JSON values: the elements of one array at the top, or values one after the other with white space between them
 * (RFC 7464's record separator counts as such). Only brackets and strings are followed, so depth costs nothing; whether
 * a value is JSON inside is the decoder's to say.
 */
export function splitJson(sink: SplitSink): Splitter {
  const tail = createTail(LIMITS.recordBytesMax);
  let at = 0;
  let before: 'nothing' | 'values' | 'array' | 'closed' = 'nothing';
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inValue = false;
  let isCut = false;
  let fault: string | null = null;

  const isSpace = (byte: number) => byte === SPACE || byte === LF || byte === CR || byte === TAB || byte === 0x1e;
  const keep = (chunk: Buffer, start: number, end: number) => {
    if (!isCut && tail.add(chunk, start, end) < end - start) {
      isCut = true;
      sink.cut();
    }
  };
  const finish = (chunk: Buffer, start: number, end: number) => {
    if (tail.length === 0 && !isCut && end - start <= LIMITS.recordBytesMax) {
      sink.record(chunk, start, end);
    } else {
      keep(chunk, start, end);
      sink.record(tail.bytes, 0, tail.length);
      tail.clear();
    }
    isCut = false;
    inValue = false;
  };
  /** One byte outside of any value; true when a value begins here. */
  const between = (byte: number): boolean => {
    if (isSpace(byte) || (byte === COMMA && before === 'array') || (at < 3 && byte === BOM[at])) return false;
    if (before === 'closed') fault ??= `something follows the array at byte ${at}`;
    if (byte === OPEN_ARRAY && before === 'nothing') {
      before = 'array';
      return false;
    }
    if (byte === CLOSE_ARRAY && before === 'array') {
      before = 'closed';
      return false;
    }
    if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COMMA) {
      fault ??= `a bracket or comma is out of place at byte ${at}`;
      return false;
    }
    if (before === 'nothing') before = 'values';
    return fault === null;
  };
  return {
    push(chunk) {
      let start = 0;
      for (let i = 0; i < chunk.length; i++, at++) {
        const byte = chunk[i] as number;
        if (!inValue) {
          if (!between(byte)) continue;
          inValue = true;
          start = i;
          depth = 0;
        }
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) {
            inString = false;
            if (depth === 0) finish(chunk, start, i + 1);
          }
        } else if (byte === QUOTE) {
          inString = true;
        } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
          depth++;
        } else if (depth > 0) {
          if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) finish(chunk, start, i + 1);
        } else if (isSpace(byte) || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
          finish(chunk, start, i);
          between(byte);
        }
      }
      if (inValue) keep(chunk, start, chunk.length);
    },
    end() {
      const bare = inValue && depth === 0 && !inString;
      if (inValue) finish(Buffer.alloc(0), 0, 0);
      if (fault !== null) return fault;
      return (bare || depth === 0) && !inString && before !== 'array' ? null : 'it ends in the middle of a value';
    },
  };
}

const EVENT_OPEN = Buffer.from('<Event');
const EVENT_CLOSE = Buffer.from('</Event>');
const GREATER = 62;

/** Windows events as `wevtutil` and NXLog write them: each `<Event …>…</Event>`, whatever is around them. */
export function splitEventXml(sink: SplitSink): Splitter {
  let held: Buffer = Buffer.alloc(0);
  let searched = 0;
  let inside = false;
  let skipping = false;

  /** Where an `<Event` element (not `<Events`, not `<EventData`) starts at or after `from`; -1 when none does. */
  const findOpen = (from: number): number => {
    for (let at = held.indexOf(EVENT_OPEN, from); at >= 0; at = held.indexOf(EVENT_OPEN, at + 1)) {
      const next = held[at + EVENT_OPEN.length];
      if (next === undefined) return at;
      if (next === GREATER || next === SPACE || next === LF || next === CR || next === TAB) return at;
    }
    return -1;
  };
  const step = (): boolean => {
    if (!inside) {
      const open = findOpen(0);
      held = held.subarray(open < 0 ? Math.max(0, held.length - EVENT_OPEN.length) : open);
      if (open < 0 || held.length <= EVENT_OPEN.length) return false;
      inside = true;
      searched = 0;
    }
    const close = held.indexOf(EVENT_CLOSE, searched);
    if (close < 0) {
      if (held.length > LIMITS.recordBytesMax + EVENT_CLOSE.length) {
        if (!skipping) {
          sink.cut();
          sink.record(held, 0, LIMITS.recordBytesMax);
        }
        skipping = true;
        held = held.subarray(held.length - EVENT_CLOSE.length);
      }
      searched = Math.max(0, held.length - EVENT_CLOSE.length);
      return false;
    }
    const end = close + EVENT_CLOSE.length;
    if (!skipping) {
      if (end > LIMITS.recordBytesMax) sink.cut();
      sink.record(held, 0, Math.min(end, LIMITS.recordBytesMax));
    }
    skipping = false;
    inside = false;
    held = held.subarray(end);
    return true;
  };
  return {
    push(chunk) {
      // Chunks of one byte would copy what is held each time; what is held is at most one record.
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      while (step());
      held = Buffer.from(held);
    },
    end() {
      if (inside && !skipping) sink.record(held, 0, Math.min(held.length, LIMITS.recordBytesMax));
      return inside ? 'it ends in the middle of an event' : null;
    },
  };
}
