/** A small disk of its own for a test: an ext4 file system in a file, mounted through a loop device; needs root. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

function run(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}

export interface LoopDisk {
  readonly path: string;
  /** From now on every write fails, as after a fault of the disk. */
  breakOff(): void;
  /** Repairs the file system and mounts it again; whoever used it must have ended. */
  repair(): void;
  remove(): void;
}

/** Null where this user may not mount. */
export function openLoopDisk(megabytes: number): LoopDisk | null {
  if (process.getuid?.() !== 0) return null;
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-disk-'));
  const image = join(folder, 'image');
  const path = join(folder, 'mounted');
  mkdirSync(path);
  writeFileSync(image, '');
  truncateSync(image, megabytes * 1024 * 1024);
  const mounted = () => run('mount', '-o', 'loop', image, path);
  if (!run('mkfs.ext4', '-q', '-F', '-m', '0', image) || !mounted()) {
    rmSync(folder, { recursive: true, force: true });
    return null;
  }
  return {
    path,
    // ext4's own way to try an aborted journal (mount(8), ext4(5)).
    breakOff: () => void run('mount', '-o', 'remount,abort', path),
    repair() {
      run('umount', path);
      run('e2fsck', '-fy', image);
      if (!mounted()) throw new Error('The disk cannot be mounted again.');
    },
    remove() {
      if (!run('umount', path)) run('umount', '-l', path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
