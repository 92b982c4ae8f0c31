/** Redundancy pairs that people name: assets that stand in for each other are never worked on at one time. */

import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { AsepsisError, allRecords, audited, closed, listOf, type TypedApp } from '../core/index.ts';
import { PAIRS, type PairDoc, readDocs } from './patching-desk.ts';
import { readAssetSummaries } from './patching-records.ts';
import type { PatchingDeps } from './patching-routes.ts';

const tags = ['patching'];
const id = Type.String({ minLength: 1, maxLength: 250 });
const Pair = Type.Object({
  id: Type.Union([id, Type.Null()], { description: 'Null: an inventory says so' }),
  name: Type.String(),
  assets: Type.Array(Type.String()),
});

export function pairRoutes(app: TypedApp, { services, desk }: PatchingDeps): void {
  const { store, clock } = services;
  app.get(
    '/v1/patching/pairs',
    {
      config: { access: 'viewer' },
      schema: { summary: 'Assets that stand in for each other', tags, response: { 200: listOf(Pair) } },
    },
    async () => {
      const told = await readDocs<PairDoc>(store, PAIRS);
      const listed = new Map<string, string[]>();
      for (const { pair, name } of (await readAssetSummaries(store)).values())
        if (pair) listed.set(pair, [...(listed.get(pair) ?? []), name]);
      return {
        items: [
          ...told.map((one) => ({ ...one, assets: [...one.assets] })),
          ...[...listed].map(([name, assets]) => ({ id: null, name, assets: assets.sort() })),
        ],
        next: null,
      };
    },
  );
  app.post(
    '/v1/patching/pairs',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Names assets that are never worked on at one time',
        tags,
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 120 }),
            assets: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 2, maxItems: 20 }),
          },
          closed,
        ),
        response: { 200: Pair },
      },
    },
    async (request) => {
      const assets = [...new Set(request.body.assets.map((one) => one.trim()))];
      const known = new Set<string>();
      for await (const asset of allRecords((page) => store.assets.list({}, page))) known.add(asset.name);
      const missing = assets.filter((one) => !known.has(one));
      if (missing.length > 0)
        throw new AsepsisError('BAD_REQUEST', `No asset has the name ${missing.join(', ').slice(0, 300)}.`);
      if (assets.length < 2) throw new AsepsisError('BAD_REQUEST', 'A pair has at least two assets.');
      const taken = (await readDocs<PairDoc>(store, PAIRS)).find((one) => one.assets.some((a) => assets.includes(a)));
      if (taken) throw new AsepsisError('CONFLICT', `One of them is in "${taken.name}" already.`);
      const now = clock.now();
      const doc: PairDoc = {
        id: `pair-${now.toString(36)}-${randomBytes(4).toString('hex')}`,
        name: request.body.name,
        assets,
      };
      await store.records.put(PAIRS, [{ id: doc.id, order: now, doc }]);
      await audited(services, request, {
        action: 'patching.pair',
        target: doc.id,
        detail: `${doc.name}: ${assets.join(', ')}`,
      });
      desk.forget();
      return { ...doc, assets };
    },
  );
  app.delete(
    '/v1/patching/pairs/:id',
    {
      config: { access: 'analyst' },
      schema: { summary: 'They do not stand in for each other any more', tags, params: Type.Object({ id }) },
    },
    async (request) => {
      if ((await store.records.delete(PAIRS, [request.params.id])) === 0)
        throw new AsepsisError('NOT_FOUND', 'There is no such pair.');
      await audited(services, request, { action: 'patching.pair-remove', target: request.params.id });
      desk.forget();
      return { ok: true };
    },
  );
}
