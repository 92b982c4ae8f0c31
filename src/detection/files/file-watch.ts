/**
 * Hears of changes as they happen: one inotify watch a folder (fs.watch), bounded. Paths are gathered for a moment, so that a
 * write in a hundred parts is one look. When more come than can be kept, or watches run out, a full look is asked for.
 */

import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';

const GATHER_MS = 150;
/** A writer that never pauses is looked at this often. */
const GATHER_MAX_MS = 1000;
const PENDING_MAX = 20_000;

export interface Watching {
  /** Adds a folder; true when it is watched now. */
  add(folder: string): boolean;
  forget(folder: string): void;
  count(): number;
  stop(): void;
}

export interface WatchHandlers {
  /** Paths that changed, each once. */
  readonly onPaths: (paths: readonly string[]) => void;
  /** Something may have been missed. */
  readonly onOverflow: (why: string) => void;
}

export function createWatching(max: number, on: WatchHandlers): Watching {
  const watchers = new Map<string, FSWatcher>();
  let pending = new Set<string>();
  let overflow = false;
  let timer: NodeJS.Timeout | null = null;
  let firstMs = 0;

  const flush = () => {
    timer = null;
    const paths = [...pending];
    pending = new Set();
    if (overflow) on.onOverflow('more changes at once than can be kept');
    overflow = false;
    if (paths.length > 0) on.onPaths(paths);
  };
  const heard = (path: string) => {
    if (pending.size >= PENDING_MAX) overflow = true;
    else pending.add(path);
    const now = Date.now();
    if (timer === null) firstMs = now;
    else if (now - firstMs < GATHER_MAX_MS) clearTimeout(timer);
    else return;
    timer = setTimeout(flush, GATHER_MS);
  };
  const forget = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  return {
    add: (folder) => {
      if (watchers.has(folder)) return true;
      if (watchers.size >= max) return false;
      try {
        const watcher = watch(folder, { persistent: false }, (_, name) => {
          if (name === null) on.onOverflow('the system did not say which file changed');
          else heard(join(folder, name.toString()));
        });
        watcher.on('error', () => {
          forget(folder);
          heard(folder);
        });
        watchers.set(folder, watcher);
        return true;
      } catch {
        return false;
      }
    },
    forget,
    count: () => watchers.size,
    stop: () => {
      if (timer !== null) clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
