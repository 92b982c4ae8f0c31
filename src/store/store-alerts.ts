/** Alerts in the database: stored once whatever is replayed, numbered in the order in which they became visible. */

import { type Expression, expressionBuilder, type SqlBool, sql } from 'kysely';
import { type Alert, type AlertFilter, type AlertStore, LIMITS, type Page, type PageRequest } from '../core/index.ts';
import {
  atomic,
  containing,
  filterColumn,
  flag,
  inPortions,
  key,
  lock,
  ms,
  raise,
  read,
  readOrNull,
  type StoreContext,
  searchable,
} from './store-context.ts';
import { type Order, readPage } from './store-page.ts';
import type { AlertRow, Tables } from './store-tables.ts';

/** Newest first. With an entity the side table gives the order, so that a busy and a rare entity are equally fast. */
const order = (table: 'alerts' | 'alert_entities'): Order => ({
  list: 'alerts',
  direction: 'desc',
  columns: [
    { ref: `${table}.time`, type: 'number' },
    { ref: `${table}.id`, type: 'string' },
  ],
});

export function alertStore(context: StoreContext): AlertStore {
  return {
    add: (alerts) =>
      atomic(context, async (inside) => {
        // Held until the commit: the order of the serials is the order in which readers can see them.
        await lock(inside, 'alerts');
        const fresh = await notYetKnown(inside, alerts);
        if (fresh.length === 0) return [];
        const first = (await raise(inside, 'alert-serial', fresh.length)) - fresh.length + 1;
        for (const portion of inPortions(fresh.map((alert, i) => rowOf(alert, first + i)))) {
          await inside.db.insertInto('alerts').values(portion).execute();
        }
        for (const portion of inPortions(fresh.flatMap(entityRows))) {
          await inside.db.insertInto('alert_entities').values(portion).execute();
        }
        return fresh;
      }),
    update: (id, change) =>
      atomic(context, async (inside) => {
        await lock(inside, 'alerts');
        const row = await inside.db
          .selectFrom('alerts')
          .select(['serial', 'doc'])
          .where('id', '=', id)
          .executeTakeFirst();
        if (!row) return null;
        const doc = JSON.stringify({ ...read<Alert>(row), ...change });
        const next = read<Alert>({ doc });
        const { state, incident } = rowOf(next, row.serial);
        await inside.db.updateTable('alerts').set({ state, incident, doc }).where('id', '=', id).execute();
        return next;
      }),
    get: async (id) =>
      readOrNull<Alert>(await context.db.selectFrom('alerts').select('doc').where('id', '=', id).executeTakeFirst()),
    list: (filter, page) => list(context, filter, page),
    count: async (filter) => {
      const counted = filter.entity
        ? about(context, filter, filter.entity).select((eb) => eb.fn.countAll<number>().as('count'))
        : matching(context, filter).select((eb) => eb.fn.countAll<number>().as('count'));
      return (await counted.executeTakeFirstOrThrow()).count;
    },
    since: async (serial, limit) => {
      const rows = await context.db
        .selectFrom('alerts')
        .select(['serial', 'doc'])
        .where('serial', '>', serial)
        .orderBy('serial')
        .limit(Math.min(limit, LIMITS.pageRowsMax))
        .execute();
      return rows.map((row) => ({ serial: row.serial, alert: read<Alert>(row) }));
    },
    lastSerial: async () => {
      const row = await context.db
        .selectFrom('counters')
        .select('value')
        .where('name', '=', 'alert-serial')
        .executeTakeFirstOrThrow();
      return row.value;
    },
  };
}

async function notYetKnown(context: StoreContext, alerts: readonly Alert[]): Promise<readonly Alert[]> {
  const byId = new Map<string, Alert>();
  for (const alert of alerts) if (!byId.has(alert.id)) byId.set(alert.id, alert);
  for (const portion of inPortions([...byId.keys()])) {
    const known = await context.db.selectFrom('alerts').select('id').where('id', 'in', portion).execute();
    for (const { id } of known) byId.delete(id);
  }
  return [...byId.values()];
}

function rowOf(alert: Alert, serial: number): AlertRow {
  return {
    serial,
    id: alert.id,
    time: ms(alert.time),
    state: alert.state,
    level: alert.rule.level,
    rule: key(alert.rule.id),
    incident: alert.incident ?? null,
    exercise: flag(alert.exercise),
    search: searchable(
      alert.title,
      alert.rule.title,
      alert.rule.id,
      alert.source.name,
      ...alert.entities.map((entity) => entity.value),
    ),
    doc: JSON.stringify(alert),
  };
}

function entityRows(alert: Alert): { type: string; value: string; time: number; id: string }[] {
  const rows = new Map<string, { type: string; value: string; time: number; id: string }>();
  for (const { type, value } of alert.entities) {
    rows.set(`${type}:${key(value)}`, { type, value: key(value), time: ms(alert.time), id: alert.id });
  }
  return [...rows.values()];
}

async function list(context: StoreContext, filter: AlertFilter, page: PageRequest): Promise<Page<Alert>> {
  const item = (row: { doc: string }) => read<Alert>(row);
  if (filter.entity) {
    const rows = about(context, filter, filter.entity).select(['alert_entities.time', 'alert_entities.id', 'doc']);
    return readPage(rows, { order: order('alert_entities'), page, position, item });
  }
  const rows = matching(context, filter).select(['alerts.time', 'alerts.id']);
  if (!filter.text) return readPage(rows.select('doc'), { order: order('alerts'), page, position, item });
  // Only the ids, which the index alone answers; then the records that were found.
  const found = await readPage(rows, { order: order('alerts'), page, position, item: (row) => row.id });
  const byId = new Map<string, Alert>();
  for (const portion of inPortions(found.items)) {
    const docs = await context.db.selectFrom('alerts').select(['id', 'doc']).where('id', 'in', portion).execute();
    for (const row of docs) byId.set(row.id, item(row));
  }
  return { items: found.items.flatMap((id) => byId.get(id) ?? []), next: found.next };
}

const position = (row: { time: number; id: string }): [number, string] => [row.time, row.id];

function matching(context: StoreContext, filter: AlertFilter) {
  return context.db.selectFrom('alerts').where(conditions(context, filter));
}

function about(context: StoreContext, filter: AlertFilter, entity: { type: string; value: string }) {
  return context.db
    .selectFrom('alert_entities')
    .innerJoin('alerts', 'alerts.id', 'alert_entities.id')
    .where('alert_entities.type', '=', key(entity.type))
    .where('alert_entities.value', '=', key(entity.value))
    .where(conditions(context, filter));
}

function conditions(context: StoreContext, filter: AlertFilter) {
  const eb = expressionBuilder<Tables, 'alerts'>();
  const all: Expression<SqlBool>[] = [];
  const column = (name: string) => filterColumn(context, `alerts.${name}`, filter.text);
  if (filter.state !== undefined) all.push(eb(column('state'), '=', filter.state));
  if (filter.level !== undefined) all.push(eb(column('level'), '=', filter.level));
  if (filter.rule !== undefined) all.push(eb('alerts.rule', '=', key(filter.rule)));
  if (filter.incident !== undefined) all.push(eb('alerts.incident', '=', key(filter.incident)));
  if (filter.since !== undefined) all.push(eb('alerts.time', '>=', ms(filter.since)));
  if (filter.exercise !== undefined) all.push(eb('alerts.exercise', '=', flag(filter.exercise)));
  if (filter.text) all.push(sql<boolean>`alerts.search like ${containing(filter.text)} escape '!'`);
  return eb.and(all);
}
