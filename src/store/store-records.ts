/** The rooms' own documents in the database: one table for all kinds of thing, so that a room needs no migration of its own. */

import { type SelectQueryBuilder, sql } from 'kysely';
import {
  AsepsisError,
  type RecordFilter,
  type RecordStore,
  type RoomRecord,
  type RoomRecordRow,
} from '../core/index.ts';
import { atomic, containing, inPortions, key, plain, type StoreContext, searchable } from './store-context.ts';
import { type Order, readPage } from './store-page.ts';
import type { RecordRow, Tables } from './store-tables.ts';

const COLLECTION = /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/;
const ID_CHARS_MAX = 200;
/** A document larger than this belongs into a file of the room. */
const DOC_CHARS_MAX = 1024 * 1024;

const order = (direction: Order['direction']): Order => ({
  list: `records-${direction}`,
  direction,
  columns: [
    { ref: 'sequence', type: 'number' },
    { ref: 'id', type: 'string' },
  ],
});

export function recordStore(context: StoreContext): RecordStore {
  return {
    put: (collection, rows) =>
      atomic(context, async (inside) => {
        for (const portion of inPortions(lastOfEach(rows).map((row) => rowOf(collection, row, 1)))) {
          await inside.db
            .insertInto('room_records')
            .values(portion)
            .onConflict((conflict) =>
              conflict.columns(['collection', 'id']).doUpdateSet((eb) => ({
                sequence: eb.ref('excluded.sequence'),
                tag: eb.ref('excluded.tag'),
                search: eb.ref('excluded.search'),
                doc: eb.ref('excluded.doc'),
                version: eb('room_records.version', '+', 1),
              })),
            )
            .execute();
        }
      }),
    insert: async (collection, row) => {
      const { numInsertedOrUpdatedRows } = await context.db
        .insertInto('room_records')
        .values(rowOf(collection, row, 1))
        .onConflict((conflict) => conflict.columns(['collection', 'id']).doNothing())
        .executeTakeFirstOrThrow();
      return numInsertedOrUpdatedRows === 1n;
    },
    replace: async (collection, row, expectedVersion) => {
      const { numUpdatedRows } = await context.db
        .updateTable('room_records')
        .set(rowOf(collection, row, expectedVersion + 1))
        .where('collection', '=', collection)
        .where('id', '=', row.id)
        .where('version', '=', expectedVersion)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
    get: async (collection, id) => {
      const row = await context.db
        .selectFrom('room_records')
        .selectAll()
        .where('collection', '=', collection)
        .where('id', '=', id)
        .executeTakeFirst();
      return row === undefined ? null : recordOf(row);
    },
    list: (collection, filter, page, newestFirst = true) =>
      readPage(matching(context, collection, filter).selectAll(), {
        order: order(newestFirst ? 'desc' : 'asc'),
        page,
        position: (row) => [row.sequence, row.id],
        item: recordOf,
      }),
    count: async (collection, filter = {}) => {
      const counted = matching(context, collection, filter).select((eb) => eb.fn.countAll<number>().as('count'));
      return (await counted.executeTakeFirstOrThrow()).count;
    },
    delete: (collection, ids) =>
      atomic(context, async (inside) => {
        let gone = 0;
        for (const portion of inPortions(ids)) {
          const { numDeletedRows } = await inside.db
            .deleteFrom('room_records')
            .where('collection', '=', collection)
            .where('id', 'in', portion)
            .executeTakeFirstOrThrow();
          gone += Number(numDeletedRows);
        }
        return gone;
      }),
  };
}

/** One statement cannot change a row twice: the last of each id counts. */
function lastOfEach(rows: readonly RoomRecordRow[]): RoomRecordRow[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}

function matching(
  context: StoreContext,
  collection: string,
  filter: RecordFilter,
): SelectQueryBuilder<Tables, 'room_records', object> {
  let query = context.db.selectFrom('room_records').where('collection', '=', collection);
  if (filter.tag !== undefined) query = query.where('tag', '=', key(filter.tag));
  if (filter.from !== undefined) query = query.where('sequence', '>=', filter.from);
  if (filter.to !== undefined) query = query.where('sequence', '<', filter.to);
  if (filter.text) query = query.where(sql<boolean>`search like ${containing(filter.text)} escape '!'`);
  return query;
}

function rowOf(collection: string, row: RoomRecordRow, version: number): RecordRow {
  if (!COLLECTION.test(collection) || row.id === '' || row.id.length > ID_CHARS_MAX || row.id.includes('\0'))
    throw new AsepsisError('BAD_REQUEST', `A record's collection or id cannot be used: ${collection}.`);
  const doc = JSON.stringify(row.doc);
  if (doc.length > DOC_CHARS_MAX) throw new AsepsisError('TOO_LARGE', `A record of ${collection} is over 1 MiB.`);
  return {
    collection,
    id: row.id,
    sequence: Math.trunc(row.order ?? 0),
    tag: key(row.tag ?? ''),
    version,
    search: row.search === undefined ? '' : searchable(row.search),
    doc: plain(doc),
  };
}

function recordOf(row: RecordRow): RoomRecord {
  return { id: row.id, order: row.sequence, tag: row.tag, version: row.version, doc: JSON.parse(row.doc) };
}
