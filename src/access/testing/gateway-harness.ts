/** For tests: a real gateway on an ephemeral port with a clock of its own, a small browser, and a legacy application behind it. */

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret, TOTP } from 'otpauth';
import { stringify } from 'yaml';
import type { ArrivalTimes } from '../gateway/gateway-body.ts';
import type { SendEvents } from '../gateway/gateway-events.ts';
import { type Gateway, listen, openGateway, parseGatewayConfig } from '../gateway/index.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface SendOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  readonly host?: string;
  readonly localAddress?: string;
}

/** One plain HTTP request to a port on this machine; the path goes out as it is. */
export function sendTo(port: number, path: string, o: SendOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host: o.host ?? `127.0.0.1:${port}`, ...o.headers };
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: o.method ?? 'GET',
        headers,
        setHost: false,
        ...(o.localAddress && { localAddress: o.localAddress }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(o.body);
  });
}

/** An application that knows nothing of second factors: it says what it was told. */
export async function legacyApp(): Promise<{ port: number; seen: IncomingMessage[]; close: () => Promise<void> }> {
  const seen: IncomingMessage[] = [];
  const server: Server = createServer((req, res) => {
    seen.push(req);
    if (req.url === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: first\n\n');
      return;
    }
    if (req.url === '/upload') {
      const digest = createHash('sha256');
      let bytes = 0;
      req.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        digest.update(chunk);
      });
      req.on('end', () => res.end(JSON.stringify({ bytes, sha256: digest.digest('hex') })));
      return;
    }
    res.setHeader('content-type', 'application/json');
    if (req.url === '/toss') res.setHeader('set-cookie', ['asepsis-access=evil; Path=/', 'own=1; Path=/']);
    res.end(JSON.stringify({ url: req.url, method: req.method, headers: req.headers, raw: req.rawHeaders }));
  });
  server.on('upgrade', (req, socket) => {
    const accept = createHash('sha1')
      .update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      // A masked text frame comes back unmasked.
      const mask = data.subarray(2, 6);
      const text = data.subarray(6).map((byte, i) => byte ^ (mask[i % 4] as number));
      socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
    });
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export interface TestClock {
  ms: number;
  now(): number;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly port: number;
  readonly clock: TestClock;
  readonly folder: string;
  readonly events: { access: { what: string; why?: string }; status: string; [key: string]: unknown }[];
  readonly alarms: Map<string, string>;
  readonly send: (path: string, o?: SendOptions) => Promise<Answer>;
  readonly stop: () => Promise<void>;
}

export const LOGIN_HOST = 'login.localhost:8430';
export const PASSWORD = 'wobbly-lantern-quarry-58';

/** A gateway whose sign-in host is `login.localhost:8430`; the port in the host is a name only. */
export async function startTestGateway(
  change: Record<string, unknown> = {},
  o: { folder?: string; port?: number; clock?: TestClock; times?: ArrivalTimes; send?: SendEvents } = {},
): Promise<TestGateway> {
  const folder = o.folder ?? mkdtempSync(join(tmpdir(), 'asepsis-gateway-'));
  // The start of a time step, so that a test knows which codes are right.
  const clock: TestClock = o.clock ?? { ms: Math.floor(Date.now() / 30_000) * 30_000, now: () => clock.ms };
  const events: TestGateway['events'] = [];
  const alarms = new Map<string, string>();
  const config = parseGatewayConfig(
    stringify({ origin: `http://${LOGIN_HOST}`, listen: { port: o.port ?? 0 }, ...change }),
    'gateway.yaml',
  );
  const gateway = await openGateway({
    folder,
    config,
    clock,
    send: o.send ?? (async (records) => void events.push(...(records as TestGateway['events']))),
    alarm: (what, sentence) => {
      if (sentence === null) alarms.delete(what);
      else alarms.set(what, sentence);
    },
    ...(o.times && { times: o.times }),
  });
  const server = await listen(gateway, (entry, message) => {
    throw new Error(`${message}: ${JSON.stringify(entry)}`);
  });
  return {
    gateway,
    port: server.port,
    clock,
    folder,
    events,
    alarms,
    send: (path, options) => sendTo(server.port, path, options),
    stop: async () => {
      await server.close();
      await gateway.close();
      if (o.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A local account with a password and an authenticator app; answers the app. */
export async function addPerson(gateway: Gateway, name: string, groups: readonly string[] = []): Promise<TOTP> {
  gateway.accounts.put({
    name,
    display: name.toUpperCase(),
    email: `${name}@hospital.example`,
    directory: 'local',
    groups,
  });
  gateway.accounts.setPassword(name, await gateway.passwords.hash(PASSWORD));
  const secret = new Secret({ size: 20 });
  gateway.accounts.setTotp(name, gateway.seal.seal(new Uint8Array(secret.buffer), `totp:${name}`), 0);
  return new TOTP({ secret });
}

/** A browser without JavaScript: keeps cookies for each host, follows nothing by itself. */
export function browser(at: { port: number }, o: { agent?: string; from?: string } = {}) {
  const jar = new Map<string, Map<string, string>>();
  const forHost = (host: string) => {
    const cookies = jar.get(host) ?? new Map<string, string>();
    jar.set(host, cookies);
    return cookies;
  };
  const go = async (url: string, options: SendOptions = {}): Promise<Answer> => {
    const { host, pathname, search, origin } = new URL(url);
    const cookies = forHost(host);
    const post = options.method === 'POST';
    const answer = await sendTo(at.port, `${pathname}${search}`, {
      ...options,
      host,
      ...(o.from && { localAddress: o.from }),
      headers: {
        'user-agent': o.agent ?? 'Test browser',
        accept: 'text/html',
        ...(cookies.size > 0 && { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
        ...(post && { origin, 'content-type': 'application/x-www-form-urlencoded' }),
        ...options.headers,
      },
    });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [pair = ''] = line.split(';');
      const equals = pair.indexOf('=');
      const [name, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
      if (value === '' || /max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  };
  const post = (url: string, fields: Record<string, string>, options: SendOptions = {}) =>
    go(url, { ...options, method: 'POST', body: new URLSearchParams(fields).toString() });
  /** Follows redirects until there is a page. */
  const follow = async (url: string, first?: Answer): Promise<Answer & { url: string }> => {
    let at = url;
    let answer = first ?? (await go(at));
    for (let hops = 0; hops < 10 && answer.status === 303; hops++) {
      at = new URL(answer.headers.location as string, at).href;
      answer = await go(at);
    }
    return { ...answer, url: at };
  };
  /** Signs in with password and code, from wherever it is sent; answers the last page. */
  const signIn = async (
    name: string,
    code: string,
    start = `http://${LOGIN_HOST}/sign-in`,
    password = PASSWORD,
  ): Promise<Answer & { url: string }> => {
    const form = await follow(start);
    const t = new URL(form.url).searchParams.get('t') ?? '';
    const afterPassword = await post(`http://${LOGIN_HOST}/sign-in`, { name, password, t });
    if (afterPassword.status !== 303) return { ...afterPassword, url: `http://${LOGIN_HOST}/sign-in` };
    const second = await post(`http://${LOGIN_HOST}/sign-in/second`, { factor: 'totp', code });
    return follow(`http://${LOGIN_HOST}/sign-in/second`, second);
  };
  return { go, post, follow, signIn, cookies: forHost };
}

export const codeAt = (totp: TOTP, clock: TestClock, steps = 0): string =>
  totp.generate({ timestamp: clock.ms + steps * 30_000 });
