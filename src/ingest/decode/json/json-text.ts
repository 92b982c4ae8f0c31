/** JSON within limits: depth measured before parsing, objects flattened to dotted names, arrays of scalars. */

import { type FieldValue, LIMITS } from '../../../core/index.ts';
import { type Fields, type Frame, mark, putField } from '../decode-frame.ts';
import { MARK } from '../decode-marks.ts';

export type JsonObject = Record<string, unknown>;

const ARRAY_MAX = 256;

/** Whether enough brackets open for the depth to be reached at all; most records have a handful. */
function manyBrackets(text: string, limit: number): boolean {
  let count = 0;
  for (const bracket of ['{', '[']) {
    for (let i = text.indexOf(bracket); i >= 0; i = text.indexOf(bracket, i + 1)) if (++count > limit) return true;
  }
  return false;
}

/** True when no bracket opens deeper than the limit. One pass; strings are skipped. */
function depthFits(text: string, at: number, end: number, limit: number): boolean {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) {
      for (i++; i < end; i++) {
        const inner = text.charCodeAt(i);
        if (inner === 34) break;
        if (inner === 92) i++;
      }
    } else if (code === 123 || code === 91) {
      if (++depth > limit) return false;
    } else if (code === 125 || code === 93) depth--;
  }
  return true;
}

/** The object in [at, end); null when it is too deep, no JSON or no object, with the reason in the frame. */
export function parseObject(text: string, at: number, end: number, frame: Frame): JsonObject | null {
  const part = text.slice(at, end);
  if (manyBrackets(part, LIMITS.jsonDepthMax) && !depthFits(text, at, end, LIMITS.jsonDepthMax)) {
    frame.fault = 'json-too-deep';
    return null;
  }
  let value: unknown;
  try {
    value = JSON.parse(part);
  } catch {
    frame.fault = 'json-invalid';
    return null;
  }
  return isObject(value) ? value : null;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isScalarList(value: unknown): boolean {
  return Array.isArray(value) && value.length <= ARRAY_MAX && value.every(isScalar);
}

/** The object itself as fields when every value is short and a scalar or a list of them: no copy. Null otherwise. */
export function asFlatFields(object: JsonObject): Fields | null {
  let count = 0;
  for (const name in object) {
    const value = object[name];
    if (typeof value === 'string') {
      if (value.length > LIMITS.fieldCharsMax) return null;
    } else if (!isScalar(value) && !isScalarList(value)) return null;
    if (++count > LIMITS.eventFieldsMax) return null;
    const first = name.charCodeAt(0);
    // Names of Winlogbeat are dotted already: its fields have others as well.
    if ((first === 95 && name === '__proto__') || (first === 119 && name.startsWith('winlog.'))) return null;
  }
  return object as Fields;
}

/** Adds the object's values to `fields` under dotted names. Objects inside arrays become JSON text. */
export function flatten(object: JsonObject, frame: Frame, fields: Fields = {}, skip?: ReadonlySet<string>): Fields {
  const room = { left: LIMITS.eventFieldsMax };
  walk(object, '', frame, fields, room, skip);
  if (room.left < 0) mark(frame, MARK.cut);
  return fields;
}

function walk(
  object: JsonObject,
  prefix: string,
  frame: Frame,
  fields: Fields,
  room: { left: number },
  skip: ReadonlySet<string> | undefined,
): void {
  for (const key in object) {
    const value = object[key];
    const name = prefix === '' ? key : nameUnder(prefix, key);
    if (skip?.has(name)) continue;
    if (isObject(value)) walk(value, name, frame, fields, room, skip);
    else {
      if (--room.left < 0) return;
      putField(fields, name, isScalar(value) ? value : listOf(value), frame);
    }
    if (room.left < 0) return;
  }
}

/**
 * Dotted names by prefix and key. A name that is put together anew has to be hashed and looked up among all property names
 * of the process each time; senders use a few thousand.
 */
const dotted = new Map<string, Map<string, string>>();
const DOTTED_MAX = 16_384;
const DOTTED_CHARS_MAX = 256;
let dottedCount = 0;

function nameUnder(prefix: string, key: string): string {
  const known = dotted.get(prefix)?.get(key);
  if (known !== undefined) return known;
  const name = `${prefix}.${key}`;
  if (name.length > DOTTED_CHARS_MAX) return name;
  if (dottedCount++ >= DOTTED_MAX) {
    dotted.clear();
    dottedCount = 1;
  }
  const names = dotted.get(prefix) ?? new Map<string, string>();
  dotted.set(prefix, names);
  // A key of an object is the one copy that property names are compared with.
  names.set(key, Object.keys({ [name]: 0 })[0] as string);
  return name;
}

function listOf(value: unknown): FieldValue {
  if (!Array.isArray(value)) return String(value);
  return value
    .slice(0, ARRAY_MAX)
    .map((item: unknown) => (isScalar(item) ? item : JSON.stringify(item).slice(0, LIMITS.fieldCharsMax)));
}

/** Ways to cut a path in two; paths are words of ours, so they are few. */
const cuts = new Map<string, readonly (readonly [head: string, rest: string])[]>();

function cutsOf(path: string): readonly (readonly [head: string, rest: string])[] {
  const known = cuts.get(path);
  if (known) return known;
  const list: [string, string][] = [];
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1))
    list.push([path.slice(0, dot), path.slice(dot + 1)]);
  cuts.set(path, list);
  return list;
}

/** The value at a path that may be dotted in one key, nested, or partly both (Filebeat and Logstash differ). */
export function valueAt(object: JsonObject, path: string): unknown {
  const direct = object[path];
  if (direct !== undefined) return direct;
  for (const [head, rest] of cutsOf(path)) {
    const inner = object[head];
    if (isObject(inner)) {
      const value = valueAt(inner, rest);
      if (value !== undefined) return value;
    }
  }
  return undefined;
}

export function textAt(object: JsonObject, path: string): string {
  return textOf(valueAt(object, path));
}

/** Text or number as text, of a list the first; empty for everything else. */
export function textOf(value: unknown): string {
  const one: unknown = Array.isArray(value) ? value[0] : value;
  return typeof one === 'string' ? one : typeof one === 'number' ? String(one) : '';
}
