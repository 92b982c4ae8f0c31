/**
 * What may only follow in an ordered chain, kept apart from the groups. Nearly every log-in of a day could end a chain
 * ("guessing, then a log-in") that never began: a group for each would be most of the memory and of the work. Here an event
 * costs a few numbers in a ring; when a chain begins for a group, what came before its beginning in order of arrival, but
 * may be later in event time, is taken from it.
 *
 * One ring for each rule that follows, shared by all chains: they ask by their own group-by, each with a column of hashes.
 */

import type { DecodedEvent } from '../core/index.ts';
import { createReader, createWriter, type Reader, type Writer } from './detection-bytes.ts';
import { detached, toSec, type WitnessKind } from './detection-group.ts';
import { type HashKey, hashText } from './detection-hash.ts';
import type { KeyMaker } from './detection-key.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Rule } from './detection-rule.ts';

/** One remembered event, valid during the visit only. */
export interface Follower {
  ms: number;
  seq: number;
  index: number;
  /** Names that took part, by kind; undefined when there was none or it is no longer known. */
  readonly names: Record<WitnessKind, string | undefined>;
}

export interface FollowLog {
  /** The column for groups that this maker keys; made while the engine is built, before the first event. */
  column(id: string, maker: KeyMaker): number;
  add(event: DecodedEvent, ms: number): void;
  /** Visits the latest remembered events of a group, the newest arrival first. */
  of(column: number, key: string, visit: (one: Follower) => void): void;
  readonly bytes: number;
  /** Events that left while they still could have counted. */
  readonly evicted: number;
  write(writer: Writer): void;
  read(reader: Reader): void;
}

interface Column {
  readonly id: string;
  readonly maker: KeyMaker;
  hashes: Float64Array;
  /** Places back to the one before in the same bucket; 0: none. */
  back: Uint32Array;
  /** One more than the ordinal of the latest in each bucket; 0: none. */
  heads: Float64Array;
}

const CAPACITY_MIN = 1024;
/** Buckets of a column at most: small enough to stay in the processor's cache while log-ins pour in. */
const BUCKETS_MAX = 4096;
const KINDS = ['a', 'u', 'h'] as const satisfies readonly WitnessKind[];
const NO_GROUP = -1;

/** Names by number, so that a ring holds numbers only; when full it begins anew and older numbers mean nothing. */
function createNames(max: number) {
  let first = 1;
  let list: string[] = [];
  let numbers = new Map<string, number>();
  return {
    numberOf: (name: string | undefined): number => {
      if (name === undefined || name === '') return 0;
      const known = numbers.get(name);
      if (known !== undefined) return known;
      if (list.length >= max) {
        first += list.length;
        list = [];
        numbers = new Map();
      }
      const own = detached(name);
      const number = first + list.length;
      list.push(own);
      numbers.set(own, number);
      return number;
    },
    nameOf: (number: number): string | undefined => list[number - first],
  };
}

