/**
 * Binary XML compiled once into a plan: which slot of a record becomes which field. No XML is built, then or later; a
 * record is then a walk over the steps of its plan. Bounded in depth, in steps, and in bytes read for one chunk.
 */

import type { Buffer } from 'node:buffer';
import { u16, u32, utf16 } from './evtx-bytes.ts';

/** Tokens of binary XML without their "more follows" bit (libyal, "EVTX", 4.2; MS-EVEN6 2.2.12). */
export const TOKEN = {
  end: 0x00,
  open: 0x01,
  closeStart: 0x02,
  closeEmpty: 0x03,
  closeElement: 0x04,
  value: 0x05,
  attribute: 0x06,
  cdata: 0x07,
  charRef: 0x08,
  entityRef: 0x09,
  piTarget: 0x0a,
  piData: 0x0b,
  template: 0x0c,
  slot: 0x0d,
  optionalSlot: 0x0e,
  fragment: 0x0f,
} as const;
export const MORE = 0x40;

/** What stands around a fragment, so that the same template can mean fields in one place and nothing in another. */
export const PLACE = { root: 0, event: 1, system: 2, data: 3, rendering: 4, elsewhere: 5 } as const;
export type Place = (typeof PLACE)[keyof typeof PLACE];

export const STEP = { system: 0, attribute: 1, time: 2, field: 3, list: 4, nest: 5, instance: 6 } as const;

export interface Step {
  readonly kind: (typeof STEP)[keyof typeof STEP];
  /** Field name; of an unnamed value, empty. */
  readonly name: string;
  /** Slot that holds the field's name, or -1. */
  readonly nameSlot: number;
  /** Slot that alone is the value, or -1. */
  readonly slot: number;
  /** The value when no slot is in it. */
  readonly text: string | null;
  /** Texts and slots one after the other, when the value is made of several. */
  readonly parts: readonly (string | number)[] | null;
  /** Place of binary XML inside the value. */
  readonly place: Place;
  /** Where a template instance stands, for `instance`. */
  readonly at: number;
}
export interface Plan {
  readonly steps: readonly Step[];
}

const DEPTH_MAX = 32;
const STEPS_MAX = 2048;
const PARTS_MAX = 256;
const ATTRIBUTES_MAX = 64;
const NAME_CHARS_MAX = 256;

export interface Compiler {
  readonly bytes: Buffer;
  /** Names by their place in the chunk. */
  readonly names: Map<number, string>;
  at: number;
  end: number;
  steps: Step[];
}

type Parts = (string | number)[];

/** The plan of the fragment in [at, end) of a chunk; null when it is damaged. */
export function compile(bytes: Buffer, names: Map<number, string>, at: number, end: number, place: Place): Plan | null {
  const c: Compiler = { bytes, names, at, end, steps: [] };
  while (c.at < c.end) {
    const token = (bytes[c.at] as number) & ~MORE;
    if (token === TOKEN.end) break;
    if (token === TOKEN.fragment) c.at += 4;
    else if (token === TOKEN.open) {
      if (!element(c, place, 0)) return null;
    } else if (token === TOKEN.template) {
      if (!instance(c, place)) return null;
    } else if (!instruction(c, token)) return null;
  }
  return c.at > c.end ? null : { steps: c.steps };
}

/** Where an instance's values begin and its definition lies; null when damaged. */
export interface Instance {
  readonly definitionAt: number;
  readonly valuesAt: number;
}

/** Definition: next one's place, GUID, size, fragment. */
export const DEFINITION_HEAD_BYTES = 24;

export function readInstance(bytes: Buffer, at: number, end: number): Instance | null {
  if (at + 10 > end) return null;
  const definitionAt = u32(bytes, at + 6);
  if (definitionAt + DEFINITION_HEAD_BYTES > bytes.length) return null;
  // The number is the beginning of the definition's GUID. Another one stands there when the place was written over: the
  // record is older than what is around it, and its values would get the names of another event.
  if (u32(bytes, at + 2) !== u32(bytes, definitionAt + 4)) return null;
  const inline = definitionAt === at + 10;
  const valuesAt = inline ? at + 10 + DEFINITION_HEAD_BYTES + u32(bytes, at + 30) : at + 10;
  return valuesAt + 4 > end ? null : { definitionAt, valuesAt };
}

/** Place after the values of an instance; -1 when they do not fit. */
function instanceEnd(bytes: Buffer, valuesAt: number, end: number): number {
  const count = u32(bytes, valuesAt);
  let to = valuesAt + 4 + count * 4;
  if (to > end) return -1;
  for (let i = 0; i < count; i++) to += u16(bytes, valuesAt + 4 + i * 4);
  return to > end ? -1 : to;
}

