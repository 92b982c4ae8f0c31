/**
 * What may be on a disk after the power was cut: only what was synchronised is certain, of files (their bytes) as of
 * folders (their names); of everything else any part may be there (fsync(2); Pillai et al., "All File Systems Are Not
 * Created Equal", OSDI 2014).
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DiskOp } from './power-trace.ts';

/** Which of the uncertain things are there. */
export type Luck = 'none' | 'all' | 'some';

interface Change {
  readonly index: number;
  readonly apply: (bytes: Buffer) => Buffer;
  /** The same, torn: only its first part. */
  readonly torn: (share: number) => (bytes: Buffer) => Buffer;
}
interface Node {
  readonly folder: boolean;
  certain: Buffer;
  changes: Change[];
}
interface Naming {
  readonly index: number;
  readonly name: string;
  readonly node: Node | null;
}
interface Folder {
  readonly certain: Map<string, Node>;
  namings: Naming[];
}

const parent = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '');
const base = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

function put(bytes: Buffer, at: number, data: Buffer): Buffer {
  const whole = Buffer.alloc(Math.max(bytes.length, at + data.length));
  bytes.copy(whole);
  data.copy(whole, at);
  return whole;
}

function resized(bytes: Buffer, size: number): Buffer {
  const whole = Buffer.alloc(size);
  bytes.copy(whole, 0, 0, Math.min(size, bytes.length));
  return whole;
}

const fileNode = (folder: boolean): Node => ({ folder, certain: Buffer.alloc(0), changes: [] });

/** Follows the operations up to `until` and writes one possible disk to `target`. */
export function writeState(
  ops: readonly DiskOp[],
  until: number,
  luck: Luck,
  random: () => number,
  target: string,
): void {
  const root = fileNode(true);
  const folders = new Map<Node, Folder>([[root, { certain: new Map(), namings: [] }]]);
  /** Names as the running system sees them. */
  const names = new Map<string, Node>([['', root]]);
  const folderAt = (path: string): Folder => folders.get(names.get(path) as Node) as Folder;
  const name = (index: number, path: string, node: Node | null): void => {
    folderAt(parent(path)).namings.push({ index, name: base(path), node });
    if (node === null) names.delete(path);
    else names.set(path, node);
  };
  const change = (index: number, path: string, one: Omit<Change, 'index'>): void =>
    void names.get(path)?.changes.push({ index, ...one });

  for (const [index, op] of ops.slice(0, until).entries()) {
    if (op.kind === 'create' || op.kind === 'mkdir') {
      if (names.has(op.path) || !names.has(parent(op.path))) continue;
      const node = fileNode(op.kind === 'mkdir');
      if (node.folder) folders.set(node, { certain: new Map(), namings: [] });
      name(index, op.path, node);
    } else if (op.kind === 'write') {
      change(index, op.path, {
        apply: (bytes) => put(bytes, op.at, op.data),
        torn: (share) => (bytes) => put(bytes, op.at, op.data.subarray(0, Math.floor(op.data.length * share))),
      });
    } else if (op.kind === 'size') {
      change(index, op.path, { apply: (bytes) => resized(bytes, op.size), torn: () => (bytes) => bytes });
    } else if (op.kind === 'rename' || op.kind === 'link') {
      const node = names.get(op.path);
      if (node === undefined) continue;
      name(index, op.to, node);
      if (op.kind === 'rename') name(index, op.path, null);
    } else if (op.kind === 'remove') {
      if (names.has(op.path)) name(index, op.path, null);
    } else if (op.kind === 'sync') {
      const node = names.get(op.path);
      if (node !== undefined) settle(node, folders.get(node), op.since);
    }
  }
  const keep = (): boolean => (luck === 'some' ? random() < 0.5 : luck === 'all');
  const write = (node: Node, path: string): void => {
    const folder = folders.get(node);
    if (folder === undefined) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, contentOf(node, keep, random));
      return;
    }
    mkdirSync(path, { recursive: true });
    const entries = new Map(folder.certain);
    for (const { name: entry, node: named } of folder.namings) {
      if (!keep()) continue;
      if (named === null) entries.delete(entry);
      else entries.set(entry, named);
    }
    for (const [entry, named] of entries) write(named, join(path, entry));
  };
  write(root, target);
}

function settle(node: Node, folder: Folder | undefined, since: number): void {
  if (folder === undefined) {
    for (const change of node.changes) if (change.index < since) node.certain = change.apply(node.certain);
    node.changes = node.changes.filter((change) => change.index >= since);
    return;
  }
  for (const { index, name, node: named } of folder.namings) {
    if (index >= since) continue;
    if (named === null) folder.certain.delete(name);
    else folder.certain.set(name, named);
  }
  folder.namings = folder.namings.filter((naming) => naming.index >= since);
}

/** Any of the uncertain writes, in their order; the last one that is there may be torn. */
function contentOf(node: Node, keep: () => boolean, random: () => number): Buffer {
  let bytes = node.certain;
  const kept = node.changes.filter(keep);
  for (const [i, change] of kept.entries()) {
    const last = i === kept.length - 1 && kept.length < node.changes.length;
    bytes = last ? change.torn(random())(bytes) : change.apply(bytes);
  }
  return bytes;
}
