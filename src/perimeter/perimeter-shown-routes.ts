/** What inside and outside see of the same hosts, side by side. */

import { Type } from 'typebox';
import { oneOf, type RoomServices, type TypedApp } from '../core/index.ts';
import { compareVantages, type Exposure } from './perimeter-assess.ts';
import { worstFirst } from './perimeter-shown.ts';

/** What only outside sees comes first: nobody here knew of it. */
const SEEN = ['outside only', 'both', 'inside only'] as const;
const ROWS_MAX = 5000;
const text = (maxLength: number) => Type.String({ maxLength });

export async function shownRoutes(app: TypedApp, { store }: RoomServices): Promise<void> {
  app.get(
    '/v1/perimeter/compare',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Which services are seen from inside, from outside, or from both',
        tags: ['perimeter'],
        response: {
          200: Type.Object({
            items: Type.Array(Type.Object({ host: text(300), where: text(32), service: text(64), seen: oneOf(SEEN) })),
            more: Type.Integer(),
          }),
        },
      },
    },
    async () => {
      const seen = { inside: new Map<string, Exposure[]>(), outside: new Map<string, Exposure[]>() };
      for (const row of await worstFirst(store.records))
        seen[row.from].set(row.host, [...(seen[row.from].get(row.host) ?? []), row]);
      const rows = compareVantages(seen.inside, seen.outside).toSorted(
        (a, b) => SEEN.indexOf(a.seen) - SEEN.indexOf(b.seen),
      );
      return { items: rows.slice(0, ROWS_MAX), more: Math.max(0, rows.length - ROWS_MAX) };
    },
  );
}
