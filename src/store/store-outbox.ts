/** The outbox in the database: a message waits here until it is delivered or given up, and is never sent twice. */

import { LIMITS, type OutboxItem, type OutboxStore, rfc3339 } from '../core/index.ts';
import { atomic, inPortions, ms, plain, type StoreContext } from './store-context.ts';
import type { OutboxRow } from './store-tables.ts';

/** How long the id of a delivered message is remembered: longer than any replay reaches back. */
const DONE_KEPT_MS = 30 * 24 * 3600 * 1000;

export function outboxStore(context: StoreContext): OutboxStore {
  const { db, clock } = context;
  return {
    put: (items) =>
      atomic(context, async (inside) => {
        for (const portion of inPortions(items)) {
          await inside.db
            .insertInto('outbox')
            .values(
              portion.map(({ id, channel, payload, next_at }) => ({
                id,
                channel,
                payload,
                attempts: 0,
                next_at: ms(next_at),
                state: 'waiting',
                last_error: null,
              })),
            )
            .onConflict((conflict) => conflict.column('id').doNothing())
            .execute();
        }
      }),
    due: async (at, limit) => {
      const rows = await db
        .selectFrom('outbox')
        .selectAll()
        .where('state', '=', 'waiting')
        .where('next_at', '<=', ms(at))
        .orderBy('next_at')
        .orderBy('id')
        .limit(Math.min(limit, LIMITS.pageRowsMax))
        .execute();
      return rows.map(itemOf);
    },
    done: (id) =>
      atomic(context, async (inside) => {
        await inside.db
          .updateTable('outbox')
          .set({ state: 'done', payload: '', last_error: null, next_at: clock.now() })
          .where('id', '=', id)
          .execute();
        await inside.db
          .deleteFrom('outbox')
          .where('state', '=', 'done')
          .where('next_at', '<', clock.now() - DONE_KEPT_MS)
          .execute();
      }),
    failed: async (id, error, nextAt) => {
      await db
        .updateTable('outbox')
        .set((eb) => ({
          attempts: eb('attempts', '+', 1),
          last_error: plain(error).slice(0, LIMITS.textCharsMax),
          ...(nextAt === null ? { state: 'given-up' } : { next_at: ms(nextAt) }),
        }))
        .where('id', '=', id)
        .where('state', '=', 'waiting')
        .execute();
    },
    list: async (limit) => {
      const rows = await db
        .selectFrom('outbox')
        .selectAll()
        .where('state', 'in', ['waiting', 'given-up'])
        .orderBy('next_at')
        .orderBy('id')
        .limit(Math.min(limit, LIMITS.pageRowsMax))
        .execute();
      return rows.map(itemOf);
    },
  };
}

function itemOf(row: OutboxRow): OutboxItem {
  const { id, payload, attempts, last_error } = row;
  return {
    id,
    channel: row.channel as OutboxItem['channel'],
    payload,
    attempts,
    next_at: rfc3339(row.next_at),
    last_error,
  };
}
