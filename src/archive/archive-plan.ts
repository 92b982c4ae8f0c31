/** Decides what the archive's upkeep does next: seal hot parts, merge an hour's files, delete what is too old. Pure. */

import { DAY_MS, folderEndMs, folderOf, isHot, isPacked } from './archive-files.ts';
import type { FileEntry } from './archive-manifest.ts';

export interface UpkeepLimits {
  /** Hot events and age at which hot parts become Parquet files by hour. */
  readonly sealRows: number;
  readonly sealAgeMs: number;
  /** An hour is over this long after its end: most late events have come. */
  readonly settleMs: number;
  /** Small files of one folder that are merged even while its hour lasts; large ones are few by nature. */
  readonly folderFilesMax: number;
  /** Rows of one merged file. */
  readonly fileRowsMax: number;
}

export const UPKEEP: UpkeepLimits = {
  sealRows: 262_144,
  sealAgeMs: 60_000,
  settleMs: 5 * 60_000,
  folderFilesMax: 64,
  fileRowsMax: 4_194_304,
};

/** Rows of one sealing job: bounds how long one takes. */
const JOB_ROWS_MAX = 1_048_576;
/** Files of one merging job. */
const JOB_FILES_MAX = 512;
/** Merged files of one hour before the smallest are merged with what came late, however little that is. */
const PACKED_FILES_MAX = 4;

export type UpkeepJob =
  | { readonly kind: 'seal'; readonly files: readonly FileEntry[] }
  | { readonly kind: 'compact'; readonly folder: string; readonly files: readonly FileEntry[] }
  | { readonly kind: 'retire'; readonly beforeMs: number; readonly files: readonly FileEntry[] };

export interface UpkeepView {
  readonly live: Iterable<FileEntry>;
  readonly nowMs: number;
  /** When the oldest hot part was written; null without any. */
  readonly hotSinceMs: number | null;
  readonly retentionDays: number;
  /** Too busy for merging: sealing keeps up with the intake, merging can wait. */
  readonly busy: boolean;
}

export function planUpkeep(view: UpkeepView, limits: UpkeepLimits = UPKEEP): UpkeepJob | null {
  const live = [...view.live];
  return planSeal(live, view, limits) ?? planRetire(live, view) ?? planCompact(live, view, limits);
}

function planSeal(live: readonly FileEntry[], view: UpkeepView, limits: UpkeepLimits): UpkeepJob | null {
  const hot = live.filter((entry) => isHot(entry.file)).sort((a, b) => a.seq[0] - b.seq[0]);
  const rows = hot.reduce((sum, entry) => sum + entry.rows, 0);
  const old = view.hotSinceMs !== null && view.nowMs - view.hotSinceMs >= limits.sealAgeMs;
  if (hot.length === 0 || (rows < limits.sealRows && !old)) return null;
  const files: FileEntry[] = [];
  let taken = 0;
  for (const entry of hot) {
    if (files.length > 0 && taken + entry.rows > JOB_ROWS_MAX) break;
    files.push(entry);
    taken += entry.rows;
  }
  return { kind: 'seal', files };
}

/** Whole days of event time; a file of mixed hours goes when its last event is too old. */
function planRetire(live: readonly FileEntry[], view: UpkeepView): UpkeepJob | null {
  const beforeMs = Math.floor(view.nowMs / DAY_MS) * DAY_MS - view.retentionDays * DAY_MS;
  const files = live.filter((entry) => !isHot(entry.file) && entry.time[1] < beforeMs);
  return files.length === 0 ? null : { kind: 'retire', beforeMs, files };
}

function planCompact(live: readonly FileEntry[], view: UpkeepView, limits: UpkeepLimits): UpkeepJob | null {
  const folders = new Map<string, FileEntry[]>();
  for (const entry of live) {
    if (isHot(entry.file)) continue;
    const folder = folderOf(entry.file);
    const files = folders.get(folder);
    if (files === undefined) folders.set(folder, [entry]);
    else files.push(entry);
  }
  for (const [folder, files] of folders) {
    const endMs = folderEndMs(folder);
    const over = endMs !== null && view.nowMs >= endMs + limits.settleMs;
    const small = files.filter((entry) => !isPacked(entry.file) && entry.rows < limits.sealRows / 2);
    const crowded = small.length >= limits.folderFilesMax;
    if (!crowded && (view.busy || !over)) continue;
    const chosen = chooseFiles(files, limits);
    if (chosen.length > 0) return { kind: 'compact', folder, files: chosen };
  }
  return null;
}

/**
 * What to merge of one hour: everything not merged yet, and merged files that are not much larger than that, so that
 * a few late events do not cause the whole hour to be written again and again.
 */
function chooseFiles(files: readonly FileEntry[], limits: UpkeepLimits): FileEntry[] {
  const loose = files.filter((entry) => !isPacked(entry.file)).sort((a, b) => a.time[0] - b.time[0]);
  if (loose.length === 0) return [];
  const chosen: FileEntry[] = [];
  let rows = 0;
  for (const entry of loose) {
    if (chosen.length > 0 && (rows + entry.rows > limits.fileRowsMax || chosen.length >= JOB_FILES_MAX)) break;
    chosen.push(entry);
    rows += entry.rows;
  }
  const packed = files.filter((entry) => isPacked(entry.file)).sort((a, b) => a.rows - b.rows);
  for (const [taken, entry] of packed.entries()) {
    if (rows + entry.rows > limits.fileRowsMax || chosen.length >= JOB_FILES_MAX) break;
    if (entry.rows > rows * 4 && packed.length - taken < PACKED_FILES_MAX) break;
    chosen.push(entry);
    rows += entry.rows;
  }
  // One file alone is no smaller or quicker for being written again.
  return chosen.length > 1 ? chosen.sort((a, b) => a.time[0] - b.time[0]) : [];
}
