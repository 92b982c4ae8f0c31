/**
 * One record's binary XML to flat fields: plans are taken from the cache or compiled, then their steps are walked over the
 * record's slots. Hot path; bench/bench-evtx.ts shows its speed. Whatever the bytes say, the work for one record and for
 * one chunk is bounded.
 */

import type { Buffer } from 'node:buffer';
import { type FieldValue, LIMITS } from '../../core/index.ts';
import { u16, u32 } from './evtx-bytes.ts';
import {
  compile,
  DEFINITION_HEAD_BYTES,
  MORE,
  PLACE,
  type Place,
  type Plan,
  readInstance,
  STEP,
  type Step,
  TOKEN,
} from './evtx-plan.ts';
import { fileTimeMs, fileTimeText, readValue, TYPE } from './evtx-values.ts';

/** Binary XML in values in values; Windows goes three deep. */
const NEST_MAX = 8;
/** Slots of one instance: an event has at most 99 values and some twenty of the system. */
const SLOTS_MAX = 1024;
/** Steps walked for one record; a template may name the same slot often, and slots may hold templates. */
const RECORD_STEPS_MAX = 8192;
/** Bytes of values read for one record, for the same reason: twice a whole chunk. */
const RECORD_VALUE_BYTES_MAX = 128 * 1024;
/** And for all records of a chunk: an instance inside a template may lend its values to each of them. */
const CHUNK_VALUE_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of templates compiled in one chunk: every template lies in the chunk, a few places each. */
const CHUNK_COMPILE_BYTES_MAX = 1024 * 1024;
const LIST_MAX = 128;

type Scalar = string | number | boolean | null;

export interface RecordFields {
  fields: Record<string, FieldValue>;
  /** `TimeCreated`, as text; empty when the record has none. */
  time: string;
  /** The same in Unix milliseconds when the record has it as FILETIME, else NaN. */
  timeMs: number;
  cut: boolean;
  /** A part inside could not be read; what is around it could. */
  torn: boolean;
}

interface Slots {
  count: number;
  readonly types: Uint8Array;
  readonly places: Uint32Array;
  readonly sizes: Uint16Array;
}

export interface RecordReader {
  /** Begins a chunk: places mean something else now, and a template that was changed in one spoils no other. */
  open(bytes: Buffer): void;
  /** The fields of the binary XML in [at, end); null when it is damaged. The object is used again for the next record. */
  read(at: number, end: number): RecordFields | null;
}

