/** One inspecting thread: takes the packets that are its own from each piece, and answers with what it saw. */

import { parentPort, workerData } from 'node:worker_threads';
import { keyedHash } from './network-hash.ts';
import { createInspector } from './network-inspect.ts';
import {
  baseAt,
  countAt,
  DONE_AT,
  END,
  FAULT,
  FILE,
  PUBLISHED,
  type Shared,
  SLOTS,
  slotsOf,
  THREAD_AT,
  WORDS,
} from './network-spread-slots.ts';

export interface ThreadData {
  readonly shared: Shared;
  readonly me: number;
  readonly key: Uint8Array;
  readonly flowsMax: number;
  readonly heldMax: number;
  readonly waitingBytesMax: number;
  readonly machinesMax: number;
}

const LINK_MASK = (1 << THREAD_AT) - 1;
const { shared, me, key, ...limits } = workerData as ThreadData;
const control = new Int32Array(shared.control);
const slots = slotsOf(shared);
const inspector = createInspector({ hash: keyedHash(key), ...limits });

function piece(slot: number, count: number): void {
  const { data, words, times } = slots[slot]!;
  const base = control[baseAt(slot)]!;
  for (let i = 0, at = 0; i < count; i++, at += WORDS) {
    const link = words[at + 3]!;
    if (link >>> THREAD_AT !== me) continue;
    inspector.numbered(base + i);
    inspector.frame(data, words[at]!, words[at + 1]!, words[at + 2]! >>> 0, times[i]!, link & LINK_MASK);
  }
}

try {
  for (let turn = 0; ; turn++) {
    while (Atomics.load(control, PUBLISHED) === turn) Atomics.wait(control, PUBLISHED, turn);
    const slot = turn % SLOTS;
    const count = control[countAt(slot)]!;
    if (count === END) break;
    if (count === FILE) inspector.file(Buffer.from(slots[slot]!.data.subarray(0, control[baseAt(slot)])).toString());
    else piece(slot, count);
    Atomics.store(control, DONE_AT + me, turn + 1);
    Atomics.notify(control, DONE_AT + me);
  }
  parentPort?.postMessage(inspector.finish());
} catch (error) {
  Atomics.store(control, FAULT, 1);
  Atomics.notify(control, DONE_AT + me);
  throw error;
}
