/** Questions to publishers over HTTP: https only, bounded, patient where they ask for patience, and whole or not at all. */

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AsepsisError } from '../../core/index.ts';

export interface FetchState {
  readonly etag?: string;
  readonly lastModified?: string;
  /** Up to where changes were taken. */
  readonly mark?: string;
}

export interface FetchContext {
  /** Where the feed's file or folder is built; it holds what was there before where `before` is given. */
  readonly place: string;
  readonly before: FetchState | null;
  readonly onBytes: (bytes: number, what: string) => void;
  readonly signal: AbortSignal;
  readonly now: number;
}

const BYTES_MAX = 4 * 1024 ** 3;
const TEXT_BYTES_MAX = 128 * 1024 * 1024;
const REQUEST_MS_MAX = 10 * 60_000;
const AT_ONCE = 6;
const REDIRECTS_MAX = 5;
const TRIES_MAX = 4;
/** Nobody is waited for longer than this, whatever he says. */
const WAIT_MS_MAX = 120_000;
/** "Too many requests", and faults that pass. */
const AGAIN = new Set([429, 502, 503, 504]);
const MOVED = new Set([301, 302, 303, 307, 308]);

export const isLocal = (url: URL) => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);

export function checkAddress(url: string): URL {
  let address: URL;
  try {
    address = new URL(url);
  } catch (cause) {
    throw new AsepsisError('CONFIG_INVALID', `"${url.slice(0, 200)}" is no address.`, { cause });
  }
  if (address.protocol !== 'https:' && !(address.protocol === 'http:' && isLocal(address)))
    throw new AsepsisError(
      'CONFIG_INVALID',
      `Feeds come over https only, not from ${address.protocol}//${address.host}.`,
    );
  return address;
}

/** A publisher may lead on within https; nobody is led to plain http or to services of this machine. */
export function leadsTo(from: URL, location: string): URL {
  const to = checkAddress(URL.parse(location, from)?.href ?? '');
  if (isLocal(to) && !isLocal(from)) throw new AsepsisError('INPUT_UNREADABLE', `${from.host} leads to this machine.`);
  return to;
}

/** What the publisher asks for (RFC 9110 section 10.2.3), else longer each time. */
function waitMs(answer: Response | null, tried: number): number {
  const said = answer?.headers.get('retry-after') ?? '';
  const asked = /^[0-9]{1,6}$/.test(said) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Math.min(WAIT_MS_MAX, Math.max(0, Number.isNaN(asked) ? 1000 * 2 ** tried : asked));
}

async function once(from: URL, signal: AbortSignal, headers: Record<string, string>): Promise<Response> {
  let address = from;
  const send = () => fetch(address, { headers: { 'user-agent': 'Asepsis', ...headers }, signal, redirect: 'manual' });
  let answer = await send();
  for (let hops = 0; MOVED.has(answer.status) && hops < REDIRECTS_MAX; hops++) {
    await answer.body?.cancel();
    address = leadsTo(address, answer.headers.get('location') ?? '');
    answer = await send();
  }
  return answer;
}

/**
 * Asks, and reads the answer with `read`; a fault on the way asks again from the start, a few times.
 *
 * @returns null when nothing is newer than what the condition in `headers` says (304)
 * @throws INPUT_UNREADABLE when there is no good answer; CONFIG_INVALID for an address that is not taken
 */
export async function ask<T>(
  url: string | URL,
  context: FetchContext,
  read: (answer: Response) => Promise<T>,
  headers: Record<string, string> = {},
): Promise<{ value: T; state: FetchState } | null> {
  const address = checkAddress(String(url));
  const where = `${address.host}${address.pathname}`;
  let fault: AsepsisError | null = null;
  for (let tried = 0; tried < TRIES_MAX; tried++) {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
    let answer: Response | null = null;
    try {
      answer = await once(address, signal, headers);
      if (answer.status === 304) return null;
      if (answer.ok) {
        refuseWebPage(answer, where);
        return { value: await read(answer), state: stateOf(answer) };
      }
      fault = new AsepsisError('INPUT_UNREADABLE', `${where} answered ${answer.status}.`);
      await answer.body?.cancel();
      if (!AGAIN.has(answer.status)) throw fault;
    } catch (cause) {
      if (cause instanceof AsepsisError) throw cause;
      context.signal.throwIfAborted();
      const why =
        cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
      fault = new AsepsisError('INPUT_UNREADABLE', `${where} does not answer to the end: ${why}.`, { cause });
    }
    if (tried + 1 < TRIES_MAX) await sleep(waitMs(answer, tried), undefined, { signal: context.signal });
  }
  throw fault ?? new AsepsisError('INPUT_UNREADABLE', `${where} does not answer.`);
}

