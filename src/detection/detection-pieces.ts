/** Cuts what `detect` was given into pieces for several threads: every file, and ranges of large files with a record a line. */

import { closeSync, openSync, readSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Piece } from './detection-part.ts';

/** Files from twice this size on are cut, when each line is a JSON object. */
const RANGE_BYTES = 32 * 1024 * 1024;
/** How far behind a cut the end of a line is looked for. */
const LOOK_BYTES = 1024 * 1024;

/** Folders become the files in them and below, by name; hidden ones are left out. */
export async function filesIn(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory()) {
      files.push(path);
      continue;
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const inside = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
    files.push(...inside.map((entry) => join(entry.parentPath, entry.name)).sort());
  }
  return files;
}

const isObjectLine = (line: string): boolean => {
  if (!line.startsWith('{')) return false;
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
};

/** Where lines begin near multiples of the size; null when the file is not one JSON object a line. */
function cutsOf(path: string, size: number, step: number): number[] | null {
  const file = openSync(path, 'r');
  try {
    const room = Buffer.alloc(LOOK_BYTES);
    const lineEnd = (at: number): { end: number; text: string } => {
      const text = room.toString('latin1', 0, readSync(file, room, 0, LOOK_BYTES, at));
      return { end: text.indexOf('\n'), text };
    };
    const first = lineEnd(0);
    if (first.end < 0 || !isObjectLine(first.text.slice(0, first.end))) return null;
    const cuts = [0];
    for (let at = step; at < size - step / 2; at += step) {
      const { end, text } = lineEnd(at);
      if (end < 0) return null;
      const next = text.slice(end + 1, text.indexOf('\n', end + 1));
      if (!isObjectLine(next)) return null;
      cuts.push(at + end + 1);
    }
    return [...cuts, size];
  } finally {
    closeSync(file);
  }
}

/** @param cut whether large files may be read in ranges */
export async function piecesOf(files: readonly string[], cut: boolean): Promise<{ pieces: Piece[]; bytes: number }> {
  const pieces: Piece[] = [];
  let bytes = 0;
  for (const file of files) {
    const size = (await stat(file).catch(() => null))?.size ?? 0;
    bytes += size;
    const cuts = cut && size >= 2 * RANGE_BYTES ? cutsOf(file, size, RANGE_BYTES) : null;
    if (cuts === null) pieces.push({ index: pieces.length, file, range: null });
    else
      for (let i = 0; i + 1 < cuts.length; i++)
        pieces.push({ index: pieces.length, file, range: { from: cuts[i] as number, to: cuts[i + 1] as number } });
  }
  return { pieces, bytes };
}
