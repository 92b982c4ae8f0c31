/** Small named values in the database; each change is one statement, so two processes cannot both win. */

import type { ValueStore } from '../core/index.ts';
import type { StoreContext } from './store-context.ts';

export function valueStore(context: StoreContext): ValueStore {
  const { db } = context;
  return {
    get: async (name) => {
      const row = await db.selectFrom('named_values').select('value').where('name', '=', name).executeTakeFirst();
      return row?.value ?? null;
    },
    set: async (name, value) => {
      await db
        .insertInto('named_values')
        .values({ name, value })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
        .execute();
    },
    compareAndSet: async (name, expected, value) => {
      if (expected === null) {
        const { numInsertedOrUpdatedRows } = await db
          .insertInto('named_values')
          .values({ name, value })
          .onConflict((conflict) => conflict.column('name').doNothing())
          .executeTakeFirstOrThrow();
        return numInsertedOrUpdatedRows === 1n;
      }
      const { numUpdatedRows } = await db
        .updateTable('named_values')
        .set({ value })
        .where('name', '=', name)
        .where('value', '=', expected)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
    delete: async (name) => {
      await db.deleteFrom('named_values').where('name', '=', name).execute();
    },
  };
}