/** Reads the records of one file; plans are kept for a chunk. */
export function createRecordReader(): RecordReader {
  let bytes: Buffer;
  let compiled = 0;
  let steps = 0;
  let valueBytes = 0;
  let chunkValueBytes = 0;
  let fieldCount = 0;
  let timeAt = -1;
  let list: Scalar[] = [];
  const names = new Map<number, string>();
  const plans = new Map<number, Plan | null>();
  const out: RecordFields = { fields: {}, time: '', timeMs: Number.NaN, cut: false, torn: false };
  const levels: Slots[] = Array.from({ length: NEST_MAX }, () => ({
    count: 0,
    types: new Uint8Array(SLOTS_MAX),
    places: new Uint32Array(SLOTS_MAX),
    sizes: new Uint16Array(SLOTS_MAX),
  }));

  const compileWithin = (at: number, end: number, place: Place): Plan | null => {
    compiled += end - at;
    return compiled > CHUNK_COMPILE_BYTES_MAX ? null : compile(bytes, names, at, end, place);
  };

  const planOf = (definitionAt: number, place: Place): Plan | null => {
    const key = definitionAt * 8 + place;
    const known = plans.get(key);
    if (known !== undefined) return known;
    const at = definitionAt + DEFINITION_HEAD_BYTES;
    const end = at + u32(bytes, definitionAt + 20);
    const plan = end <= bytes.length ? compileWithin(at, end, place) : null;
    plans.set(key, plan);
    return plan;
  };

  const readSlots = (slots: Slots, at: number, end: number): boolean => {
    const count = u32(bytes, at);
    let place = at + 4 + count * 4;
    if (count > SLOTS_MAX || place > end) return false;
    for (let i = 0, d = at + 4; i < count; i++, d += 4) {
      const size = u16(bytes, d);
      slots.sizes[i] = size;
      slots.types[i] = bytes[d + 2] as number;
      slots.places[i] = place;
      place += size;
    }
    slots.count = count;
    // Reading them is work as well, though less than a step.
    steps += count >> 2;
    return place <= end;
  };

  const runInstance = (at: number, end: number, place: Place, level: number): boolean => {
    if (level >= NEST_MAX) return false;
    const found = readInstance(bytes, at, end);
    if (found === null) return false;
    const slots = levels[level] as Slots;
    if (!readSlots(slots, found.valuesAt, end)) return false;
    const plan = planOf(found.definitionAt, place);
    return plan !== null && run(plan, slots, level);
  };

  /** A fragment is a template's instance, nearly always; elements on their own are compiled for this once. */
  const runFragment = (at: number, end: number, place: Place, level: number): boolean => {
    let from = at;
    if (from + 4 <= end && bytes[from] === TOKEN.fragment) from += 4;
    if (from >= end) return true;
    const token = (bytes[from] as number) & ~MORE;
    if (token === TOKEN.template) return runInstance(from, end, place, level);
    if (token === TOKEN.end) return true;
    if (level >= NEST_MAX) return false;
    const plan = compileWithin(from, end, place);
    if (plan === null) return false;
    const slots = levels[level] as Slots;
    slots.count = 0;
    return run(plan, slots, level);
  };

  const slotValue = (slots: Slots, slot: number): FieldValue => {
    if (slot >= slots.count) return null;
    const size = slots.sizes[slot] as number;
    valueBytes += size;
    chunkValueBytes += size;
    if (valueBytes > RECORD_VALUE_BYTES_MAX || chunkValueBytes > CHUNK_VALUE_BYTES_MAX) {
      out.cut = true;
      return null;
    }
    return readValue(bytes, slots.types[slot] as number, slots.places[slot] as number, size);
  };

  const textOf = (slots: Slots, slot: number): string => {
    const value = slotValue(slots, slot);
    return value === null ? '' : Array.isArray(value) ? value.join(' ') : String(value);
  };

  const stepValue = (step: Step, slots: Slots): FieldValue => {
    if (step.slot >= 0) return slotValue(slots, step.slot);
    if (step.parts === null) return step.text;
    let text = '';
    steps += step.parts.length;
    for (const part of step.parts) text += typeof part === 'string' ? part : textOf(slots, part);
    return text;
  };

  const put = (name: string, value: FieldValue): void => {
    if (fieldCount++ >= LIMITS.eventFieldsMax) {
      out.cut = true;
      return;
    }
    // `__proto__` would change the object instead of adding to it.
    const key = name === '__proto__' ? '_proto_' : name;
    if (typeof value === 'string' && value.length > LIMITS.fieldCharsMax) {
      out.cut = true;
      out.fields[key] = value.slice(0, LIMITS.fieldCharsMax);
    } else out.fields[key] = value;
  };

  const putList = (value: FieldValue): void => {
    if (!Array.isArray(value)) list.push(value as Scalar);
    else for (const item of value) list.push(item as Scalar);
    if (list.length > LIST_MAX) {
      list.length = LIST_MAX;
      out.cut = true;
    }
  };

  /** Without its data an event still says when, where and what number; it is marked and counted as damaged. */
  const inner = (whole: boolean): boolean => {
    if (!whole) out.torn = out.cut = true;
    return true;
  };

  const runStep = (step: Step, slots: Slots, level: number): boolean => {
    const slot = step.slot;
    if (step.kind === STEP.instance) return inner(runInstance(step.at, bytes.length, step.place, level + 1));
    if (step.kind === STEP.time) {
      if (slot >= 0 && slot < slots.count && slots.types[slot] === TYPE.fileTime && (slots.sizes[slot] as number) >= 8)
        timeAt = slots.places[slot] as number;
      else out.time = String(stepValue(step, slots) ?? '');
      return true;
    }
    if (slot >= 0 && slot < slots.count && slots.types[slot] === TYPE.binXml && step.place !== PLACE.elsewhere) {
      const at = slots.places[slot] as number;
      return inner(runFragment(at, at + (slots.sizes[slot] as number), step.place, level + 1));
    }
    if (step.kind === STEP.nest) return true;
    const value = stepValue(step, slots);
    if (step.kind === STEP.field) put(step.nameSlot < 0 ? step.name : textOf(slots, step.nameSlot), value);
    else if (step.kind === STEP.list) putList(value);
    else if (step.kind === STEP.system) {
      if (typeof value === 'number') put(step.name, value);
      else if (typeof value === 'string') put(step.name, numeric(step.name, value));
    } else if (value !== null && value !== '') put(step.name, value);
    return true;
  };

  const run = (plan: Plan, slots: Slots, level: number): boolean => {
    for (const step of plan.steps) {
      if (steps++ >= RECORD_STEPS_MAX) {
        out.cut = true;
        return true;
      }
      if (!runStep(step, slots, level)) return false;
    }
    return true;
  };

  return {
    open(chunk) {
      bytes = chunk;
      compiled = 0;
      chunkValueBytes = 0;
      names.clear();
      plans.clear();
    },
    read(at, end) {
      steps = valueBytes = fieldCount = 0;
      list = [];
      out.fields = {};
      out.time = '';
      out.timeMs = Number.NaN;
      timeAt = -1;
      out.cut = false;
      out.torn = false;
      if (!runFragment(at, end, PLACE.root, 0) || out.fields.EventID === undefined) return null;
      if (list.length > 0) out.fields.Data = list.length === 1 ? (list[0] as Scalar) : list;
      if (timeAt >= 0) {
        out.time = String(fileTimeText(bytes, timeAt) ?? '');
        out.timeMs = fileTimeMs(bytes, timeAt);
      }
      return out;
    },
  };
}

const NUMERIC: ReadonlySet<string> = new Set(['EventID', 'Version', 'Level', 'Task', 'Opcode', 'EventRecordID']);

/** The numbers of System are numbers also where a template has them as text. */
function numeric(name: string, value: string): FieldValue {
  if (value === '' || !NUMERIC.has(name)) return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
