/** What is known of one flow while something is read in it, and what parsers are. */

import type { Count } from './network-report.ts';

/** Reads one direction of a flow where the bytes lie. Answers the position it wants next: before `end` keeps the rest for
 * the next call, beyond it skips so many bytes unread. */
export interface Parser {
  readonly name: string;
  read(flow: Flow, dir: number, b: Uint8Array, start: number, end: number): number;
  /** Bytes were lost and nothing skipped over them; true when the parser finds its place again by itself. */
  lost?(flow: Flow, dir: number): boolean;
  /** No more bytes will come. */
  end?(flow: Flow): void;
  /** The parser is not used any more: memory that it took from the budget goes back. */
  free?(): void;
}

/** A piece that came before its turn; a copy, because the packet's buffer does not stay. */
export interface Pending {
  seq: number;
  bytes: Uint8Array;
  next: Pending | null;
}

export interface Side {
  /** Sequence number expected next; -1 before the first packet. */
  nextSeq: number;
  pending: Pending | null;
  pendingBytes: number;
  carry: Uint8Array | null;
  carryLength: number;
  /** The parser is not asked again before the carry is this long: work stays linear whatever the segments are. */
  askAt: number;
  skip: number;
  finSeq: number;
  /** Segments in a row that were too far away, or acknowledgements of what the capture does not hold. */
  strays: number;
}

export interface Flow {
  /** Its place in the table. */
  slot: number;
  udp: boolean;
  /** Which end opened it: 0 or 1 in the order of the key; -1 while not known. */
  client: number;
  parser: Parser | null;
  /** Nothing more is read: encrypted, or finished. */
  sealed: boolean;
  tries: number;
  /** Payload crossed. */
  talked: boolean;
  sides: [Side, Side] | null;
  /** What was reported of this flow last: mostly the next thing is the same. */
  memo: {
    kind: string;
    app: string;
    client: number;
    round: number;
    leak: object;
    pair: object | null;
    names: readonly string[];
    what: string;
    whatCount: Count | null;
    fields: object | null;
    fieldCounts: readonly Count[];
  } | null;
  /** What the server's side was recognised as, for what is learned before the client speaks. */
  app: string;
}

export function newFlow(slot: number): Flow {
  return {
    slot,
    udp: false,
    client: -1,
    parser: null,
    sealed: false,
    tries: 0,
    talked: false,
    sides: null,
    memo: null,
    app: '',
  };
}

const newSide = (): Side => ({
  nextSeq: -1,
  pending: null,
  pendingBytes: 0,
  carry: null,
  carryLength: 0,
  askAt: 0,
  skip: 0,
  finSeq: -1,
  strays: 0,
});

export function sidesOf(flow: Flow): [Side, Side] {
  flow.sides ??= [newSide(), newSide()];
  return flow.sides;
}
