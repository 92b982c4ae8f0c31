/** Hosts of a test's own: network namespaces on one switch that nothing else is connected to. Root and iproute2 are needed. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ETC = '/etc/netns';
let made = 0;

export interface Host {
  readonly name: string;
  readonly address: string;
  /** Runs to its end inside the host; answers its code and output. */
  run(
    program: string,
    args: readonly string[],
    options?: { cwd?: string; input?: string },
  ): { code: number; out: string };
  start(program: string, args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): ChildProcess;
}

export interface Hosts {
  /** A host with this address on the switch; all are in 10.0.0.0/8. */
  host(address: string): Host;
  /** Sees every frame that crosses the switch. */
  readonly mirror: Host;
  close(): void;
}

/** Null with the reason where this machine may not make them. */
export function hostsPossible(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const tried = spawnSync('ip', ['netns', 'add', `asp-try-${process.pid}`]);
  if (tried.error || tried.status !== 0)
    return 'this machine lets no network namespace be made (iproute2, CAP_SYS_ADMIN)';
  spawnSync('ip', ['netns', 'del', `asp-try-${process.pid}`]);
  return null;
}

export function openHosts(): Hosts {
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const tag = `${process.pid.toString(36)}${(++made).toString(36)}`;
  const hub = `asp-${tag}-hub`;
  const names = [hub];
  const children: ChildProcess[] = [];
  ip('netns', 'add', hub);
  const inHub = (...args: string[]) => ip('-n', hub, ...args);
  // ageing 0: the switch floods every frame, so that one listener sees all, as at a mirror port.
  inHub('link', 'add', 'sw', 'type', 'bridge', 'ageing_time', '0');
  inHub('link', 'set', 'sw', 'up');
  const hostOf = (name: string, address: string): Host => ({
    name,
    address,
    run: (program, args, options = {}) => {
      const done = spawnSync('ip', ['netns', 'exec', name, program, ...args], {
        encoding: 'utf8',
        timeout: 60_000,
        ...options,
      });
      return { code: done.status ?? 127, out: `${done.stdout}${done.stderr}` };
    },
    start: (program, args, options = {}) => {
      const child = spawn('ip', ['netns', 'exec', name, program, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...options,
      });
      children.push(child);
      return child;
    },
  });
  let count = 0;
  const add = (address: string): Host => {
    const name = `asp-${tag}-${++count}`;
    ip('netns', 'add', name);
    names.push(name);
    // Names are looked up nowhere, and at once: `ip netns exec` lays these files over the machine's own.
    mkdirSync(join(ETC, name), { recursive: true });
    writeFileSync(join(ETC, name, 'resolv.conf'), 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
    const port = `p${count}`;
    inHub('link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    inHub('link', 'set', port, 'master', 'sw', 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    // Checksums are written by us, not by a card that is not there: programs that read captures check them.
    ip('-n', name, 'addr', 'add', `${address}/8`, 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    return hostOf(name, address);
  };
  return {
    host: add,
    mirror: hostOf(hub, ''),
    close: () => {
      for (const child of children) child.kill('SIGKILL');
      for (const name of names) {
        const left = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
        for (const pid of left.split('\n').filter(Boolean)) spawnSync('kill', ['-9', pid]);
        spawnSync('ip', ['netns', 'del', name]);
        rmSync(join(ETC, name), { recursive: true, force: true });
      }
    },
  };
}
