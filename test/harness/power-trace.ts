/** Reads a trace of system calls (strace) as what happened to files below one folder, in the order it happened. */

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

export type DiskOp =
  /** A new name for a new, empty file or a folder. */
  | { readonly kind: 'create' | 'mkdir'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly data: Buffer }
  | { readonly kind: 'size'; readonly path: string; readonly size: number }
  | { readonly kind: 'rename' | 'link'; readonly path: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  /** Everything done to this file or folder before operation `since` is certain from here on. */
  | { readonly kind: 'sync'; readonly path: string; readonly since: number }
  /** Bytes to a socket. */
  | { readonly kind: 'sent'; readonly data: Buffer };

/** The calls that the trace must have; the log says when a call is none that this reader knows. */
export const TRACED =
  'openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,fsync,fdatasync,lseek,copy_file_range,sendfile,sync_file_range';

interface OpenFile {
  path: string;
  at: number;
  append: boolean;
}

const decoded = (text: string): string => Buffer.from(text.replaceAll('\\x', ''), 'hex').toString('utf8');
/** All strings of a call, in their order, as bytes. */
const strings = (args: string): Buffer[] =>
  [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)].map((found) => {
    if (found[2] !== undefined) throw new Error('The trace cut a string.');
    return Buffer.from((found[1] as string).replaceAll('\\x', ''), 'hex');
  });

/** Reads the trace; only what happens below `root` counts. Paths in the answer are relative to it. */
export async function readTrace(file: string, root: string): Promise<DiskOp[]> {
  const ops: DiskOp[] = [];
  const open = new Map<number, OpenFile>();
  const sizes = new Map<string, number>();
  const waiting = new Map<string, { text: string; since: number }>();
  const inside = (path: string): string | null =>
    path === root ? '' : path.startsWith(`${root}/`) ? path.slice(root.length + 1) : null;

  const move = (from: string, to: string): void => {
    for (const [path, size] of sizes) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      sizes.delete(path);
      sizes.set(to + path.slice(from.length), size);
    }
    for (const one of open.values())
      if (one.path === from || one.path.startsWith(`${from}/`)) one.path = to + one.path.slice(from.length);
  };

  const write = (fd: number, data: Buffer, at: number | null): void => {
    const known = open.get(fd);
    if (known === undefined) return;
    const size = sizes.get(known.path) ?? 0;
    const place = at ?? (known.append ? size : known.at);
    ops.push({ kind: 'write', path: known.path, at: place, data });
    sizes.set(known.path, Math.max(size, place + data.length));
    if (at === null) known.at = place + data.length;
  };

  const call = (name: string, args: string, result: number, since: number): void => {
    const fd = Number(/^\d+/.exec(args)?.[0] ?? -1);
    // What the descriptor stands for, as the kernel says.
    const shown = decoded(/^\d+<((?:\\x[0-9a-f]{2})*)>/.exec(args)?.[1] ?? '');
    const pathsOf = () => strings(args).map((bytes) => inside(bytes.toString('utf8')));
    if (name === 'openat' || name === 'open' || name === 'creat') {
      const path = pathsOf()[0] ?? null;
      open.delete(result);
      if (path === null || args.includes('O_DIRECTORY')) return;
      if (args.includes('O_CREAT') && !sizes.has(path)) {
        ops.push({ kind: 'create', path });
        sizes.set(path, 0);
      } else if (args.includes('O_TRUNC') && (sizes.get(path) ?? 0) > 0) {
        ops.push({ kind: 'size', path, size: 0 });
        sizes.set(path, 0);
      }
      open.set(result, { path, at: 0, append: args.includes('O_APPEND') });
    } else if (name === 'write' || name === 'writev' || name.startsWith('pwrite')) {
      const data = Buffer.concat(strings(args)).subarray(0, result);
      if (/^(?:TCP|socket)/.test(shown)) {
        ops.push({ kind: 'sent', data });
        return;
      }
      // A descriptor's number is given to the next file when it is closed: the kernel's word counts.
      if (inside(shown) === null) return;
      const place = (name === 'pwritev2' ? /, (\d+), [^,]+$/ : /, (\d+)$/).exec(args);
      write(fd, data, name.startsWith('pwrite') ? Number(place?.[1]) : null);
    } else if (name === 'lseek') {
      const known = open.get(fd);
      if (known !== undefined) known.at = result;
    } else if (name === 'ftruncate' || name === 'truncate') {
      const path = name === 'truncate' ? pathsOf()[0] : inside(shown);
      if (path === undefined || path === null) return;
      const size = Number(/, (\d+)$/.exec(args)?.[1]);
      ops.push({ kind: 'size', path, size });
      sizes.set(path, size);
    } else if (name.startsWith('rename') || name.startsWith('link')) {
      const [path, to] = pathsOf();
      if (path === null || path === undefined || to === null || to === undefined) return;
      ops.push({ kind: name.startsWith('link') ? 'link' : 'rename', path, to });
      if (name.startsWith('link')) sizes.set(to, sizes.get(path) ?? 0);
      else move(path, to);
    } else if (name === 'unlink' || name === 'unlinkat' || name === 'rmdir') {
      const path = pathsOf()[0] ?? null;
      if (path === null) return;
      ops.push({ kind: 'remove', path });
      sizes.delete(path);
    } else if (name === 'mkdir' || name === 'mkdirat') {
      const path = pathsOf()[0] ?? null;
      if (path !== null) ops.push({ kind: 'mkdir', path });
    } else if (name === 'fsync' || name === 'fdatasync') {
      // Folders are not followed by descriptor.
      const path = inside(shown);
      if (path !== null) ops.push({ kind: 'sync', path, since });
    } else if (/^(?:fallocate|copy_file_range|sendfile|sync_file_range)$/.test(name)) {
      if (inside(shown) !== null) throw new Error(`${name} on ${shown}: the model does not know it.`);
    }
  };

  for await (const line of createInterface({ input: createReadStream(file) })) {
    const found = /^(\d+) +(.*)$/.exec(line);
    if (found === null) continue;
    const [, thread, rest] = found as unknown as [string, string, string];
    const cut = / <unfinished \.\.\.>$/.exec(rest);
    if (cut !== null) {
      waiting.set(thread, { text: rest.slice(0, cut.index), since: ops.length });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
    const before = resumed === null ? undefined : waiting.get(thread);
    const text = resumed === null ? rest : `${before?.text ?? ''}${rest.slice(resumed[0].length)}`;
    const whole = /^(\w+)\((.*)\) += (-?\d+)/.exec(text);
    if (whole === null || Number(whole[3]) < 0) continue;
    call(whole[1] as string, (whole[2] as string).trimEnd(), Number(whole[3]), before?.since ?? ops.length);
  }
  return ops;
}
