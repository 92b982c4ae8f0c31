/**
 * The flow table: open flows by five-tuple in typed arrays, a hundred bytes each, with a ceiling; when it is full the stalest
 * of a few goes. Only flows in which something is read have an object, and of these there is a ceiling too: beyond it the
 * stalest of a few rests, which costs nothing where no message is open.
 * Hot path: one look-up a packet without an object (`bin/asepsis bench inspect`).
 */

import { randomInt } from 'node:crypto';
import { addressText } from './network-bytes.ts';
import { type Flow, newFlow, sidesOf } from './network-flow.ts';

/** 4 words an address, 2 addresses, ports, protocol and VLAN. */
const KEY_WORDS = 10;
/** Two directions, 3 words each. */
const LINK_WORDS = 6;
const ROOM_FIRST = 8192;
const SAMPLE = 8;
const TRIES_MAX = 255;

/** Bits of a flow's state; from `TRIES_AT` on the pieces that nobody recognised are counted. */
const USED = 1;
const UDP = 2;
const SEALED = 4;
const TALKED = 8;
const CLIENT_AT = 4;
const SEEN_AT = 6;
const SEQ_AT = 8;
const TRIES_AT = 16;

export interface FlowTable {
  /** Put the key here before `take`: source address, destination address. */
  readonly probe: Int32Array;
  /** The slot of the probe's flow, made when it is new; `dir` says which end sent. */
  take(sourcePort: number, targetPort: number, tag: number, timeMs: number): number;
  dir: number;
  /** True the first time that this direction is seen. */
  first(slot: number, dir: number): boolean;
  /** The flow's object when it has one. */
  held(slot: number): Flow | null;
  /** The same, made when there is none. */
  flow(slot: number): Flow;
  /** An object to look at one datagram with; `settle` takes it back. */
  loan(slot: number): Flow;
  settle(flow: Flow): void;
  /** What the object knows goes back into the table. Nothing may be open in the flow. */
  rest(flow: Flow): void;
  sealed(slot: number): boolean;
  /** A connection begins in a flow that has no object. */
  begins(slot: number, dir: number, seq: number, answer: boolean): void;
  /** By slot and direction, 3 words each: end of the sender's and of the receiver's MAC, its beginning with the hop limit. */
  readonly links: Int32Array;
  readonly size: number;
  readonly evicted: number;
  readonly opened: number;
  /** Flows that something was open in when their object was needed for another one. */
  readonly givenUp: number;
  address(flow: { readonly slot: number }, dir: number): string;
  port(flow: { readonly slot: number }, dir: number): number;
  /** Ends all flows. */
  clear(): void;
}

export interface FlowTableOptions {
  readonly flowsMax: number;
  /** Objects at once. */
  readonly heldMax: number;
  /** The flow leaves the table. */
  readonly onGone: (flow: Flow) => void;
  /** Its object is needed elsewhere: ends what is open in it, keeps where both directions are. True when something was lost. */
  readonly onRest: (flow: Flow) => boolean;
}

function longer<T extends Int32Array | Uint32Array | Float64Array>(before: T, after: T): T {
  after.set(before);
  return after;
}

