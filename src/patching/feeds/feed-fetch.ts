/** Brings feeds from their addresses: only what changed since the last time, bounded, each by the way its publisher offers. */

import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AsepsisError } from '../../core/index.ts';
import type { FeedSource } from './feed-sources.ts';

export interface FetchState {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly mark?: string;
}
export interface Fetched extends FetchState {
  /** Nothing is newer than what is there. */
  readonly same: boolean;
  readonly bytes: number;
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
const TEXT_BYTES_MAX = 64 * 1024 * 1024;
const REQUEST_MS_MAX = 10 * 60_000;
/** More changes than this are not worth single requests: the whole is fetched again. */
const OSV_CHANGES_MAX = 2_000;
const DOCUMENTS_MAX = 50_000;
const AT_ONCE = 6;
const REDIRECTS_MAX = 5;

const isLocal = (url: URL) => ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);

function checkAddress(url: string): URL {
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

const MOVED = new Set([301, 302, 303, 307, 308]);

/** A publisher may move within https; nobody is led to plain http or to services of this machine. */
function movedTo(from: URL, location: string): URL {
  const to = checkAddress(URL.parse(location, from)?.href ?? '');
  if (isLocal(to) && !isLocal(from)) throw new AsepsisError('INPUT_UNREADABLE', `${from.host} leads to this machine.`);
  return to;
}

async function ask(url: string | URL, context: FetchContext, headers: Record<string, string> = {}): Promise<Response> {
  let address = checkAddress(String(url));
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
  let answer: Response;
  try {
    answer = await fetch(address, { headers: { 'user-agent': 'Asepsis', ...headers }, signal, redirect: 'manual' });
    for (let hops = 0; MOVED.has(answer.status) && hops < REDIRECTS_MAX; hops++) {
      await answer.body?.cancel();
      address = movedTo(address, answer.headers.get('location') ?? '');
      answer = await fetch(address, { headers: { 'user-agent': 'Asepsis', ...headers }, signal, redirect: 'manual' });
    }
  } catch (cause) {
    if (cause instanceof AsepsisError) throw cause;
    const why = cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
    throw new AsepsisError('INPUT_UNREADABLE', `${address.host} does not answer: ${why}.`, { cause });
  }
  if (answer.status === 304 || answer.ok) return answer;
  await answer.body?.cancel();
  throw new AsepsisError('INPUT_UNREADABLE', `${address.host}${address.pathname} answered ${answer.status}.`);
}

const stateOf = (answer: Response): FetchState => ({
  ...(answer.headers.get('etag') ? { etag: (answer.headers.get('etag') as string).slice(0, 300) } : {}),
  ...(answer.headers.get('last-modified')
    ? { lastModified: (answer.headers.get('last-modified') as string).slice(0, 60) }
    : {}),
});
const conditional = (before: FetchState | null): Record<string, string> => ({
  ...(before?.etag ? { 'if-none-match': before.etag } : {}),
  ...(before?.lastModified ? { 'if-modified-since': before.lastModified } : {}),
});

async function save(answer: Response, path: string, context: FetchContext, what: string): Promise<number> {
  let bytes = 0;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > BYTES_MAX) throw new AsepsisError('TOO_LARGE', `${what} is larger than 4 GiB.`);
      context.onBytes(chunk.length, what);
      yield chunk;
    }
  };
  const body = answer.body ?? new Blob([]).stream();
  await pipeline(Readable.fromWeb(body as never), counted, createWriteStream(path, { mode: 0o600, flush: true }));
  return bytes;
}

async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (answer.body ?? new Blob([]).stream()) as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > TEXT_BYTES_MAX) throw new AsepsisError('TOO_LARGE', 'A list of a feed is larger than 64 MiB.');
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

export async function fetchFeed(source: FeedSource, context: FetchContext): Promise<Fetched> {
  switch (source.kind) {
    case 'file':
      return oneFile(source.url, context.place, context);
    case 'osv':
      return osv(source, context);
    case 'csaf':
      return csaf(source, context);
    case 'msrc':
      return msrc(source, context);
    case 'nvd':
      return nvd(source, context);
  }
}