/** @param latenessMs how late the beginning of a chain may come */
export function createFollowLog(hash: HashKey, latenessMs: number): FollowLog {
  const columns: Column[] = [];
  const names = createNames(LIMIT.followNamesMax);
  let capacity = 0;
  /** Events ever added: the ordinal of the next one. */
  let count = 0;
  let times = new Float64Array();
  let seqs = new Float64Array();
  let indexes = new Uint32Array();
  let arrivals = new Int32Array();
  let people = new Float64Array();
  let evicted = 0;
  let last: DecodedEvent | null = null;
  const found: Follower = { ms: 0, seq: 0, index: 0, names: { a: undefined, u: undefined, h: undefined } };
  const latenessSec = Math.ceil(latenessMs / 1000);

  const link = (column: Column, ordinal: number): void => {
    const slot = ordinal & (capacity - 1);
    const value = column.hashes[slot] as number;
    column.back[slot] = 0;
    if (value === NO_GROUP) return;
    const bucket = value & (column.heads.length - 1);
    const before = (column.heads[bucket] as number) - 1;
    if (before >= 0 && ordinal - before < capacity) column.back[slot] = ordinal - before;
    column.heads[bucket] = ordinal + 1;
  };

  const resize = (size: number): void => {
    const kept = Math.min(count, capacity);
    const old = { times, seqs, indexes, arrivals, people, capacity };
    times = new Float64Array(size);
    seqs = new Float64Array(size);
    indexes = new Uint32Array(size);
    arrivals = new Int32Array(size);
    people = new Float64Array(size * KINDS.length);
    capacity = size;
    for (let ordinal = count - kept; ordinal < count; ordinal++) {
      const from = ordinal & (old.capacity - 1);
      const to = ordinal & (size - 1);
      times[to] = old.times[from] as number;
      seqs[to] = old.seqs[from] as number;
      indexes[to] = old.indexes[from] as number;
      arrivals[to] = old.arrivals[from] as number;
      for (let k = 0; k < KINDS.length; k++)
        people[to * KINDS.length + k] = old.people[from * KINDS.length + k] as number;
    }
    for (const column of columns) {
      const { hashes } = column;
      column.hashes = new Float64Array(size);
      column.back = new Uint32Array(size);
      column.heads = new Float64Array(Math.min(size, BUCKETS_MAX));
      for (let ordinal = count - kept; ordinal < count; ordinal++) {
        column.hashes[ordinal & (size - 1)] = hashes[ordinal & (old.capacity - 1)] as number;
        link(column, ordinal);
      }
    }
  };

  /** Whether what stands in the slot of `ordinal` came so recently that a beginning may still come for it. */
  const stillCounts = (slot: number, sec: number): boolean => sec - (arrivals[slot] as number) <= latenessSec;

  const room = (sec: number): void => {
    if (capacity === 0) resize(CAPACITY_MIN);
    else if (count >= capacity && stillCounts(count & (capacity - 1), sec)) {
      if (capacity < LIMIT.followEventsMax) resize(capacity * 4);
      else evicted++;
    }
  };

  const put = (ms: number, seq: number, index: number, sec: number): number => {
    const slot = count & (capacity - 1);
    times[slot] = ms;
    seqs[slot] = seq;
    indexes[slot] = index;
    arrivals[slot] = sec;
    return slot;
  };

  return {
    column: (id, maker) => {
      const known = columns.findIndex((column) => column.id === id);
      if (known >= 0) return known;
      columns.push({
        id,
        maker,
        hashes: new Float64Array(),
        back: new Uint32Array(),
        heads: new Float64Array(),
      });
      return columns.length - 1;
    },
    add: (event, ms) => {
      // Several chains hand in the same event.
      if (event === last) return;
      last = event;
      const sec = toSec(event.receivedMs);
      room(sec);
      const slot = put(ms, event.seq, event.index, sec);
      const { norm } = event;
      people[slot * KINDS.length] = names.numberOf(norm.src_ip);
      people[slot * KINDS.length + 1] = names.numberOf(norm.user);
      people[slot * KINDS.length + 2] = names.numberOf(norm.host);
      for (let i = 0; i < columns.length; i++) {
        const column = columns[i] as Column;
        const label = column.maker.label(event);
        column.hashes[slot] = label === null ? NO_GROUP : hashText(hash, column.maker.key(event));
        link(column, count);
      }
      count++;
    },
    of: (at, key, visit) => {
      const column = columns[at];
      if (column === undefined || count === 0) return;
      const wanted = hashText(hash, key);
      let ordinal = (column.heads[wanted & (column.heads.length - 1)] as number) - 1;
      for (let left = LIMIT.groupEntriesMax; left > 0 && ordinal >= 0 && ordinal >= count - capacity; left--) {
        const slot = ordinal & (capacity - 1);
        if (column.hashes[slot] === wanted) {
          found.ms = times[slot] as number;
          found.seq = seqs[slot] as number;
          found.index = indexes[slot] as number;
          KINDS.forEach((kind, k) => {
            found.names[kind] = names.nameOf(people[slot * KINDS.length + k] as number);
          });
          visit(found);
        }
        const back = column.back[slot] as number;
        if (back === 0) return;
        ordinal -= back;
      }
    },
    get bytes() {
      return capacity * (28 + 8 * KINDS.length + 20 * columns.length);
    },
    get evicted() {
      return evicted;
    },
    write: (writer) => {
      let first = Math.max(0, count - capacity);
      const newest = count === 0 ? 0 : (arrivals[(count - 1) & (capacity - 1)] as number);
      while (first < count && !stillCounts(first & (capacity - 1), newest)) first++;
      writer.number(columns.length);
      for (const { id } of columns) writer.text(id);
      const used = new Map<number, string>();
      for (let ordinal = first; ordinal < count; ordinal++) {
        for (let k = 0; k < KINDS.length; k++) {
          const number = people[(ordinal & (capacity - 1)) * KINDS.length + k] as number;
          const name = used.has(number) ? undefined : names.nameOf(number);
          if (name !== undefined) used.set(number, name);
        }
      }
      writer.number(used.size);
      for (const [number, name] of used) {
        writer.number(number);
        writer.text(name);
      }
      writer.number(count - first);
      for (let ordinal = first; ordinal < count; ordinal++) {
        const slot = ordinal & (capacity - 1);
        writer.float(times[slot] as number);
        writer.number(seqs[slot] as number);
        writer.number(indexes[slot] as number);
        writer.number(Math.max(0, arrivals[slot] as number));
        for (let k = 0; k < KINDS.length; k++) writer.number(people[slot * KINDS.length + k] as number);
        for (const { hashes } of columns) writer.float(hashes[slot] as number);
      }
    },
    read: (reader) => {
      const ids = Array.from({ length: bounded(reader, LIMIT.groupEntriesMax) }, () => reader.text());
      const places = ids.map((id) => columns.findIndex((column) => column.id === id));
      const texts = new Map<number, string>();
      for (let n = bounded(reader, LIMIT.followNamesMax); n > 0; n--) texts.set(reader.number(), reader.text());
      for (let n = bounded(reader, LIMIT.followEventsMax); n > 0; n--) {
        const ms = reader.float();
        const seq = reader.number();
        const index = reader.number();
        const sec = reader.number();
        room(sec);
        const slot = put(ms, seq, index, sec);
        for (let k = 0; k < KINDS.length; k++)
          people[slot * KINDS.length + k] = names.numberOf(texts.get(reader.number()));
        for (const column of columns) column.hashes[slot] = NO_GROUP;
        for (const place of places) {
          const value = reader.float();
          const column = columns[place];
          if (column !== undefined) column.hashes[slot] = value;
        }
        for (const column of columns) link(column, count);
        count++;
      }
    },
  };
}

