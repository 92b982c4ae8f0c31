/** `feeds update`: the next generation of the library from the feeds' addresses; a feed that fails stays as it was. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errorLine, rfc3339 } from '../core/index.ts';
import { type FeedSource, fetchFeed, readFeed } from './feeds/index.ts';
import { emptyFeedSet } from './patching-advisory.ts';
import { carry, type FeedEntry, type FeedLibrary, type Generation } from './patching-library.ts';

export interface UpdateResult {
  readonly generation: Generation | null;
  readonly changed: readonly string[];
  readonly same: readonly string[];
  readonly failed: readonly { readonly id: string; readonly why: string }[];
}

/** What a reader calls a file whose end did not arrive. */
const CUT = 'The JSON ends in the middle';
/** A feed that suddenly says less than half of before is broken or forged; the old one stays. */
const SHRINK_MAX = 0.5;

export async function updateFeeds(
  library: FeedLibrary,
  sources: readonly FeedSource[],
  clock: Clock,
  progress: (sentence: string) => void,
  signal: AbortSignal = AbortSignal.timeout(6 * 3_600_000),
): Promise<UpdateResult> {
  const changed: string[] = [];
  const same: string[] = [];
  const failed: { id: string; why: string }[] = [];
  const generation = await library.build('update', rfc3339(clock.now()), async (folder, before, beforeFolder) => {
    const entries: FeedEntry[] = [];
    for (const source of sources) {
      const known = before?.feeds.find((entry) => entry.id === source.id && entry.url === source.url) ?? null;
      const place = join(folder, source.id);
      const restore = async () => {
        await rm(place, { recursive: true, force: true });
        if (known && beforeFolder && known.entries > 0) await carry(join(beforeFolder, source.id), place);
      };
      await restore();
      try {
        const entry = await updateOne(source, place, known, clock, progress, signal);
        if (entry === null && known) {
          same.push(source.id);
          const { failed: _over, ...fine } = known;
          entries.push({ ...fine, fetched: rfc3339(clock.now()) });
        } else if (entry) {
          changed.push(source.id);
          entries.push(entry);
        }
      } catch (error) {
        const why = errorLine(error).slice(0, 400);
        failed.push({ id: source.id, why });
        await restore();
        entries.push({ ...(known ?? never(source, rfc3339(clock.now()))), failed: why });
      }
    }
    return entries;
  });
  progress('');
  return { generation, changed, same, failed };
}

/** What could not be brought even once is shown as well, and is stale after a week. */
const never = ({ id, url, kind }: FeedSource, at: string): FeedEntry => ({
  id,
  url,
  kind,
  fetched: at,
  feed: id,
  date: at,
  version: 'unknown',
  entries: 0,
  faults: {},
});

const LISTED_ONLY = 'A document that is listed and not there';

async function updateOne(
  source: FeedSource,
  place: string,
  known: FeedEntry | null,
  clock: Clock,
  progress: (sentence: string) => void,
  signal: AbortSignal,
): Promise<FeedEntry | null> {
  let bytes = 0;
  const fetched = await fetchFeed(source, {
    place: source.kind === 'file' ? `${place}.part` : place,
    before: known?.entries ? known : null,
    signal,
    now: clock.now(),
    onBytes: (count) => {
      bytes += count;
      progress(`${source.id}: ${(bytes / 1048576).toFixed(1)} MB`);
    },
  });
  if (fetched.same) return null;
  if (source.kind === 'file') {
    await rm(place, { recursive: true, force: true });
    const { rename } = await import('node:fs/promises');
    await rename(`${place}.part`, place);
  }
  const entry = await describeFeed(source, place, rfc3339(clock.now()));
  if (known && known.entries > 100 && entry.entries < known.entries * SHRINK_MAX)
    throw new Error(`It holds ${entry.entries} entries where it held ${known.entries}; the older one stays.`);
  const { etag, lastModified, mark, absent = 0 } = fetched;
  const faults = absent === 0 ? entry.faults : { ...entry.faults, [LISTED_ONLY]: absent };
  return {
    ...entry,
    faults,
    ...(etag ? { etag } : {}),
    ...(lastModified ? { lastModified } : {}),
    ...(mark ? { mark } : {}),
  };
}

/** Reads what was brought, so that what cannot be read never becomes the feed that counts. */
export async function describeFeed(source: FeedSource, place: string, fetched: string): Promise<FeedEntry> {
  const { readdir, stat } = await import('node:fs/promises');
  const folder = (await stat(place)).isDirectory();
  const pages = folder ? (await readdir(place)).filter((name) => /^(?:base|changes|page)[.-]/.test(name)).sort() : [];
  const paths = pages.length > 0 ? pages.map((name) => join(place, name)) : [place];
  const faults: Record<string, number> = {};
  let entries = 0;
  let newest: { name: string; date: string; version: string } | null = null;
  for (const path of paths) {
    const report = await readFeed(path, emptyFeedSet());
    entries += report.entries;
    for (const [what, count] of report.faults) faults[what] = (faults[what] ?? 0) + count;
    if (newest === null || report.feed.date > newest.date) newest = report.feed;
  }
  if (entries === 0) throw new Error('It holds nothing that can be read.');
  // The part that came would count as the whole, and close what the rest had opened.
  if (paths.length === 1 && faults[CUT] !== undefined) throw new Error('It ends in the middle.');
  const { name = source.id, date = fetched, version = 'unknown' } = newest ?? {};
  return { id: source.id, url: source.url, kind: source.kind, fetched, feed: name, date, version, entries, faults };
}
