/** Reads this machine for a first round: files and programs' answers, bounded, without a shell, changing nothing. */

import { execFile } from 'node:child_process';
import { open, readdir, readlink, stat } from 'node:fs/promises';
import type { MachineReader } from '../core/index.ts';

const TEXT_BYTES_MAX = 4 * 1024 * 1024;
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
/** System programs lie there even when the caller's PATH does not say so. */
const PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin';

export function openMachine(): MachineReader {
  return {
    isRoot: process.getuid?.() === 0,
    text: async (path) => {
      try {
        const file = await open(path, 'r');
        try {
          const buffer = Buffer.allocUnsafe(TEXT_BYTES_MAX);
          let length = 0;
          // Files in /proc have no size and come in pieces.
          while (length < TEXT_BYTES_MAX) {
            const { bytesRead } = await file.read(buffer, length, TEXT_BYTES_MAX - length);
            if (bytesRead === 0) break;
            length += bytesRead;
          }
          return buffer.toString('utf8', 0, length);
        } finally {
          await file.close();
        }
      } catch {
        return null;
      }
    },
    names: (path) => readdir(path).catch(() => null),
    link: (path) => readlink(path).catch(() => null),
    changedMs: (path) =>
      stat(path).then(
        (stats) => stats.mtimeMs,
        () => null,
      ),
    run: (program, args, timeoutMs = TIMEOUT_MS) =>
      new Promise((resolve) => {
        execFile(
          program,
          [...args],
          { timeout: timeoutMs, maxBuffer: OUTPUT_BYTES_MAX, env: { PATH, LC_ALL: 'C.UTF-8', HOME: '/' } },
          (error, stdout, stderr) => {
            if (error && (error as NodeJS.ErrnoException).code === 'ENOENT') return resolve(null);
            const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
            resolve({ code, stdout, stderr });
          },
        );
      }),
  };
}
