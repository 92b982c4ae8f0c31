/**
 * The flow table: open flows by five-tuple in typed arrays, with a ceiling; when it is full the stalest of a few goes.
 * Hot path: one look-up a packet without an object (`bin/asepsis bench inspect`).
 */

import { addressText } from './network-bytes.ts';
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
  slot: number;
  udp: boolean;
  /** Which end opened it: 0 or 1 in the order of the key; -1 while not known. */
  client: number;
  lastMs: number;
  packet: number;
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
  /** Directions of which a packet was seen, one bit each. */
  seen: number;
  /** What the server's side was recognised as, for what is learned before the client speaks. */
  app: string;
}

/** 4 words an address, 2 addresses, ports, protocol and VLAN. */
const KEY_WORDS = 10;
const SAMPLE = 8;

export interface FlowTable {
  /** Put the key here before `take`: source address, destination address. */
  readonly probe: Int32Array;
  /** The flow of the probe, made when it is new; `dir` says which end sent. */
  take(sourcePort: number, targetPort: number, tag: number, timeMs: number): Flow;
  dir: number;
  /** By slot and direction, 3 words each: end of the sender's and of the receiver's MAC, its beginning with the hop limit. */
  readonly links: Int32Array;
  readonly size: number;
  readonly evicted: number;
  readonly opened: number;
  remove(flow: Flow): void;
  address(flow: Flow, dir: number): string;
  port(flow: Flow, dir: number): number;
  each(visit: (flow: Flow) => void): void;
}

export function createFlowTable(flowsMax: number, onGone: (flow: Flow) => void): FlowTable {
  const buckets = new Int32Array(1 << Math.ceil(Math.log2(flowsMax * 2))).fill(-1);
  const mask = buckets.length - 1;
  const next = new Int32Array(flowsMax);
  const keys = new Int32Array(flowsMax * KEY_WORDS);
  const flows: (Flow | null)[] = [];
  const free: number[] = [];
  const probe = new Int32Array(8);
  const k = new Int32Array(KEY_WORDS);
  let used = 0;
  let hand = 0;

  const hashAt = (a: Int32Array, at: number): number => {
    let h = a[at + 8]! ^ Math.imul(a[at + 9]!, 0x9e3779b1);
    for (let i = 0; i < 8; i++) {
      h = Math.imul(h ^ a[at + i]!, 0x85ebca6b);
      h ^= h >>> 15;
    }
    return h & mask;
  };
  const unlink = (slot: number): void => {
    const bucket = hashAt(keys, slot * KEY_WORDS);
    let at = buckets[bucket]!;
    if (at === slot) buckets[bucket] = next[slot]!;
    else {
      while (at >= 0 && next[at] !== slot) at = next[at]!;
      if (at >= 0) next[at] = next[slot]!;
    }
  };
  const drop = (flow: Flow): void => {
    onGone(flow);
    unlink(flow.slot);
    flows[flow.slot] = null;
    free.push(flow.slot);
    used--;
  };
  const makeRoom = (): void => {
    let stalest: Flow | null = null;
    for (let i = 0; i < SAMPLE; i++) {
      hand = hand + 1 < flowsMax ? hand + 1 : 0;
      const flow = flows[hand];
      if (flow && (stalest === null || flow.lastMs < stalest.lastMs)) stalest = flow;
    }
    if (stalest === null) return;
    table.evicted++;
    drop(stalest);
  };
  const table = {
    probe,
    links: new Int32Array(flowsMax * 6),
    dir: 0,
    evicted: 0,
    opened: 0,
    get size() {
      return used;
    },
    take(sourcePort: number, targetPort: number, tag: number, timeMs: number): Flow {
      let order = 0;
      for (let i = 0; i < 4 && order === 0; i++) order = probe[i]! - probe[i + 4]!;
      if (order === 0) order = sourcePort - targetPort;
      const dir = order <= 0 ? 0 : 1;
      const from = dir === 0 ? 0 : 4;
      for (let i = 0; i < 4; i++) {
        k[i] = probe[from + i]!;
        k[i + 4] = probe[(from ^ 4) + i]!;
      }
      k[8] = dir === 0 ? (sourcePort << 16) | targetPort : (targetPort << 16) | sourcePort;
      k[9] = tag;
      table.dir = dir;
      const bucket = hashAt(k, 0);
      for (let slot = buckets[bucket]!; slot >= 0; slot = next[slot]!) {
        const at = slot * KEY_WORDS;
        if (keys[at + 8] !== k[8] || keys[at + 3] !== k[3] || keys[at + 7] !== k[7]) continue;
        let same = true;
        for (let i = 0; i < KEY_WORDS && same; i++) same = keys[at + i] === k[i];
        if (same) return flows[slot]!;
      }
      while (used >= flowsMax) makeRoom();
      const slot = free.pop() ?? flows.length;
      keys.set(k, slot * KEY_WORDS);
      next[slot] = buckets[bucket]!;
      buckets[bucket] = slot;
      const flow = newFlow(slot, timeMs);
      flows[slot] = flow;
      used++;
      table.opened++;
      return flow;
    },
    remove: drop,
    address: (flow: Flow, dir: number) => addressText(keys, flow.slot * KEY_WORDS + dir * 4),
    port: (flow: Flow, dir: number) => (keys[flow.slot * KEY_WORDS + 8]! >>> (dir === 0 ? 16 : 0)) & 0xffff,
    each(visit: (flow: Flow) => void) {
      for (const flow of flows) if (flow) visit(flow);
    },
  };
  return table;
}

function newFlow(slot: number, timeMs: number): Flow {
  return {
    slot,
    udp: false,
    client: -1,
    lastMs: timeMs,
    packet: 0,
    parser: null,
    sealed: false,
    tries: 0,
    talked: false,
    sides: null,
    memo: null,
    seen: 0,
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
