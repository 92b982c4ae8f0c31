/** Follows the files of one path or pattern: new ones, renamed ones to their end, truncated ones from their copy. */

import { type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Clock, errorLine, type Stream } from '../../core/index.ts';
import { createBucket } from '../ingest-bucket.ts';
import type { Sources } from '../ingest-sources.ts';
import { type FileState, readCheckpoint, writeCheckpoint } from './file-checkpoint.ts';
import {
  FILES_MAX,
  type FileFacts,
  factsOf,
  filesMatching,
  findSibling,
  fingerprintOf,
  isEarlierTurn,
  isSame,
  keyOf,
  turnsSince,
  watchedFolder,
} from './file-identity.ts';
import { newBuffer, newLife, type ReadContext, readTurn, stateOf, type Tracked } from './file-tracked.ts';

export interface FollowOptions {
  readonly pattern: string;
  readonly name?: string;
  readonly zone?: string;
  readonly checkpointPath: string;
  readonly stream: Stream;
  readonly clock: Clock;
  readonly sources: Sources;
  readonly exercise: boolean;
  readonly eventsPerSecMax: number;
  readonly log: (o: object, msg: string) => void;
  /** A writer may hold a renamed file open this long without writing before it counts as finished; 60 s. */
  readonly quietMs?: number;
  /** A file that looks like a copy of one being read waits this long for that one to be truncated; 10 s. */
  readonly copyMs?: number;
}

const POLL_MS = 1000;
const SAVE_MS = 500;
/** Between a change and the look at it: one look for many changes. */
const SETTLE_MS = 20;
const RETRY_MS = 5000;
const FINISHED_MAX = 10_000;

interface Follower extends ReadContext {
  readonly o: FollowOptions;
  readonly tracked: Map<string, Tracked>;
  /** States of an earlier run whose file was not found yet. */
  readonly remembered: Map<string, FileState>;
  /** Since when a file is taken for a copy. */
  readonly copies: Map<string, number>;
  readonly noticed: Set<string>;
  /** Rotated files that were read to their end. */
  readonly finished: Set<string>;
}

function notice(f: Follower, path: string, what: string, reason?: unknown): void {
  const key = `${what} ${path}`;
  if (f.noticed.has(key) || f.noticed.size > FILES_MAX) return;
  f.noticed.add(key);
  f.o.log({ path, ...(reason !== undefined && { reason: errorLine(reason) }) }, what);
}

type Opened = { handle: Tracked['handle']; facts: FileFacts; path: string };

async function track(f: Follower, opened: Opened, state: Partial<FileState>, gone: boolean): Promise<Tracked> {
  const source = state.source ?? f.o.name ?? opened.path;
  const { zone } = f.o;
  const sourceId = await f.sources.ensure('file', source, {
    address: opened.path.slice(0, 256),
    ...(zone && { zone }),
  });
  const tracked: Tracked = {
    id: state.id ?? newLife(),
    dev: opened.facts.dev,
    ino: opened.facts.ino,
    path: opened.path,
    offset: state.offset ?? 0,
    fingerprint: state.fingerprint ?? '',
    fingerprintBytes: state.fingerprintBytes ?? 0,
    source,
    handle: opened.handle,
    sourceId,
    bucket: createBucket(f.o.eventsPerSecMax, f.clock.now()),
    goneMs: gone ? f.clock.now() : null,
    changedMs: f.clock.now(),
    settled: '',
  };
  f.tracked.set(keyOf(tracked), tracked);
  return tracked;
}

/** Between a file that was rotated away and the one there now there may have been others that nobody saw. */
async function adoptUnseen(f: Follower, path: string, rotated: Tracked): Promise<void> {
  const { mtimeNs } = await factsOf(rotated.handle);
  const present = await filesMatching(f.o.pattern);
  for (const turnPath of await turnsSince(path, mtimeNs)) {
    const handle = await open(turnPath, 'r').catch(() => null);
    if (!handle) continue;
    const facts = await factsOf(handle);
    const key = keyOf(facts);
    if (f.tracked.has(key) || present.has(key) || f.finished.has(key) || f.remembered.has(key)) await handle.close();
    else await track(f, { handle, facts, path: turnPath }, { source: rotated.source }, true);
  }
}