function instance(c: Compiler, place: Place): boolean {
  const found = readInstance(c.bytes, c.at, c.end);
  if (found === null) return false;
  const to = instanceEnd(c.bytes, found.valuesAt, c.end);
  if (to < 0) return false;
  const ok = push(c, STEP.instance, '', -1, [], place, c.at);
  c.at = to;
  return ok;
}

function push(
  c: Compiler,
  kind: Step['kind'],
  name: string,
  nameSlot: number,
  parts: Parts,
  place: Place,
  at = -1,
): boolean {
  const only = parts.length === 1 ? parts[0] : undefined;
  const slot = typeof only === 'number' ? only : -1;
  const mixed = parts.length > 1 && parts.some((part) => typeof part === 'number');
  const text = slot >= 0 || mixed || parts.length === 0 ? null : parts.join('');
  c.steps.push({ kind, name, nameSlot, slot, text, parts: mixed ? parts : null, place, at });
  return c.steps.length <= STEPS_MAX;
}

/** libyal, "EVTX", 4.12: the lower half of a sum of 65599 times what came before. */
function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 65_599) + name.charCodeAt(i)) | 0;
  return hash & 0xffff;
}

/** A name, which stands here when nothing before it in the chunk had the same; null when damaged. */
function nameAt(c: Compiler, place: number): string | null {
  const offset = u32(c.bytes, place);
  c.at = place + 4;
  const known = c.names.get(offset);
  const count = offset + 8 <= c.bytes.length ? u16(c.bytes, offset + 6) : 0;
  if (offset === c.at) c.at += 8 + count * 2 + 2;
  if (known !== undefined) return known;
  if (count === 0 || count > NAME_CHARS_MAX || offset + 8 + count * 2 > c.bytes.length) return null;
  const name = utf16(c.bytes, offset + 8, count);
  // Names lie where the chunk first needed them. Under a record older than its surroundings other bytes may lie there now.
  if (hashOf(name) !== u16(c.bytes, offset + 4)) return null;
  c.names.set(offset, name);
  return name;
}

/**
 * Head of an element: token, slot it depends on, size, name. Inside a value the slot is left out; then the size, read two
 * bytes too late, holds half of the name's place in its upper half and cannot fit.
 */
function openElement(c: Compiler): string | null {
  const at = c.at + 1;
  if (at + 8 > c.end) return null;
  const long = at + 10 <= c.end && at + 6 + u32(c.bytes, at + 2) <= c.end && u32(c.bytes, at + 6) < c.bytes.length;
  if (!long && at + 4 + u32(c.bytes, at) > c.end) return null;
  const attributes = (c.bytes[c.at] as number) & MORE;
  const name = nameAt(c, long ? at + 6 : at + 4);
  if (attributes) c.at += 4;
  return name;
}

function element(c: Compiler, around: Place, depth: number): boolean {
  if (depth >= DEPTH_MAX) return false;
  const name = openElement(c);
  if (name === null) return false;
  const attributes = new Map<string, Parts>();
  for (let count = 0; ((c.bytes[c.at] as number) & ~MORE) === TOKEN.attribute; count++) {
    if (count >= ATTRIBUTES_MAX || c.at + 5 > c.end) return false;
    const attribute = nameAt(c, c.at + 1);
    if (attribute === null) return false;
    const parts = content(c);
    if (parts === null) return false;
    attributes.set(attribute, parts);
  }
  if (c.at >= c.end) return false;
  const inside = placeInside(around, name);
  if (around === PLACE.system && !systemAttributes(c, name, attributes)) return false;
  const close = c.bytes[c.at++];
  if (close === TOKEN.closeEmpty) return leaf(c, around, inside, name, attributes, []);
  if (close !== TOKEN.closeStart) return false;
  return body(c, around, inside, name, attributes, depth);
}

