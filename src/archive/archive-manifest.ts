/**
 * The manifest: what the archive consists of, as JSON lines that are only ever appended, each with the hash of the line
 * before it. A line is the commit of what it names: files that no line names do not exist.
 */

import { createHash } from 'node:crypto';
import { AsepsisError } from '../core/index.ts';

/** One file of the archive. */
export interface FileEntry {
  /** Path inside the archive folder, with `/`. */
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  /** First and last event time, Unix milliseconds. */
  readonly time: readonly [number, number];
  /** Lowest and highest block sequence number. */
  readonly seq: readonly [number, number];
  /** SHA-256 of the side index `<file>.idx`; hot parts have none. */
  readonly index?: string;
}

export type ManifestChange =
  | { readonly kind: 'open'; readonly stream: string }
  /** First line of a later manifest file: what was live; `removed` are files that may still be on disk. */
  | {
      readonly kind: 'carry';
      readonly stream: string;
      readonly durable: number;
      readonly job: number;
      readonly add: readonly FileEntry[];
      readonly removed: readonly string[];
    }
  /** New hot parts, and the block up to which every event is durable. */
  | { readonly kind: 'part'; readonly durable: number; readonly add: readonly FileEntry[] }
  /** Files made out of other files: the same events, fewer files. */
  | {
      readonly kind: 'seal' | 'compact';
      readonly job: number;
      readonly add: readonly FileEntry[];
      readonly remove: readonly string[];
    }
  /** Deleted by retention: everything in them was older than `before`. */
  | { readonly kind: 'retire'; readonly before: string; readonly remove: readonly string[] };

export type ManifestLine = ManifestChange & { readonly n: number; readonly at: string; readonly prev: string };

export interface ManifestState {
  stream: string;
  /** Number of the last line, its hash. */
  n: number;
  hash: string;
  durable: number;
  /** Number of the last job that made files out of files. */
  job: number;
  readonly live: Map<string, FileEntry>;
  readonly removed: Set<string>;
}

const FIRST_HASH = '0'.repeat(64);

export function emptyManifest(): ManifestState {
  return { stream: '', n: 0, hash: FIRST_HASH, durable: 0, job: 0, live: new Map(), removed: new Set() };
}

export const lineHash = (line: string): string => createHash('sha256').update(line).digest('hex');

/** The next line's text, without the line break. */
export function manifestLine(state: Pick<ManifestState, 'n' | 'hash'>, at: string, change: ManifestChange): string {
  return JSON.stringify({ n: state.n + 1, at, ...change, prev: state.hash });
}

/** Takes the text of one line into the state; the reason when it does not fit to the lines before. */
export function applyLine(state: ManifestState, text: string): string | null {
  let line: ManifestLine;
  try {
    line = JSON.parse(text) as ManifestLine;
  } catch {
    return `line ${state.n + 1} of the manifest is not readable`;
  }
  if (typeof line !== 'object' || line === null) return `line ${state.n + 1} of the manifest is not readable`;
  const fresh = state.n === 0 && line.kind === 'carry';
  if (!fresh && (line.n !== state.n + 1 || line.prev !== state.hash)) {
    return `line ${state.n + 1} of the manifest does not follow from the line before it`;
  }
  const fault = applyChange(state, line);
  if (fault !== null) return fault;
  state.n = line.n;
  state.hash = lineHash(text);
  return null;
}

function applyChange(state: ManifestState, line: ManifestLine): string | null {
  switch (line.kind) {
    case 'open':
      state.stream = line.stream;
      return null;
    case 'carry':
      state.stream = line.stream;
      state.durable = line.durable;
      state.job = line.job;
      state.live.clear();
      state.removed.clear();
      for (const name of line.removed) state.removed.add(name);
      for (const entry of line.add) state.live.set(entry.file, entry);
      return null;
    case 'part':
      state.durable = line.durable;
      for (const entry of line.add) state.live.set(entry.file, entry);
      return null;
    case 'seal':
    case 'compact':
      state.job = line.job;
      for (const entry of line.add) state.live.set(entry.file, entry);
      drop(state, line.remove);
      return null;
    case 'retire':
      drop(state, line.remove);
      return null;
    default:
      return `line ${state.n + 1} of the manifest is of an unknown kind`;
  }
}

function drop(state: ManifestState, names: readonly string[]): void {
  for (const name of names) {
    state.live.delete(name);
    state.removed.add(name);
  }
}

/** Takes complete lines; throws where the chain breaks. */
export function applyLines(state: ManifestState, lines: readonly string[]): void {
  for (const line of lines) {
    const fault = applyLine(state, line);
    if (fault !== null) throw new AsepsisError('ARCHIVE_TAMPERED', `${fault}.`);
  }
}

export const manifestName = (number: number): string => `${String(number).padStart(6, '0')}.jsonl`;

/** Numbers of the manifest files among the names of a folder, ascending. */
export function manifestNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^\d{6}\.jsonl$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .sort((a, b) => a - b);
}