/** The rest of a file that was copied and truncated is in the copy: the old life goes on there. */
async function followCopy(f: Follower, state: FileState): Promise<boolean> {
  const copy = await findSibling(state.path, async (handle, facts) => {
    if (f.tracked.has(keyOf(facts)) || keyOf(facts) === keyOf(state)) return false;
    return state.fingerprintBytes > 0 && isSame(handle, facts.size, state);
  });
  if (!copy) return false;
  f.copies.delete(keyOf(copy.facts));
  await adoptUnseen(f, state.path, await track(f, copy, state, true));
  return true;
}

async function replaced(f: Follower, tracked: Tracked): Promise<void> {
  const copied = await followCopy(f, stateOf(tracked));
  if (!copied && tracked.fingerprintBytes > 0) {
    f.sources.fault(tracked.sourceId, 'a followed file was truncated; what was not read before is lost');
    f.o.log({ path: tracked.path }, 'a followed file was truncated and its copy was not found');
  }
  tracked.id = newLife();
  tracked.offset = 0;
  tracked.fingerprint = '';
  tracked.fingerprintBytes = 0;
  tracked.settled = '';
  f.changed();
}

/** Whether a new file is only a copy of one that is being read, which will be truncated next (logrotate's copytruncate). */
async function looksLikeCopy(f: Follower, opened: Opened): Promise<boolean> {
  const key = keyOf(opened.facts);
  const since = f.copies.get(key);
  if (since !== undefined && f.clock.now() - since >= (f.o.copyMs ?? 10_000)) return false;
  for (const other of f.tracked.values()) {
    const { size } = opened.facts;
    if (other.fingerprintBytes === 0 || !isEarlierTurn(other.path, basename(opened.path))) continue;
    const length = Math.min(size, other.fingerprintBytes);
    // An empty one may be a copy that was only just begun.
    const differs = async () =>
      (await fingerprintOf(opened.handle, length)) !== (await fingerprintOf(other.handle, length));
    if (length > 0 && (await differs())) continue;
    if (since === undefined) f.copies.set(key, f.clock.now());
    return true;
  }
  return false;
}

/** Starts on a file that is not tracked yet. */
async function adopt(f: Follower, path: string): Promise<void> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    notice(f, path, 'a file cannot be read; give the user that runs Asepsis the right to', error);
    return null;
  });
  if (!handle) return;
  const opened = { handle, facts: await factsOf(handle), path };
  const key = keyOf(opened.facts);
  const state = f.remembered.get(key);
  if (f.tracked.has(key)) return handle.close();
  if (state && (await isSame(handle, opened.facts.size, state))) {
    await track(f, opened, state, false);
  } else if (state) {
    await followCopy(f, state);
    await track(f, opened, { source: state.source }, false);
  } else if (await looksLikeCopy(f, opened)) {
    await handle.close();
  } else {
    f.copies.delete(key);
    await track(f, opened, {}, false);
    for (const other of f.tracked.values())
      if (other.goneMs !== null && other.path === path) await adoptUnseen(f, path, other);
  }
  f.remembered.delete(key);
}

/** Files of an earlier run that no name of the pattern leads to: a rename took them while nobody looked. */
async function adoptRenamed(f: Follower): Promise<void> {
  for (const [key, state] of f.remembered) {
    const found = await findSibling(
      state.path,
      async (handle, facts) => keyOf(facts) === key && isSame(handle, facts.size, state),
    );
    if (found) await adoptUnseen(f, state.path, await track(f, found, state, true));
    else if (!(await followCopy(f, state))) {
      f.o.log({ path: state.path }, 'a file was rotated away while Asepsis did not run');
    }
    f.remembered.delete(key);
  }
}

