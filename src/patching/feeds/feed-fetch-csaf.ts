/**
 * CSAF 2.0 providers (section 7): a folder with `changes.csv`, or with `index.txt` alone; a ROLIE feed; or the
 * `provider-metadata.json` that names any of them. Signatures of single documents are not checked: https is what is trusted.
 */

import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import { isObject, type Json, listAt, textAt } from '../patching-input.ts';
import {
  ABSENT,
  ask,
  checkAddress,
  conditional,
  type FetchContext,
  type FetchState,
  jsonOf,
  leadsTo,
  many,
  textOf,
  unlessAbsent,
} from './feed-ask.ts';
import type { Fetched } from './feed-fetch.ts';
import type { FeedSource } from './feed-sources.ts';

const DOCUMENTS_MAX = 50_000;
const LISTS_MAX = 50;

interface Listed {
  readonly url: URL;
  /** The file that it becomes. */
  readonly file: string;
  /** When it changed; null where the list does not say. */
  readonly atMs: number | null;
}
/** Null: the publisher says that nothing is newer. */
type List = { readonly items: readonly Listed[]; readonly state: FetchState } | null;

export async function fetchCsaf(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const base = checkAddress(source.url);
  const only = base.searchParams.get('only')?.toLowerCase() ?? '';
  base.searchParams.delete('only');
  const list = base.pathname.endsWith('.json') ? await described(base, context) : await directory(base, context, true);
  if (list === null) return { ...context.before, same: true, bytes: 0 };
  const items = list.items.filter((one) => one.file.toLowerCase().includes(only));
  if (items.length === 0) throw new AsepsisError('INPUT_UNREADABLE', `${source.id} has no list of documents.`);
  const before = Date.parse(context.before?.mark ?? '');
  const since = Number.isNaN(before) ? null : before;
  const known = new Set(await readdir(context.place).catch(() => []));
  const wanted = items
    .filter((one) => one.atMs === null || since === null || one.atMs > since || !known.has(one.file))
    .toSorted((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0))
    .slice(0, DOCUMENTS_MAX);
  const state = { ...list.state, mark: markOf(wanted, since, context.now) };
  await mkdir(context.place, { recursive: true, mode: 0o700 });
  let bytes = 0;
  const questions = wanted.map(({ url, atMs, file }) => ({
    url,
    headers: conditionOf(atMs === null && known.has(file) ? since : null),
  }));
  const absent = await many(questions, context, async (place, text) => {
    if (text === null) return;
    bytes += text.length;
    await writeDocument(context.place, (wanted[place] as Listed).file, text);
  });
  return { ...state, same: bytes === 0, bytes, absent };
}

/** Up to the newest that was asked for; where no list says a time, documents are asked for by the day of this question. */
function markOf(wanted: readonly Listed[], since: number | null, now: number): string {
  const times = wanted.map((one) => one.atMs).filter((at) => at !== null);
  const newest = times.length > 0 || since !== null ? times.reduce((a, b) => Math.max(a, b), since ?? 0) : now;
  return new Date(wanted.some((one) => one.atMs === null) ? now : newest).toISOString();
}

const conditionOf = (since: number | null): Record<string, string> =>
  since === null ? {} : { 'if-modified-since': new Date(since).toUTCString() };

/** A new file: what is there may be the same file of an older generation. */
async function writeDocument(place: string, file: string, text: string): Promise<void> {
  const target = join(place, file);
  await writeFile(`${target}.new`, text, { mode: 0o600 });
  await rename(`${target}.new`, target);
}

/** Never the name of a page of a feed, which would hide the others. */
const fileOf = (path: string): string => {
  const plain = path.replace(/[^A-Za-z0-9._-]+/g, '_').slice(-180);
  return /^(?:base|changes|page)[.-]/.test(plain) ? `_${plain}` : plain;
};
const isDocument = (path: string) =>
  /^[A-Za-z0-9._/-]+\.json$/.test(path) && !path.includes('..') && !path.startsWith('/');

