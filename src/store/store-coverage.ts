/** Coverage in the database: the latest answer of each room, and one value a day for the trend. */

import { type Coverage, type CoverageStore, ROOM_NAMES, type RoomName, rfc3339 } from '../core/index.ts';
import { atomic, read, type StoreContext } from './store-context.ts';

const DAY_MS = 24 * 3600 * 1000;
const TREND_DAYS_MAX = 3650;

export function coverageStore(context: StoreContext): CoverageStore {
  const dayOf = (unixMs: number) => rfc3339(unixMs).slice(0, 10);
  return {
    put: (coverage) =>
      atomic(context, async (inside) => {
        const today = dayOf(inside.clock.now());
        const byRoom = [...coverage].sort((a, b) => (a.room < b.room ? -1 : 1));
        for (const one of byRoom) {
          const doc = JSON.stringify(one);
          await inside.db
            .insertInto('coverage_latest')
            .values({ room: one.room, doc })
            .onConflict((conflict) => conflict.column('room').doUpdateSet({ doc }))
            .execute();
          const { covered, in_scope, unknown } = one;
          await inside.db
            .insertInto('coverage_days')
            .values({ day: one.measured_at?.slice(0, 10) ?? today, room: one.room, covered, in_scope, unknown })
            .onConflict((conflict) => conflict.columns(['day', 'room']).doUpdateSet({ covered, in_scope, unknown }))
            .execute();
        }
      }),
    latest: async () => {
      const rows = await context.db.selectFrom('coverage_latest').select('doc').execute();
      return rows
        .map((row) => read<Coverage>(row))
        .sort((a, b) => ROOM_NAMES.indexOf(a.room) - ROOM_NAMES.indexOf(b.room));
    },
    trend: async (sinceDays) => {
      const days = Math.min(Math.max(sinceDays, 0), TREND_DAYS_MAX);
      const rows = await context.db
        .selectFrom('coverage_days')
        .selectAll()
        .where('day', '>=', dayOf(context.clock.now() - days * DAY_MS))
        .orderBy('day')
        .orderBy('room')
        .execute();
      return rows.map((row) => ({ ...row, room: row.room as RoomName }));
    },
  };
}
