/** For tests: real proxies in front of the gateway, with the configuration that the gateway generates for them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proxyConfig } from '../gateway/gateway-proxy-config.ts';
import type { GatewayConfig } from '../gateway/gateway-schema.ts';

export type FrontName = 'alone' | 'nginx' | 'caddy' | 'haproxy';
const PLACES = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/sbin'];
export const programOf = (name: string): string | null =>
  PLACES.map((place) => join(place, name)).find(existsSync) ?? null;

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export async function waitForPort(port: number, child: ChildProcess, said: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`does not listen: ${said()}`);
}

export interface Front {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** Starts the program and waits until it listens. */
export async function startFront(
  name: Exclude<FrontName, 'alone'>,
  config: GatewayConfig,
  gatewayPort: number,
): Promise<Front> {
  const folder = mkdtempSync(join(tmpdir(), `asepsis-${name}-`));
  const port = await freePort();
  const gateway = `127.0.0.1:${gatewayPort}`;
  const made = proxyConfig(name, config, { gateway, port });
  const program = programOf(name) as string;
  let args: string[];
  if (name === 'nginx') {
    const file = join(folder, 'nginx.conf');
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((one) => `${one}_temp_path ${folder}/${one};`)
      .join('\n');
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    writeFileSync(
      file,
      `${user}\nworker_processes 1;\ndaemon off;\npid ${folder}/pid;\nerror_log ${folder}/error.log;\nevents { worker_connections 1024; }\nhttp {\naccess_log off;\n${paths}\n${made.replaceAll('listen ', 'listen 127.0.0.1:')}\n}\n`,
    );
    args = ['-c', file, '-p', folder];
  } else if (name === 'caddy') {
    const file = join(folder, 'Caddyfile');
    writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\n${made}`);
    args = ['run', '--config', file, '--adapter', 'caddyfile'];
  } else {
    const file = join(folder, 'haproxy.cfg');
    const lua = join(folder, 'asepsis.lua');
    writeFileSync(lua, proxyConfig('haproxy-lua', config, { gateway }));
    writeFileSync(
      file,
      `global\n    lua-load ${lua}\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n    timeout tunnel 1h\n${made.replace('bind :', 'bind 127.0.0.1:')}`,
    );
    args = ['-db', '-f', file];
  }
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ASEPSIS_GATEWAY: gateway, HOME: folder, XDG_DATA_HOME: folder },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
    });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 2000);
    await ended;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitForPort(port, child, () => said);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}