export function createFlowTable({ flowsMax, heldMax, onGone, onRest }: FlowTableOptions): FlowTable {
  /** Room for so many now; it is doubled when they are there. */
  let room = Math.min(flowsMax, ROOM_FIRST);
  /** One more than the first slot of each chain. */
  let buckets = new Int32Array(1 << Math.ceil(Math.log2(room * 2)));
  let mask = buckets.length - 1;
  let next = new Int32Array(room);
  let keys = new Int32Array(room * KEY_WORDS);
  let state = new Uint32Array(room);
  let seqs = new Uint32Array(room * 2);
  let lastMs = new Float64Array(room);
  /** Objects, and which place each slot's has: one more, 0 without. */
  const objects: Flow[] = [];
  let places = new Int32Array(room);
  const probe = new Int32Array(8);
  const k = new Int32Array(KEY_WORDS);
  let scratch = newFlow(0);
  let top = 0;
  let free = -1;
  let used = 0;
  let hand = 0;
  let objectHand = 0;

  // Whoever sends the traffic must not know which flows share a chain.
  const seed = randomInt(2 ** 32) | 0;
  const hashAt = (a: Int32Array, at: number): number => {
    let h = seed;
    for (let i = 0; i < KEY_WORDS; i++) {
      h = Math.imul(h ^ a[at + i]!, 0x85ebca6b);
      h ^= h >>> 15;
    }
    return h & mask;
  };
  const unlink = (slot: number): void => {
    const bucket = hashAt(keys, slot * KEY_WORDS);
    let at = buckets[bucket]! - 1;
    if (at === slot) buckets[bucket] = next[slot]! + 1;
    else {
      while (at >= 0 && next[at] !== slot) at = next[at]!;
      if (at >= 0) next[at] = next[slot]!;
    }
  };
  /** Into the object who it is. */
  const identify = (flow: Flow, slot: number): Flow => {
    const bits = state[slot]!;
    flow.slot = slot;
    flow.udp = (bits & UDP) !== 0;
    flow.client = ((bits >>> CLIENT_AT) & 3) - 1;
    flow.sealed = (bits & SEALED) !== 0;
    flow.talked = (bits & TALKED) !== 0;
    flow.tries = bits >>> TRIES_AT;
    return flow;
  };
  /** And where both directions are. */
  const load = (flow: Flow, slot: number): Flow => {
    identify(flow, slot);
    const bits = state[slot]!;
    if (((bits >>> SEQ_AT) & 3) === 0) return flow;
    const sides = sidesOf(flow);
    for (let dir = 0; dir < 2; dir++) if ((bits >>> (SEQ_AT + dir)) & 1) sides[dir]!.nextSeq = seqs[slot * 2 + dir]!;
    return flow;
  };
  const store = (flow: Flow): void => {
    const { slot } = flow;
    let bits = (state[slot]! & (USED | (3 << SEEN_AT))) | ((flow.client + 1) << CLIENT_AT);
    if (flow.udp) bits |= UDP;
    if (flow.sealed) bits |= SEALED;
    if (flow.talked) bits |= TALKED;
    bits |= Math.min(flow.tries, TRIES_MAX) << TRIES_AT;
    for (let dir = 0; dir < 2; dir++) {
      const seq = flow.sides?.[dir]?.nextSeq ?? -1;
      if (seq < 0) continue;
      bits |= 1 << (SEQ_AT + dir);
      seqs[slot * 2 + dir] = seq;
    }
    state[slot] = bits;
  };
  const letGo = (flow: Flow): void => {
    const place = places[flow.slot]! - 1;
    if (place < 0) return;
    const last = objects.pop()!;
    if (last !== flow) {
      objects[place] = last;
      places[last.slot] = place + 1;
    }
    places[flow.slot] = 0;
  };
  const hold = (flow: Flow): void => {
    while (objects.length >= heldMax) restOne();
    places[flow.slot] = objects.push(flow);
  };
  const restOne = (): void => {
    let stalest = objects[0]!;
    for (let i = 0; i < SAMPLE; i++) {
      objectHand = objectHand + 1 < objects.length ? objectHand + 1 : 0;
      const one = objects[objectHand]!;
      if (i === 0 || lastMs[one.slot]! < lastMs[stalest.slot]!) stalest = one;
    }
    if (onRest(stalest)) table.givenUp++;
    table.rest(stalest);
  };
  const gone = (slot: number): void => {
    const held = table.held(slot);
    onGone(held ?? identify(scratch, slot));
    if (held !== null) letGo(held);
  };
  const drop = (slot: number): void => {
    gone(slot);
    unlink(slot);
    state[slot] = 0;
    next[slot] = free;
    free = slot;
    used--;
  };
  const makeRoom = (): void => {
    let stalest = -1;
    for (let i = 0; i < SAMPLE; i++) {
      hand = hand + 1 < top ? hand + 1 : 0;
      if ((state[hand]! & USED) !== 0 && (stalest < 0 || lastMs[hand]! < lastMs[stalest]!)) stalest = hand;
    }
    if (stalest < 0) return;
    table.evicted++;
    drop(stalest);
  };
  const grow = (): void => {
    room = Math.min(flowsMax, room * 2);
    next = longer(next, new Int32Array(room));
    keys = longer(keys, new Int32Array(room * KEY_WORDS));
    state = longer(state, new Uint32Array(room));
    seqs = longer(seqs, new Uint32Array(room * 2));
    lastMs = longer(lastMs, new Float64Array(room));
    places = longer(places, new Int32Array(room));
    table.links = longer(table.links, new Int32Array(room * LINK_WORDS));
    buckets = new Int32Array(1 << Math.ceil(Math.log2(room * 2)));
    mask = buckets.length - 1;
    // It grows when every slot is used: all of them are chained anew.
    for (let slot = 0; slot < top; slot++) {
      const bucket = hashAt(keys, slot * KEY_WORDS);
      next[slot] = buckets[bucket]! - 1;
      buckets[bucket] = slot + 1;
    }
  };
  const make = (dir: number, timeMs: number): number => {
    while (used >= flowsMax) makeRoom();
    if (used >= room) grow();
    const bucket = hashAt(k, 0);
    const slot = free >= 0 ? free : top++;
    if (slot === free) free = next[slot]!;
    const at = slot * KEY_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) keys[at + i] = k[i]!;
    next[slot] = buckets[bucket]! - 1;
    buckets[bucket] = slot + 1;
    // Who asks first in UDP is the client; in TCP the handshake tells.
    state[slot] = (k[9]! & 1) === 0 ? USED : USED | UDP | ((dir + 1) << CLIENT_AT);
    lastMs[slot] = timeMs;
    used++;
    table.opened++;
    return slot;
  };
  const table = {
    probe,
    links: new Int32Array(room * LINK_WORDS),
    dir: 0,
    evicted: 0,
    opened: 0,
    givenUp: 0,
    get size() {
      return used;
    },
    take(sourcePort: number, targetPort: number, tag: number, timeMs: number): number {
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
      for (let slot = buckets[bucket]! - 1; slot >= 0; slot = next[slot]!) {
        const at = slot * KEY_WORDS;
        if (keys[at + 8] !== k[8] || keys[at + 3] !== k[3] || keys[at + 7] !== k[7]) continue;
        let same = true;
        for (let i = 0; i < KEY_WORDS && same; i++) same = keys[at + i] === k[i];
        if (!same) continue;
        lastMs[slot] = timeMs;
        return slot;
      }
      return make(dir, timeMs);
    },
    first(slot: number, dir: number): boolean {
      const bit = 1 << (SEEN_AT + dir);
      if ((state[slot]! & bit) !== 0) return false;
      state[slot]! |= bit;
      return true;
    },
    held: (slot: number): Flow | null => (places[slot]! === 0 ? null : objects[places[slot]! - 1]!),
    flow(slot: number): Flow {
      const held = table.held(slot);
      if (held !== null) return held;
      const flow = load(newFlow(slot), slot);
      hold(flow);
      return flow;
    },
    loan: (slot: number): Flow => table.held(slot) ?? load(scratch, slot),
    settle(flow: Flow): void {
      if (flow !== scratch) return;
      store(flow);
      if (flow.memo === null && flow.app === '') return;
      // What it was reported as makes the next one cheap.
      scratch = newFlow(0);
      hold(flow);
    },
    rest(flow: Flow): void {
      store(flow);
      letGo(flow);
    },
    sealed: (slot: number): boolean => (state[slot]! & SEALED) !== 0,
    begins(slot: number, dir: number, seq: number, answer: boolean): void {
      const bits = state[slot]!;
      const at = slot * 2 + dir;
      const known = (bits >>> (SEQ_AT + dir)) & 1;
      // Another beginning than the one that is known is another connection, and so is one behind an end.
      const other = known === 1 ? seqs[at] !== (seq + 1) >>> 0 : (bits & SEALED) !== 0;
      const kept = other ? bits & (USED | UDP | (3 << SEEN_AT)) : bits & ~(3 << CLIENT_AT);
      const client = answer ? dir ^ 1 : dir;
      state[slot] = kept | (1 << (SEQ_AT + dir)) | ((client + 1) << CLIENT_AT);
      seqs[at] = (seq + 1) >>> 0;
    },
    address: (flow: { readonly slot: number }, dir: number) => addressText(keys, flow.slot * KEY_WORDS + dir * 4),
    port: (flow: { readonly slot: number }, dir: number) =>
      (keys[flow.slot * KEY_WORDS + 8]! >>> (dir === 0 ? 16 : 0)) & 0xffff,
    clear(): void {
      for (let slot = 0; slot < top; slot++) if ((state[slot]! & USED) !== 0) gone(slot);
      state.fill(0, 0, top);
      buckets.fill(0);
      top = 0;
      used = 0;
      free = -1;
    },
  };
  return table;
}
