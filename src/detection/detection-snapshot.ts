/** Correlation state as bytes: what a restart needs to raise the same alerts again; keyed by rule, so that rules may change. */

import { createReader, createWriter, type Reader, type Writer } from './detection-bytes.ts';
import type { Correlator } from './detection-correlate.ts';
import { type Group, memberAt, moreOf, newGroup, STRIDE } from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';

const MAGIC = 'asepsis-detection-3';

function writeGroup(writer: Writer, key: string, group: Group): void {
  const { log, seen, more } = group;
  writer.text(key);
  writer.text(group.label === key ? '' : group.label);
  writer.number(Math.max(0, group.touchedSec));
  writer.number(log.length / STRIDE);
  for (let i = 0; i < log.length; i += STRIDE) {
    writer.float(log[i] as number);
    writer.float(log[i + 1] as number);
    writer.number(log[i + 2] as number);
    writer.number(log[i + 3] as number);
  }
  writer.number(seen?.length ?? 0);
  for (const name of seen ?? []) writer.text(name);
  writer.number(more === null ? 0 : 1);
  if (more === null) return;
  writer.number(more.alerts.length);
  for (const ms of more.alerts) writer.float(ms);
  for (const ms of [more.dirtyMs, more.anchorMs, more.closedMs, more.dueMs]) writer.float(ms ?? Number.NaN);
  writer.number(more.thinned);
  writer.number(more.repeats);
  writer.number(more.values?.size ?? 0);
  for (const [value, ms] of more.values ?? []) {
    writer.float(value);
    writer.float(ms);
  }
  writer.number(more.texts?.size ?? 0);
  for (const [value, text] of more.texts ?? []) {
    writer.float(value);
    writer.text(text);
  }
}

/** @param members where each rule of the state stands now; -1: it is gone or matches something else */
function readGroup(reader: Reader, members: readonly number[]): { key: string; group: Group } {
  const count = (most: number): number => {
    const n = reader.number();
    if (n > most) throw new RangeError('a list of the state is too long');
    return n;
  };
  const time = (): number | null => {
    const ms = reader.float();
    return Number.isNaN(ms) ? null : ms;
  };
  const key = reader.text();
  const label = reader.text();
  const group = newGroup(label === '' ? key : label, 0);
  group.touchedSec = reader.number();
  const log: number[] = [];
  for (let n = count(16 * LIMIT.distinctExactMax + LIMIT.groupEntriesMax); n > 0; n--) {
    const ms = reader.float();
    const value = reader.float();
    const seq = reader.number();
    const place = reader.number();
    const at = log.length;
    log.push(ms, value, seq, place);
    const was = memberAt(log, at / STRIDE);
    const now = members[was] ?? -1;
    if (now < 0) log.length = at;
    else log[at + 3] = place - was + now;
  }
  group.log = log.length <= 8 * STRIDE ? log.slice() : log;
  for (let n = count(LIMIT.groupEntitiesMax); n > 0; n--) group.seen = (group.seen ?? []).concat(reader.text());
  if (reader.number() === 0) return { key, group };
  const more = moreOf(group);
  for (let n = count(LIMIT.groupEntriesMax); n > 0; n--) more.alerts.push(reader.float());
  more.dirtyMs = time();
  more.anchorMs = time() ?? Number.NEGATIVE_INFINITY;
  more.closedMs = time() ?? Number.NEGATIVE_INFINITY;
  more.dueMs = time();
  more.thinned = reader.number();
  more.repeats = reader.number();
  for (let n = count(2 * LIMIT.groupEntriesMax); n > 0; n--) {
    more.values ??= new Map();
    more.values.set(reader.float(), reader.float());
  }
  for (let n = count(2 * LIMIT.groupEntriesMax); n > 0; n--) {
    more.texts ??= new Map();
    more.texts.set(reader.float(), reader.text());
  }
  return { key, group };
}

type Part = Pick<Correlator, 'rule' | 'members' | 'table' | 'shape'>;

function writeHead({ rule, members, table, shape }: Part): Writer {
  const writer = createWriter();
  writer.text(rule.id);
  writer.text(shape);
  writer.number(members.length);
  for (const member of members) {
    writer.text(member.id);
    writer.text(member.hash);
  }
  writer.number(table.size);
  return writer;
}

