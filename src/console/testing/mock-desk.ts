/** A stand-in for the server, for the console's tests only: serves the built console and canned answers. */

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { Alert, Incident } from '../../core/records.ts';
import { type Answer, type Body, change, createState, problem, read } from './mock-answers.ts';
import * as data from './mock-data.ts';

interface MockOptions {
  readonly consoleDir: string;
  readonly signedIn?: boolean;
  readonly exercise?: boolean;
  /** Every list is empty, as on the first day. */
  readonly empty?: boolean;
  readonly port?: number;
}

export interface MockDesk {
  readonly origin: string;
  /** Requests so far, `METHOD /path`. */
  readonly requests: string[];
  /** Sends a named event to every open live stream. */
  readonly send: (event: string, record: unknown) => void;
  readonly newAlert: (index: number) => Alert;
  /** Changes an incident behind the reader's back, so that the next change is stale. */
  readonly touchIncident: (index: number) => void;
  readonly close: () => Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const NONCE = 'bW9ja2Rlc2s=';
const CSP = `default-src 'self'; script-src 'self'; style-src 'self' 'nonce-${NONCE}'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'`;
async function sendFile(options: MockOptions, path: string, response: ServerResponse): Promise<void> {
  const file = normalize(path).replace(/^(\.\.[/\\])+/, '');
  const known = extname(file) !== '';
  const content = await readFile(join(options.consoleDir, known ? file : 'index.html')).catch(() => null);
  if (content === null) return void response.writeHead(404).end();
  const page = !known || file === '/index.html';
  response.writeHead(200, {
    'content-type': TYPES[page ? '.html' : extname(file)] ?? 'application/octet-stream',
    'content-security-policy': CSP,
  });
  response.end(page ? content.toString().replaceAll('__CSP_NONCE__', NONCE) : content);
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Body);
}

export async function startMockDesk(options: MockOptions): Promise<MockDesk> {
  const state = createState(options);
  const requests: string[] = [];
  const streams = new Set<ServerResponse>();
  let serial = 0;
  const send = (event: string, record: unknown) => {
    for (const stream of streams) stream.write(`id: ${++serial}\nevent: ${event}\ndata: ${JSON.stringify(record)}\n\n`);
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    const method = request.method ?? 'GET';
    requests.push(`${method} ${url.pathname}`);
    if (!url.pathname.startsWith('/v1/')) return sendFile(options, url.pathname, response);
    const open = /^\/v1\/(session|sign-in|enrol)/.test(url.pathname);
    if (url.pathname === '/v1/live' && state.signedIn) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      streams.add(response);
      request.once('close', () => streams.delete(response));
      return;
    }
    let result: Answer;
    if (!state.signedIn && !open)
      result = problem(401, 'UNAUTHENTICATED', 'Sign in first', 'Nobody is signed in.', 'Sign in.');
    else if (method === 'GET') result = read(state, url.pathname, url.searchParams);
    else if (!open && request.headers['x-csrf-token'] !== 'csrf')
      result = problem(403, 'CSRF', 'The request did not come from this site', '', 'Reload the page and try again.');
    else result = change(state, method, url.pathname, await bodyOf(request));
    const status = result.status ?? 200;
    response.writeHead(status, {
      'content-type': status < 400 ? 'application/json' : 'application/problem+json',
      'cache-control': 'no-store',
    });
    response.end(JSON.stringify(result.body ?? {}));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const timer = setInterval(() => send('rate', { per_sec: 1200 + (serial % 60), alert_p99_ms: 310 }), 1000);
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    send,
    newAlert: (index) => {
      const fresh = { ...data.alert(index), id: `alr_${String(900_000 + index).padStart(26, '0')}` as never };
      state.alerts.unshift(fresh);
      send('alert', fresh);
      return fresh;
    },
    touchIncident: (index) => {
      const before = state.incidents[index] as Incident;
      state.incidents[index] = { ...before, version: before.version + 1 };
    },
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
