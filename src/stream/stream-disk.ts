/** What the disk can still take: stops intake before it is full or when it cannot be written, and resumes by itself. */

import { open, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, type ErrorCode } from '../core/index.ts';

/** Left free for the database, the archive's last files and the person who must clean up. */
export const DISK_RESERVE_BYTES = 256 * 1024 * 1024;
/** Free space is asked for again after so many bytes: well below the reserve. */
const CHECK_EVERY_BYTES = 16 * 1024 * 1024;
/** To resume, this much more than the reserve must be free, so that intake does not flap. */
const RESUME_FACTOR = 1.1;
const FULL = new Set(['ENOSPC', 'EDQUOT']);
const READ_ONLY = new Set(['EROFS', 'EACCES', 'EPERM']);

export interface DiskGuard {
  /** Why intake is stopped; null while it may go on. */
  stopped(): AsepsisError | null;
  /** A write or fsync failed. */
  fail(error: unknown): void;
  /** Counts bytes that were written and looks at the free space now and then. */
  wrote(bytes: number): Promise<void>;
  /** Looks at the disk now; while stopped, tries to write and resumes when that works. */
  probe(): Promise<void>;
}

/** A failed file operation as the error that tells an operator what to do; one of ours passes unchanged. */
export function diskError(error: unknown, doing: string): AsepsisError {
  if (error instanceof AsepsisError) return error;
  const name = (error as NodeJS.ErrnoException | null)?.code ?? String(error);
  if (FULL.has(name)) return new AsepsisError('DISK_FULL', `${doing} failed with ${name}.`, { cause: error });
  const why = READ_ONLY.has(name) ? name : `${name}, a fault of the disk`;
  return new AsepsisError('DATA_READ_ONLY', `${doing} failed with ${why}.`, { cause: error });
}

async function tryToWrite(dir: string): Promise<void> {
  const path = join(dir, 'probe.tmp');
  const handle = await open(path, 'w');
  try {
    await handle.write(Buffer.alloc(64 * 1024, 1));
    await handle.sync();
  } finally {
    await handle.close();
    await unlink(path);
  }
}

/** @param repair what must work before intake resumes: cutting what a failed write left behind */
export function createDiskGuard(o: {
  dir: string;
  reserveBytes: number;
  repair: () => Promise<void>;
  onChange: (stopped: AsepsisError | null) => void;
}): DiskGuard {
  let stopped: AsepsisError | null = null;
  let sinceCheckBytes = 0;
  let probing: Promise<void> | null = null;

  function set(error: AsepsisError | null): void {
    if (stopped === null && error === null) return;
    stopped = error;
    o.onChange(error);
  }

  async function lacking(factor: number): Promise<AsepsisError | null> {
    const { bavail, bsize } = await statfs(o.dir);
    if (bavail * bsize >= o.reserveBytes * factor) return null;
    const megabytes = (bytes: number): number => Math.floor(bytes / 1048576);
    const detail = `${megabytes(bavail * bsize)} MB are free where the event log is; ${megabytes(o.reserveBytes)} MB are kept in reserve.`;
    return new AsepsisError('DISK_FULL', detail, { retryAfterSec: 30 });
  }

  async function look(): Promise<void> {
    if (stopped === null) {
      const lack = await lacking(1);
      if (lack !== null) set(lack);
      return;
    }
    try {
      const code: ErrorCode = stopped.code;
      const lack = await lacking(RESUME_FACTOR);
      if (lack !== null) {
        if (code !== lack.code) set(lack);
        return;
      }
      await tryToWrite(o.dir);
      await o.repair();
      set(null);
    } catch {
      // Still not writable: it stays stopped with the reason that is already shown, until the next probe.
    }
  }

  function probe(): Promise<void> {
    probing ??= look()
      .catch((error: unknown) => set(diskError(error, 'Asking for the free space')))
      .finally(() => {
        probing = null;
      });
    return probing;
  }

  return {
    stopped: () => stopped,
    fail: (error) => set(diskError(error, 'Writing the event log')),
    async wrote(bytes) {
      sinceCheckBytes += bytes;
      if (sinceCheckBytes < CHECK_EVERY_BYTES) return;
      sinceCheckBytes = 0;
      if (stopped === null) await probe();
    },
    probe,
  };
}
