/** What the access benchmark starts and measures with: cores, wrk, nginx, processor time. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { programOf } from '../../src/access/testing/gateway-fronts.ts';

const CLOCK_TICKS = 100;
/** The browser that every request says to be. */
export const AGENT = 'bench';
/** Milliseconds in the program and in the kernel. */
const cpuPartsOf = (pid: number): [user: number, system: number] => {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // Ended since: its time is its parent's now.
    return [0, 0];
  }
  const fields = text.replace(/^.*\) /, '').split(' ');
  // With what its ended children used.
  const ms = (own: number) => ((Number(fields[own]) + Number(fields[own + 2])) * 1000) / CLOCK_TICKS;
  return [ms(11), ms(12)];
};

export const rssOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

export function cpuOf(pids: readonly number[]): [user: number, system: number] {
  const parts = pids.map(cpuPartsOf);
  return [parts.reduce((sum, [user]) => sum + user, 0), parts.reduce((sum, [, system]) => sum + system, 0)];
}

const PINNED = availableParallelism() > 1 && programOf('taskset') !== null;
/** What is measured has the first core, the rest of the world the others. */
export function spawnOn(core: 'measured' | 'other', program: string, args: readonly string[], env = process.env) {
  // No socket as standard input: FastCGI servers take one for what they have to listen on.
  const options = { env, stdio: ['ignore', 'pipe', 'pipe'] } as const satisfies SpawnOptions;
  if (!PINNED) return spawn(program, args, options);
  return spawn(
    'taskset',
    ['-c', core === 'measured' ? '0' : `1-${availableParallelism() - 1}`, program, ...args],
    options,
  );
}

interface WrkFigures {
  readonly per_sec: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly errors: number;
}
const ms = (text: string | undefined): number => {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text ?? '');
  return match ? Number(match[1]) * { us: 0.001, ms: 1, s: 1000 }[match[2] as 'us' | 'ms' | 's'] : Number.NaN;
};
export async function wrk(
  url: string,
  host: string,
  script: string,
  seconds: number,
  connections = 32,
): Promise<WrkFigures> {
  const args = [
    '-t',
    '1',
    '-c',
    String(connections),
    '-d',
    `${seconds}s`,
    '--latency',
    '-H',
    `Host: ${host}`,
    '-H',
    `User-Agent: ${AGENT}`,
    '-s',
    script,
    url,
  ];
  const child = spawnOn('other', 'wrk', args);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  return {
    per_sec: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50_ms: ms(/50%\s+(\S+)/.exec(text)?.[1]),
    p99_ms: ms(/99%\s+(\S+)/.exec(text)?.[1]),
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

/** wrk's figures, and what the processes that answer used for each request. */
export async function measured(
  pids: () => readonly number[],
  url: string,
  host: string,
  script: string,
  seconds: number,
) {
  const [user, system] = cpuOf(pids());
  const figures = await wrk(url, host, script, seconds);
  const [userAfter, systemAfter] = cpuOf(pids());
  const requests = figures.per_sec * seconds;
  const each = (ms: number) => Math.round((ms * 1000) / requests);
  const used = userAfter - user + systemAfter - system;
  return {
    ...figures,
    cpu_us_per_request: each(used),
    kernel_us_per_request: each(systemAfter - system),
    per_cpu_sec: Math.round((requests * 1000) / used),
  };
}

/** A script for wrk that takes the cookies in turn. */
export function cookieScript(
  folder: string,
  name: string,
  host: string,
  cookie: string,
  values: readonly string[],
): string {
  writeFileSync(join(folder, `${name}.cookies`), values.join('\n'));
  const file = join(folder, `${name}.lua`);
  writeFileSync(
    file,
    `local cookies = {}\nfor line in io.lines("${join(folder, `${name}.cookies`)}") do cookies[#cookies + 1] = line end\nlocal i = 0\nrequest = function()\n  i = i % #cookies + 1\n  return wrk.format("GET", "/page", { ["Host"] = "${host}", ["User-Agent"] = "${AGENT}", ["Cookie"] = "${cookie}=" .. cookies[i] })\nend\n`,
  );
  return file;
}

/** nginx as one process with some part of a configuration. */
export function nginx(folder: string, name: string, core: 'measured' | 'other', text: string): ChildProcess {
  const file = join(folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
master_process off;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log;
events { worker_connections 2048; }
http { access_log off; ${temporary.map((one) => `${one}_temp_path ${folder}/${name}-${one};`).join(' ')}
keepalive_requests 1000000;
${text}
}
`,
  );
  return spawnOn(core, 'nginx', ['-c', file, '-p', folder]);
}
