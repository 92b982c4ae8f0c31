/**
 * TCP reassembly and delivery to parsers. Overlaps: what arrived first wins, also among segments that wait. A gap is
 * given up once too much waits behind it or the receiver has acknowledged past it; RST changes nothing (it may be forged).
 */

import type { Budget } from './network-budget.ts';
import type { Flow, Parser, Pending, Side } from './network-flow.ts';
import { sidesOf } from './network-flow.ts';

export const FIN = 1;
export const SYN = 2;
export const ACK = 16;

/** Waiting bytes of one direction: two full windows without scaling, in segments of usual size. */
const PENDING_BYTES_MAX = 160 * 1024;
/** What a waiting piece costs beside its bytes: pieces of one byte would be a hundred times as much memory, and a long list. */
const PIECE_BYTES = 128;
/** Waiting bytes of all flows together. */
const PENDING_TOTAL_MAX = 64 * 1024 * 1024;
/** Nothing legitimate is further ahead than a scaled window (RFC 7323 section 2.2: 1 GiB, in practice 16 MiB). */
const AHEAD_MAX = 16 * 1024 * 1024;
const STRAYS_MAX = 8;
/** What a parser may ask to keep for its next call. */
const CARRY_BYTES_MAX = 96 * 1024;
/** A signature needs at most so many bytes; shorter pieces are gathered until there are as many. */
const FIRST_BYTES = 160;
/** Later in a flow so many will do, and later still a piece stands for itself. */
const LATER_BYTES = 64;
const EARLY_TRIES = 2;
const LATER_TRIES = 64;

const gathered = (tries: number): number => (tries < EARLY_TRIES ? FIRST_BYTES : tries < LATER_TRIES ? LATER_BYTES : 0);

export interface StreamCounts {
  gaps: number;
  lostBytes: number;
  outOfOrder: number;
  repeated: number;
}

export interface Streams {
  readonly counts: StreamCounts;
  segment(
    flow: Flow,
    dir: number,
    seq: number,
    ack: number,
    flags: number,
    b: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** Delivers what still waits, and tells the parser that it is over. */
  finish(flow: Flow): void;
  /** The same for a flow that goes on later; true when something was open in it. */
  rest(flow: Flow): boolean;
}

export interface Detect {
  /** The parser of what begins here. */
  find(flow: Flow, dir: number, b: Uint8Array, start: number, end: number): Parser | null;
  /** A piece that no parser wanted, each once. */
  unclaimed(flow: Flow, dir: number, b: Uint8Array, start: number, end: number): void;
}

export function createStreams(detect: Detect, budget: Budget): Streams {
  const counts: StreamCounts = { gaps: 0, lostBytes: 0, outOfOrder: 0, repeated: 0 };
  let waiting = 0;

  /** Hands bytes in order to the parser, finding one first when there is none. */
  const deliver = (flow: Flow, dir: number, b: Uint8Array, from: number, end: number): void => {
    const side = sidesOf(flow)[dir]!;
    let start = from;
    flow.talked = true;
    if (side.skip > 0) {
      const skipped = Math.min(side.skip, end - start);
      side.skip -= skipped;
      start += skipped;
      if (start === end) return;
    }
    if (side.carryLength > 0) {
      if (!append(side, b, start, end)) {
        release(side);
        forget(flow, dir);
        return;
      }
      if (side.carryLength < side.askAt) return;
      const carry = side.carry!;
      const length = side.carryLength;
      side.carryLength = 0;
      const known = flow.parser !== null;
      pass(flow, dir, carry, 0, length);
      // What came before may be something else: a message that begins with this piece is one all the same.
      if (!known && flow.parser === null && !flow.sealed) {
        flow.parser = detect.find(flow, dir, b, start, end);
        if (flow.parser !== null) {
          release(side);
          pass(flow, dir, b, start, end);
        }
      }
      if (side.carryLength === 0) release(side);
    } else pass(flow, dir, b, start, end);
  };

  const pass = (flow: Flow, dir: number, b: Uint8Array, from: number, end: number): void => {
    let start = from;
    for (let turns = 0; turns < 4 && start < end && !flow.sealed; turns++) {
      if (flow.parser === null) {
        flow.parser = detect.find(flow, dir, b, start, end);
        if (flow.parser === null) {
          if (end - start < gathered(flow.tries)) keep(flow, dir, b, start, end);
          else {
            flow.tries++;
            detect.unclaimed(flow, dir, b, start, end);
          }
          return;
        }
      }
      const parser: Parser = flow.parser;
      const next = parser.read(flow, dir, b, start, end);
      if (next > end) {
        sidesOf(flow)[dir]!.skip = next - end;
        return;
      }
      start = next;
      if (flow.parser !== parser) parser.free?.();
      // The same parser wants more; another one (after STARTTLS) goes on at once with what is left.
      if (flow.parser === parser) {
        if (start < end && !flow.sealed) keep(flow, dir, b, start, end);
        return;
      }
    }
  };

  const keep = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number): void => {
    const side = sidesOf(flow)[dir]!;
    const length = end - start;
    if (side.carry === b && length <= CARRY_BYTES_MAX) side.carry.copyWithin(0, start, end);
    else if (length > CARRY_BYTES_MAX || !append(side, b, start, end)) {
      release(side);
      forget(flow, dir);
      return;
    }
    side.carryLength = length;
    side.askAt = length < 4096 ? length + 1 : length + (length >> 3);
  };

