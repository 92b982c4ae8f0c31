/** File integrity while the desk runs: watches, looks, compares, asks who it was, and writes events. Rules make the alerts. */

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { RoomServices } from '../../core/index.ts';
import { type Baseline, readBaseline, writeBaseline } from './file-baseline.ts';
import { type Burst, type BurstEvent, createBurstWatch, folderOf } from './file-burst.ts';
import { placeCanaries } from './file-canary.ts';
import { compareEntries, type FileChange, type FileEntry, looksEncrypted } from './file-entry.ts';
import { burstEvent, changeEvent, noteEvent } from './file-event.ts';
import { createPackages } from './file-packages.ts';
import { excludedBy, lookAtAll, packagedAs, rootsOf } from './file-round.ts';
import { attributesOf, headOf, lookAt, walk } from './file-scan.ts';
import { lineDifference, maskedLines, TEXT_BYTES_MAX } from './file-text.ts';
import { createWatching } from './file-watch.ts';
import { accountOf, type Writer, whoWrites } from './file-who.ts';

export const FILE_SOURCE = 'files';
const MINUTE_MS = 60_000;
const SAVE_EVERY_MS = 30_000;
/** Every file is read again this often, whatever its times say. */
const FRESH_EVERY_ROUNDS = 24;
/** Events of single files in a minute; beyond, one event says how many more there were. */
const EVENTS_PER_MINUTE = 300;
/** So many paths at once may be ransomware: first of all, who is it? */
const ASK_FIRST = 4;
/** A writer found a moment ago is taken for the next files too: a fast program holds each only for an instant. */
const WRITER_KEPT_MS = 5000;
/** Looking through all processes takes at most a quarter of the time. */
const SCAN_PAUSE = 3;
/** Records of the audit daemon take this long to be searchable. */
const AUDIT_WAIT_MS = 1500;
const TEXTS_MAX = 2000;
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

/** Who changed it, as the audit daemon of this machine recorded it. */
async function whoByAudit({ archive, clock }: RoomServices, path: string): Promise<Writer | null> {
  const quoted = `"${path.replaceAll(/["\\]/g, (c) => `\\${c}`)}"`;
  const toMs = clock.now() + 1;
  const { items } = await archive.search({ query: `file:${quoted}`, fromMs: toMs - MINUTE_MS, toMs, limit: 20 });
  const one = items.find((event) => event.format.startsWith('auditd'));
  if (!one) return null;
  const { process: name = '', pid = 0, command_line: command = '' } = one.ocsf;
  const uid = Number(one.fields.auid ?? one.fields.uid ?? -1);
  return name === '' ? null : { name: String(name), pid: Number(pid), command: String(command), uid };
}

