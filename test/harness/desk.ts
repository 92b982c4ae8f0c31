/** Starts a real `asepsis serve` on free ports in a folder of its own, and enrols its first administrator like a person would. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Secret, TOTP } from 'otpauth';

const ROOT = join(import.meta.dirname, '..', '..');
const READY_MS = 60_000;
export const PASSWORD = 'correct lantern giraffe 71';

export interface Desk {
  readonly dataDir: string;
  readonly origin: string;
  readonly enrolLink: string | null;
  readonly child: ChildProcess;
  listener(name: string): { host: string; port: number };
  /** What it wrote on stderr so far. */
  readonly said: () => string;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export const FREE_PORTS = `http: { port: 0 }
syslog:
  udp: { port: 0 }
  tcp: { port: 0 }
  tls: { port: 0 }
this_machine: { logs: off, check: off }
`;

export async function newDataDir(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'asepsis-desk-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Starts on `dataDir` (made by `newDataDir`); a second start on the same folder finds what the first one left. */
/** @param o.wrap a program with its arguments that starts the desk: a tracer */
export async function startDesk(
  dataDir: string,
  o: { config?: string; verb?: string[]; wrap?: readonly string[] } = {},
): Promise<Desk> {
  const config = join(dataDir, 'asepsis.yaml');
  await writeFile(config, o.config ?? FREE_PORTS);
  const command = [...(o.wrap ?? []), join(ROOT, 'bin', 'asepsis'), ...(o.verb ?? ['serve'])];
  const child = spawn(command[0] as string, [...command.slice(1), '--data', dataDir, '--config', config, '--json'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-100_000);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`No ready line within a minute.\n${said}`)), READY_MS);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on('line', (text) => {
      if (!text.startsWith('{"ready"')) return;
      clearTimeout(timer);
      resolve(text);
    });
    void ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`The desk ended before it was ready.\n${said}`));
    });
  });
  const ready = JSON.parse(line) as {
    origin: string;
    enrol: string | null;
    listeners: { name: string; address: string }[];
  };
  return {
    dataDir,
    origin: ready.origin,
    enrolLink: ready.enrol,
    child,
    said: () => said,
    listener: (name) => {
      const found = ready.listeners.find((listener) => listener.name === name);
      if (!found) throw new Error(`No listener "${name}" in ${line}`);
      const colon = found.address.lastIndexOf(':');
      return {
        host: found.address.slice(0, colon).replace(/^\[|\]$/g, ''),
        port: Number(found.address.slice(colon + 1)),
      };
    },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface Person {
  readonly username: string;
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  readonly cookie: string;
  readonly csrf: string;
  get<T>(path: string): Promise<T>;
  send<T>(method: string, path: string, body?: unknown): Promise<T>;
}

export const totpNow = (secret: string) => new TOTP({ secret: Secret.fromBase32(secret) }).generate();

/** Enrols through the one-time link with an authenticator app, and answers the signed-in person. */
export async function enrol(desk: Desk, username = 'night.lead'): Promise<Person> {
  if (desk.enrolLink === null) throw new Error('This desk has its people already.');
  const path = new URL(desk.enrolLink).pathname.replace(/^\/enrol\//, '/v1/enrol/');
  const started = await call<{ flow: string; totp: { secret: string } }>(desk.origin, 'POST', `${path}/start`, {
    username,
    display_name: 'Night Lead',
    password: PASSWORD,
  });
  const { secret } = started.body.totp;
  const finished = await call<{ recovery_codes: string[] }>(desk.origin, 'POST', `${path}/finish`, {
    flow: started.body.flow,
    totp_code: totpNow(secret),
  });
  return signedIn(desk.origin, finished.cookie, { username, secret, recoveryCodes: finished.body.recovery_codes });
}

async function signedIn(
  origin: string,
  cookie: string,
  known: { username: string; secret: string; recoveryCodes: readonly string[] },
): Promise<Person> {
  const session = await call<{ csrf: string }>(origin, 'GET', '/v1/session', undefined, { cookie });
  const { csrf } = session.body;
  return {
    ...known,
    cookie,
    csrf,
    get: async <T>(path: string) => (await call<T>(origin, 'GET', path, undefined, { cookie })).body,
    send: async <T>(method: string, path: string, body?: unknown) =>
      (await call<T>(origin, method, path, body, { cookie, 'x-csrf-token': csrf, origin })).body,
  };
}

async function call<T>(
  origin: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ body: T; cookie: string }> {
  const response = await fetch(`${origin}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
  const cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(';', 1)[0])
    .join('; ');
  return { body: (text === '' ? undefined : JSON.parse(text)) as T, cookie };
}

/** Asks again until the answer is there; throws with the last answer when it never comes. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  withinMs = 30_000,
): Promise<T> {
  const end = Date.now() + withinMs;
  let last = '';
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error instanceof Error ? error.message : JSON.stringify(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`Waited ${withinMs} ms for ${what}.${last === '' ? '' : ` Last: ${last}`}`);
}