function writeStart(parts: readonly Part[], rest: Uint8Array): Writer {
  const writer = createWriter();
  writer.text(MAGIC);
  writer.number(rest.length);
  writer.raw(rest);
  writer.number(parts.length);
  return writer;
}

/** All at once. */
export function writeSnapshot(parts: readonly Part[], rest: Uint8Array): Uint8Array {
  const writers = parts.map((part) => {
    const writer = writeHead(part);
    for (const [key, group] of part.table.entries()) writeGroup(writer, key, group);
    return writer;
  });
  return Buffer.concat([writeStart(parts, rest), ...writers].flatMap((writer) => writer.pieces()));
}

/** State as of the moment at which it was begun, written bit by bit while events come. */
export interface Snapshot {
  /** Writes for about so long; answers whether all is written. */
  step(budgetMs: number): boolean;
  /** The bytes, once all is written. */
  pieces(): readonly Uint8Array[];
}

/** Groups written between two looks at the clock. */
const GROUPS_A_LOOK = 64;
let snapshots = 0;

/**
 * A group that an event is about to change is written first, as it was (copy on write); what is new has no place in it.
 * There is one at a time: a later one would not be told of groups that the earlier one waits for.
 */
export function beginSnapshot(parts: readonly Part[], rest: Uint8Array): Snapshot {
  const number = ++snapshots;
  const start = writeStart(parts, rest);
  const writers = parts.map((part) => {
    const writer = writeHead(part);
    part.table.watch({
      number,
      before: (key, group) => {
        if (group.savedIn === number) return;
        group.savedIn = number;
        writeGroup(writer, key, group);
      },
    });
    return writer;
  });
  let at = 0;
  let groups = parts[0]?.table.entries();

  /** Answers whether the table was written to its end. */
  const some = (writer: Writer): boolean => {
    for (let n = 0; n < GROUPS_A_LOOK; n++) {
      const next = groups?.next();
      if (!next || next.done) return true;
      const [key, group] = next.value;
      if (group.savedIn === number) continue;
      group.savedIn = number;
      writeGroup(writer, key, group);
    }
    return false;
  };
  return {
    step: (budgetMs) => {
      const endMs = performance.now() + budgetMs;
      while (at < parts.length) {
        if (some(writers[at] as Writer)) {
          parts[at]?.table.watch(null);
          groups = parts[++at]?.table.entries();
        }
        if (performance.now() >= endMs) break;
      }
      return at >= parts.length;
    },
    pieces: () => [start, ...writers].flatMap((writer) => writer.pieces()),
  };
}

/**
 * Fills the tables of rules that still mean the same by what they remember: thresholds, timespans and words may have
 * changed. Events of a rule that matches something else now are passed over. Damaged bytes end the reading early.
 *
 * @returns what else was kept, and why not everything could be read
 */
export function readSnapshot(bytes: Uint8Array, parts: readonly Part[]): { rest: Uint8Array; fault: string | null } {
  const byId = new Map(parts.map((part) => [part.rule.id, part]));
  let rest: Uint8Array = new Uint8Array();
  try {
    const reader = createReader(bytes);
    if (reader.text() !== MAGIC) return { rest, fault: 'the state was written by another version' };
    rest = reader.raw(reader.number());
    for (let left = reader.number(); left > 0; left--) {
      const part = byId.get(reader.text());
      const same = reader.text() === part?.shape;
      const members: number[] = [];
      for (let n = reader.number(); n > 0; n--) {
        const id = reader.text();
        const hash = reader.text();
        members.push(part?.members.findIndex((member) => member.id === id && member.hash === hash) ?? -1);
        if (members.length > 64) throw new RangeError('a list of the state is too long');
      }
      for (let groups = reader.number(); groups > 0; groups--) {
        const { key, group } = readGroup(reader, members);
        if (same && (group.log.length > 0 || group.more !== null)) part?.table.set(key, group);
      }
    }
    return { rest, fault: null };
  } catch (error) {
    if (error instanceof RangeError) return { rest, fault: error.message };
    throw error;
  }
}
