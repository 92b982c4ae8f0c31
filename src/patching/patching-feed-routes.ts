/** Routes of the feeds, and the door for inventories that are pushed. */

import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import { AsepsisError, audited, closed, nullable, type SourceId, type TypedApp } from '../core/index.ts';
import { INVENTORY_FORMATS, type InventoryFormat, readInventory } from './inventories/index.ts';
import { feedSources } from './patching-desk-commands.ts';
import { openLibrary } from './patching-library.ts';
import type { PatchingDeps } from './patching-routes.ts';
import { updateFeeds } from './patching-update.ts';

const FRESH_DAYS = 7;
const DAY_MS = 86_400_000;
const tags = ['patching'];

export function feedRoutes(app: TypedApp, { services, service, desk }: PatchingDeps): void {
  const library = openLibrary(join(services.dataDir, 'patching', 'feeds'));
  let running: string | null = null;
  app.get(
    '/v1/patching/feeds',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'The feeds that are there, and how old they are',
        tags,
        response: {
          200: Type.Object({
            generation: nullable(Type.Integer()),
            made: nullable(Type.String()),
            from: nullable(Type.String()),
            running: nullable(Type.String()),
            items: Type.Array(
              Type.Object({
                id: Type.String(),
                feed: Type.String(),
                date: Type.String(),
                version: Type.String(),
                fetched: Type.String(),
                entries: Type.Integer(),
                faults: Type.Integer(),
                stale: Type.Boolean(),
                failed: nullable(Type.String()),
              }),
            ),
          }),
        },
      },
    },
    async () => {
      const current = await library.current();
      const now = services.clock.now();
      return {
        generation: current?.generation ?? null,
        made: current?.made ?? null,
        from: current?.from ?? null,
        running,
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
      schema: { summary: 'Brings the feeds from their addresses, in the background', tags },
    },
    async (request) => {
      if (running !== null) throw new AsepsisError('CONFLICT', 'The feeds are being brought already.');
      running = 'starting';
      await audited(services, request, { action: 'patching.feeds-update' });
      void updateFeeds(library, feedSources(services.config), services.clock, (text) => {
        running = text || 'judging';
      })
        .then(() => service.judgeAll())
        .catch((error: unknown) => services.log.warn({ error: String(error) }, 'feeds could not be updated'))
        .finally(() => {
          running = null;
          desk.forget();
        });
      return { started: true };
    },
  );
}

const Answer = Type.Object({
  assets: Type.Integer(),
  created: Type.Integer(),
  findings: Type.Integer(),
  opened: Type.Integer(),
  fixed: Type.Integer(),
  judged: Type.Integer(),
  merged: Type.Array(Type.Object({ asset: Type.String(), reason: Type.String() })),
  unjudged: Type.Array(Type.Object({ host: Type.String(), reason: Type.String(), count: Type.Integer() })),
  faults: Type.Record(Type.String(), Type.Integer()),
});

/** `POST /v1/inventory`: any inventory that `patch import` reads, with the token of its source. It is judged when this answers. */
export function inventoryRoute(app: TypedApp, { services, service, desk }: PatchingDeps): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body));
    scope.post(
      '/v1/inventory',
      {
        config: { access: 'ingest' },
        schema: {
          summary: 'An inventory of one or several assets',
          tags,
          querystring: Type.Object(
            {
              asset: Type.Optional(
                Type.String({
                  minLength: 1,
                  maxLength: 200,
                  description: 'Whose software it is, where the inventory does not say',
                }),
              ),
              release: Type.Optional(
                Type.String({ maxLength: 100, description: '"Debian:12", where packages do not say' }),
              ),
              format: Type.Optional(Type.String({ maxLength: 40, description: INVENTORY_FORMATS.join(', ') })),
            },
            closed,
          ),
          response: { 200: Answer },
        },
      },
      async (request) => {
        const { asset, release, format } = request.query as { asset?: string; release?: string; format?: string };
        if (format !== undefined && !INVENTORY_FORMATS.includes(format as InventoryFormat))
          throw new AsepsisError('BAD_REQUEST', `The format is none of ${INVENTORY_FORMATS.join(', ')}.`);
        const folder = join(services.dataDir, 'patching', 'arriving');
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const path = join(folder, randomBytes(12).toString('hex'));
        try {
          await save(request.body as Readable | undefined, path, services.config.patching.inventory_mb);
          const inventory = await readInventory(path, {
            asset: asset ?? 'unnamed',
            ...(release === undefined ? {} : { release }),
            ...(format === undefined ? {} : { format: format as InventoryFormat }),
          });
          const unnamed = inventory.hosts.has('unnamed') && asset === undefined;
          if (unnamed) throw new AsepsisError('BAD_REQUEST', 'The inventory does not say whose it is; add ?asset=…');
          const source = await sourceName(
            services.store,
            request.caller?.source ?? null,
            request.caller?.name ?? 'push',
          );
          const result = await service.take(inventory, source);
          desk.forget();
          return {
            ...result,
            merged: result.merged.slice(0, 100).map((one) => ({ ...one })),
            unjudged: result.unjudged.slice(0, 100).map((one) => ({ ...one })),
            faults: { ...result.faults },
          };
        } finally {
          await rm(path, { force: true });
        }
      },
    );
  });
}

async function sourceName(
  store: PatchingDeps['services']['store'],
  id: SourceId | null,
  otherwise: string,
): Promise<string> {
  const source = id === null ? null : await store.sources.get(id);
  return (source?.name ?? otherwise).slice(0, 200);
}

async function save(body: Readable | undefined, path: string, megabytes: number): Promise<void> {
  if (body === undefined || body === null || typeof body.pipe !== 'function')
    throw new AsepsisError('BAD_REQUEST', 'The body is empty.');
  let bytes = 0;
  const bounded = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > megabytes * 1048576) throw new AsepsisError('TOO_LARGE', `An inventory may have ${megabytes} MiB.`);
      yield chunk;
    }
  };
  await pipeline(body, bounded, createWriteStream(path, { mode: 0o600 }));
  if (bytes === 0) throw new AsepsisError('BAD_REQUEST', 'The body is empty.');
}
