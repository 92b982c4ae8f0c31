/** For tests: an inventory and feeds as files of a folder that goes away, and what comes of them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFeed } from './feeds/index.ts';
import { type Inventory, readInventory } from './inventories/index.ts';
import { emptyFeedSet, type FeedSet } from './patching-advisory.ts';
import { type MatchResult, matchInventories } from './patching-match.ts';

export const NOW = Date.UTC(2026, 0, 10);

export interface Judged extends MatchResult {
  readonly set: FeedSet;
  readonly faults: Readonly<Record<string, number>>;
  /** "missing-update debian:12/openssl", without findings about old feeds. */
  readonly kinds: readonly string[];
}

export interface TestBench {
  readonly folder: string;
  readonly file: (text: string | object, name?: string) => string;
  readonly run: (
    inventory: string | object,
    feeds: readonly (string | object)[],
    options?: Parameters<typeof readInventory>[1],
  ) => Promise<Judged>;
  readonly close: () => void;
}

export function testBench(): TestBench {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-patching-test-'));
  let serial = 0;
  const file = (text: string | object, name = `f-${serial++}.json`): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
    return path;
  };
  return {
    folder,
    file,
    close: () => rmSync(folder, { recursive: true }),
    async run(inventory, feeds, options = {}) {
      const set = emptyFeedSet();
      const faults: Record<string, number> = {};
      for (const one of feeds)
        for (const [what, count] of (await readFeed(file(one), set)).faults) faults[what] = count;
      const inventories: Inventory[] = [await readInventory(file(inventory), { asset: 'srv', ...options })];
      const result = matchInventories(inventories, set, NOW);
      const kinds = result.findings.filter((one) => one.kind !== 'stale-feed').map((one) => `${one.kind} ${one.key}`);
      return { ...result, set, faults, kinds };
    },
  };
}
