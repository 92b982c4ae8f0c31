/** A small network of its own for tests: namespaces on one hub, everything that crosses it captured. Needs root; cleans up. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Lab {
  readonly folder: string;
  /** Runs a program in a machine to its end; its output, whatever its exit code was. */
  run(machine: string, program: string, args: readonly string[], o?: { input?: string; timeoutMs?: number }): string;
  /** Starts a program in a machine; it ends with the laboratory. */
  start(machine: string, program: string, args: readonly string[], env?: Record<string, string>): ChildProcess;
  /** Starts a new capture of the hub; the one before is finished. */
  capture(name: string): Promise<string>;
  finishCapture(): Promise<void>;
  close(): Promise<void>;
}

const PATHS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
export const has = (...programs: string[]): boolean =>
  programs.every((program) => PATHS.some((path) => existsSync(join(path, program))));

/** May this process make network namespaces? */
export function mayMakeNetworks(): boolean {
  if (process.getuid?.() !== 0 || !has('ip', 'tcpdump')) return false;
  const name = `asepsis-try-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', name]);
  return made;
}

/** @param machines name → IPv4 address on the hub, a /24 */
export async function openLab(machines: Readonly<Record<string, string>>): Promise<Lab> {
  const id = `as${process.pid % 100_000}`;
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-lab-'));
  const names: string[] = [];
  const children = new Set<ChildProcess>();
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const space = (machine: string) => `${id}-${machine}`;
  const make = (machine: string): void => {
    ip('netns', 'add', space(machine));
    names.push(machine);
    ip('-n', space(machine), 'link', 'set', 'lo', 'up');
  };
  make('hub');
  // A bridge that forgets at once sends everything everywhere: a hub, and with it a mirror port.
  ip('-n', space('hub'), 'link', 'add', 'br0', 'type', 'bridge', 'ageing_time', '0', 'stp_state', '0');
  ip('-n', space('hub'), 'link', 'set', 'br0', 'up');
  const plug = (machine: string, port: string): void => {
    ip('link', 'add', `${id}p`, 'type', 'veth', 'peer', 'name', `${id}q`);
    ip('link', 'set', `${id}p`, 'netns', space('hub'));
    ip('-n', space('hub'), 'link', 'set', `${id}p`, 'name', port);
    ip('-n', space('hub'), 'link', 'set', port, 'master', 'br0');
    ip('-n', space('hub'), 'link', 'set', port, 'up');
    ip('link', 'set', `${id}q`, 'netns', space(machine));
    ip('-n', space(machine), 'link', 'set', `${id}q`, 'name', 'eth0');
    ip('-n', space(machine), 'link', 'set', 'eth0', 'up');
  };
  for (const [n, [machine, address]] of Object.entries(machines).entries()) {
    make(machine);
    plug(machine, `p${n}`);
    ip('-n', space(machine), 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  }
  make('tap');
  plug('tap', 'tap');

  const start: Lab['start'] = (machine, program, args, env = {}) => {
    const child = spawn('ip', ['netns', 'exec', space(machine), program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    children.add(child);
    child.stdout?.resume();
    child.stderr?.resume();
    child.once('exit', () => children.delete(child));
    return child;
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(late);
  };
  let tcpdump: ChildProcess | null = null;
  const finishCapture = async (): Promise<void> => {
    const running = tcpdump;
    tcpdump = null;
    if (!running) return;
    await new Promise((resolve) => setTimeout(resolve, 300));
    await end(running, 'SIGINT');
  };
  return {
    folder,
    start,
    finishCapture,
    run(machine, program, args, o = {}) {
      const ran = spawnSync('ip', ['netns', 'exec', space(machine), program, ...args], {
        input: o.input ?? '',
        timeout: o.timeoutMs ?? 10_000,
        encoding: 'latin1',
      });
      return `${ran.stdout}${ran.stderr}`;
    },
    async capture(name) {
      await finishCapture();
      const path = join(folder, name);
      const child = start('tap', 'tcpdump', [
        '-i',
        'eth0',
        '-n',
        '-U',
        '--immediate-mode',
        '-s',
        '0',
        '-Z',
        'root',
        '-w',
        path,
      ]);
      tcpdump = child;
      await new Promise<void>((resolve) => {
        child.stderr?.on('data', (text: Buffer) => text.includes('listening') && resolve());
        child.once('exit', () => resolve());
        setTimeout(resolve, 3000).unref();
      });
      return path;
    },
    async close() {
      await finishCapture();
      await Promise.all([...children].map((child) => end(child, 'SIGTERM')));
      for (const name of names) spawnSync('ip', ['netns', 'del', space(name)]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when something answers there; `test` is tried until it is true. */
export async function soon(test: () => boolean | Promise<boolean>, ms = 8000): Promise<boolean> {
  const until = Date.now() + ms;
  while (Date.now() < until) {
    if (await test()) return true;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  return false;
}