async function oneFile(url: string, path: string, context: FetchContext): Promise<Fetched> {
  const answer = await ask(url, context, conditional(context.before));
  if (answer.status === 304) return { ...context.before, same: true, bytes: 0 };
  return { ...stateOf(answer), same: false, bytes: await save(answer, path, context, new URL(url).host) };
}

/** `all.zip` the first time; later the advisories that `modified_id.csv` names as newer than the mark. */
async function osv(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const list = await ask(
    new URL('modified_id.csv', source.url),
    context,
    conditional(context.before?.mark ? context.before : null),
  );
  if (list.status === 304) return { ...context.before, same: true, bytes: 0 };
  const state = stateOf(list);
  const rows = (await textOf(list))
    .split('\n')
    .map((line) => line.trim().split(',', 2))
    .filter((row): row is [string, string] => row.length === 2 && !Number.isNaN(Date.parse(row[0] as string)));
  const newest = rows.reduce((best, [time]) => (time > best ? time : best), '');
  const mark = context.before?.mark ?? '';
  const changes = mark === '' ? [] : rows.filter(([time]) => time > mark);
  if (mark !== '' && changes.length === 0) return { ...state, mark, same: true, bytes: 0 };
  await mkdir(context.place, { recursive: true, mode: 0o700 });
  if (mark === '' || changes.length > OSV_CHANGES_MAX) {
    const answer = await ask(new URL('all.zip', source.url), context);
    return {
      ...state,
      mark: newest,
      same: false,
      bytes: await save(answer, join(context.place, 'base.zip'), context, source.id),
    };
  }
  const texts = await many(
    changes.map(([, id]) => new URL(`${encodeURIComponent(id)}.json`, source.url)),
    context,
  );
  const lines = texts.map((text) => JSON.stringify(JSON.parse(text))).join('\n');
  await writeFile(join(context.place, `changes-${fileTime(context.now)}.jsonl`), `${lines}\n`, {
    mode: 0o600,
    flush: true,
  });
  return { ...state, mark: newest, same: false, bytes: lines.length };
}

const fileTime = (ms: number) => new Date(ms).toISOString().replace(/[^0-9]/g, '');

