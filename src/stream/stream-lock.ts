/** One instance per folder: a lock file that names the process, taken over when that process is no longer there. */

import { randomUUID } from 'node:crypto';
import { open, readFile, readlink, rename, stat, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AsepsisError } from '../core/index.ts';
import { diskError } from './stream-disk.ts';

const HEARTBEAT_MS = 5000;
/** A lock from another container says nothing checkable about its process; without a heartbeat for so long it is dead. */
const SILENT_MS = 20_000;
const SETTLE_MS = 100;
/** Two starts may meet while the file is being written or taken over. */
const TRIES = 10;

interface Owner {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process (proc(5), field 22 of stat): a reused pid has another one. */
  readonly start: string;
  readonly boot: string;
  /** Its pid namespace: pids of another container mean nothing here. */
  readonly space: string;
}

export interface FolderLock {
  release(): Promise<void>;
}

async function startOf(pid: number): Promise<string | null> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in field 2 may hold spaces and brackets: count from the last bracket.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead, whoever has not collected it yet.
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

async function self(): Promise<Owner> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const space = await readlink('/proc/self/ns/pid').catch(() => '');
  return { pid: process.pid, start: (await startOf(process.pid)) ?? '', boot: boot.trim(), space };
}

function parseOwner(text: string): Owner | null {
  try {
    const { pid, start, boot, space } = JSON.parse(text) as Partial<Owner>;
    if (!Number.isSafeInteger(pid) || (pid as number) < 1) return null;
    return { pid: pid as number, start: String(start), boot: String(boot), space: String(space) };
  } catch {
    return null;
  }
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function alive(owner: Owner, me: Owner, ageMs: number): Promise<boolean> {
  if (owner.boot !== me.boot) return false;
  if (owner.space !== me.space) return ageMs < SILENT_MS;
  // Without /proc (macOS) only the pid can be asked for; a reused one then keeps the lock, which is the safe mistake.
  if (me.start === '') return signalReaches(owner.pid);
  return (await startOf(owner.pid)) === owner.start;
}

async function create(path: string, text: string): Promise<boolean> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    await handle.writeFile(text);
    await handle.sync();
    return true;
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await handle.close();
  }
}

/** Moves a dead owner's lock away; puts it back when somebody else was quicker and it is a live one by now. */
async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.tmp`;
  await rename(path, aside);
  const moved = await readFile(aside, 'utf8');
  if (moved !== stale) await create(path, moved);
  await unlink(aside);
}

async function tryLock(path: string, me: Owner, text: string): Promise<Owner | 'mine' | 'again'> {
  if (await create(path, text)) return 'mine';
  try {
    const found = await readFile(path, 'utf8');
    const ageMs = Date.now() - (await stat(path)).mtimeMs;
    const owner = parseOwner(found);
    if (owner === null && ageMs < HEARTBEAT_MS) return 'again';
    if (owner !== null && (await alive(owner, me, ageMs))) return owner;
    await removeStale(path, found);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return 'again';
}

/** Takes the lock of `dir` or throws `DATA_LOCKED` with the pid of the process that holds it. */
export async function lockFolder(dir: string): Promise<FolderLock> {
  const path = join(dir, 'lock');
  const me = await self();
  const text = `${JSON.stringify({ ...me, nonce: randomUUID() })}\n`;
  for (let i = 0; i < TRIES; i++) {
    const holder = await tryLock(path, me, text).catch((error: unknown) => {
      throw diskError(error, `Locking ${dir}`);
    });
    if (holder === 'mine') {
      if (i === 0) return hold(path, text);
      // Somebody else may have taken this one for the dead one and moved it away: look whether it stayed.
      await sleep(SETTLE_MS);
      if ((await readFile(path, 'utf8').catch(() => '')) === text) return hold(path, text);
    } else if (holder !== 'again') {
      const where = holder.space === me.space ? '' : ' of another container';
      throw new AsepsisError('DATA_LOCKED', `Process ${holder.pid}${where} uses ${dir}.`);
    }
    await sleep(50);
  }
  throw new AsepsisError('DATA_LOCKED', `Another process is just starting on ${dir}.`);
}

function hold(path: string, text: string): FolderLock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      const found = await readFile(path, 'utf8').catch(() => '');
      if (found === text) await unlink(path).catch(() => {});
    },
  };
}
