/** Brings feeds from their addresses: only what changed since the last time, bounded, each by the way its publisher offers. */

import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AsepsisError } from '../../core/index.ts';
import { isObject, textAt } from '../patching-input.ts';
import {
  ask,
  conditional,
  type FetchContext,
  type FetchState,
  isLocal,
  jsonOf,
  many,
  saveTo,
  textOf,
} from './feed-ask.ts';
import { fetchCsaf } from './feed-fetch-csaf.ts';
import type { FeedSource } from './feed-sources.ts';

export interface Fetched extends FetchState {
  /** Nothing is newer than what is there. */
  readonly same: boolean;
  readonly bytes: number;
  /** Documents that the publisher lists and does not have. */
  readonly absent?: number;
}

/** More changes than this are not worth single requests: the whole is fetched again. */
const OSV_CHANGES_MAX = 2_000;
/** Files of changes on top of a base; after so many the base is fetched again. */
const CHANGE_FILES_MAX = 60;

export async function fetchFeed(source: FeedSource, context: FetchContext): Promise<Fetched> {
  switch (source.kind) {
    case 'file':
      return oneFile(source.url, context.place, context);
    case 'osv':
      return osv(source, context);
    case 'csaf':
      return fetchCsaf(source, context);
    case 'msrc':
      return msrc(source, context);
    case 'nvd':
      return nvd(source, context);
  }
}

async function oneFile(url: string, path: string, context: FetchContext): Promise<Fetched> {
  const answer = await ask(url, context, saveTo(path, context, new URL(url).host), conditional(context.before));
  return answer === null
    ? { ...context.before, same: true, bytes: 0 }
    : { ...answer.state, same: false, bytes: answer.value };
}

const fileTime = (ms: number) => new Date(ms).toISOString().replace(/[^0-9]/g, '');
const newFolder = (place: string) => mkdir(place, { recursive: true, mode: 0o700 });
const namesIn = (place: string): Promise<string[]> => readdir(place).catch(() => []);

/** `all.zip` the first time; later the advisories that `modified_id.csv` names as newer than the mark. */
async function osv(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const { before, place, now } = context;
  const list = await ask(
    new URL('modified_id.csv', source.url),
    context,
    textOf,
    conditional(before?.mark ? before : null),
  );
  if (list === null) return { ...before, same: true, bytes: 0 };
  const rows = list.value
    .split('\n')
    .map((line) => line.trim().split(',', 2))
    .filter((row): row is [string, string] => row.length === 2 && !Number.isNaN(Date.parse(row[0] as string)));
  if (rows.length === 0) throw new AsepsisError('INPUT_UNREADABLE', `${source.id} has no list of what changed.`);
  const newest = rows.reduce((best, [time]) => (time > best ? time : best), '');
  const mark = before?.mark ?? '';
  const changes = mark === '' ? [] : rows.filter(([time]) => time > mark);
  if (mark !== '' && changes.length === 0) return { ...list.state, mark, same: true, bytes: 0 };
  await newFolder(place);
  const older = (await namesIn(place)).filter((name) => name.startsWith('changes-'));
  if (mark === '' || changes.length > OSV_CHANGES_MAX || older.length >= CHANGE_FILES_MAX) {
    // A new file: what is there may be the same file of an older generation.
    const whole = join(place, 'new.zip');
    const answer = await ask(new URL('all.zip', source.url), context, saveTo(whole, context, source.id));
    // Changes from before the new base would take it back.
    for (const name of older) await rm(join(place, name));
    await rename(whole, join(place, 'base.zip'));
    return { ...list.state, mark: newest, same: false, bytes: answer?.value ?? 0 };
  }
  const lines: string[] = [];
  const wanted = changes.map(([, id]) => ({ url: new URL(`${encodeURIComponent(id)}.json`, source.url) }));
  const absent = await many(wanted, context, async (i, text) => {
    lines[i] = oneLine(text ?? '');
  });
  const text = `${lines.filter(Boolean).join('\n')}\n`;
  await writeFile(join(place, `changes-${fileTime(now)}.jsonl`), text, { mode: 0o600, flush: true });
  return { ...list.state, mark: newest, same: false, bytes: text.length, absent };
}

function oneLine(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (cause) {
    throw new AsepsisError('INPUT_UNREADABLE', 'An advisory that changed is no valid JSON.', { cause });
  }
}