export async function startFileIntegrity(services: RoomServices): Promise<FileIntegrity | null> {
  const { clock, dataDir, store, exercise } = services;
  const config = services.config.file_integrity;
  if (exercise || rootsOf(config).length === 0) return null;
  const host = hostname();
  const key = await keyOf(services);
  const packages = createPackages();
  const excluded = excludedBy(config, dataDir);
  const { placed: canaries, faults } = await placeCanaries(store, config.canaries);
  services.alarm('files-canaries', faults.length === 0 ? null : faults.slice(0, 3).join(' '));

  const stopping = new AbortController();
  const burstWatch = createBurstWatch();
  const texts = new Map<string, string[]>();
  let baseline: Baseline = new Map();
  let dirty = false;
  let left = { untilMs: 0, events: EVENTS_PER_MINUTE, over: 0 };
  let lastWriter: { writer: Writer; atMs: number } | null = null;

  const rememberText = async (path: string, size: number): Promise<readonly string[]> => {
    const before = texts.get(path);
    if (size > TEXT_BYTES_MAX || (before === undefined && texts.size >= TEXTS_MAX)) return [];
    const bytes = await headOf(path, TEXT_BYTES_MAX + 1);
    const lines = bytes === null ? null : maskedLines(bytes, key);
    if (lines === null) return [];
    texts.set(path, lines);
    return before === undefined ? [] : lineDifference(before, lines);
  };

  let scan = { endedMs: -Infinity, tookMs: 0 };
  const writerOf = async (paths: readonly string[], single: string | null): Promise<Writer | null> => {
    const startedMs = performance.now();
    const mayScan = startedMs - scan.endedMs >= scan.tookMs * SCAN_PAUSE;
    const found = mayScan ? await whoWrites(paths) : null;
    if (mayScan) scan = { endedMs: performance.now(), tookMs: performance.now() - startedMs };
    if (found) lastWriter = { writer: found, atMs: clock.now() };
    if (found || single === null) return found ?? recentWriter();
    return (await auditSeen()) ? whoByAudit(services, single).catch(() => null) : null;
  };
  const recentWriter = (): Writer | null =>
    lastWriter !== null && clock.now() - lastWriter.atMs < WRITER_KEPT_MS ? lastWriter.writer : null;
  let audit: { seen: boolean; atMs: number } = { seen: false, atMs: -Infinity };
  const auditSeen = async (): Promise<boolean> => {
    if (clock.now() - audit.atMs > MINUTE_MS) {
      const sources = await store.sources.list({});
      audit = {
        seen: sources.some((source) => Object.keys(source.formats).some((format) => format.startsWith('auditd'))),
        atMs: clock.now(),
      };
    }
    if (audit.seen) await new Promise((resolve) => setTimeout(resolve, AUDIT_WAIT_MS));
    return audit.seen;
  };

  /** Takes one from this minute's events; false when they are used up. */
  const mayTell = (): boolean => {
    const now = clock.now();
    if (now >= left.untilMs) left = { untilMs: now + MINUTE_MS, events: EVENTS_PER_MINUTE, over: 0 };
    if (left.events > 0) {
      left.events--;
      return true;
    }
    left.over++;
    return false;
  };

  const burstEventOf = async (change: FileChange): Promise<BurstEvent | null> => {
    const kind = change.kinds.includes('removed')
      ? 'removed'
      : change.kinds.includes('created')
        ? 'created'
        : change.kinds.includes('content')
          ? 'content'
          : null;
    const type = (change.after ?? change.before)?.type;
    if (kind === null || type !== 'file') return null;
    const head = change.after ? await headOf(change.path) : null;
    return { atMs: clock.now(), path: change.path, kind, encrypted: head !== null && looksEncrypted(head) };
  };

  const tell = async (changes: readonly FileChange[], how: 'realtime' | 'round'): Promise<void> => {
    const events: object[] = [];
    const writer = changes.length === 0 ? null : await writerFor(changes);
    const account = writer && writer.uid >= 0 ? await accountOf(writer.uid, clock.now()) : '';
    const bursts: Burst[] = [];
    for (const change of changes) {
      const canary = canaries.has(change.path);
      const moved = how === 'realtime' ? await burstEventOf(change) : null;
      const burst = moved ? burstWatch.take(moved) : null;
      if (burst) bursts.push(burst);
      const difference =
        change.after?.type === 'file' && change.kinds.includes('content') && !canary
          ? await rememberText(change.path, change.after.size)
          : [];
      if (!canary && !mayTell()) continue;
      const packaged = await packagedAs(packages, change);
      events.push(
        changeEvent({ nowMs: clock.now(), host, change, writer, account, packaged, canary, difference, how }),
      );
    }
    for (const burst of bursts) {
      const found = recentWriter() ?? (await writerOf([burst.folder], null));
      const name = found && found.uid >= 0 ? await accountOf(found.uid, clock.now()) : '';
      events.push(burstEvent(clock.now(), host, burst, found, name));
    }
    if (left.over > 0 && clock.now() >= left.untilMs) {
      events.push(
        noteEvent(clock.now(), host, 'file-watch-limited', `${left.over} more files changed within a minute`),
      );
      left.over = 0;
    }
    if (events.length > 0) await services.emit(FILE_SOURCE, events);
  };
  const writerFor = (changes: readonly FileChange[]): Promise<Writer | null> => {
    const paths = changes.map((change) => change.path);
    if (changes.length < ASK_FIRST) return writerOf(paths, paths[0] ?? null);
    return writerOf([folderOf(paths)], null);
  };

  const watching = createWatching(config.watches_max, {
    onPaths: (paths) => queue(() => lookAtPaths(paths)),
    onOverflow: () => queue(() => round(false)),
  });
  let queued: Promise<void> = Promise.resolve();
  const queue = (work: () => Promise<void>): void => {
    queued = queued.then(async () => {
      if (stopping.signal.aborted) return;
      await work().catch((error: unknown) =>
        services.log.warn({ error: String(error) }, 'files could not be looked at; the next round tries again'),
      );
    });
  };

  /** Something changed that is neither content, mode nor owner: its attributes, such as capabilities. */
  const withXattr = async (entry: FileEntry): Promise<FileEntry> => ({
    ...entry,
    xattr: (await attributesOf([entry.path])).get(entry.path) ?? '',
  });

  const lookAtPaths = async (paths: readonly string[]): Promise<void> => {
    if (paths.length >= ASK_FIRST) await writerOf([folderOf(paths)], null);
    const changes: FileChange[] = [];
    const look = async (path: string): Promise<void> => {
      if (excluded(path)) return;
      const before = baseline.get(path) ?? null;
      const after = await lookAt(path, before);
      const change = compareEntries(before, after);
      const kept =
        after && change === null && before !== null && before.ctimeMs !== after.ctimeMs
          ? await withXattr(after)
          : after;
      const found = change ?? compareEntries(before, kept);
      if (kept) baseline.set(path, kept);
      else baseline.delete(path);
      if (found) changes.push(found);
      if (after?.type === 'folder') watching.add(path);
      else if (before?.type === 'folder') watching.forget(path);
    };
    for (const path of paths) {
      const fresh = !baseline.has(path);
      await look(path);
      // A new folder may be full already.
      if (fresh && baseline.get(path)?.type === 'folder')
        for await (const inside of walk([path], excluded, config.files_max, () => {}))
          if (inside !== path) await look(inside);
    }
    dirty ||= changes.length > 0;
    await tell(changes, 'realtime');
  };

  let rounds = 0;
  const round = async (first: boolean): Promise<void> => {
    const fresh = !first && ++rounds % FRESH_EVERY_ROUNDS === 0;
    const answer = await lookAtAll({ config, dataDir, signal: stopping.signal }, baseline, fresh);
    if (stopping.signal.aborted) return;
    baseline = answer.entries;
    const unwatched = answer.folders.filter((folder) => !watching.add(folder)).length;
    const limits = [
      ...(answer.full
        ? [`More than ${config.files_max} files are below the watched paths; the rest is not watched.`]
        : []),
      ...(unwatched > 0 ? [`${unwatched} folders are only looked at every ${config.rescan_minutes} minutes.`] : []),
    ];
    services.alarm('files-limits', limits.length === 0 ? null : limits.join(' '));
    if (!first) await tell(answer.changes, 'round');
    for (const entry of answer.entries.values())
      if (entry.type === 'file' && !texts.has(entry.path)) await rememberText(entry.path, entry.size);
    dirty ||= answer.changes.length > 0;
  };

  const save = async (why: string | null): Promise<void> => {
    dirty = false;
    await writeBaseline({ dataDir, store, clock }, baseline, why);
  };
  const begin = async (): Promise<void> => {
    const loaded = await readBaseline(dataDir, store);
    if (loaded.state !== 'none') baseline = loaded.entries;
    if (loaded.state === 'tampered')
      await services.emit(FILE_SOURCE, [
        noteEvent(
          clock.now(),
          host,
          'file-baseline-tampered',
          'The baseline of watched files is not the one that was written',
        ),
      ]);
    await round(loaded.state === 'none');
    await save(loaded.state === 'none' ? 'First look at the watched files.' : null);
  };
  queue(begin);
  const rescan = setInterval(() => queue(() => round(false)), config.rescan_minutes * MINUTE_MS);
  const saver = setInterval(() => {
    if (dirty) queue(() => save(null));
  }, SAVE_EVERY_MS);
  return {
    stop: async () => {
      clearInterval(rescan);
      clearInterval(saver);
      watching.stop();
      stopping.abort();
      await queued;
      if (dirty) await save(null).catch(() => {});
    },
  };
}