  const release = (side: Side): void => {
    budget.give(side.carry?.length ?? 0);
    side.carry = null;
    side.carryLength = 0;
  };

  /** False when there is no room for it anywhere. */
  const append = (side: Side, b: Uint8Array, start: number, end: number): boolean => {
    const length = side.carryLength + end - start;
    if (side.carry === null || side.carry.length < length) {
      const size = Math.max(length * 2, 64);
      if (!budget.take(size)) return false;
      const bigger = new Uint8Array(size);
      budget.give(side.carry?.length ?? 0);
      if (side.carry !== null) bigger.set(side.carry.subarray(0, side.carryLength));
      side.carry = bigger;
    }
    side.carry.set(b.subarray(start, end), side.carryLength);
    side.carryLength = length;
    return true;
  };

  /** Bytes are missing for the parser: it finds its place itself, or recognition starts again. */
  const forget = (flow: Flow, dir: number): void => {
    if (flow.parser === null || flow.parser.lost?.(flow, dir) === true) return;
    flow.parser.end?.(flow);
    flow.parser?.free?.();
    flow.parser = null;
  };

  const gap = (flow: Flow, dir: number, bytes: number): void => {
    const side = sidesOf(flow)[dir]!;
    counts.gaps++;
    counts.lostBytes += bytes;
    const skipped = Math.min(side.skip, bytes);
    side.skip -= skipped;
    if (skipped === bytes) return;
    release(side);
    forget(flow, dir);
  };

  /** Takes everything from the waiting list that is now in order; with `force` also over a gap. */
  const drain = (flow: Flow, dir: number, side: Side, force: boolean): void => {
    while (side.pending !== null) {
      const first: Pending = side.pending;
      const ahead = (first.seq - side.nextSeq) | 0;
      if (ahead > 0) {
        if (!force) return;
        side.nextSeq = first.seq;
        gap(flow, dir, ahead);
      }
      side.pending = first.next;
      side.pendingBytes -= first.bytes.length + PIECE_BYTES;
      waiting -= first.bytes.length + PIECE_BYTES;
      const known = Math.max(0, (side.nextSeq - first.seq) | 0);
      if (known >= first.bytes.length) continue;
      side.nextSeq = (side.nextSeq + first.bytes.length - known) >>> 0;
      deliver(flow, dir, first.bytes, known, first.bytes.length);
    }
  };

  const wait = (flow: Flow, dir: number, side: Side, seq: number, b: Uint8Array, start: number, end: number): void => {
    counts.outOfOrder++;
    insertPending(side, seq, b.slice(start, end), (bytes) => {
      side.pendingBytes += bytes;
      waiting += bytes;
    });
    if (side.pendingBytes > PENDING_BYTES_MAX || waiting > PENDING_TOTAL_MAX) drain(flow, dir, side, true);
  };

  const data = (flow: Flow, dir: number, seq: number, b: Uint8Array, from: number, end: number): void => {
    const side = sidesOf(flow)[dir]!;
    let start = from;
    if (side.nextSeq < 0) side.nextSeq = seq;
    const ahead = (seq - side.nextSeq) | 0;
    if (ahead > AHEAD_MAX || ahead < -AHEAD_MAX) {
      if (++side.strays < STRAYS_MAX) return;
      drain(flow, dir, side, true);
      side.nextSeq = seq;
      gap(flow, dir, 0x7fffffff);
    } else if (ahead > 0) {
      wait(flow, dir, side, seq, b, start, end);
      return;
    } else if (ahead < 0) {
      counts.repeated++;
      start -= ahead;
      if (start >= end) return;
    }
    side.strays = 0;
    side.nextSeq = (side.nextSeq + end - start) >>> 0;
    deliver(flow, dir, b, start, end);
    if (side.pending !== null) drain(flow, dir, side, false);
  };

