/** Incidents in the database: changed only by whoever saw the newest version, found by the entities they share. */

import { type Expression, expressionBuilder, type SqlBool, sql } from 'kysely';
import { type Incident, type IncidentFilter, type IncidentStore, LIMITS } from '../core/index.ts';
import {
  atomic,
  containing,
  flag,
  inPortions,
  key,
  ms,
  read,
  readOrNull,
  type StoreContext,
  searchable,
} from './store-context.ts';
import { type Order, readPage } from './store-page.ts';
import type { IncidentRow, Tables } from './store-tables.ts';

const order = (table: 'incidents' | 'incident_entities'): Order => ({
  list: 'incidents',
  direction: 'desc',
  columns: [
    { ref: `${table}.opened`, type: 'number' },
    { ref: `${table}.id`, type: 'string' },
  ],
});

export function incidentStore(context: StoreContext): IncidentStore {
  return {
    insert: (incident) =>
      atomic(context, async (inside) => {
        await inside.db.insertInto('incidents').values(rowOf(incident)).execute();
        await writeEntities(inside, incident);
      }),
    replace: (incident) =>
      atomic(context, async (inside) => {
        const { id, ...row } = rowOf(incident);
        const { numUpdatedRows } = await inside.db
          .updateTable('incidents')
          .set(row)
          .where('id', '=', id)
          .where('version', '=', incident.version - 1)
          .executeTakeFirstOrThrow();
        if (numUpdatedRows === 0n) return false;
        await inside.db.deleteFrom('incident_entities').where('id', '=', id).execute();
        await writeEntities(inside, incident);
        return true;
      }),
    get: async (id) =>
      readOrNull<Incident>(
        await context.db.selectFrom('incidents').select('doc').where('id', '=', id).executeTakeFirst(),
      ),
    list: async (filter, page) => {
      const shape = { page, position, item: (row: { doc: string }) => read<Incident>(row) };
      return filter.entity
        ? readPage(
            about(context, filter, filter.entity).select(['incident_entities.opened', 'incident_entities.id', 'doc']),
            { ...shape, order: order('incident_entities') },
          )
        : readPage(matching(context, filter).select(['incidents.opened', 'incidents.id', 'doc']), {
            ...shape,
            order: order('incidents'),
          });
    },
    count: async (filter) => {
      const counted = filter.entity
        ? about(context, filter, filter.entity).select((eb) => eb.fn.countAll<number>().as('count'))
        : matching(context, filter).select((eb) => eb.fn.countAll<number>().as('count'));
      return (await counted.executeTakeFirstOrThrow()).count;
    },
    openFor: async (entities, since, exercise) => {
      if (entities.length === 0) return [];
      const shared = context.db
        .selectFrom('incident_entities')
        .select('id')
        .where((eb) =>
          eb.or(
            entities
              .slice(0, LIMITS.entitiesMax)
              .map(({ type, value }) => eb.and([eb('type', '=', key(type)), eb('value', '=', key(value))])),
          ),
        );
      const rows = await context.db
        .selectFrom('incidents')
        .select('doc')
        .where('id', 'in', shared)
        .where('state', '=', 'open')
        .where('last_event', '>=', ms(since))
        .where('exercise', '=', flag(exercise))
        .orderBy('opened', 'desc')
        .orderBy('id', 'desc')
        .limit(LIMITS.pageRowsMax)
        .execute();
      return rows.map((row) => read<Incident>(row));
    },
  };
}

const position = (row: { opened: number; id: string }): [number, string] => [row.opened, row.id];

function matching(context: StoreContext, filter: IncidentFilter) {
  return context.db.selectFrom('incidents').where(conditions(filter));
}

function about(context: StoreContext, filter: IncidentFilter, entity: { type: string; value: string }) {
  return context.db
    .selectFrom('incident_entities')
    .innerJoin('incidents', 'incidents.id', 'incident_entities.id')
    .where('incident_entities.type', '=', key(entity.type))
    .where('incident_entities.value', '=', key(entity.value))
    .where(conditions(filter));
}

function conditions(filter: IncidentFilter) {
  const eb = expressionBuilder<Tables, 'incidents'>();
  const all: Expression<SqlBool>[] = [];
  if (filter.state !== undefined) all.push(eb('incidents.state', '=', filter.state));
  if (filter.assignee !== undefined) all.push(eb('incidents.assignee', '=', key(filter.assignee)));
  if (filter.exercise !== undefined) all.push(eb('incidents.exercise', '=', flag(filter.exercise)));
  if (filter.text) all.push(sql<boolean>`incidents.search like ${containing(filter.text)} escape '!'`);
  return eb.and(all);
}

async function writeEntities(context: StoreContext, incident: Incident): Promise<void> {
  const rows = new Map<string, { type: string; value: string; opened: number; id: string }>();
  for (const { type, value } of incident.entities) {
    rows.set(`${type}:${key(value)}`, { type, value: key(value), opened: ms(incident.opened), id: incident.id });
  }
  for (const portion of inPortions([...rows.values()])) {
    await context.db.insertInto('incident_entities').values(portion).execute();
  }
}

function rowOf(incident: Incident): IncidentRow {
  return {
    id: incident.id,
    version: incident.version,
    state: incident.state,
    assignee: incident.assignee ?? null,
    opened: ms(incident.opened),
    last_event: ms(incident.last_event),
    exercise: flag(incident.exercise),
    search: searchable(
      incident.title,
      incident.assignee_name,
      ...incident.tactics,
      ...incident.entities.map((entity) => entity.value),
    ),
    doc: JSON.stringify(incident),
  };
}
