/** The manifest's files: one writer appends durably and starts a new file before one grows long; readers follow its tail. */

import { type FileHandle, mkdir, open, readdir, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, type Clock, ensureFolder, moveDurably, rfc3339, syncFolder } from '../core/index.ts';
import { diskError, FOLDER } from './archive-files.ts';
import {
  applyLine,
  applyLines,
  emptyManifest,
  lineHash,
  type ManifestChange,
  type ManifestState,
  manifestLine,
  manifestName,
  manifestNumbers,
} from './archive-manifest.ts';

/** A reader starts by reading the whole newest file, so it stays short. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

export interface ManifestFile {
  readonly state: ManifestState;
  /** Appends one line; it is durable when this resolves. Calls must not overlap. */
  append(change: ManifestChange): Promise<void>;
  /** Removes manifest files of before this time; what they say is in the newer ones' first line. */
  forget(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

const LINE_END = 10;

/** Complete lines of a file from an offset, and the offset after them. */
async function linesFrom(path: string, offset: number): Promise<{ lines: string[]; end: number }> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.max(0, size - offset));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    const last = bytes.subarray(0, bytesRead).lastIndexOf(LINE_END);
    if (last < 0) return { lines: [], end: offset };
    return { lines: bytes.toString('utf8', 0, last).split('\n'), end: offset + last + 1 };
  } finally {
    await handle.close();
  }
}

/** Reads the newest manifest file; a torn last line (power lost while it was written) was never a commit. */
async function recover(folder: string, number: number): Promise<{ state: ManifestState; bytes: number }> {
  const path = join(folder, manifestName(number));
  const state = emptyManifest();
  const { lines, end } = await linesFrom(path, 0);
  let bytes = end;
  const last = lines.at(-1);
  if (last !== undefined && !readable(last)) {
    lines.pop();
    bytes -= Buffer.byteLength(last) + 1;
  }
  applyLines(state, lines);
  if ((await stat(path)).size !== bytes) await truncate(path, bytes);
  return { state, bytes };
}

