/**
 * The decoder: a stored block to events. A block becomes one string, and every decoder works on offsets in it; only records
 * that are not all ASCII become strings of their own. Nothing that a record holds can make it throw.
 * Speed: bench/bench-decode.ts.
 */

import { Buffer, isAscii, isUtf8 } from 'node:buffer';
import { type DecodedEvent, LIMITS, type SourceCount, type SourceId, type StoredBlock } from '../../core/index.ts';
import { countFault, countFormat, createTallies, type SourceTally } from './decode-count.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS, newFrame } from './decode-frame.ts';
import { decodeLine } from './decode-line.ts';
import { MARK } from './decode-marks.ts';
import { createMemories } from './decode-memory.ts';
import { logSource } from './decode-source.ts';
import { type Zone, zoneHere, zoneNamed } from './decode-zone.ts';
import { setAgain } from './json/json-inner.ts';
import { addLogon } from './programs/program-logon.ts';
import { decodeMessage } from './syslog/syslog-dispatch.ts';

const RAW = logSource();
const UNKNOWN_FORMATS = new Set(['raw', 'syslog/other', 'json/other']);

export interface Decoder {
  /** The events of a block, one for each record that is not empty; never throws. */
  decode(block: StoredBlock): DecodedEvent[];
  /** The same one after the other, so that each may be gone before the next is made; to be read to its end. */
  events(block: StoredBlock): Generator<DecodedEvent, void, void>;
  /** What was counted for each source since the last call. */
  takeCounts(): SourceCount[];
}

/**
 * @param o.zoneOf the IANA zone of a source's clock, for times that do not say theirs; this machine's when undefined
 */
export function createDecoder(o: { zoneOf?: (source: SourceId) => string | undefined }): Decoder {
  setAgain({ line: decodeLine, message: decodeMessage });
  const tallies = createTallies();
  const memoryOf = createMemories();
  const here = zoneHere();
  const frame = newFrame({
    source: '' as SourceId,
    receivedMs: 0,
    exercise: false,
    hint: 'line',
    zone: here,
    zoneAssumed: true,
    memory: memoryOf('' as SourceId),
  });

  const zoneOf = (source: SourceId): Zone | null => {
    const name = o.zoneOf?.(source);
    return name ? zoneNamed(name) : null;
  };

  const open = (block: StoredBlock): SourceTally => {
    const zone = zoneOf(block.source);
    frame.source = block.source;
    frame.seq = block.seq;
    frame.receivedMs = block.receivedMs;
    frame.exercise = block.exercise;
    frame.hint = block.hint;
    frame.zone = zone ?? here;
    frame.zoneAssumed = zone === null;
    frame.memory = memoryOf(block.source);
    frame.stamps.bsd = '\0';
    const tally = tallies.of(block.source);
    tally.bytes += block.data.length;
    tally.lastMs = Math.max(tally.lastMs, block.receivedMs);
    return tally;
  };

  function* events(block: StoredBlock): Generator<DecodedEvent, void, void> {
    const tally = open(block);
    const bytes = Buffer.from(block.data.buffer, block.data.byteOffset, block.data.byteLength);
    const ascii = isAscii(bytes);
    const whole = bytes.toString('latin1');
    let run = '';
    let length = 0;
    let from = 0;
    for (let index = 0; index < block.ends.length; index++) {
      const to = Math.min(Math.max(block.ends[index] as number, from), bytes.length);
      begin(frame, index);
      // Most records are ASCII also where one of the block is not: they need no text of their own.
      const event =
        ascii || isAscii(bytes.subarray(from, to))
          ? decodeText(whole, from, to, frame)
          : decodeBytes(bytes, from, to, frame);
      from = to;
      if (event === null) {
        tally.dropped++;
        continue;
      }
      if (event.format !== run) {
        if (length > 0) countFormat(tally, run, length);
        run = event.format;
        length = 0;
      }
      length++;
      if (frame.fault !== '' || frame.marks !== 0) countFaults(tally, frame);
      if (UNKNOWN_FORMATS.has(event.format)) tally.notUnderstood++;
      tally.events++;
      yield event;
    }
    if (length > 0) countFormat(tally, run, length);
  }

  return {
    decode: (block) => Array.from(events(block)),
    events,
    takeCounts: () => tallies.take(),
  };
}

function begin(frame: Frame, index: number): void {
  frame.index = index;
  frame.marks = 0;
  frame.timeMs = Number.NaN;
  frame.host = '';
  frame.program = '';
  frame.pid = -1;
  frame.severityId = 0;
  frame.facility = -1;
  frame.fields = NO_FIELDS;
  frame.nest = 0;
  frame.fault = '';
}

function countFaults(tally: SourceTally, frame: Frame): void {
  if (frame.fault !== '') countFault(tally, frame.fault, frame.receivedMs);
  if (frame.marks & MARK.cut) countFault(tally, 'cut', frame.receivedMs);
  if (frame.marks & MARK.invalidUtf8) countFault(tally, 'invalid-utf8', frame.receivedMs);
}

/** A record that is not all ASCII: its own string; bytes that are no UTF-8 become U+FFFD and the event is marked. */
function decodeBytes(bytes: Buffer, from: number, to: number, frame: Frame): DecodedEvent | null {
  let end = to;
  if (end - from > LIMITS.recordBytesMax) {
    end = from + LIMITS.recordBytesMax;
    // Not in the middle of a character (UTF-8 continuation bytes are 10xxxxxx).
    while (end > from && ((bytes[end] as number) & 0xc0) === 0x80) end--;
    frame.marks |= MARK.cut;
  }
  const part = bytes.subarray(from, end);
  if (!isUtf8(part)) frame.marks |= MARK.invalidUtf8;
  const text = part.toString('utf8');
  return decodeText(text, 0, text.length, frame);
}

/** Decodes [from, to); null when there is nothing in it. */
function decodeText(text: string, from: number, to: number, frame: Frame): DecodedEvent | null {
  let end = to;
  if (end - from > LIMITS.recordBytesMax) {
    end = from + LIMITS.recordBytesMax;
    frame.marks |= MARK.cut;
  }
  let at = from;
  while (end > at && isBlank(text.charCodeAt(end - 1))) end--;
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  if (at >= end) return null;
  frame.raw = text.slice(at, end);
  try {
    const event = decodeLine(text, at, end, frame) ?? rawEvent(text, at, end, frame);
    addLogon(event);
    return event;
  } catch {
    // A defect of ours must not stop the stream: the record is kept raw and the fault is counted by name.
    frame.fault = 'decoder-failed';
  }
  return rawEvent(text, at, end, frame);
}

function isBlank(code: number): boolean {
  return code <= 32 || code === 0xfeff;
}

function rawEvent(text: string, at: number, end: number, frame: Frame): DecodedEvent {
  const fault = frame.fault;
  const marks = frame.marks & (MARK.cut | MARK.invalidUtf8);
  begin(frame, frame.index);
  frame.marks = marks;
  frame.fault = fault || 'not-understood';
  return makeEvent(frame, 'raw', RAW, baseNorm(frame, text, at, end), NO_FIELDS);
}