function bounded(reader: Reader, most: number): number {
  const n = reader.number();
  if (n > most) throw new RangeError('a list of the state is too long');
  return n;
}

/** The rings of an engine. */
export interface FollowLogs {
  /** The ring of a rule that follows. @param normFirst how the rule reads bare column names */
  logOf(rule: Rule, normFirst: boolean): FollowLog;
  readonly bytes: number;
  readonly evicted: number;
  write(writer: Writer): void;
  read(reader: Reader): void;
}

export function createFollowLogs(hash: HashKey, latenessMs: number): FollowLogs {
  const logs = new Map<string, FollowLog>();
  const total = (of: (log: FollowLog) => number) => [...logs.values()].reduce((sum, log) => sum + of(log), 0);
  return {
    logOf: (rule, normFirst) => {
      // A rule that was changed matches something else: what it remembered before is not its own.
      const key = `${rule.id} ${rule.hash} ${normFirst}`;
      const log = logs.get(key) ?? createFollowLog(hash, latenessMs);
      logs.set(key, log);
      return log;
    },
    get bytes() {
      return total((log) => log.bytes);
    },
    get evicted() {
      return total((log) => log.evicted);
    },
    write: (writer) => {
      const used = [...logs].filter(([, log]) => log.bytes > 0);
      writer.number(used.length);
      for (const [key, log] of used) {
        const own = createWriter();
        log.write(own);
        const bytes = own.bytes();
        writer.text(key);
        writer.number(bytes.length);
        writer.raw(bytes);
      }
    },
    read: (reader) => {
      for (let n = bounded(reader, LIMIT.rulesMax); n > 0; n--) {
        const log = logs.get(reader.text());
        const bytes = reader.raw(reader.number());
        log?.read(createReader(bytes));
      }
    },
  };
}