function readable(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

export async function openManifest(dir: string, streamId: string, clock: Clock): Promise<ManifestFile> {
  const folder = join(dir, FOLDER.manifest);
  await ensureFolder(folder);
  let number = manifestNumbers(await readdir(folder)).at(-1) ?? 1;
  const path = () => join(folder, manifestName(number));
  const exists = await stat(path()).then(
    () => true,
    () => false,
  );
  let { state, bytes } = exists ? await recover(folder, number) : { state: emptyManifest(), bytes: 0 };
  if (state.n > 0 && state.stream !== streamId) {
    throw new AsepsisError('CONFIG_INVALID', `The archive in ${dir} belongs to the stream ${state.stream}.`);
  }
  let handle: FileHandle = await open(path(), 'a');

  const write = async (line: string): Promise<void> => {
    const text = Buffer.from(`${line}\n`);
    try {
      const { bytesWritten } = await handle.write(text);
      if (bytesWritten !== text.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
      await handle.datasync();
      bytes += text.length;
    } catch (error) {
      // Half a line must not stay in front of the next one.
      await handle.truncate(bytes).catch(() => undefined);
      throw diskError(error, 'The manifest of the archive cannot be written');
    }
  };

  const roll = async (): Promise<void> => {
    const { stream, durable, job } = state;
    const carry = { kind: 'carry', stream, durable, job, add: [...state.live.values()], removed: [...state.removed] };
    const line = manifestLine(state, rfc3339(clock.now()), carry as ManifestChange);
    const temporary = join(dir, FOLDER.tmp, manifestName(number + 1));
    await mkdir(join(dir, FOLDER.tmp), { recursive: true });
    const next = await open(temporary, 'w');
    await next.writeFile(`${line}\n`);
    await next.sync();
    await next.close();
    await moveDurably(temporary, join(folder, manifestName(number + 1)));
    await handle.close();
    number += 1;
    handle = await open(path(), 'a');
    bytes = Buffer.byteLength(line) + 1;
    applyLines(state, [line]);
  };

  const append = async (change: ManifestChange): Promise<void> => {
    if (bytes > FILE_BYTES_MAX) await roll();
    const line = manifestLine(state, rfc3339(clock.now()), change);
    await write(line);
    applyLines(state, [line]);
  };

  if (state.n === 0) await append({ kind: 'open', stream: streamId });
  // Also when it was there: who made it may have been killed before its name was durable.
  await syncFolder(folder);
  return {
    get state() {
      return state;
    },
    append,
    async forget(beforeMs) {
      for (const old of manifestNumbers(await readdir(folder))) {
        const file = join(folder, manifestName(old));
        if (old < number && (await stat(file)).mtimeMs < beforeMs) await unlink(file);
      }
    },
    close: () => handle.close(),
  };
}

export interface ManifestReader {
  readonly state: ManifestState;
  /** Takes what was appended meanwhile; true when there was anything. */
  refresh(): Promise<boolean>;
}

/** Follows the manifest from another thread or process. A folder without one is an empty archive. */
export function createManifestReader(dir: string): ManifestReader {
  const folder = join(dir, FOLDER.manifest);
  let state = emptyManifest();
  let number = 0;
  let offset = 0;
  const follow = async (): Promise<boolean> => {
    const newest = manifestNumbers(await readdir(folder).catch(() => [])).at(-1) ?? 0;
    if (newest === 0) return false;
    const fresh = newest === number ? state : emptyManifest();
    const { lines, end } = await linesFrom(join(folder, manifestName(newest)), newest === number ? offset : 0);
    if (lines.length === 0) return false;
    applyLines(fresh, lines);
    state = fresh;
    number = newest;
    offset = end;
    return true;
  };
  let running: Promise<boolean> | null = null;
  return {
    get state() {
      return state;
    },
    refresh() {
      running ??= follow().finally(() => {
        running = null;
      });
      return running;
    },
  };
}

export interface ChainVerdict {
  readonly state: ManifestState;
  readonly lines: number;
  readonly faults: string[];
}

/**
 * Reads every manifest file from the oldest and checks each hash, also across files.
 *
 * @param expect `number:hash` of a line, noted earlier
 */
export async function verifyChain(dir: string, expect?: string): Promise<ChainVerdict> {
  const folder = join(dir, FOLDER.manifest);
  const faults: string[] = [];
  let state = emptyManifest();
  let count = 0;
  let before: number | null = null;
  let named: readonly string[] = [];
  let expected = expect === undefined;
  for (const number of manifestNumbers(await readdir(folder).catch(() => []))) {
    const name = `${FOLDER.manifest}/${manifestName(number)}`;
    const { lines } = await linesFrom(join(dir, name), 0);
    if (before !== null && before + 1 !== number) {
      faults.push(`${name}: the manifest file before it is missing`);
      state = emptyManifest();
    }
    before = number;
    for (const line of lines) {
      count += 1;
      const fault = applyLine(state, line);
      if (fault !== null) {
        // The hash that does not fit any more is that of the line before, so its files are the suspects.
        const files = named.length === 0 ? '' : `; the line before it names ${named.slice(0, 8).join(', ')}`;
        faults.push(`${name}: ${fault}${files}`);
        state = resume(state, line);
      }
      named = namesIn(line);
      expected ||= `${state.n}:${state.hash}` === expect;
    }
  }
  if (state.n === 0) faults.push(`${FOLDER.manifest}: there is no manifest`);
  if (!expected)
    faults.push(`${FOLDER.manifest}: the line ${expect} is not in the chain: lines up to it were rewritten`);
  return { state, lines: count, faults };
}

function namesIn(line: string): string[] {
  try {
    const { add } = JSON.parse(line) as { add?: readonly { file?: unknown }[] };
    return Array.isArray(add) ? add.map((entry) => String(entry.file)) : [];
  } catch {
    return [];
  }
}

/** Judges what follows from the broken line on, so that one change is one fault. */
function resume(state: ManifestState, line: string): ManifestState {
  if (!readable(line)) return { ...state, n: state.n + 1, hash: lineHash(line) };
  const { n, prev } = JSON.parse(line) as { n?: unknown; prev?: unknown };
  if (typeof n !== 'number' || typeof prev !== 'string') return { ...state, n: state.n + 1, hash: lineHash(line) };
  const forced = { ...state, n: n - 1, hash: prev };
  applyLine(forced, line);
  return forced;
}
