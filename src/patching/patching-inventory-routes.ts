/** The door for inventories that are pushed, with the token of their source. */

import { rm } from 'node:fs/promises';
import { Type } from 'typebox';
import { AsepsisError, closed, type SourceId, type TypedApp } from '../core/index.ts';
import { INVENTORY_FORMATS, type InventoryFormat } from './inventories/index.ts';
import { arrivingPath, saveBody } from './patching-arriving.ts';
import type { PatchingDeps } from './patching-routes.ts';

const tags = ['patching'];
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
export function inventoryRoute(app: TypedApp, { services, bench, desk }: PatchingDeps): void {
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
        const path = await arrivingPath(services.dataDir);
        try {
          await saveBody(request.body, path, services.config.patching.inventory_mb);
          const options = {
            ...(asset === undefined ? {} : { asset }),
            ...(release === undefined ? {} : { release }),
            ...(format === undefined ? {} : { format: format as InventoryFormat }),
          };
          const source = await sourceName(
            services.store,
            request.caller?.source ?? null,
            request.caller?.name ?? 'push',
          );
          const result = await bench.takeFile({ path, options, source });
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