/** @param alone it is the only list, so that its own state tells whether anything is newer */
async function directory(base: URL, context: FetchContext, alone: boolean): Promise<List> {
  const headers = alone ? conditional(context.before) : {};
  // Stores of files answer 403 where nothing is.
  const changes = await unlessAbsent(ask(new URL('changes.csv', base), context, textOf, headers), [403, 404, 410]);
  if (changes === null) return null;
  if (changes !== ABSENT) {
    const rows = changes.value
      .split('\n')
      .map((line) => /^"?([^",]{1,300})"?,\s*"?([^",]{1,40})"?\s*$/.exec(line.trim()))
      .filter((row) => row !== null);
    const items = rows.flatMap((row) => {
      const atMs = Date.parse(row[2] as string);
      return isDocument(row[1] as string) && !Number.isNaN(atMs) ? [listed(base, row[1] as string, atMs)] : [];
    });
    return { items, state: changes.state };
  }
  const index = await ask(new URL('index.txt', base), context, textOf);
  const paths = (index?.value ?? '').split('\n').map((line) => line.trim());
  // Without times each document is asked for by itself, so that the list's own state says nothing.
  return { items: paths.filter(isDocument).map((path) => listed(base, path, null)), state: {} };
}

const listed = (base: URL, path: string, atMs: number | null): Listed => ({
  url: new URL(path, base),
  file: fileOf(path),
  atMs,
});

/** A ROLIE feed, or the metadata of a provider, which names folders and feeds. */
async function described(url: URL, context: FetchContext): Promise<List> {
  const answer = await ask(url, context, jsonOf);
  const value = answer?.value;
  if (isObject(value) && isObject(value.feed)) return { items: rolie(value.feed, url), state: {} };
  if (!isObject(value) || !Array.isArray(value.distributions))
    throw new AsepsisError('INPUT_UNREADABLE', `${url.host}${url.pathname} names no distribution of CSAF documents.`);
  const items: Listed[] = [];
  for (const one of value.distributions.filter(isObject).slice(0, LISTS_MAX)) {
    const feeds = isObject(one.rolie) ? listAt(one.rolie, 'feeds').filter(isObject) : [];
    for (const feed of feeds.slice(0, LISTS_MAX)) {
      if (!isOpen(textAt(feed, 'tlp_label'))) continue;
      const address = leadsTo(url, textAt(feed, 'url'));
      const read = await ask(address, context, jsonOf);
      if (isObject(read?.value) && isObject(read.value.feed)) items.push(...rolie(read.value.feed, address));
    }
    if (textAt(one, 'directory_url') === '') continue;
    const folder = leadsTo(url, `${textAt(one, 'directory_url').replace(/\/+$/, '')}/`);
    items.push(...((await directory(folder, context, false))?.items ?? []));
  }
  // The same document in a folder and in a feed is fetched once.
  return { items: [...new Map(items.map((one) => [one.url.href, one])).values()], state: {} };
}

/** What is marked for a closed circle needs a sign-in, and is not for everybody on the desk. */
const isOpen = (label: string) => label === '' || /^(?:WHITE|CLEAR|UNLABELED)$/i.test(label);

function rolie(feed: Json, from: URL): Listed[] {
  const found: Listed[] = [];
  for (const entry of listAt(feed, 'entry').filter(isObject)) {
    const links = listAt(entry, 'link').filter(isObject);
    const self = links.find((link) => textAt(link, 'rel') === 'self');
    const address = (isObject(entry.content) ? textAt(entry.content, 'src') : '') || (self ? textAt(self, 'href') : '');
    const atMs = Date.parse(textAt(entry, 'updated') || textAt(entry, 'published'));
    if (address === '') continue;
    const url = leadsTo(from, address);
    if (!url.pathname.endsWith('.json')) continue;
    found.push({ url, file: fileOf(url.pathname.slice(1)), atMs: Number.isNaN(atMs) ? null : atMs });
  }
  return found;
}
