/** A real sshd on loopback with one account's password guessed at by a real attacker's tool, its log going to the desk. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Sshd {
  readonly port: number;
  /** Each line of its log, as it comes. */
  onLine(take: (line: string) => void): void;
  stop(): void;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Needs root (sshd checks passwords for others only then). */
export async function startSshd(): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-sshd-'));
  mkdirSync('/run/sshd', { recursive: true });
  const key = join(folder, 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const port = await freePort();
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${key}\nPidFile ${join(folder, 'pid')}\nUsePAM no\nPasswordAuthentication yes\nMaxAuthTries 6\nMaxStartups 200\nUseDNS no\nLogLevel INFO\n`,
  );
  const takers: ((line: string) => void)[] = [];
  const child: ChildProcess = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    if (line.includes('Server listening')) listening.resolve();
    for (const take of takers) take(line);
  });
  child.once('exit', (code) => listening.reject(new Error(`sshd ended (exit ${code})`)));
  await listening.promise;
  return {
    port,
    onLine: (take) => takers.push(take),
    stop: () => {
      child.kill('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
