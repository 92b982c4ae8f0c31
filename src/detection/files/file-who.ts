/** Which process writes: whoever has files below a folder open for writing, or works in it, as /proc shows. */

import { readdir, readFile, readlink } from 'node:fs/promises';
import { maskedCommand } from './file-text.ts';

export interface Writer {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
  readonly uid: number;
}

/** Processes looked at; a server has some hundreds. */
const PROCESSES_MAX = 4000;
const FDS_MAX = 256;
const AT_ONCE = 32;
const WRITABLE = /^flags:\s+0?\d*([0-7])$/m;

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

async function describe(pid: number): Promise<Writer | null> {
  const status = await textOf(`/proc/${pid}/status`);
  const name = /^Name:\t(.{1,64})$/m.exec(status)?.[1];
  if (name === undefined) return null;
  const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? -1);
  // Passwords stand in command lines; nobody asked for them here.
  const command = maskedCommand((await textOf(`/proc/${pid}/cmdline`)).split('\0'))
    .trim()
    .slice(0, 300);
  return { pid, name, command, uid };
}

/** Open for writing: the last octal digit of the flags is 1 (write) or 2 (both); fcntl.h. */
const writes = (fdinfo: string): boolean => /[12]$/.test(WRITABLE.exec(fdinfo)?.[1] ?? '');

async function touches(pid: number, inside: (path: string) => boolean): Promise<'writes' | 'works' | null> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const fd of fds.slice(0, FDS_MAX)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (inside(target.replace(/ \(deleted\)$/, '')) && writes(await textOf(`/proc/${pid}/fdinfo/${fd}`)))
      return 'writes';
  }
  return inside(await readlink(`/proc/${pid}/cwd`).catch(() => '')) ? 'works' : null;
}

/**
 * @param paths files or folders; a process counts that writes to one of them or below
 * @returns the writer, else one whose working folder is there, else null. Short-lived writers are often gone by then.
 */
export async function whoWrites(paths: readonly string[], own = process.pid): Promise<Writer | null> {
  const inside = (target: string): boolean => paths.some((path) => target === path || target.startsWith(`${path}/`));
  const all = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  // The newest first: what was there yesterday is seldom what encrypts today.
  const pids = all.sort((a, b) => b - a).slice(0, PROCESSES_MAX);
  let works: number | null = null;
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    const part = pids.slice(at, at + AT_ONCE).filter((pid) => pid !== own);
    const found = await Promise.all(part.map((pid) => touches(pid, inside)));
    const writer = part[found.indexOf('writes')];
    if (writer !== undefined) return describe(writer);
    works ??= part[found.indexOf('works')] ?? null;
  }
  return works === null ? null : describe(works);
}

const names = new Map<number, string>();
let namesReadMs = 0;

/** The account's name of a number, from /etc/passwd; the number itself when it has none. */
export async function accountOf(uid: number, nowMs: number): Promise<string> {
  if (nowMs - namesReadMs > 60_000) {
    names.clear();
    for (const line of (await textOf('/etc/passwd')).split('\n')) {
      const [name = '', , number = ''] = line.split(':');
      if (name !== '' && number !== '' && !names.has(Number(number))) names.set(Number(number), name);
    }
    namesReadMs = nowMs;
  }
  return names.get(uid) ?? String(uid);
}