/** A page that asks people to sign in, or says that something moved, is no feed, though it answers 200. */
function refuseWebPage(answer: Response, where: string): void {
  const type = (answer.headers.get('content-type') ?? '').toLowerCase();
  if (!type.startsWith('text/html')) return;
  void answer.body?.cancel();
  throw new AsepsisError('INPUT_UNREADABLE', `${where} answered with a web page instead of data.`);
}

const stateOf = (answer: Response): FetchState => {
  const etag = answer.headers.get('etag');
  const lastModified = answer.headers.get('last-modified');
  return {
    ...(etag ? { etag: etag.slice(0, 300) } : {}),
    ...(lastModified ? { lastModified: lastModified.slice(0, 60) } : {}),
  };
};

/** Headers that ask for what is newer only. */
export const conditional = (before: FetchState | null): Record<string, string> => ({
  ...(before?.etag ? { 'if-none-match': before.etag } : {}),
  ...(before?.lastModified ? { 'if-modified-since': before.lastModified } : {}),
});

const bodyOf = (answer: Response) => (answer.body ?? new Blob([]).stream()) as unknown as AsyncIterable<Uint8Array>;

/** Writes the body to a file; a try before is written over. */
export const saveTo = (path: string, context: FetchContext, what: string) => async (answer: Response) => {
  let bytes = 0;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > BYTES_MAX) throw new AsepsisError('TOO_LARGE', `${what} is larger than 4 GiB.`);
      context.onBytes(chunk.length, what);
      yield chunk;
    }
  };
  await pipeline(Readable.from(bodyOf(answer)), counted, createWriteStream(path, { mode: 0o600, flush: true }));
  return bytes;
};

export async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyOf(answer)) {
    size += chunk.length;
    if (size > TEXT_BYTES_MAX) throw new AsepsisError('TOO_LARGE', 'A document of a feed is larger than 128 MiB.');
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

export async function jsonOf(answer: Response): Promise<unknown> {
  const text = await textOf(answer);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AsepsisError('INPUT_UNREADABLE', `${new URL(answer.url).host} answered with no valid JSON.`, { cause });
  }
}

export interface Wanted {
  readonly url: URL;
  readonly headers?: Record<string, string>;
}

/** The publisher says that he has no such document. */
export const ABSENT = Symbol('absent');

export async function unlessAbsent<T>(
  work: Promise<T>,
  statuses: readonly number[] = [404, 410],
): Promise<T | typeof ABSENT> {
  try {
    return await work;
  } catch (error) {
    const said = error instanceof AsepsisError ? / answered ([0-9]{3})\.$/.exec(error.message)?.[1] : undefined;
    if (statuses.includes(Number(said))) return ABSENT;
    throw error;
  }
}

/**
 * Several documents, a few at a time; `take` gets each as it comes, null where nothing is newer.
 *
 * @returns how many of them the publisher does not have, though his list names them
 */
export async function many(
  wanted: readonly Wanted[],
  context: FetchContext,
  take: (place: number, text: string | null) => Promise<void>,
): Promise<number> {
  let next = 0;
  let absent = 0;
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, wanted.length) }, async () => {
      for (let i = next++; i < wanted.length; i = next++) {
        const { url, headers } = wanted[i] as Wanted;
        const answer = await unlessAbsent(ask(url, context, textOf, headers));
        if (answer === ABSENT) {
          absent++;
          continue;
        }
        if (answer !== null) context.onBytes(answer.value.length, url.host);
        await take(i, answer?.value ?? null);
      }
    }),
  );
  return absent;
}
