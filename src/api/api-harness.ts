/** For tests: a real server over a real SQLite store with a clock of its own, and a small browser that keeps cookies. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Secret, TOTP } from 'otpauth';
import { Value } from 'typebox/value';
import { type Config, ConfigSchema, type Role, type Store } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { createInvitation } from './api-invitation.ts';
import { createLog } from './api-log.ts';
import { type ApiServer, createServer } from './api-server.ts';

export interface TestClock {
  ms: number;
  now(): number;
}

export interface TestServer {
  readonly server: ApiServer;
  readonly store: Store;
  readonly clock: TestClock;
  readonly dataDir: string;
  readonly origin: string;
  /** Everything that was logged so far. */
  log(): string;
  stop(): Promise<void>;
}

function testConfig(change: Partial<Config['http']> = {}): Config {
  const config = Value.Default(ConfigSchema, {}) as Config;
  return { ...config, http: { ...config.http, port: 0, ...change } };
}

export async function startTestServer(
  o: {
    http?: Partial<Config['http']>;
    register?: (app: FastifyInstance) => void | Promise<void>;
    probes?: Record<string, () => Promise<string | null>>;
    consoleDir?: string;
    prepare?: (dataDir: string) => Promise<void>;
  } = {},
): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'asepsis-api-'));
  await o.prepare?.(dataDir);
  // The start of a time step, so that a test knows which codes are right.
  const clock = { ms: Math.floor(Date.now() / 30_000) * 30_000, now: () => clock.ms };
  const store = await openStore({ dataDir, clock });
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const server = await createServer({
    config: testConfig(o.http),
    store,
    clock,
    dataDir,
    consoleDir: o.consoleDir ?? null,
    log: createLog({ level: 'trace', destination }),
    register: o.register ?? (() => {}),
    ...(o.probes === undefined ? {} : { probes: o.probes }),
  });
  const origin = await server.listen();
  return {
    server,
    store,
    clock,
    dataDir,
    origin,
    log: () => lines.join(''),
    async stop() {
      await server.close();
      await store.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

export interface Browser {
  csrf: string;
  readonly cookies: Map<string, string>;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Reads the CSRF value of the session. */
  settle(): Promise<void>;
}

/** A browser as the guards see one: cookies, Origin, Fetch Metadata, and the CSRF header once it knows the value. */
export function openBrowser(origin: string): Browser {
  const cookies = new Map<string, string>();
  const browser: Browser = {
    csrf: '',
    cookies,
    async call(method, path, body, headers = {}) {
      const response = await fetch(origin + path, {
        method,
        redirect: 'manual',
        headers: {
          origin,
          'sec-fetch-site': 'same-origin',
          cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          ...(browser.csrf === '' ? {} : { 'x-csrf-token': browser.csrf }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      for (const line of response.headers.getSetCookie()) {
        const [pair = ''] = line.split(';');
        const at = pair.indexOf('=');
        if (pair.slice(at + 1) === '') cookies.delete(pair.slice(0, at));
        else cookies.set(pair.slice(0, at), pair.slice(at + 1));
      }
      const text = await response.text();
      const json = /json/.test(response.headers.get('content-type') ?? '');
      return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : null };
    },
    async settle() {
      browser.csrf = (await browser.call('GET', '/v1/session')).body.csrf;
    },
  };
  return browser;
}

/** A request exactly as given: `fetch` would set Host itself. */
export function rawCall(
  origin: string,
  path: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, origin), { method, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end();
  });
}

export function totpCode(secret: string, nowMs: number): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: nowMs });
}

export const PASSWORD = 'kiwi lamp orbit 71';

export interface Enrolled {
  readonly browser: Browser;
  readonly username: string;
  readonly password: string;
  readonly totp: string;
  readonly recovery: string[];
  readonly invitation: string;
}

/** A person with that role, made by the real enrolment and signed in. */
export async function enrol(
  test: TestServer,
  role: Role,
  username: string,
  password: string = PASSWORD,
): Promise<Enrolled> {
  const { token } = await createInvitation(test.store, test.clock, (n) => randomBytes(n), {
    role,
    createdBy: 'system',
  });
  const browser = openBrowser(test.origin);
  const start = await browser.call('POST', `/v1/enrol/${token}/start`, {
    username,
    display_name: `Test ${username}`,
    password,
  });
  if (start.status !== 200) throw new Error(`enrol start: ${start.text}`);
  const { flow, totp } = start.body;
  const code = totpCode(totp.secret, test.clock.now());
  const finish = await browser.call('POST', `/v1/enrol/${token}/finish`, { flow, totp_code: code });
  if (finish.status !== 200) throw new Error(`enrol finish: ${finish.text}`);
  await browser.settle();
  const recovery = finish.body.recovery_codes as string[];
  return { browser, username, password, totp: totp.secret, recovery, invitation: token };
}

/** Name, password and a fresh code, one time step later, since each step counts once. */
export async function signIn(test: TestServer, person: Enrolled, browser: Browser = openBrowser(test.origin)) {
  test.clock.ms += 30_000;
  const { username, password } = person;
  const first = await browser.call('POST', '/v1/sign-in', { username, password });
  if (first.status !== 200) return { browser, answer: first };
  const code = totpCode(person.totp, test.clock.now());
  const answer = await browser.call('POST', '/v1/sign-in/totp', { flow: first.body.flow, code });
  if (answer.status === 200) await browser.settle();
  return { browser, answer };
}
