/**
 * Takes a syslog byte stream apart into records (RFC 6587; RFC 5425 section 4.3 is its octet counting). Hot path: lines
 * are found with `indexOf` in the socket's own chunk and never copied here unless a record spans two chunks.
 */

import { LIMITS } from '../../core/index.ts';
import { createTail } from '../ingest-tail.ts';

export type FrameFault = 'cut' | 'out-of-step' | 'truncated';

export interface FrameSink {
  /** The bytes are only valid during the call. */
  record(bytes: Buffer, start: number, end: number): void;
  fault(what: FrameFault): void;
}

export interface Framer {
  push(chunk: Buffer): void;
  /** The connection is over: what is unfinished is still a record. */
  end(): void;
  /** Bytes held for a record that has not ended yet. */
  readonly pending: number;
}

const LF = 10;
const CR = 13;
const NUL = 0;
const SPACE = 32;
const LESS_THAN = 60;
const ONE_NUL = Buffer.alloc(1);

/** A length with more digits than this is not a length: no sender frames a gigabyte. */
const LENGTH_DIGITS_MAX = 8;

/**
 * `start` of a frame; `length-end`: `<` expected after a length; `octets` of a frame; `line`: the first line, its ending
 * not known yet; `line-nul`: after a NUL in it; `lf` and `lf-or-nul`: the ending is known; `skip` the rest of a cut line.
 */
type Mode = 'start' | 'length-end' | 'octets' | 'line' | 'line-nul' | 'lf' | 'lf-or-nul' | 'skip';

function endOfLine(chunk: Buffer, from: number): number {
  let at = from;
  while (at < chunk.length && chunk[at] !== LF && chunk[at] !== NUL) at++;
  return at;
}

/**
 * How a connection frames is found by itself: digits, a space and `<` are octet counting (section 3.4.1), everything
 * else is lines ending in LF (3.4.2). A NUL followed by `<` before the first LF shows a sender that ends its messages
 * with NUL; from then on both end a record. After a length that cannot be, the rest of that line is one record, and the
 * search starts anew. The result does not depend on how the bytes were split into chunks.
 */
