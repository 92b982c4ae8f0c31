/** Starts a program without a shell: arguments as a list, input on stdin, bounded output and time. */

import { spawn } from 'node:child_process';

const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const ERROR_CHARS_MAX = 2000;

export interface Ran {
  /** Null when the program could not be started or did not end in time. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Run = (command: readonly string[], input: string, timeoutMs?: number) => Promise<Ran>;

export const runProgram: Run = (command, input, timeoutMs = 10_000) =>
  new Promise((resolve) => {
    const [program, ...args] = command;
    if (program === undefined) return resolve({ code: null, stdout: '', stderr: 'No program is configured.' });
    // Only what a program needs: secrets of our own environment stay here.
    const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env, shell: false, timeout: timeoutMs });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (part: Buffer) => {
      stdout += part.toString();
      if (stdout.length > OUTPUT_BYTES_MAX) child.kill('SIGKILL');
    });
    child.stderr.on('data', (part: Buffer) => {
      if (stderr.length < ERROR_CHARS_MAX) stderr += part.toString();
    });
    child.once('error', (error) => resolve({ code: null, stdout: '', stderr: error.message }));
    child.once('close', (code) => resolve({ code, stdout, stderr: stderr.slice(0, ERROR_CHARS_MAX) }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });

/** The configured command for one account. The name never becomes an option: it follows what the operator wrote. */
export const commandFor = (command: readonly string[], account: string): string[] =>
  command.map((word) => word.replaceAll('{account}', account));
