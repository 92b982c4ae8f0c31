/** Accounts in the database: who can sign in where, and with which second factor. */

import { sql } from 'kysely';
import type { Account, AccountStore } from '../core/index.ts';
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
import type { AccountRow } from './store-tables.ts';

const ORDER: Order = {
  list: 'accounts',
  direction: 'asc',
  columns: [
    { ref: 'service', type: 'string' },
    { ref: 'name_key', type: 'string' },
    { ref: 'id', type: 'string' },
  ],
};

export function accountStore(context: StoreContext): AccountStore {
  return {
    upsert: (accounts) =>
      atomic(context, async (inside) => {
        // In the order of their ids, so that two processes that write the same rows do not wait for each other.
        const byId = [...new Map(accounts.map((account) => [account.id as string, account])).values()].sort((a, b) =>
          a.id < b.id ? -1 : 1,
        );
        for (const portion of inPortions(byId)) await write(inside, portion);
      }),
    get: async (id) =>
      readOrNull<Account>(
        await context.db.selectFrom('accounts').select('doc').where('id', '=', id).executeTakeFirst(),
      ),
    list: async (filter, page) => {
      let query = context.db.selectFrom('accounts').select(['service', 'name_key', 'id', 'doc']);
      if (filter.service !== undefined) query = query.where('service', '=', key(filter.service));
      if (filter.second_factor !== undefined) query = query.where('second_factor', '=', filter.second_factor);
      if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
      if (filter.text) query = query.where(sql<boolean>`search like ${containing(filter.text)} escape '!'`);
      return readPage(query, {
        order: ORDER,
        page,
        position: (row) => [row.service, row.name_key, row.id],
        item: (row) => read<Account>(row),
      });
    },
    count: async (filter) => {
      let query = context.db.selectFrom('accounts').select((eb) => eb.fn.countAll<number>().as('count'));
      if (filter.second_factor !== undefined) query = query.where('second_factor', '=', filter.second_factor);
      if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
      return (await query.executeTakeFirstOrThrow()).count;
    },
  };
}

async function write(context: StoreContext, accounts: readonly Account[]): Promise<void> {
  const ids = accounts.map((account) => account.id);
  const rows = await context.db.selectFrom('accounts').select('doc').where('id', 'in', ids).execute();
  const known = new Map(rows.map(read<Account>).map((account) => [account.id, account]));
  const merged = accounts.map((account) => {
    const first = known.get(account.id)?.first_seen;
    return rowOf(first && ms(first) < ms(account.first_seen) ? { ...account, first_seen: first } : account);
  });
  await context.db
    .insertInto('accounts')
    .values(merged)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((eb) => ({
        service: eb.ref('excluded.service'),
        name_key: eb.ref('excluded.name_key'),
        second_factor: eb.ref('excluded.second_factor'),
        exercise: eb.ref('excluded.exercise'),
        search: eb.ref('excluded.search'),
        doc: eb.ref('excluded.doc'),
      })),
    )
    .execute();
}

function rowOf(account: Account): AccountRow {
  return {
    id: account.id,
    service: key(account.service),
    name_key: folded(account.name),
    second_factor: account.second_factor,
    exercise: flag(account.exercise),
    search: searchable(account.name, account.service),
    doc: JSON.stringify(account),
  };
}
