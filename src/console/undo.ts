/** The last thing a person did and how to take it back: one step, one key. */

import { useSyncExternalStore } from 'react';

interface Done {
  /** What was done, as a sentence. */
  readonly label: string;
  /** Absent: this stays in the record. */
  readonly undo?: (() => Promise<void> | void) | undefined;
}

let last: Done | null = null;
const listeners = new Set<() => void>();

function set(next: Done | null): void {
  last = next;
  for (const listener of listeners) listener();
}

export function useLastDone(): Done | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => last,
  );
}

/** Shows at the foot of the page what was done. */
export const didIt = (label: string, undo?: Done['undo']): void => set({ label, undo });
export const forgetDone = (): void => set(null);

export function undoLast(): void {
  const done = last;
  if (!done?.undo) return;
  set(null);
  void done.undo();
}
