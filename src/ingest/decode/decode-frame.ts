/** What is known about the record at hand while it is decoded, and the one place where an event is made of it. */

import {
  type DecodedEvent,
  type FieldValue,
  LIMITS,
  type LogSource,
  type Normalised,
  type RecordHint,
  type SourceId,
} from '../../core/index.ts';
import { type Mark, marksOf } from './decode-marks.ts';
import type { SourceMemory } from './decode-memory.ts';
import type { Zone } from './decode-zone.ts';

export type Fields = Record<string, FieldValue>;

/** Shared by all events without fields: events are read-only once made. */
export const NO_FIELDS: Fields = Object.freeze({});

/** Events before 1990 are a wrong clock: no system that we read from is older. */
const TIME_MS_MIN = Date.UTC(1990, 0, 1);

/** One object for each decoder, set anew for each record: the record costs no object but its event. */
export interface Frame {
  source: SourceId;
  seq: number;
  index: number;
  receivedMs: number;
  exercise: boolean;
  hint: RecordHint;
  zone: Zone;
  /** True when nobody told the zone of the source, so that the machine's own is used. */
  zoneAssumed: boolean;
  memory: SourceMemory;
  raw: string;
  marks: number;
  /** NaN until a time was read. */
  timeMs: number;
  host: string;
  program: string;
  /** -1 when unknown. */
  pid: number;
  /** OCSF severity; 0 is unknown. */
  severityId: number;
  /** Syslog facility; -1 when unknown. */
  facility: number;
  /** Fields that the framing brought (structured data, journal); those of the program are added to them. */
  fields: Fields;
  /** How many records inside records we are in: JSON in syslog in JSON is followed three deep. */
  nest: number;
  /** Why the record was not understood, when a decoder knows; counted. */
  fault: string;
  /** Time stamps read last, so that the same second is not computed twice. */
  readonly stamps: {
    bsd: string;
    bsdMs: number;
    bsdMarks: number;
    iso: string;
    isoWallMs: number;
    clf: string;
    clfMs: number;
  };
}

/** A decoder of a text between two offsets: the event, or null when it is not its format. */
export type Decode = (text: string, at: number, end: number, frame: Frame) => DecodedEvent | null;

/** A frame before its first record. */
export function newFrame(
  block: Pick<Frame, 'source' | 'receivedMs' | 'exercise' | 'hint' | 'zone' | 'zoneAssumed' | 'memory'>,
): Frame {
  return {
    ...block,
    seq: 0,
    index: 0,
    raw: '',
    marks: 0,
    timeMs: Number.NaN,
    host: '',
    program: '',
    pid: -1,
    severityId: 0,
    facility: -1,
    fields: NO_FIELDS,
    nest: 0,
    fault: '',
    stamps: { bsd: '\0', bsdMs: 0, bsdMarks: 0, iso: '\0', isoWallMs: 0, clf: '\0', clfMs: 0 },
  };
}

export function mark(frame: Frame, bit: Mark): void {
  frame.marks |= bit;
}

/** The event of this frame. A time that cannot be true is replaced by the receipt time, and the event says so. */
export function makeEvent(
  frame: Frame,
  format: string,
  logsource: LogSource,
  norm: Normalised,
  fields: Fields,
): DecodedEvent {
  let timeMs = frame.timeMs;
  if (!(timeMs >= TIME_MS_MIN && timeMs <= frame.receivedMs + LIMITS.futureSkewMsMax)) {
    timeMs = frame.receivedMs;
    frame.marks |= 1;
  }
  return {
    seq: frame.seq,
    index: frame.index,
    timeMs,
    receivedMs: frame.receivedMs,
    source: frame.source,
    format,
    logsource,
    norm,
    fields: frame.fields === NO_FIELDS ? fields : joined(frame, fields),
    raw: frame.raw,
    marks: marksOf(frame.marks),
    exercise: frame.exercise,
  };
}

function joined(frame: Frame, fields: Fields): Fields {
  return fields === NO_FIELDS ? frame.fields : { ...frame.fields, ...fields };
}

/** The columns that every program's event has: host, process, pid, severity, message. */
export function baseNorm(frame: Frame, text: string, at: number, end: number, classUid = 0): Normalised {
  const norm: Normalised = { class_uid: classUid, message: text.slice(at, end) };
  if (frame.severityId > 0) norm.severity_id = frame.severityId;
  if (frame.host) norm.host = frame.host;
  if (frame.program) norm.process = frame.program;
  if (frame.pid >= 0) norm.pid = frame.pid;
  return norm;
}

/** Adds a field within the limits; `__proto__` would change the object instead of adding to it. */
export function putField(fields: Fields, name: string, value: FieldValue, frame: Frame): void {
  const key = name === '__proto__' ? '_proto_' : name;
  if (typeof value === 'string' && value.length > LIMITS.fieldCharsMax) {
    fields[key] = value.slice(0, LIMITS.fieldCharsMax);
    frame.marks |= 8;
  } else fields[key] = value;
}
