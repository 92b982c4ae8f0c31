/**
 * The feeds of the installation on disk: numbered generations, each whole, and which one counts. A new one is built beside
 * the others and counts from one rename on, so that a failure leaves what was there; the one before stays for a roll-back.
 */

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AsepsisError } from '../core/index.ts';
import { readFeed } from './feeds/index.ts';
import { emptyFeedSet, type FeedSet } from './patching-advisory.ts';

/** One feed of a generation. */
export interface FeedEntry {
  /** The feed's name in the configuration, and its file or folder in the generation. */
  readonly id: string;
  readonly url: string;
  readonly kind: string;
  readonly fetched: string;
  readonly etag?: string;
  readonly lastModified?: string;
  /** Up to where changes were taken, for feeds with changes. */
  readonly mark?: string;
  readonly feed: string;
  readonly date: string;
  readonly version: string;
  readonly entries: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Why the last try failed; what is here is older. */
  readonly failed?: string;
}

export interface Generation {
  readonly generation: number;
  readonly made: string;
  /** "update", or the fingerprint of the key that signed the bundle. */
  readonly from: string;
  readonly feeds: readonly FeedEntry[];
}

const KEPT = 3;
const MANIFEST = 'feeds.json';
export const isFeedId = (text: string) => /^[a-z0-9][a-z0-9._-]{0,80}$/.test(text);

export interface FeedLibrary {
  readonly folder: string;
  /** 0: there is none yet. */
  generation(): Promise<number>;
  current(): Promise<Generation | null>;
  /** Everything that counts now. */
  load(): Promise<FeedSet>;
  /** Builds the next one: `fill` gets its folder and answers the manifest's feeds. */
  build(
    from: string,
    made: string,
    fill: (folder: string, before: Generation | null, beforeFolder: string | null) => Promise<readonly FeedEntry[]>,
  ): Promise<Generation>;
  /** The one before counts again. */
  rollBack(): Promise<Generation>;
}

export function openLibrary(folder: string): FeedLibrary {
  const placeOf = (generation: number) => join(folder, `generation-${generation}`);
  const pointer = join(folder, 'current');
  const numbers = async () =>
    (await readdir(folder).catch(() => []))
      .map((name) => Number(/^generation-([0-9]{1,9})$/.exec(name)?.[1] ?? 0))
      .filter((number) => number > 0)
      .sort((a, b) => a - b);
  const generation = async () => Number((await readFile(pointer, 'utf8').catch(() => '0')).trim()) || 0;
  const read = async (number: number): Promise<Generation | null> => {
    if (number === 0) return null;
    try {
      return JSON.parse(await readFile(join(placeOf(number), MANIFEST), 'utf8')) as Generation;
    } catch (cause) {
      throw new AsepsisError(
        'INPUT_UNREADABLE',
        `The feeds of generation ${number} cannot be read; roll back or update.`,
        { cause },
      );
    }
  };
  const point = async (number: number) => {
    await writeFile(`${pointer}.new`, `${number}\n`, { mode: 0o600, flush: true });
    await rename(`${pointer}.new`, pointer);
  };
  return {
    folder,
    generation,
    current: async () => read(await generation()),
    async load() {
      const set = emptyFeedSet();
      const number = await generation();
      const manifest = await read(number);
      for (const { id } of manifest?.feeds ?? []) {
        const place = join(placeOf(number), id);
        for (const path of await feedPaths(place)) await readFeed(path, set);
      }
      return set;
    },
    async build(from, made, fill) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const now = await generation();
      const next = Math.max(now, ...(await numbers()), 0) + 1;
      const target = placeOf(next);
      // The desk and the command line may build at one time: each its own, and the first one counts.
      const growing = `${target}.${randomBytes(6).toString('hex')}.new`;
      await removeLeftovers(folder);
      await mkdir(growing, { mode: 0o700 });
      try {
        const feeds = await fill(growing, await read(now), now === 0 ? null : placeOf(now));
        const manifest: Generation = { generation: next, made, from, feeds };
        await writeFile(join(growing, MANIFEST), JSON.stringify(manifest, null, 1), { mode: 0o600, flush: true });
        await rename(growing, target).catch((cause: unknown) => {
          throw new AsepsisError('CONFLICT', 'Other feeds were brought at the same time; they count.', { cause });
        });
        await point(next);
        for (const old of (await numbers()).filter((number) => number !== next).slice(0, -(KEPT - 1)))
          await rm(placeOf(old), { recursive: true, force: true });
        return manifest;
      } catch (error) {
        await rm(growing, { recursive: true, force: true });
        throw error;
      }
    },
    async rollBack() {
      const now = await generation();
      const before = (await numbers()).filter((number) => number < now).at(-1);
      const manifest = before === undefined ? null : await read(before);
      if (before === undefined || manifest === null)
        throw new AsepsisError('NOT_FOUND', 'There are no older feeds to go back to.');
      await point(before);
      return manifest;
    },
  };
}

const LEFT_MS = 86_400_000;

/** What a crash left half built, once nobody can be building it any more. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^generation-[0-9]{1,9}(?:\.[0-9a-f]{12})?\.new$/.test(name)) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (info !== null && Date.now() - info.mtimeMs > LEFT_MS)
      await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** A feed is one file, or a folder: its base first, what changed later after it, single documents together. */
async function feedPaths(place: string): Promise<string[]> {
  const info = await stat(place).catch(() => null);
  if (info === null) return [];
  if (!info.isDirectory()) return [place];
  const names = (await readdir(place)).sort();
  const pages = names.filter((name) => /^(?:base|changes|page)[.-]/.test(name));
  return pages.length > 0 ? pages.map((name) => join(place, name)) : [place];
}

/** The same file in another generation without a copy, where the disk can. */
export async function carry(from: string, to: string): Promise<void> {
  const info = await stat(from);
  if (info.isDirectory()) {
    await mkdir(to, { recursive: true, mode: 0o700 });
    for (const name of await readdir(from)) await carry(join(from, name), join(to, name));
    return;
  }
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await link(from, to).catch(() => copyFile(from, to));
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