export function createFramer(sink: FrameSink): Framer {
  const tail = createTail(LIMITS.recordBytesMax);
  let mode: Mode = 'start';
  /** How lines of this connection end, once it is known. */
  let lineMode: 'line' | 'lf' | 'lf-or-nul' = 'line';
  /** Octet counting lost its step: one line is taken as it is, then the search starts anew. */
  let resync = false;
  let octetCounting = false;
  let digits = 0;
  let remaining = 0;
  let cut = false;

  const emit = (bytes: Buffer, start: number, end: number) => {
    let last = end;
    while (last > start) {
      const byte = bytes[last - 1];
      if (byte !== LF && byte !== CR && byte !== NUL) break;
      last--;
    }
    if (last > start) sink.record(bytes, start, last);
  };
  const emitTail = () => {
    emit(tail.bytes, 0, tail.length);
    tail.clear();
  };
  /** Finishes the record whose last part is `chunk[start, end)`; true when it had to be cut. */
  const finish = (chunk: Buffer, start: number, end: number) => {
    if (tail.length === 0 && end - start <= LIMITS.recordBytesMax) return emit(chunk, start, end);
    if (tail.add(chunk, start, end) < end - start) sink.fault('cut');
    emitTail();
  };
  const cutHere = () => {
    sink.fault('cut');
    emitTail();
    mode = 'skip';
  };
  /** Keeps the part of a line that has no end yet; over the limit the line is cut and its rest skipped. */
  const keep = (chunk: Buffer, start: number): number => {
    if (tail.add(chunk, start, chunk.length) < chunk.length - start) cutHere();
    return chunk.length;
  };

  const stepStart = (chunk: Buffer, at: number): number => {
    const byte = chunk[at] as number;
    if (digits === 0 && (byte === LF || byte === CR || byte === NUL || (byte === SPACE && octetCounting)))
      return at + 1;
    if (byte >= 48 && byte <= 57 && digits < LENGTH_DIGITS_MAX && (digits > 0 || byte > 48)) {
      digits++;
      remaining = remaining * 10 + (byte - 48);
      tail.add(chunk, at, at + 1);
      return at + 1;
    }
    if (byte === SPACE && digits > 0) {
      tail.add(chunk, at, at + 1);
      mode = 'length-end';
      return at + 1;
    }
    if (octetCounting) {
      sink.fault('out-of-step');
      resync = true;
      octetCounting = false;
    }
    mode = lineMode;
    return at;
  };
  const stepLengthEnd = (chunk: Buffer, at: number): number => {
    if (octetCounting || chunk[at] === LESS_THAN) {
      octetCounting = true;
      tail.clear();
      cut = false;
      mode = 'octets';
    } else {
      mode = lineMode;
    }
    return at;
  };
  const startFrame = () => {
    mode = 'start';
    digits = 0;
    remaining = 0;
  };
  const stepOctets = (chunk: Buffer, at: number): number => {
    const end = Math.min(at + remaining, chunk.length);
    remaining -= end - at;
    if (remaining === 0 && !cut) {
      finish(chunk, at, end);
      startFrame();
      return end;
    }
    if (!cut && tail.add(chunk, at, end) < end - at) {
      cut = true;
      sink.fault('cut');
      emitTail();
    }
    if (remaining === 0) startFrame();
    return end;
  };
  const afterLine = () => {
    if (resync) {
      resync = false;
      startFrame();
      return;
    }
    if (lineMode === 'line') lineMode = 'lf';
    mode = lineMode;
  };
  const stepLine = (chunk: Buffer, at: number): number => {
    const lf = chunk.indexOf(LF, at);
    const nul = chunk.indexOf(NUL, at);
    if (nul >= 0 && (lf < 0 || nul < lf)) {
      const fits = tail.add(chunk, at, nul) === nul - at;
      if (fits) mode = 'line-nul';
      else cutHere();
      return fits ? nul + 1 : nul;
    }
    if (lf < 0) return keep(chunk, at);
    finish(chunk, at, lf);
    afterLine();
    return lf + 1;
  };
  const stepLineNul = (chunk: Buffer, at: number): number => {
    if (chunk[at] === LESS_THAN && !resync) {
      emitTail();
      lineMode = 'lf-or-nul';
      mode = lineMode;
    } else {
      mode = 'line';
      if (tail.add(ONE_NUL, 0, 1) === 0) cutHere();
    }
    return at;
  };
  const stepLf = (chunk: Buffer, from: number): number => {
    let at = from;
    while (at < chunk.length) {
      const lf = chunk.indexOf(LF, at);
      if (lf < 0) return keep(chunk, at);
      finish(chunk, at, lf);
      at = lf + 1;
    }
    return at;
  };
  const stepLfOrNul = (chunk: Buffer, at: number): number => {
    const end = endOfLine(chunk, at);
    if (end === chunk.length) return keep(chunk, at);
    finish(chunk, at, end);
    return end + 1;
  };
  const stepSkip = (chunk: Buffer, at: number): number => {
    const end = lineMode === 'lf-or-nul' ? endOfLine(chunk, at) : chunk.indexOf(LF, at);
    if (end < 0 || end === chunk.length) return chunk.length;
    afterLine();
    return end + 1;
  };

  const steps: Record<Mode, (chunk: Buffer, at: number) => number> = {
    start: stepStart,
    'length-end': stepLengthEnd,
    octets: stepOctets,
    line: stepLine,
    'line-nul': stepLineNul,
    lf: stepLf,
    'lf-or-nul': stepLfOrNul,
    skip: stepSkip,
  };
  return {
    push(chunk) {
      let at = 0;
      while (at < chunk.length) at = steps[mode](chunk, at);
    },
    end() {
      if (mode === 'octets' && tail.length > 0) sink.fault('truncated');
      emitTail();
      startFrame();
    },
    get pending() {
      return tail.length;
    },
  };
}
