/** Starts a program without a shell: arguments as a list, input as its stdin, bounded output and time. */

import { spawn } from 'node:child_process';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OUTPUT_CHARS_MAX = 16 * 1024 * 1024;
const ERROR_CHARS_MAX = 2000;

export interface Ran {
  /** Null when the program could not be started or did not end in time. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Run = (command: readonly string[], input: string, timeoutMs?: number) => Promise<Ran>;

/**
 * The input as an open file that has no name any more. What Node gives a child as a pipe is a socket, and programs that
 * open /dev/stdin again (nft does for `-f -`) cannot open a socket.
 */
async function asFile(input: string): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-run-'));
  try {
    const path = join(folder, 'input');
    const out = await open(path, 'wx', 0o600);
    await out.writeFile(input);
    await out.close();
    return await open(path, 'r');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const runProgram: Run = async (command, input, timeoutMs = 10_000) => {
  const [program, ...args] = command;
  if (program === undefined) return { code: null, stdout: '', stderr: 'No program is configured.' };
  const stdin = input === '' ? null : await asFile(input);
  try {
    return await started(program, args, stdin?.fd ?? 'ignore', timeoutMs);
  } finally {
    await stdin?.close();
  }
};

function started(program: string, args: readonly string[], stdin: number | 'ignore', timeout: number): Promise<Ran> {
  return new Promise((resolve) => {
    // Only what a program needs: secrets of our own environment stay here.
    const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
    const child = spawn(program, args, { stdio: [stdin, 'pipe', 'pipe'], env, shell: false, timeout });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (part: Buffer) => {
      stdout += part.toString();
      if (stdout.length > OUTPUT_CHARS_MAX) child.kill('SIGKILL');
    });
    child.stderr?.on('data', (part: Buffer) => {
      if (stderr.length < ERROR_CHARS_MAX) stderr += part.toString();
    });
    child.once('error', (error) => resolve({ code: null, stdout: '', stderr: error.message }));
    child.once('close', (code) => resolve({ code, stdout, stderr: stderr.slice(0, ERROR_CHARS_MAX) }));
  });
}

/** The configured command for one account: the name is one argument, or a part of one. */
export const commandFor = (command: readonly string[], account: string): string[] =>
  command.map((word) => word.replaceAll('{account}', () => account));