function body(
  c: Compiler,
  around: Place,
  inside: Place,
  name: string,
  attributes: Map<string, Parts>,
  depth: number,
): boolean {
  const own: Parts = [];
  let children = false;
  while (c.at < c.end) {
    const token = (c.bytes[c.at] as number) & ~MORE;
    if (token === TOKEN.closeElement) {
      c.at++;
      if (!children) return leaf(c, around, inside, name, attributes, own);
      return own.every((part) => typeof part === 'string' || push(c, STEP.nest, '', -1, [part], inside));
    }
    if (token === TOKEN.open || token === TOKEN.template) {
      children = true;
      if (!(token === TOKEN.open ? element(c, inside, depth + 1) : instance(c, inside))) return false;
    } else if (token === TOKEN.piTarget || token === TOKEN.piData) {
      if (!instruction(c, token)) return false;
    } else {
      const before = c.at;
      const parts = content(c);
      if (parts === null || c.at === before || own.length + parts.length > PARTS_MAX) return false;
      own.push(...parts);
    }
  }
  return false;
}

function placeInside(around: Place, name: string): Place {
  if (around === PLACE.root) return name === 'Event' ? PLACE.event : PLACE.elsewhere;
  if (around === PLACE.data) return PLACE.data;
  if (around !== PLACE.event) return PLACE.elsewhere;
  if (name === 'System') return PLACE.system;
  if (name === 'EventData' || name === 'UserData') return PLACE.data;
  return name === 'RenderingInfo' ? PLACE.rendering : PLACE.elsewhere;
}

/** An element without elements in it: a field, or a place for binary XML. */
function leaf(
  c: Compiler,
  around: Place,
  inside: Place,
  name: string,
  attributes: Map<string, Parts>,
  parts: Parts,
): boolean {
  if (around === PLACE.system) return parts.length === 0 || push(c, STEP.system, name, -1, parts, PLACE.elsewhere);
  if (around === PLACE.rendering)
    return name !== 'Message' || parts.length === 0 || push(c, STEP.attribute, name, -1, parts, PLACE.elsewhere);
  if (around === PLACE.data) {
    if (name !== 'Data') return push(c, STEP.field, name, -1, parts, PLACE.data);
    const given = attributes.get('Name') ?? [];
    if (given.length === 1 && typeof given[0] === 'number') return push(c, STEP.field, '', given[0], parts, PLACE.data);
    const fixed = given.filter((part) => typeof part === 'string').join('');
    return push(c, fixed === '' ? STEP.list : STEP.field, fixed, -1, parts, PLACE.data);
  }
  if (inside === PLACE.elsewhere) return true;
  return parts.every((part) => typeof part === 'string' || push(c, STEP.nest, '', -1, [part], inside));
}

function systemAttributes(c: Compiler, name: string, attributes: Map<string, Parts>): boolean {
  const wanted = name === 'Provider' ? 'Name' : name === 'TimeCreated' ? 'SystemTime' : 'UserID';
  if (name !== 'Provider' && name !== 'TimeCreated' && name !== 'Security') return true;
  const parts = attributes.get(wanted);
  if (parts === undefined || parts.length === 0) return true;
  if (name === 'TimeCreated') return push(c, STEP.time, '', -1, parts, PLACE.elsewhere);
  return push(c, STEP.attribute, `${name}_${wanted}`, -1, parts, PLACE.elsewhere);
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** Texts, references and slots up to the next other token; null when one is damaged. */
function content(c: Compiler): Parts | null {
  const parts: Parts = [];
  while (c.at < c.end && parts.length < PARTS_MAX) {
    const at = c.at;
    const token = (c.bytes[at] as number) & ~MORE;
    if (token === TOKEN.value || token === TOKEN.cdata) {
      // A text has its type before its length.
      const from = token === TOKEN.value ? at + 2 : at + 1;
      if (token === TOKEN.value && c.bytes[at + 1] !== 1) return null;
      const chars = u16(c.bytes, from);
      c.at = from + 2 + chars * 2;
      if (c.at > c.end) return null;
      parts.push(utf16(c.bytes, from + 2, chars));
    } else if (token === TOKEN.charRef) {
      parts.push(String.fromCharCode(u16(c.bytes, at + 1)));
      c.at = at + 3;
    } else if (token === TOKEN.entityRef) {
      const name = nameAt(c, at + 1);
      if (name === null) return null;
      parts.push(ENTITIES.get(name) ?? `&${name};`);
    } else if (token === TOKEN.slot || token === TOKEN.optionalSlot) {
      parts.push(u16(c.bytes, at + 1));
      c.at = at + 4;
    } else return parts;
  }
  return c.at > c.end ? null : parts;
}

/** A processing instruction is read past. */
function instruction(c: Compiler, token: number): boolean {
  if (token === TOKEN.piTarget) return nameAt(c, c.at + 1) !== null && c.at <= c.end;
  if (token !== TOKEN.piData) return false;
  c.at += 3 + u16(c.bytes, c.at + 1) * 2;
  return c.at <= c.end;
}
