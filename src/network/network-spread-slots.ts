/** Memory that the reading thread and the inspecting threads share: pieces of a capture, and where its packets lie in them. */

/** Pieces under way at once. */
export const SLOTS = 8;
export const PIECE_BYTES = 1 << 19;
/** Packets that lie across two pieces are copied behind the piece; a block of pcapng is 4 MiB at most. */
const EXTRA_BYTES = 5 << 20;
export const DATA_BYTES = PIECE_BYTES + EXTRA_BYTES;
/** No record is shorter than its head of 16 bytes. */
export const PACKETS_MAX = PIECE_BYTES / 16 + 64;
/** Words a packet: start, end, length on the wire, link type with the thread's number above. */
export const WORDS = 4;
export const THREAD_AT = 24;
const TIMES_AT = PACKETS_MAX * WORDS * 4;

/** Words of the control block: pieces published, a fault, pieces done by each thread; then what each slot holds. */
export const PUBLISHED = 0;
export const FAULT = 1;
export const DONE_AT = 2;
export const THREADS_MAX = 16;
const COUNTS_AT = DONE_AT + THREADS_MAX;

/** What a slot holds when it holds no packets. */
export const END = -1;
export const FILE = -2;

export interface Slot {
  readonly data: Uint8Array;
  readonly words: Int32Array;
  readonly times: Float64Array;
}

export interface Shared {
  readonly control: SharedArrayBuffer;
  readonly data: readonly SharedArrayBuffer[];
  readonly index: readonly SharedArrayBuffer[];
}

export const makeShared = (): Shared => ({
  control: new SharedArrayBuffer((COUNTS_AT + SLOTS * 2) * 4),
  data: Array.from({ length: SLOTS }, () => new SharedArrayBuffer(DATA_BYTES)),
  index: Array.from({ length: SLOTS }, () => new SharedArrayBuffer(TIMES_AT + PACKETS_MAX * 8)),
});

export const slotsOf = (shared: Shared): Slot[] =>
  shared.data.map((data, i) => ({
    data: new Uint8Array(data),
    words: new Int32Array(shared.index[i]!, 0, PACKETS_MAX * WORDS),
    times: new Float64Array(shared.index[i]!, TIMES_AT, PACKETS_MAX),
  }));

/** How many packets a slot holds (or `END`, `FILE`), and the number of the packet before its first. */
export const countAt = (slot: number): number => COUNTS_AT + slot * 2;
export const baseAt = (slot: number): number => COUNTS_AT + slot * 2 + 1;
