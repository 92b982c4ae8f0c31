/** A laboratory of real servers on loopback: started for a test, weak or good on purpose, and ended with it. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATHS = [
  ...(process.env.PATH ?? '').split(':'),
  '/usr/sbin',
  '/sbin',
  '/usr/bin',
  '/usr/local/bin',
  '/usr/lib/postfix/sbin',
];
export const program = (name: string): string | null =>
  (name.startsWith('/') ? [name] : PATHS.map((path) => join(path, name))).find((path) => existsSync(path)) ?? null;
export const has = (...names: string[]): boolean => names.every((name) => program(name) !== null);

export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number, host: string): Promise<boolean> {
  const socket = createConnection({ port, host });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export interface Lab {
  readonly dir: string;
  /** Writes a file of the laboratory and answers its path. */
  file(name: string, text: string | Buffer, mode?: number): string;
  /** Starts a program and waits until it listens on `port`; 0: it has none that opens. */
  start(
    name: string,
    args: readonly string[],
    port: number,
    o?: { env?: Record<string, string>; cwd?: string; input?: boolean },
  ): Promise<void>;
  /** A self-signed certificate; options are those of `openssl req`. */
  certificate(
    name: string,
    key: readonly string[],
    names: string,
    more?: readonly string[],
  ): { cert: string; key: string };
  close(): Promise<void>;
}

export function openLab(): Lab {
  const dir = mkdtempSync(join(tmpdir(), 'perimeter-lab-'));
  const running: ChildProcess[] = [];
  const file: Lab['file'] = (name, text, mode = 0o600) => {
    const path = join(dir, name);
    writeFileSync(path, text, { mode });
    return path;
  };
  return {
    dir,
    file,
    start: async (name, args, port, o = {}) => {
      const path = program(name);
      if (path === null) throw new Error(`${name} is not installed`);
      const child = spawn(path, args, {
        cwd: o.cwd ?? dir,
        stdio: [o.input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
        // Some servers signal their whole process group when they end: it is theirs alone.
        detached: true,
        env: { ...process.env, ...o.env },
      });
      let said = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-2000);
      });
      child.stderr?.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-2000);
      });
      running.push(child);
      if (port === 0) return;
      for (let i = 0; i < 200; i++) {
        if (await answers(port, '127.0.0.1')) return;
        if (child.exitCode !== null && child.exitCode !== 0) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${name} does not listen on ${port}: ${said}`);
    },
    certificate: (name, key, names, more = []) => {
      const paths = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
      const subject = ['-subj', '/CN=lab', '-addext', `subjectAltName=${names}`];
      const args = [
        'req',
        '-x509',
        '-nodes',
        '-newkey',
        ...key,
        '-keyout',
        paths.key,
        '-out',
        paths.cert,
        ...subject,
        ...more,
      ];
      execFileSync('openssl', args, { stdio: 'ignore' });
      return paths;
    },
    close: async () => {
      for (const child of running) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const ended = once(child, 'exit');
        const signal = (name: 'SIGTERM' | 'SIGKILL') => {
          try {
            process.kill(-(child.pid as number), name);
          } catch {}
        };
        signal('SIGTERM');
        const timer = setTimeout(() => signal('SIGKILL'), 1500);
        await ended;
        clearTimeout(timer);
      }
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const RSA = ['rsa:2048'] as const;
export const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const;
