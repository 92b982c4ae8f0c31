/** A feed that is already here as a file becomes the next generation of the library, beside the feeds that are there. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, rfc3339 } from '../core/index.ts';
import { carry, type FeedEntry, isFeedId, openLibrary } from './patching-library.ts';
import { describeFeed } from './patching-update.ts';

/** @throws when nothing of the text can be read as a feed; the feeds that were there stay */
export async function takeFeedText(o: { dataDir: string; id: string; text: string; clock: Clock }): Promise<FeedEntry> {
  if (!isFeedId(o.id)) throw new Error(`${o.id} is no name of a feed.`);
  const at = rfc3339(o.clock.now());
  const library = openLibrary(join(o.dataDir, 'patching', 'feeds'));
  const made = await library.build('file', at, async (folder, before, beforeFolder) => {
    const others = (before?.feeds ?? []).filter((entry) => entry.id !== o.id);
    for (const { id } of others) await carry(join(beforeFolder as string, id), join(folder, id));
    const place = join(folder, o.id);
    await writeFile(place, o.text, { mode: 0o600, flush: true });
    return [...others, await describeFeed({ id: o.id, url: '', kind: 'file' }, place, at)];
  });
  return made.feeds.at(-1) as FeedEntry;
}
