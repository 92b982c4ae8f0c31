/** Assets and their software in the database. */

import { sql } from 'kysely';
import type { Asset, AssetStore, Software } from '../core/index.ts';
import {
  atomic,
  containing,
  flag,
  folded,
  inPortions,
  key,
  ms,
  read,
  readOrNull,
  type StoreContext,
  searchable,
} from './store-context.ts';
import { type Order, readPage } from './store-page.ts';

const ORDER: Order = {
  list: 'assets',
  direction: 'asc',
  columns: [
    { ref: 'name_key', type: 'string' },
    { ref: 'id', type: 'string' },
  ],
};
const SOFTWARE_ORDER: Order = {
  list: 'software',
  direction: 'asc',
  columns: [
    { ref: 'name', type: 'string' },
    { ref: 'version', type: 'string' },
    { ref: 'id', type: 'string' },
  ],
};

export function assetStore(context: StoreContext): AssetStore {
  const get = async (inside: StoreContext, id: string) =>
    readOrNull<Asset>(await inside.db.selectFrom('assets').select('doc').where('id', '=', id).executeTakeFirst());
  return {
    upsert: (asset) =>
      atomic(context, async (inside) => {
        const known = await get(inside, asset.id);
        // Seen first stays the first time, whoever writes.
        const older = known && ms(known.first_seen) < ms(asset.first_seen);
        const row = rowOf(older ? { ...asset, first_seen: known.first_seen } : asset);
        await inside.db
          .insertInto('assets')
          .values(row)
          .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
          .execute();
      }),
    get: (id) => get(context, id),
    byName: async (name) =>
      readOrNull<Asset>(
        await context.db
          .selectFrom('assets')
          .select('doc')
          .where('name_key', '=', folded(name))
          .orderBy('exercise')
          .orderBy('id')
          .limit(1)
          .executeTakeFirst(),
      ),
    list: async (filter, page) => {
      let query = context.db.selectFrom('assets').select(['name_key', 'id', 'doc']);
      if (filter.class !== undefined) query = query.where('class', '=', filter.class);
      if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
      if (filter.text) query = query.where(sql<boolean>`search like ${containing(filter.text)} escape '!'`);
      return readPage(query, {
        order: ORDER,
        page,
        position: (row) => [row.name_key, row.id],
        item: (row) => read<Asset>(row),
      });
    },
    count: async (filter) => {
      let query = context.db.selectFrom('assets').select((eb) => eb.fn.countAll<number>().as('count'));
      if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
      return (await query.executeTakeFirstOrThrow()).count;
    },
    replaceSoftware: (asset, software) =>
      atomic(context, async (inside) => {
        await inside.db.deleteFrom('software').where('asset', '=', asset).execute();
        const rows = new Map(software.map((one) => [one.id as string, softwareRow(asset, one)]));
        for (const portion of inPortions([...rows.values()])) {
          await inside.db.insertInto('software').values(portion).execute();
        }
      }),
    software: async (asset, page) =>
      readPage(context.db.selectFrom('software').select(['name', 'version', 'id', 'doc']).where('asset', '=', asset), {
        order: SOFTWARE_ORDER,
        page,
        position: (row) => [row.name, row.version, row.id],
        item: (row) => read<Software>(row),
      }),
  };
}

function rowOf(asset: Asset) {
  return {
    id: asset.id,
    name_key: folded(asset.name),
    class: asset.class,
    exercise: flag(asset.exercise),
    search: searchable(asset.name, asset.os, asset.owner, ...asset.addresses, ...asset.macs),
    doc: JSON.stringify(asset),
  };
}

function softwareRow(asset: string, one: Software) {
  return { asset, id: one.id, name: key(one.name), version: key(one.version), doc: JSON.stringify({ ...one, asset }) };
}
