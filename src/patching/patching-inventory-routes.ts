/** Inventories: the door for those that are pushed with the token of their source, those that people bring, and how fresh all are. */

import { rm } from 'node:fs/promises';
import { Type } from 'typebox';
import { AsepsisError, audited, type Caller, closed, listOf, type SourceId, type TypedApp } from '../core/index.ts';
import { INVENTORY_FORMATS, type InventoryFormat } from './inventories/index.ts';
import { arrivingPath, saveBody } from './patching-arriving.ts';
import { columnPairs } from './patching-columns.ts';
import { readAssetSummaries } from './patching-records.ts';
import type { PatchingDeps } from './patching-routes.ts';
import type { ImportResult } from './patching-service.ts';

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

const text = (maxLength: number, description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength, description }));
const Query = Type.Object(
  {
    asset: text(200, 'Whose software it is, where the inventory does not say'),
    release: text(100, '"Debian:12", where packages do not say'),
    format: text(40, INVENTORY_FORMATS.join(', ')),
    columns: text(1000, 'Headings of a table: host=Computer,model=Product,version=Version'),
  },
  closed,
);
interface Told {
  readonly asset?: string;
  readonly release?: string;
  readonly format?: string;
  readonly columns?: string;
}
const OLD_MS = 8 * 86_400_000;
const SHOWN_MAX = 200;

const State = Type.Object({
  asset: Type.String(),
  name: Type.String(),
  newest: Type.String(),
  fresh: Type.Boolean(),
  sources: Type.Array(Type.String()),
  judged: Type.Integer(),
  unjudged: Type.Integer(),
  reasons: Type.Array(Type.String()),
});

export function inventoryRoutes(app: TypedApp, deps: PatchingDeps): void {
  const { services } = deps;
  app.get(
    '/v1/patching/inventories',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'How fresh the inventory of each asset is, the oldest first, and what could not be judged',
        tags,
        response: { 200: listOf(State) },
      },
    },
    async () => {
      const all = [...(await readAssetSummaries(services.store)).values()].sort((a, b) => a.newest_ms - b.newest_ms);
      const now = services.clock.now();
      return {
        items: all.slice(0, SHOWN_MAX).map((one) => ({
          asset: one.asset,
          name: one.name,
          newest: new Date(one.newest_ms).toISOString(),
          fresh: now - one.newest_ms < OLD_MS,
          sources: one.sources.map((source) => `${source.source} (${source.format})`),
          judged: one.judged,
          unjudged: one.unjudged.reduce((sum, each) => sum + each.count, 0),
          reasons: one.unjudged.map((each) => `${each.count} ${each.reason}`),
        })),
        next: null,
      };
    },
  );
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body));
    scope.post(
      '/v1/inventory',
      {
        config: { access: 'ingest' },
        schema: {
          summary:
            'An inventory of one or several assets, with the token of its source; it is judged when this answers',
          tags,
          querystring: Query,
          response: { 200: Answer },
        },
      },
      async (request) => take(deps, request.body, request.query as Told, await sourceOf(deps, request.caller)),
    );
    scope.post(
      '/v1/patching/inventories',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'An inventory that a person brings; it is judged when this answers',
          tags,
          querystring: Query,
          response: { 200: Answer },
        },
      },
      async (request) => {
        const told = request.query as Told;
        const answer = await take(deps, request.body, told, `brought by ${request.caller?.name ?? 'somebody'}`);
        await audited(services, request, {
          action: 'patching.inventory',
          detail: `${answer.assets} assets, ${answer.created} of them new`,
        });
        return answer;
      },
    );
  });
}

async function take({ services, bench, desk }: PatchingDeps, body: unknown, told: Told, source: string) {
  const { asset, release, format, columns } = told;
  if (format !== undefined && !INVENTORY_FORMATS.includes(format as InventoryFormat))
    throw new AsepsisError('BAD_REQUEST', `The format is none of ${INVENTORY_FORMATS.join(', ')}.`);
  const options = {
    ...(asset === undefined ? {} : { asset }),
    ...(release === undefined ? {} : { release }),
    ...(format === undefined ? {} : { format: format as InventoryFormat }),
    ...(columns === undefined ? {} : { columns: pairsOf(columns) }),
  };
  const path = await arrivingPath(services.dataDir);
  try {
    await saveBody(body, path, services.config.patching.inventory_mb);
    const result = await bench.takeFile({ path, options, source });
    desk.forget();
    return answerOf(result);
  } finally {
    await rm(path, { force: true });
  }
}

function pairsOf(columns: string): Record<string, string> {
  try {
    return columnPairs(columns);
  } catch (cause) {
    throw new AsepsisError('BAD_REQUEST', 'Write headings as pairs: host=Computer,model=Product.', { cause });
  }
}

const answerOf = (result: ImportResult) => ({
  ...result,
  merged: result.merged.slice(0, 100).map((one) => ({ ...one })),
  unjudged: result.unjudged.slice(0, 100).map((one) => ({ ...one })),
  faults: { ...result.faults },
});

/** The source of the token is the source of the inventory. */
async function sourceOf({ services }: PatchingDeps, caller: Caller | null): Promise<string> {
  const id: SourceId | null = caller?.source ?? null;
  const source = id === null ? null : await services.store.sources.get(id);
  return (source?.name ?? caller?.name ?? 'push').slice(0, 200);
}
