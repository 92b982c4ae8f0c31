/** The archive's reader: follows the manifest from any thread or process and asks DuckDB, hot parts and sealed files alike. */

import { type ArchiveReader, AsepsisError, type Clock, type EventRecord, parseEventId } from '../core/index.ts';
import { countByTime } from './archive-histogram.ts';
import { createIndexCache } from './archive-index-cache.ts';
import { createManifestReader } from './archive-manifest-file.ts';
import { createArchiveParts } from './archive-parts.ts';
import { createQueryPool } from './archive-pool.ts';
import { parseQuery, type Query } from './archive-query.ts';
import { compileQuery } from './archive-query-sql.ts';
import { recordOf, SELECT_LIST } from './archive-rows.ts';
import { type ArchiveView, searchFiles, tableOf } from './archive-search.ts';
import { verifyArchive } from './archive-verify.ts';

/** A file can vanish between the manifest and its opening, because upkeep replaced it: then the new manifest says how. */
const TRIES_MAX = 6;
const VANISHED = /No files found|Cannot open file|No such file/;
/** Files asked at once for one event. */
const FILES_MAX = 16;

/** The query, refused at once where a value does not fit its column, also when no file would be asked. */
function checked(text: string): Query {
  const query = parseQuery(text);
  compileQuery(query, []);
  return query;
}

/** An event that is about to become searchable is waited for: blocks ahead of the newest part, and how long. */
const COMING_BLOCKS_MAX = 10_000;
const COMING_MS_MAX = 3000;

export async function openArchiveReader(o: { dir: string; streamId: string; clock: Clock }): Promise<ArchiveReader> {
  const manifest = createManifestReader(o.dir);
  const pool = createQueryPool();
  const indexes = createIndexCache(o.dir);

  const withView = async <T>(work: (view: ArchiveView) => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries++) {
      await manifest.refresh();
      const files = [...manifest.state.live.values()];
      try {
        return await work({ dir: o.dir, streamId: o.streamId, pool, indexes, files });
      } catch (error) {
        if (error instanceof AsepsisError || !VANISHED.test(error instanceof Error ? error.message : '')) throw error;
        if (tries >= TRIES_MAX) {
          throw new AsepsisError('ARCHIVE_TAMPERED', 'A file that the manifest names is not there.', { cause: error });
        }
      }
    }
  };

  return {
    async search(request, signal) {
      const started = performance.now();
      const query = checked(request.query);
      const page = await withView((view) => searchFiles(view, query, request, signal));
      return { ...page, tookMs: Math.round(performance.now() - started) };
    },
    async histogram(request, bucketMs, signal) {
      const query = checked(request.query);
      return withView((view) => countByTime(view, query, request, bucketMs, signal));
    },
    async get(id) {
      const parsed = parseEventId(id);
      if (parsed === null || parsed.streamId !== o.streamId) return null;
      const { seq, index } = parsed;
      if (!Number.isSafeInteger(seq)) return null;
      const look = (): Promise<{ record: EventRecord | null; coming: boolean }> =>
        withView(async (view) => {
          const files = view.files.filter((entry) => entry.seq[0] <= seq && seq <= entry.seq[1]);
          for (let i = 0; i < files.length; i += FILES_MAX) {
            const table = tableOf(view, files.slice(i, i + FILES_MAX));
            const [row] = await pool.rows(
              `SELECT ${SELECT_LIST} FROM ${table} WHERE seq = ${seq} AND idx = ${index} LIMIT 1`,
              [],
            );
            if (row !== undefined) return { record: recordOf(o.streamId, row), coming: false };
          }
          const newest = view.files.reduce((most, entry) => Math.max(most, entry.seq[1]), 0);
          return { record: null, coming: seq > newest && seq <= newest + COMING_BLOCKS_MAX };
        });
      // An alert is there before its event can be searched; who opens it at once need not be told that there is none.
      const endMs = performance.now() + COMING_MS_MAX;
      for (;;) {
        const { record, coming } = await look();
        if (record !== null || !coming || performance.now() >= endMs) return record;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    parts: createArchiveParts(o.streamId, withView),
    verify: (onProgress) => verifyArchive(o.dir, onProgress),
    close: () => pool.close(),
  };
}
