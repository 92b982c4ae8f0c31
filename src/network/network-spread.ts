/**
 * Captures read by several threads: this one finds the packets and says whose they are, the others inspect them where they lie
 * (`bin/asepsis bench inspect`, `two_cores`). Waiting for a free piece blocks this thread: for commands, not for `serve`.
 */

import { Worker } from 'node:worker_threads';
import { AsepsisError } from '../core/index.ts';
import { MACHINES_MAX } from './network-assets.ts';
import type { PacketSink, Pieces } from './network-capture.ts';
import { FLOWS_MAX, HELD_MAX, type Inspection, WAITING_BYTES_MAX } from './network-inspect.ts';
import { mergeInspections } from './network-merge.ts';
import { threadOf } from './network-spread-hash.ts';
import {
  baseAt,
  countAt,
  DATA_BYTES,
  DONE_AT,
  END,
  FAULT,
  FILE,
  makeShared,
  PACKETS_MAX,
  PIECE_BYTES,
  PUBLISHED,
  SLOTS,
  slotsOf,
  THREAD_AT,
  THREADS_MAX,
  WORDS,
} from './network-spread-slots.ts';
import type { ThreadData } from './network-spread-thread.ts';

/** A piece is inspected in milliseconds; a thread that needs this long is gone. */
const STUCK_MS = 120_000;
const YOUNG_MIB = 16;

export interface Spread {
  file(name: string): void;
  readonly frame: PacketSink;
  readonly pieces: Pieces;
  finish(): Promise<Inspection>;
}

export function createSpread(key: Uint8Array, wanted: number): Spread {
  const threads = Math.min(THREADS_MAX, Math.max(1, wanted));
  const shared = makeShared();
  const control = new Int32Array(shared.control);
  const slots = slotsOf(shared);
  const workers = Array.from({ length: threads }, (_, me) => {
    const share = (most: number) => Math.ceil(most / threads);
    const data: ThreadData = {
      shared,
      me,
      key,
      flowsMax: share(FLOWS_MAX),
      heldMax: share(HELD_MAX),
      waitingBytesMax: share(WAITING_BYTES_MAX),
      machinesMax: share(MACHINES_MAX),
    };
    return new Worker(new URL('./network-spread-thread.ts', import.meta.url), {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
    });
  });
  const answers = workers.map(
    (worker) =>
      new Promise<Inspection>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', () => reject(new AsepsisError('INPUT_UNREADABLE', 'A thread that inspects has ended.')));
      }),
  );
  // Whoever asks for the results hears of a fault; until then it is not unhandled.
  for (const answer of answers) answer.catch(() => undefined);

  let turn = 0;
  let open = false;
  let count = 0;
  let used = 0;
  /** Packets of this file in the pieces before. */
  let before = 0;
  let slot = slots[0]!;

  /** The next slot, once every thread is done with what it held. */
  const take = (): void => {
    slot = slots[turn % SLOTS]!;
    for (let me = 0; me < threads; me++)
      for (;;) {
        const done = Atomics.load(control, DONE_AT + me);
        if (done > turn - SLOTS) break;
        const waited = Atomics.wait(control, DONE_AT + me, done, STUCK_MS);
        if (Atomics.load(control, FAULT) !== 0 || waited === 'timed-out')
          throw new AsepsisError('INPUT_UNREADABLE', 'A thread that inspects has stopped.');
      }
  };
  const publish = (what: number, base: number): void => {
    control[countAt(turn % SLOTS)] = what;
    control[baseAt(turn % SLOTS)] = base;
    Atomics.store(control, PUBLISHED, ++turn);
    Atomics.notify(control, PUBLISHED);
  };

  return {
    file(name) {
      take();
      const bytes = Buffer.from(name).subarray(0, PIECE_BYTES);
      slot.data.set(bytes);
      publish(FILE, bytes.length);
      before = 0;
    },
    pieces: {
      bytesMax: PIECE_BYTES,
      room() {
        take();
        return slot.data.subarray(0, PIECE_BYTES);
      },
      take(piece) {
        take();
        open = true;
        count = 0;
        if (piece.buffer !== slot.data.buffer || piece.byteOffset !== 0) slot.data.set(piece);
        used = piece.length;
        return slot.data.subarray(0, piece.length);
      },
      done() {
        if (open && count > 0) publish(count, before);
        before += count;
        open = false;
      },
    },
    frame(b, start, end, originalLength, timeMs, link) {
      let at = b.byteOffset + start;
      const length = end - start;
      if (b.buffer !== slot.data.buffer) {
        // It lay across two pieces.
        at = used;
        if (at + length > DATA_BYTES || count >= PACKETS_MAX)
          throw new AsepsisError('INPUT_UNREADABLE', 'A packet is too long for the memory that threads share.');
        slot.data.set(b.subarray(start, end), at);
        used += length;
      }
      const { words } = slot;
      const word = count * WORDS;
      words[word] = at;
      words[word + 1] = at + length;
      words[word + 2] = originalLength;
      words[word + 3] = (link & 0xffff) | (threadOf(slot.data, at, at + length, link, threads) << THREAD_AT);
      slot.times[count++] = timeMs;
    },
    async finish() {
      take();
      publish(END, 0);
      return mergeInspections(await Promise.all(answers));
    },
  };
}