async function look(f: Follower): Promise<void> {
  const present = await filesMatching(f.o.pattern);
  if (present.size === 0) notice(f, f.o.pattern, 'no file is there yet; it is followed when it comes');
  if (present.size >= FILES_MAX)
    notice(f, f.o.pattern, `the pattern matches more than ${FILES_MAX} files; the others are not read`);
  for (const tracked of f.tracked.values()) {
    const path = present.get(keyOf(tracked));
    if (path === undefined) {
      if (tracked.goneMs !== null) continue;
      tracked.goneMs = f.clock.now();
      await adoptUnseen(f, tracked.path, tracked);
    } else {
      tracked.goneMs = null;
      tracked.path = path;
    }
  }
  for (const [key, path] of present) {
    if (!f.tracked.has(key) && f.tracked.size < 2 * FILES_MAX) await adopt(f, path);
  }
  if (f.remembered.size > 0) await adoptRenamed(f);
}

/** One turn for each file; true when there is more to read at once. */
async function turn(f: Follower): Promise<boolean> {
  let more = false;
  for (const tracked of f.tracked.values()) {
    if (f.signal.aborted) return false;
    const quietMs = f.clock.now() - Math.max(tracked.goneMs ?? 0, tracked.changedMs);
    const finished = tracked.goneMs !== null && quietMs >= (f.o.quietMs ?? 60_000);
    const result = await readTurn(tracked, finished, f);
    if (result === 'replaced') {
      await replaced(f, tracked);
      more = true;
    } else if (result === 'more') {
      more = true;
    } else if (finished) {
      f.tracked.delete(keyOf(tracked));
      if (f.finished.size < FINISHED_MAX) f.finished.add(keyOf(tracked));
      await tracked.handle.close();
      f.changed();
    }
  }
  return more;
}

/** Begins to follow; `close` stops after the batch under way and writes the checkpoint. */
export function followFiles(o: FollowOptions): { close(): Promise<void> } {
  const closing = new AbortController();
  let wake = () => {};
  let woken = false;
  let dirty = false;
  let savedMs = 0;
  const follower: Follower = {
    ...o,
    o,
    signal: closing.signal,
    buffer: newBuffer(),
    tracked: new Map(),
    remembered: new Map(),
    copies: new Map(),
    noticed: new Set(),
    finished: new Set(),
    changed: () => {
      dirty = true;
    },
    async save() {
      dirty = false;
      savedMs = Date.now();
      const files = [...[...follower.tracked.values()].map(stateOf), ...follower.remembered.values()];
      await writeCheckpoint(o.checkpointPath, { version: 1, pattern: o.pattern, files });
    },
  };
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        setTimeout(resolve, SETTLE_MS);
      };
      if (woken || closing.signal.aborted) wake();
      woken = false;
    });
  const round = async (): Promise<number> => {
    try {
      // Truncations first: a copy is told from a new file by the file it was copied from.
      const before = await turn(follower);
      await look(follower);
      const more = await turn(follower);
      if (dirty && Date.now() - savedMs >= SAVE_MS) await follower.save();
      return before || more ? 0 : dirty ? SAVE_MS : POLL_MS;
    } catch (error) {
      if (!closing.signal.aborted) o.log({ err: error, path: o.pattern }, 'following failed; it is tried again');
      return RETRY_MS;
    }
  };
  const run = async () => {
    const stored = await readCheckpoint<{ files: FileState[] }>(o.checkpointPath);
    for (const state of stored?.files ?? []) follower.remembered.set(keyOf(state), state);
    while (!closing.signal.aborted) {
      const waitMs = await round();
      if (waitMs > 0 && !closing.signal.aborted) await pause(waitMs);
    }
    if (dirty) await follower.save().catch((error) => o.log({ err: error }, 'the checkpoint could not be written'));
    for (const tracked of follower.tracked.values()) await tracked.handle.close();
  };
  const watcher = watchFolder(watchedFolder(o.pattern), () => {
    woken = true;
    wake();
  });
  const running = run();
  return {
    async close() {
      closing.abort();
      watcher?.close();
      wake();
      await running;
    },
  };
}

/** Where watching is not possible (network file systems, no inotify left) the poll each second is enough. */
function watchFolder(folder: string, onChange: () => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