  const finish = (flow: Flow): void => {
    if (flow.sides !== null && !flow.sealed) {
      for (let dir = 0; dir < 2; dir++) {
        const side = flow.sides[dir]!;
        drain(flow, dir, side, true);
        if (side.carryLength === 0 || flow.sealed) continue;
        if (flow.parser === null) detect.unclaimed(flow, dir, side.carry!, 0, side.carryLength);
        else flow.parser.read(flow, dir, side.carry!, 0, side.carryLength);
      }
      if (!flow.sealed) flow.parser?.end?.(flow);
    }
    for (const side of flow.sides ?? []) {
      waiting -= side.pendingBytes;
      release(side);
    }
    flow.parser?.free?.();
    flow.sides = null;
    flow.parser = null;
    flow.sealed = true;
  };

  const opened = (flow: Flow, dir: number, seq: number, flags: number): void => {
    const fresh = sidesOf(flow)[dir]!;
    if (fresh.nextSeq >= 0 && ((seq + 1 - fresh.nextSeq) | 0) !== 0) {
      // The same five-tuple again with another beginning: a new connection.
      finish(flow);
      flow.sealed = false;
      flow.tries = 0;
      flow.app = '';
    }
    const side = sidesOf(flow)[dir]!;
    if (side.nextSeq < 0) side.nextSeq = (seq + 1) >>> 0;
    flow.client = (flags & ACK) === 0 ? dir : dir ^ 1;
  };

  const rest = (flow: Flow): boolean => {
    const open = (flow.sides ?? []).some((side) => side.pending !== null || side.carryLength > 0 || side.skip > 0);
    if (flow.parser === null && !open) return false;
    const seqs = flow.sides?.map((side) => side.nextSeq) ?? [];
    finish(flow);
    // What comes later is looked at like a flow whose beginning was missed.
    flow.sealed = false;
    flow.tries = 0;
    flow.app = '';
    for (const [dir, seq] of seqs.entries()) sidesOf(flow)[dir]!.nextSeq = seq;
    return true;
  };

  return {
    counts,
    finish,
    rest,
    segment(flow, dir, seq, ack, flags, b, start, end) {
      if ((flags & SYN) !== 0) {
        opened(flow, dir, seq, flags);
        // Data may come with it (RFC 7413).
        if (end > start) data(flow, dir, (seq + 1) >>> 0, b, start, end);
        return;
      }
      if (flow.sealed) return;
      if (end > start) data(flow, dir, seq, b, start, end);
      if (flow.sealed) finish(flow);
      if (flow.sides === null) return;
      const other = flow.sides[dir ^ 1]!;
      if (other.pending !== null && (flags & ACK) !== 0 && ((ack - other.pending.seq) | 0) > 0) {
        if (++other.strays >= STRAYS_MAX) {
          other.strays = 0;
          drain(flow, dir ^ 1, other, true);
        }
      }
      if ((flags & FIN) !== 0) flow.sides[dir]!.finSeq = (seq + end - start) >>> 0;
      const [a, z] = flow.sides;
      if (a.finSeq >= 0 && z.finSeq >= 0 && a.finSeq === a.nextSeq && z.finSeq === z.nextSeq) finish(flow);
    },
  };
}

/** Puts a piece into the list in order, cut so that what is already there stays. */
function insertPending(side: Side, seqAt: number, piece: Uint8Array, added: (bytes: number) => void): void {
  let seq = seqAt;
  let bytes = piece;
  let before: Pending | null = null;
  let at = side.pending;
  for (;;) {
    while (at !== null && ((at.seq + at.bytes.length - seq) | 0) <= 0) {
      before = at;
      at = at.next;
    }
    const room = at === null ? bytes.length : Math.min(bytes.length, (at.seq - seq) | 0);
    if (room > 0) {
      const entry: Pending = { seq, bytes: bytes.subarray(0, room), next: at };
      if (before === null) side.pending = entry;
      else before.next = entry;
      before = entry;
      added(room + PIECE_BYTES);
    }
    if (at === null) return;
    const used = (at.seq + at.bytes.length - seq) | 0;
    if (used >= bytes.length) return;
    bytes = bytes.subarray(used);
    seq = (seq + used) >>> 0;
    before = at;
    at = at.next;
  }
}
