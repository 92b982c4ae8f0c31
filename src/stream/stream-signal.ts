/** The last durable sequence number in shared memory: the writer publishes it, readers in any thread wait for it. */

/** A waiter looks again after this long; an abandoned one (aborted) is gone from the engine's list by then. */
const WAIT_MS = 5000;

export interface SeqSignal {
  readonly buffer: SharedArrayBuffer;
  durable(): number;
  publish(seq: number): void;
  /** Resolves once something after `seq` is durable, or when one of `aborts` fires. */
  wait(seq: number, aborts: readonly AbortSignal[]): Promise<void>;
}

function settled(promise: Promise<unknown>, aborts: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    // Atomics.waitAsync does not keep a thread alive by itself; somebody who waits for blocks wants to go on living.
    const alive = setTimeout(() => {}, 2 * WAIT_MS);
    const finish = (): void => {
      clearTimeout(alive);
      for (const abort of aborts) abort.removeEventListener('abort', finish);
      resolve();
    };
    for (const abort of aborts) abort.addEventListener('abort', finish);
    void promise.then(finish);
  });
}

/** @param buffer at least eight bytes: one signed 64-bit word, the last durable sequence number */
export function createSignal(buffer: SharedArrayBuffer = new SharedArrayBuffer(8)): SeqSignal {
  const word = new BigInt64Array(buffer, 0, 1);
  return {
    buffer,
    durable: () => Number(Atomics.load(word, 0)),
    publish(seq) {
      Atomics.store(word, 0, BigInt(seq));
      Atomics.notify(word, 0);
    },
    async wait(seq, aborts) {
      while (!aborts.some((abort) => abort.aborted)) {
        const seen = Atomics.load(word, 0);
        if (Number(seen) > seq) return;
        const waiting = Atomics.waitAsync(word, 0, seen, WAIT_MS);
        if (waiting.async) await settled(waiting.value, aborts);
      }
    },
  };
}
