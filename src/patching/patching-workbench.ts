/**
 * Everything of the room that may take long: inventories read and judged, feeds brought, carried and judged anew. `serve`
 * runs it in a thread of its own (`patching-thread.ts`), so that reading 300,000 advisories does not hold up a log line.
 */

import { join } from 'node:path';
import { AsepsisError, type AssetId, type Clock, type Config, rfc3339, type Store } from '../core/index.ts';
import { type InventoryOptions, readInventory } from './inventories/index.ts';
import { bundleKey, exportBundle, importBundle, publicKeyOf } from './patching-bundle.ts';
import { feedSources } from './patching-feed-list.ts';
import { type Generation, openLibrary } from './patching-library.ts';
import { ownInventory } from './patching-own.ts';
import { createPatchingService, type ImportResult } from './patching-service.ts';
import { type UpdateResult, updateFeeds } from './patching-update.ts';

export type Progress = (sentence: string) => void;
export interface Judged {
  readonly assets: number;
  readonly opened: number;
  readonly fixed: number;
}

/** Arguments and answers are plain data: they cross from thread to thread. */
export interface Workbench {
  /** Reads an inventory from a file and judges its assets. `options.asset` absent: the file has to say whose it is. */
  takeFile(o: { path: string; options: InventoryOptions; source: string }, progress?: Progress): Promise<ImportResult>;
  /** This machine's own packages. */
  takeOwn(o: { source: string }, progress?: Progress): Promise<ImportResult>;
  /** All assets anew: the feeds, the policy or an exposure changed. */
  judgeAll(o: object, progress?: Progress): Promise<Judged>;
  judgeOne(o: { asset: AssetId }, progress?: Progress): Promise<void>;
  /** From their addresses; then all assets are judged anew. */
  updateFeeds(o: object, progress?: Progress): Promise<UpdateResult>;
  /** @param o.trusted public keys (base64) that are believed */
  importFeeds(
    o: { path: string; trusted: readonly string[]; allowOlder: boolean },
    progress?: Progress,
  ): Promise<Generation>;
  exportFeeds(o: { path: string }, progress?: Progress): Promise<{ made: string; feeds: number }>;
  rollBackFeeds(o: object, progress?: Progress): Promise<Generation>;
}
export type WorkName = keyof Workbench;
export const WORK_NAMES: readonly WorkName[] = [
  'takeFile',
  'takeOwn',
  'judgeAll',
  'judgeOne',
  'updateFeeds',
  'importFeeds',
  'exportFeeds',
  'rollBackFeeds',
];

export const feedFolder = (dataDir: string) => join(dataDir, 'patching', 'feeds');
/** Whose an inventory is, where neither it nor its sender says so. */
const NOBODY = '\u0000nobody';

export function createWorkbench(o: {
  store: Store;
  clock: Clock;
  dataDir: string;
  config: Config;
  exercise: boolean;
}): Workbench {
  const { store, clock, dataDir, config, exercise } = o;
  const service = createPatchingService({ store, clock, dataDir, exercise });
  const library = openLibrary(feedFolder(dataDir));
  const judgeAll = (progress: Progress = () => {}) =>
    service.judgeAll((done, all) => progress(`judging ${done} of ${all} assets`));
  return {
    async takeFile({ path, options, source }) {
      const inventory = await readInventory(path, { asset: NOBODY, ...options });
      if (inventory.hosts.has(NOBODY))
        throw new AsepsisError('BAD_REQUEST', 'The inventory does not say whose it is; add ?asset=…');
      return service.take(inventory, source);
    },
    takeOwn: async ({ source }) => service.take(await ownInventory(), source),
    judgeAll: (_nothing, progress) => judgeAll(progress),
    judgeOne: ({ asset }) => service.judgeOne(asset),
    async updateFeeds(_nothing, progress = () => {}) {
      const result = await updateFeeds(library, feedSources(config), clock, (text) => progress(text || 'reading'));
      await judgeAll(progress);
      return result;
    },
    async importFeeds({ path, trusted, allowOlder }, progress = () => {}) {
      progress('checking the signature');
      const keys = trusted.map(publicKeyOf);
      const made = await importBundle(library, path, keys, rfc3339(clock.now()), allowOlder, progress);
      await judgeAll(progress);
      return made;
    },
    async exportFeeds({ path }, progress = () => {}) {
      progress('signing');
      const { privateKey } = await bundleKey(join(dataDir, 'patching'));
      const { made, feeds } = await exportBundle(library, privateKey, path);
      return { made, feeds: feeds.length };
    },
    async rollBackFeeds(_nothing, progress) {
      const made = await library.rollBack();
      await judgeAll(progress);
      return made;
    },
  };
}
