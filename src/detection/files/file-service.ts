/** File integrity while the desk runs: watches, looks, compares with the baseline, and has it told. Rules make the alerts. */

import { randomBytes } from 'node:crypto';
import type { RoomServices } from '../../core/index.ts';
import { createAsker } from './file-asker.ts';
import { type Baseline, readBaseline, writeBaseline } from './file-baseline.ts';
import { folderOf } from './file-burst.ts';
import { placeCanaries } from './file-canary.ts';
import { compareEntries, type FileChange, type FileEntry } from './file-entry.ts';
import { excludedBy, lookAtAll, rootsOf } from './file-round.ts';
import { attributesOf, lookAt, walk } from './file-scan.ts';
import { ASK_FIRST, createTeller, type Teller } from './file-teller.ts';
import { createWatching, type Watching } from './file-watch.ts';

const MINUTE_MS = 60_000;
const SAVE_EVERY_MS = 30_000;
/** Every file is read again this often, whatever its times say. */
const FRESH_EVERY_ROUNDS = 24;
const KEY = 'files.text-key';

export interface FileIntegrity {
  stop(): Promise<void>;
}

async function keyOf({ store }: RoomServices): Promise<string> {
  const known = await store.values.get(KEY);
  if (known !== null) return known;
  await store.values.compareAndSet(KEY, null, randomBytes(24).toString('base64url'));
  return (await store.values.get(KEY)) as string;
}

/** What the parts share: the baseline as it is now, and whether it has to be written. */
interface Held {
  baseline: Baseline;
  dirty: boolean;
}

/** Looks at one path and below, keeps what it finds, answers what changed. */
function createLook(services: RoomServices, held: Held, watching: Watching) {
  const config = services.config.file_integrity;
  const excluded = excludedBy(config, services.dataDir);
  /** Something changed that is neither content, mode nor owner: its attributes, such as capabilities. */
  const withXattr = async (entry: FileEntry): Promise<FileEntry> => ({
    ...entry,
    xattr: (await attributesOf([entry.path])).get(entry.path) ?? '',
  });
  const lookOne = async (path: string): Promise<FileChange | null> => {
    if (excluded(path)) return null;
    const before = held.baseline.get(path) ?? null;
    const seen = await lookAt(path, before);
    const touched = seen !== null && before !== null && before.ctimeMs !== seen.ctimeMs;
    const after = touched && compareEntries(before, seen) === null ? await withXattr(seen) : seen;
    if (after) held.baseline.set(path, after);
    else held.baseline.delete(path);
    if (after?.type === 'folder') watching.add(path);
    else if (before?.type === 'folder') watching.forget(path);
    return compareEntries(before, after);
  };
  return async (path: string): Promise<FileChange[]> => {
    const fresh = !held.baseline.has(path);
    const found = [await lookOne(path)];
    // A new folder may be full already.
    if (fresh && held.baseline.get(path)?.type === 'folder')
      for await (const inside of walk([path], excluded, config.files_max, () => {}))
        if (inside !== path) found.push(await lookOne(inside));
    return found.filter((change) => change !== null);
  };
}

/** Looks at everything; the first time nothing is told. */
function createRound(services: RoomServices, held: Held, watching: Watching, teller: Teller, signal: AbortSignal) {
  const { dataDir } = services;
  const config = services.config.file_integrity;
  let rounds = 0;
  return async (first: boolean): Promise<void> => {
    const fresh = !first && ++rounds % FRESH_EVERY_ROUNDS === 0;
    const answer = await lookAtAll({ config, dataDir, signal }, held.baseline, fresh);
    if (signal.aborted) return;
    held.baseline = answer.entries;
    const unwatched = answer.folders.filter((folder) => !watching.add(folder)).length;
    const limits = [
      ...(answer.full
        ? [`More than ${config.files_max} files are below the watched paths; the rest is not watched.`]
        : []),
      ...(unwatched > 0 ? [`${unwatched} folders are only looked at every ${config.rescan_minutes} minutes.`] : []),
    ];
    services.alarm('files-limits', limits.length === 0 ? null : limits.join(' '));
    if (!first) await teller.tell(answer.changes, 'round');
    for (const entry of answer.entries.values())
      if (entry.type === 'file' && !teller.known(entry.path)) await teller.remember(entry.path, entry.size);
    held.dirty ||= answer.changes.length > 0;
  };
}

export async function startFileIntegrity(services: RoomServices): Promise<FileIntegrity | null> {
  const { clock, dataDir, store, exercise } = services;
  const config = services.config.file_integrity;
  if (exercise || rootsOf(config).length === 0) return null;
  const { placed: canaries, faults } = await placeCanaries(store, config.canaries);
  services.alarm('files-canaries', faults.length === 0 ? null : faults.slice(0, 3).join(' '));
  const stopping = new AbortController();
  const held: Held = { baseline: new Map(), dirty: false };
  const asker = createAsker(services);
  const teller = createTeller(services, { key: await keyOf(services), canaries, asker });

  let queued: Promise<void> = Promise.resolve();
  const queue = (work: () => Promise<void>): void => {
    queued = queued.then(async () => {
      if (stopping.signal.aborted) return;
      await work().catch((error: unknown) =>
        services.log.warn({ error: String(error) }, 'files could not be looked at; the next round tries again'),
      );
    });
  };
  const watching = createWatching(config.watches_max, {
    onPaths: (paths) => queue(() => changed(paths)),
    onOverflow: () => queue(() => round(false)),
  });
  const look = createLook(services, held, watching);
  const round = createRound(services, held, watching, teller, stopping.signal);
  const changed = async (paths: readonly string[]): Promise<void> => {
    if (paths.length >= ASK_FIRST) await asker.writerOf([folderOf(paths)], null);
    const changes: FileChange[] = [];
    for (const path of paths) changes.push(...(await look(path)));
    held.dirty ||= changes.length > 0;
    await teller.tell(changes, 'realtime');
  };
  const save = async (why: string | null): Promise<void> => {
    held.dirty = false;
    await writeBaseline({ dataDir, store, clock }, held.baseline, why);
  };
  queue(async () => {
    const loaded = await readBaseline(dataDir, store);
    if (loaded.state !== 'none') held.baseline = loaded.entries;
    if (loaded.state === 'tampered')
      await teller.note('file-baseline-tampered', 'The baseline of watched files is not the one that was written');
    await round(loaded.state === 'none');
    await save(loaded.state === 'none' ? 'First look at the watched files.' : null);
  });
  const rescan = setInterval(() => queue(() => round(false)), config.rescan_minutes * MINUTE_MS);
  const saver = setInterval(() => {
    if (held.dirty) queue(() => save(null));
  }, SAVE_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(rescan);
      clearInterval(saver);
      watching.stop();
      stopping.abort();
      await queued;
      if (held.dirty) await save(null).catch(() => {});
    },
  };
}
