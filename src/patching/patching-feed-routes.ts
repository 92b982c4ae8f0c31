/** Routes of the feeds: what is there, brought from their addresses, carried as a signed bundle, gone back to. */

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import { audited, closed, nullable, type TypedApp } from '../core/index.ts';
import { arrivingPath, saveBody } from './patching-arriving.ts';
import { bundleKey, fingerprint, publicTextOf } from './patching-bundle.ts';
import type { JobEnd } from './patching-jobs.ts';
import { openLibrary } from './patching-library.ts';
import { trustedKeys, trustKey } from './patching-records.ts';
import type { PatchingDeps } from './patching-routes.ts';
import type { UpdateResult } from './patching-update.ts';
import { feedFolder } from './patching-workbench.ts';

const FRESH_DAYS = 7;
const DAY_MS = 86_400_000;
/** As large as a bundle may say it is. */
const BUNDLE_MB_MAX = 32 * 1024;
const tags = ['patching'];

const Feed = Type.Object({
  id: Type.String(),
  feed: Type.String(),
  date: Type.String(),
  version: Type.String(),
  fetched: Type.String(),
  entries: Type.Integer(),
  faults: Type.Integer(),
  stale: Type.Boolean(),
  failed: nullable(Type.String()),
});
const End = Type.Object({
  what: Type.String(),
  at: Type.String(),
  sentence: Type.String(),
  failed: Type.Boolean(),
});
const Feeds = Type.Object({
  generation: nullable(Type.Integer()),
  made: nullable(Type.String()),
  from: nullable(Type.String()),
  running: nullable(Type.String()),
  last: nullable(End),
  trusted: Type.Array(Type.String(), { description: 'Fingerprints of the keys whose bundles are taken' }),
  items: Type.Array(Feed),
});
const Started = Type.Object({ started: Type.Boolean() });

const counted = (count: number) => `${count} ${count === 1 ? 'feed' : 'feeds'}`;

export const updateSentence = ({ changed, same, failed }: UpdateResult): string =>
  `${counted(changed.length)} changed, ${same.length} the same, ${failed.length} failed${failed.length === 0 ? '' : `: ${failed.map((one) => `${one.id} (${one.why})`).join('; ')}`}.`;

export function feedRoutes(app: TypedApp, { services, bench, jobs, desk }: PatchingDeps): void {
  const { store, clock, dataDir, log } = services;
  const library = openLibrary(feedFolder(dataDir));
  const after = (end: JobEnd) => {
    desk.forget();
    if (end.failed) log.warn({ what: end.what, error: end.sentence }, 'work on the feeds failed');
  };
  app.get(
    '/v1/patching/feeds',
    {
      config: { access: 'viewer' },
      schema: { summary: 'The feeds that are there, and how old they are', tags, response: { 200: Feeds } },
    },
    async () => {
      const current = await library.current();
      const now = clock.now();
      return {
        generation: current?.generation ?? null,
        made: current?.made ?? null,
        from: current?.from ?? null,
        running: jobs.running(),
        last: jobs.last(),
        trusted: (await trustedKeys(store)).map(fingerprint),
        items: (current?.feeds ?? []).map((one) => ({
          id: one.id,
          feed: one.feed,
          date: one.date,
          version: one.version,
          fetched: one.fetched,
          entries: one.entries,
          faults: Object.values(one.faults).reduce((sum, count) => sum + count, 0),
          stale: now - Date.parse(one.fetched) > FRESH_DAYS * DAY_MS,
          failed: one.failed ?? null,
        })),
      };
    },
  );
  app.post(
    '/v1/patching/feeds/update',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Brings the feeds from their addresses, in the background',
        tags,
        response: { 200: Started },
      },
    },
    async (request) => {
      await audited(services, request, { action: 'patching.feeds-update' });
      void jobs.start('update', async (progress) => updateSentence(await bench.updateFeeds({}, progress))).then(after);
      return { started: true };
    },
  );
  app.post(
    '/v1/patching/feeds/rollback',
    {
      config: { access: 'lead' },
      schema: { summary: 'Goes back to the feeds before, in the background', tags, response: { 200: Started } },
    },
    async (request) => {
      await audited(services, request, { action: 'patching.feeds-rollback' });
      void jobs
        .start('roll-back', async (progress) => {
          const made = await bench.rollBackFeeds({}, progress);
          return `The feeds of ${made.made.slice(0, 10)} count again (generation ${made.generation}).`;
        })
        .then(after);
      return { started: true };
    },
  );
  bundleRoutes(app, { services, bench, jobs, desk }, after);
}

function bundleRoutes(
  app: TypedApp,
  { services, bench, jobs }: Pick<PatchingDeps, 'services' | 'bench' | 'jobs' | 'desk'>,
  after: (end: JobEnd) => void,
): void {
  const { store, dataDir } = services;
  app.get(
    '/v1/patching/feeds/key',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'The public key that signs bundles of this installation',
        tags,
        response: { 200: Type.Object({ key: Type.String(), fingerprint: Type.String() }) },
      },
    },
    async () => {
      const { publicText } = await bundleKey(join(dataDir, 'patching'));
      return { key: publicText, fingerprint: fingerprint(publicText) };
    },
  );
  app.get(
    '/v1/patching/feeds/export',
    {
      config: { access: 'lead' },
      schema: { summary: 'All feeds as one signed file, for a network without internet', tags },
    },
    async (request, reply) => {
      const path = await arrivingPath(dataDir);
      await audited(services, request, { action: 'patching.feeds-export' });
      try {
        const { made } = await bench.exportFeeds({ path });
        const stream = createReadStream(path);
        stream.once('close', () => void rm(path, { force: true }));
        return reply
          .header('content-type', 'application/octet-stream')
          .header('content-disposition', `attachment; filename="asepsis-feeds-${made.slice(0, 10)}.bundle"`)
          .send(stream);
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
    },
  );
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body));
    scope.post(
      '/v1/patching/feeds/import',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'Takes a signed bundle in, whole or not at all, in the background',
          tags,
          querystring: Type.Object(
            {
              trust: Type.Optional(
                Type.String({ maxLength: 1000, description: 'A public key that is believed from now on' }),
              ),
              allow_older: Type.Optional(Type.Boolean({ description: 'Takes one that is older than what is there' })),
            },
            closed,
          ),
          response: { 200: Started },
        },
      },
      async (request) => {
        const { trust, allow_older: allowOlder = false } = request.query as { trust?: string; allow_older?: boolean };
        const told = trust === undefined || trust.trim() === '' ? null : publicTextOf(trust);
        const path = await arrivingPath(dataDir);
        try {
          await saveBody(request.body, path, BUNDLE_MB_MAX);
          await audited(services, request, {
            action: 'patching.feeds-import',
            ...(told === null ? {} : { detail: `trusting key ${fingerprint(told)}` }),
          });
          const trusted = [...(await trustedKeys(store)), ...(told === null ? [] : [told])];
          const done = jobs.start('import', async (progress) => {
            const made = await bench.importFeeds({ path, trusted, allowOlder }, progress);
            if (told !== null) await trustKey(store, told);
            return `${made.feeds.length} feeds of ${made.made.slice(0, 10)} were taken in, signed by ${made.from}.`;
          });
          void done.then(async (end) => {
            after(end);
            await rm(path, { force: true });
          });
        } catch (error) {
          await rm(path, { force: true });
          throw error;
        }
        return { started: true };
      },
    );
  });
}
