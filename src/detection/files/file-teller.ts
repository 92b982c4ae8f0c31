/** Makes events of changes: who, which package, what differs, whether it is a canary or part of an encryption; bounded. */

import { hostname } from 'node:os';
import type { RoomServices } from '../../core/index.ts';
import type { Asker } from './file-asker.ts';
import { type Burst, type BurstEvent, createBurstWatch, folderOf } from './file-burst.ts';
import { type FileChange, looksEncrypted } from './file-entry.ts';
import { burstEvent, changeEvent, type FileEventCode, noteEvent } from './file-event.ts';
import { createPackages } from './file-packages.ts';
import { packagedAs } from './file-round.ts';
import { headOf } from './file-scan.ts';
import { lineDifference, maskedLines, TEXT_BYTES_MAX } from './file-text.ts';
import { accountOf, type Writer } from './file-who.ts';

export const FILE_SOURCE = 'files';
const MINUTE_MS = 60_000;
/** Events of single files in a minute; beyond, one event says how many more there were. */
const EVENTS_PER_MINUTE = 300;
/** So many paths at once may be ransomware: first of all, who is it? */
export const ASK_FIRST = 4;
/** Text files of which the lines are kept for a difference. */
const TEXTS_MAX = 2000;

export interface Teller {
  tell(changes: readonly FileChange[], how: 'realtime' | 'round'): Promise<void>;
  note(code: FileEventCode, message: string): Promise<void>;
  /** Keeps the lines of a text, masked; answers how they differ from those kept before. */
  remember(path: string, size: number): Promise<readonly string[]>;
  known(path: string): boolean;
}

const accountName = async (writer: Writer | null, nowMs: number): Promise<string> =>
  writer && writer.uid >= 0 ? accountOf(writer.uid, nowMs) : '';

/** What counts for a burst; null for changes of rights and for folders. */
async function burstEventOf(change: FileChange, nowMs: number): Promise<BurstEvent | null> {
  const kind = (['removed', 'created', 'content'] as const).find((one) => change.kinds.includes(one));
  if (kind === undefined || (change.after ?? change.before)?.type !== 'file') return null;
  const head = change.after ? await headOf(change.path) : null;
  return { atMs: nowMs, path: change.path, kind, encrypted: head !== null && looksEncrypted(head) };
}

/** Counts events of single files; what is over is said once the minute has passed. */
function createMinute(now: () => number) {
  let untilMs = 0;
  let left = EVENTS_PER_MINUTE;
  let over = 0;
  return {
    mayTell: (): boolean => {
      if (now() >= untilMs) {
        untilMs = now() + MINUTE_MS;
        left = EVENTS_PER_MINUTE;
      }
      if (left-- > 0) return true;
      over++;
      return false;
    },
    takeOver: (): number => {
      const count = now() >= untilMs ? over : 0;
      if (count > 0) over = 0;
      return count;
    },
  };
}

/** Lines of texts by path, without their secrets. */
function createTexts(key: string): Pick<Teller, 'remember' | 'known'> {
  const texts = new Map<string, string[]>();
  return {
    known: (path) => texts.has(path),
    remember: async (path, size) => {
      const before = texts.get(path);
      if (size > TEXT_BYTES_MAX || (before === undefined && texts.size >= TEXTS_MAX)) return [];
      const bytes = await headOf(path, TEXT_BYTES_MAX + 1);
      const lines = bytes === null ? null : maskedLines(bytes, key);
      if (lines === null) return [];
      texts.set(path, lines);
      return before === undefined ? [] : lineDifference(before, lines);
    },
  };
}

export function createTeller(
  services: RoomServices,
  o: { key: string; canaries: ReadonlySet<string>; asker: Asker },
): Teller {
  const { clock } = services;
  const host = hostname();
  const packages = createPackages();
  const bursts = createBurstWatch();
  const minute = createMinute(() => clock.now());
  const texts = createTexts(o.key);

  const writerFor = (changes: readonly FileChange[]): Promise<Writer | null> => {
    const paths = changes.map((change) => change.path);
    if (changes.length < ASK_FIRST) return o.asker.writerOf(paths, paths[0] ?? null);
    return o.asker.writerOf([folderOf(paths)], null);
  };
  const eventOf = async (change: FileChange, how: 'realtime' | 'round', writer: Writer | null, account: string) => {
    const canary = o.canaries.has(change.path);
    const text = change.after?.type === 'file' && change.kinds.includes('content') && !canary;
    const difference = text ? await texts.remember(change.path, change.after?.size ?? 0) : [];
    if (!canary && !minute.mayTell()) return null;
    const packaged = await packagedAs(packages, change);
    return changeEvent({ nowMs: clock.now(), host, change, writer, account, packaged, canary, difference, how });
  };
  const burstOf = async (burst: Burst): Promise<object> => {
    const writer = o.asker.recent() ?? (await o.asker.writerOf([burst.folder], null));
    return burstEvent(clock.now(), host, burst, writer, await accountName(writer, clock.now()));
  };
  return {
    ...texts,
    note: (code, message) => services.emit(FILE_SOURCE, [noteEvent(clock.now(), host, code, message)]),
    tell: async (changes, how) => {
      if (changes.length === 0) return;
      const events: object[] = [];
      const writer = await writerFor(changes);
      const account = await accountName(writer, clock.now());
      for (const change of changes) {
        const moved = how === 'realtime' ? await burstEventOf(change, clock.now()) : null;
        const burst = moved ? bursts.take(moved) : null;
        const event = await eventOf(change, how, writer, account);
        if (event !== null) events.push(event);
        if (burst !== null) events.push(await burstOf(burst));
      }
      const over = minute.takeOver();
      if (over > 0)
        events.push(noteEvent(clock.now(), host, 'file-watch-limited', `${over} more files changed within a minute`));
      if (events.length > 0) await services.emit(FILE_SOURCE, events);
    },
  };
}
