/** One look at everything that is watched: what differs from the baseline. Used by the running desk and by the commands. */

import type { Config } from '../../core/index.ts';
import type { Baseline } from './file-baseline.ts';
import { compareEntries, type FileChange, type FileEntry } from './file-entry.ts';
import type { Packages } from './file-packages.ts';
import { attributesOf, headOf, lookAt, walk } from './file-scan.ts';

/** A package's file is compared by its whole content; programs are smaller than this. */
const PACKAGED_BYTES_MAX = 128 * 1024 * 1024;
/** Kernel, sockets and our own data change by themselves. */
const NEVER = ['/proc', '/sys', '/dev', '/run'];

export type WatchConfig = Config['file_integrity'];

export const rootsOf = (config: WatchConfig): string[] => [...new Set([...config.paths, ...config.canaries])];

export function excludedBy(config: WatchConfig, dataDir: string): (path: string) => boolean {
  const all = [...NEVER, ...config.exclude, dataDir];
  return (path) => all.some((one) => path === one || path.startsWith(`${one}/`));
}

export interface RoundAnswer {
  readonly changes: readonly FileChange[];
  readonly entries: Baseline;
  /** More files than `files_max`: the rest was not looked at. */
  readonly full: boolean;
  readonly folders: readonly string[];
}

/** @param fresh reads every file again, whatever its times say */
export async function lookAtAll(
  o: { config: WatchConfig; dataDir: string; signal?: AbortSignal; onProgress?: (files: number) => void },
  known: Baseline,
  fresh: boolean,
): Promise<RoundAnswer> {
  let full = false;
  const found: FileEntry[] = [];
  const all = walk(rootsOf(o.config), excludedBy(o.config, o.dataDir), o.config.files_max, () => {
    full = true;
  });
  for await (const path of all) {
    if (o.signal?.aborted) break;
    const before = known.get(path) ?? null;
    const entry = await lookAt(path, fresh ? null : before);
    if (entry) found.push(entry);
    if (found.length % 500 === 0) o.onProgress?.(found.length);
  }
  const attributes = await attributesOf(found.filter((one) => one.type === 'file').map((one) => one.path));
  const entries: Baseline = new Map();
  for (const entry of found) entries.set(entry.path, { ...entry, xattr: attributes.get(entry.path) ?? '' });
  const changes: FileChange[] = [];
  for (const entry of entries.values()) {
    const change = compareEntries(known.get(entry.path) ?? null, entry);
    if (change) changes.push(change);
  }
  if (!full && !o.signal?.aborted)
    for (const [path, before] of known)
      if (!entries.has(path)) changes.push({ path, kinds: ['removed'], before, after: null });
  const folders = found.filter((one) => one.type === 'folder').map((one) => one.path);
  return { changes, entries, full, folders };
}

export async function packagedAs(packages: Packages, change: FileChange): ReturnType<Packages['judge']> {
  const { after } = change;
  if (after?.type !== 'file' || after.size > PACKAGED_BYTES_MAX) return 'unknown';
  const content = await headOf(after.path, Math.max(1, after.size));
  return content === null ? 'unknown' : packages.judge(after.path, content);
}