/** Microsoft: a list of months, each with its day of change. */
async function msrc(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const json = { accept: 'application/json' };
  const headers = { ...json, ...conditional(context.before) };
  const list = await ask(new URL('updates', source.url), context, jsonOf, headers);
  if (list === null) return { ...context.before, same: true, bytes: 0 };
  const value = isObject(list.value) && Array.isArray(list.value.value) ? list.value.value : [];
  const months = value
    .filter(isObject)
    .map((one) => ({ id: textAt(one, 'ID'), at: Date.parse(textAt(one, 'CurrentReleaseDate')) }))
    .filter(({ id, at }) => /^[0-9]{4}-[A-Z][a-z]{2}$/.test(id) && !Number.isNaN(at));
  if (months.length === 0) throw new AsepsisError('INPUT_UNREADABLE', `${source.id} has no list of months.`);
  const before = Date.parse(context.before?.mark ?? '');
  const since = Number.isNaN(before) ? 0 : before;
  const wanted = months
    .filter(({ at }) => at > since)
    .toSorted((a, b) => a.at - b.at)
    .slice(-36);
  const mark = new Date(Math.max(since, ...months.map(({ at }) => at))).toISOString();
  if (wanted.length === 0) return { ...list.state, mark, same: true, bytes: 0 };
  await newFolder(context.place);
  let bytes = 0;
  for (const { id } of wanted) {
    const month = await ask(new URL(`cvrf/${id}`, source.url), context, textOf, json);
    const text = month?.value ?? '';
    bytes += text.length;
    context.onBytes(text.length, source.id);
    const target = join(context.place, `${id}.json`);
    await writeFile(`${target}.new`, text, { mode: 0o600 });
    await rename(`${target}.new`, target);
  }
  return { ...list.state, mark, same: false, bytes };
}

const NVD_PAGE = 2_000;
const NVD_PAUSE_MS = 6_000;
const NVD_DAYS_MAX = 119;
const NVD_PAGES_MAX = 2_000;

/** NVD's API 2.0: pages of all, later of what changed; it asks for six seconds between requests without a key. */
async function nvd(source: FeedSource, context: FetchContext): Promise<Fetched> {
  const { place, now } = context;
  const mark = context.before?.mark ?? '';
  const older = await namesIn(place);
  const fresh =
    mark === '' ||
    now - Date.parse(mark) > NVD_DAYS_MAX * 86_400_000 ||
    older.filter((name) => name.startsWith('changes-')).length >= CHANGE_FILES_MAX;
  const until = new Date(now).toISOString();
  await newFolder(place);
  const prefix = fresh ? 'base-' : `changes-${fileTime(now)}-`;
  const written: string[] = [];
  let [bytes, start, total] = [0, 0, 1];
  for (let pages = 0; start < total && pages < NVD_PAGES_MAX; pages++) {
    const url = new URL(source.url);
    url.searchParams.set('startIndex', String(start));
    url.searchParams.set('resultsPerPage', String(NVD_PAGE));
    if (!fresh) {
      url.searchParams.set('lastModStartDate', mark);
      url.searchParams.set('lastModEndDate', until);
    }
    const page = await ask(url, context, textOf);
    const { count, all } = pageOf(page?.value ?? '');
    if (all === 0 && start === 0 && !fresh) return { mark: until, same: true, bytes };
    // A page without anything before the end is a publisher that stopped in the middle.
    if (count === 0)
      throw new AsepsisError('INPUT_UNREADABLE', `${source.id} stopped after ${start} of ${all} entries.`);
    total = all;
    start += count;
    bytes += page?.value.length ?? 0;
    context.onBytes(page?.value.length ?? 0, source.id);
    const name = `${prefix}${String(written.length).padStart(5, '0')}.json`;
    written.push(name);
    await writeFile(join(place, `${name}.new`), page?.value ?? '', { mode: 0o600 });
    if (start < total && !isLocal(url)) await sleep(NVD_PAUSE_MS, undefined, { signal: context.signal });
  }
  // A new base takes the place of all that was there, what changed before it included.
  if (fresh) for (const name of older) await rm(join(place, name), { recursive: true, force: true });
  for (const name of written) await rename(join(place, `${name}.new`), join(place, name));
  return { mark: until, same: false, bytes };
}

/** How many entries a page holds, and how many there are: both stand before the entries. */
function pageOf(text: string): { count: number; all: number } {
  const head = text.slice(0, 2_000);
  const number = (name: string) => Number(new RegExp(`"${name}"\\s*:\\s*([0-9]{1,9})`).exec(head)?.[1] ?? 0);
  return { count: number('resultsPerPage'), all: number('totalResults') };
}