/** Directory-based distribution (CSAF 2.0, sections 7.1.12 and 7.1.13): `changes.csv` names documents with their times. */
async function csaf(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const base = new URL(source.url);
  const only = base.searchParams.get('only')?.toLowerCase() ?? '';
  base.search = '';
  const list = await ask(new URL('changes.csv', base), context, conditional(context.before));
  if (list.status === 304) return { ...context.before, same: true, bytes: 0 };
  const state = stateOf(list);
  const rows = (await textOf(list))
    .split('\n')
    .map((line) => /^"?([^",]{1,300})"?,"?([^",]{1,40})"?\s*$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map((match) => [match[1] as string, match[2] as string] as const)
    .filter(
      ([path, time]) => isDocumentPath(path) && !Number.isNaN(Date.parse(time)) && path.toLowerCase().includes(only),
    );
  const mark = context.before?.mark ?? '';
  const wanted = rows.filter(([, time]) => mark === '' || Date.parse(time) > Date.parse(mark)).slice(0, DOCUMENTS_MAX);
  const newest = rows.reduce(
    (best, [, time]) => (best === '' || Date.parse(time) > Date.parse(best) ? time : best),
    mark,
  );
  if (wanted.length === 0) return { ...state, mark: newest, same: true, bytes: 0 };
  await mkdir(context.place, { recursive: true, mode: 0o700 });
  const texts = await many(
    wanted.map(([path]) => new URL(path, base)),
    context,
  );
  let bytes = 0;
  for (const [i, text] of texts.entries()) {
    bytes += text.length;
    await writeDocument(context.place, (wanted[i] as readonly [string, string])[0], text);
  }
  return { ...state, mark: newest, same: false, bytes };
}

const isDocumentPath = (path: string) =>
  /^[A-Za-z0-9._/-]+\.json$/.test(path) && !path.includes('..') && !path.startsWith('/');

/** A new file: what is there may be the same file of an older generation. */
async function writeDocument(place: string, path: string, text: string): Promise<void> {
  const target = join(place, path.replaceAll('/', '_'));
  const { rename } = await import('node:fs/promises');
  await writeFile(`${target}.new`, text, { mode: 0o600 });
  await rename(`${target}.new`, target);
}

/** Microsoft: a list of months, each with its day of change. */
async function msrc(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const list = await ask(new URL('updates', source.url), context, {
    accept: 'application/json',
    ...conditional(context.before),
  });
  if (list.status === 304) return { ...context.before, same: true, bytes: 0 };
  const value = JSON.parse(await textOf(list)) as { value?: { ID?: string; CurrentReleaseDate?: string }[] };
  const months = (value.value ?? []).filter(
    ({ ID, CurrentReleaseDate }) =>
      /^[0-9]{4}-[A-Z][a-z]{2}$/.test(ID ?? '') && !Number.isNaN(Date.parse(CurrentReleaseDate ?? '')),
  );
  const mark = context.before?.mark ?? '';
  const wanted = months
    .filter((one) => mark === '' || Date.parse(one.CurrentReleaseDate as string) > Date.parse(mark))
    .slice(-36);
  const newest = months.reduce(
    (best, one) =>
      best === '' || Date.parse(one.CurrentReleaseDate as string) > Date.parse(best)
        ? (one.CurrentReleaseDate as string)
        : best,
    mark,
  );
  if (wanted.length === 0) return { ...stateOf(list), mark: newest, same: true, bytes: 0 };
  await mkdir(context.place, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for (const { ID } of wanted) {
    const text = await textOf(await ask(new URL(`cvrf/${ID}`, source.url), context, { accept: 'application/json' }));
    bytes += text.length;
    context.onBytes(text.length, source.id);
    await writeDocument(context.place, `${ID}.json`, text);
  }
  return { ...stateOf(list), mark: newest, same: false, bytes };
}

const NVD_PAGE = 2_000;
const NVD_PAUSE_MS = 6_000;
const NVD_DAYS_MAX = 119;

/** NVD's API 2.0: pages of all, later of what changed; it asks for six seconds between requests without a key. */
async function nvd(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const mark = context.before?.mark ?? '';
  const fresh = mark === '' || context.now - Date.parse(mark) > NVD_DAYS_MAX * 86_400_000;
  const until = new Date(context.now).toISOString();
  await mkdir(context.place, { recursive: true, mode: 0o700 });
  const name = fresh ? 'base' : 'changes';
  let bytes = 0;
  let total = 1;
  for (let start = 0; start < total; start += NVD_PAGE) {
    const url = new URL(source.url);
    url.searchParams.set('startIndex', String(start));
    url.searchParams.set('resultsPerPage', String(NVD_PAGE));
    if (!fresh) {
      url.searchParams.set('lastModStartDate', mark);
      url.searchParams.set('lastModEndDate', until);
    }
    const text = await textOf(await ask(url, context));
    const count = Number(/"totalResults"\s*:\s*([0-9]{1,9})/.exec(text.slice(0, 2_000))?.[1] ?? 0);
    if (count === 0) return { mark: until, same: true, bytes };
    total = count;
    bytes += text.length;
    context.onBytes(text.length, source.id);
    const page = String(start / NVD_PAGE).padStart(5, '0');
    await writeFile(join(context.place, `${name}-${fresh ? '' : `${fileTime(context.now)}-`}${page}.json`), text, {
      mode: 0o600,
    });
    if (start + NVD_PAGE < total && !isLocal(url)) await new Promise((resolve) => setTimeout(resolve, NVD_PAUSE_MS));
  }
  return { mark: until, same: false, bytes };
}

/** Several documents, a few at a time, in their order. */
async function many(urls: readonly URL[], context: FetchContext): Promise<string[]> {
  const found: string[] = Array.from({ length: urls.length }, () => '');
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, urls.length) }, async () => {
      for (let i = next++; i < urls.length; i = next++) {
        const text = await textOf(await ask(urls[i] as URL, context));
        context.onBytes(text.length, (urls[i] as URL).host);
        found[i] = text;
      }
    }),
  );
  return found;
}
