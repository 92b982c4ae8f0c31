/** Findings in the database: what rooms see becomes weaknesses with a life, found again by their identity. */

import { sql } from 'kysely';
import {
  AsepsisError,
  type Finding,
  type FindingAction,
  type FindingFilter,
  type FindingStore,
  type Page,
  type PageRequest,
  rfc3339,
  SEVERITIES,
  type Severity,
  severityRank,
} from '../core/index.ts';
import {
  atomic,
  containing,
  filterColumn,
  flag,
  inPortions,
  key,
  lock,
  ms,
  read,
  readOrNull,
  type StoreContext,
  searchable,
} from './store-context.ts';
import { accepted, born, findingId, fixed, openAgain, seenAgain } from './store-findings-life.ts';
import { type Order, pageLimit, readPage } from './store-page.ts';
import type { FindingRow } from './store-tables.ts';

const ORDER: Order = {
  list: 'findings',
  direction: 'desc',
  columns: [
    { ref: 'rank', type: 'number' },
    { ref: 'first_seen', type: 'number' },
    { ref: 'id', type: 'string' },
  ],
};
const rankOf = (severity: Severity): number => SEVERITIES.length - 1 - severityRank(severity);
const severityOf = (rank: number): Severity => SEVERITIES[SEVERITIES.length - 1 - rank] ?? 'information';

export function findingStore(context: StoreContext): FindingStore {
  return {
    observe: (observations, at, whole = false) =>
      changing(context, async (inside) => {
        const now = new Map<string, Finding>();
        const ids = observations.map(findingId);
        for (const finding of await byIds(inside, [...new Set(ids)])) now.set(finding.id, finding);
        observations.forEach((seen, i) => {
          const known = now.get(ids[i] as string);
          const finding = known ? seenAgain(known, seen, at, whole) : born(seen, at);
          now.set(finding.id, finding);
        });
        await write(inside, [...now.values()]);
        return ids.map((id) => now.get(id) as Finding);
      }),
    fix: (id, proof, at) => changeOne(context, id, (finding) => fixed(finding, proof, at)),
    fixMissing: (scope, proof, at) =>
      changing(context, async (inside) => {
        if (scope.kinds.length === 0) return [];
        const rows = await inside.db
          .selectFrom('findings')
          .select(['id', 'doc'])
          .where('asset_name', '=', key(scope.assetName))
          .where('room', '=', scope.room)
          .where('kind', 'in', scope.kinds)
          .where('state', '!=', 'fixed')
          .where('exercise', '=', flag(scope.exercise ?? false))
          .execute();
        const seen = new Set<string>(scope.seen);
        const gone = rows.filter((row) => !seen.has(row.id)).map((row) => fixed(read<Finding>(row), proof, at));
        await write(inside, gone);
        return gone;
      }),
    accept: (id, by, at) =>
      changeOne(context, id, (finding) => {
        if (ms(by.until) <= ms(at)) throw new AsepsisError('BAD_REQUEST', 'until lies in the future.');
        if (finding.state === 'fixed') throw new AsepsisError('CONFLICT', 'The finding is fixed already.');
        return accepted(finding, by, at);
      }),
    reopen: (id) => changeOne(context, id, openAgain),
    expireAccepted: (at) =>
      changing(context, async (inside) => {
        const rows = await inside.db
          .selectFrom('findings')
          .select('doc')
          .where('accepted_until', '<=', ms(at))
          .where('state', '=', 'accepted')
          .execute();
        const over = rows.map((row) => openAgain(read<Finding>(row)));
        await write(inside, over);
        return over;
      }),
    get: async (id) =>
      readOrNull<Finding>(
        await context.db.selectFrom('findings').select('doc').where('id', '=', id).executeTakeFirst(),
      ),
    list: (filter, page) => list(context, filter, page),
    actions: async (filter, limit) => actions(context, filter, pageLimit(limit)),
    count: async (filter) => {
      const row = await filtered(context, filter)
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    },
  };
}

const position = (row: Pick<FindingRow, 'rank' | 'first_seen' | 'id'>) => [row.rank, row.first_seen, row.id] as const;

async function list(context: StoreContext, filter: FindingFilter, page: PageRequest): Promise<Page<Finding>> {
  const rows = filtered(context, filter).select(['rank', 'first_seen', 'id']);
  if (!filter.text) {
    return readPage(rows.select('doc'), { order: ORDER, page, position, item: (row) => read<Finding>(row) });
  }
  // Only the ids, which the index alone answers; then the records that were found.
  const found = await readPage(rows, { order: ORDER, page, position, item: (row) => row.id });
  const byId = new Map((await byIds(context, found.items)).map((finding) => [finding.id as string, finding]));
  return { items: found.items.flatMap((id) => byId.get(id) ?? []), next: found.next };
}

/** One change of findings at a time: two rounds that see the same weakness at once must meet. */
function changing<T>(context: StoreContext, work: (inside: StoreContext) => Promise<T>): Promise<T> {
  return atomic(context, async (inside) => {
    await lock(inside, 'findings');
    return work(inside);
  });
}

function changeOne(context: StoreContext, id: string, change: (finding: Finding) => Finding): Promise<Finding | null> {
  return changing(context, async (inside) => {
    const [known] = await byIds(inside, [id]);
    if (!known) return null;
    const next = change(known);
    if (next !== known) await write(inside, [next]);
    return next;
  });
}

async function byIds(context: StoreContext, ids: readonly string[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const portion of inPortions(ids)) {
    const rows = await context.db.selectFrom('findings').select('doc').where('id', 'in', portion).execute();
    for (const row of rows) found.push(read<Finding>(row));
  }
  return found;
}

async function write(context: StoreContext, findings: readonly Finding[]): Promise<void> {
  for (const portion of inPortions(findings)) {
    await context.db
      .insertInto('findings')
      .values(portion.map(rowOf))
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((eb) => ({
          state: eb.ref('excluded.state'),
          rank: eb.ref('excluded.rank'),
          asset_id: eb.ref('excluded.asset_id'),
          fix_title: eb.ref('excluded.fix_title'),
          disrupts: eb.ref('excluded.disrupts'),
          first_seen: eb.ref('excluded.first_seen'),
          due: eb.ref('excluded.due'),
          accepted_until: eb.ref('excluded.accepted_until'),
          search: eb.ref('excluded.search'),
          doc: eb.ref('excluded.doc'),
        })),
      )
      .execute();
  }
}

function rowOf(finding: Finding): FindingRow {
  return {
    id: finding.id,
    room: finding.room,
    kind: key(finding.kind),
    state: finding.state,
    rank: rankOf(finding.severity),
    asset_id: finding.asset.id ?? null,
    asset_name: key(finding.asset.name),
    fix_title: key(finding.fix.title),
    disrupts: flag(finding.fix.disrupts),
    first_seen: ms(finding.first_seen),
    due: finding.due === null ? null : ms(finding.due),
    accepted_until: finding.accepted ? ms(finding.accepted.until) : null,
    exercise: flag(finding.exercise),
    search: searchable(finding.title, finding.asset.name, finding.kind, finding.key, finding.fix.title, finding.detail),
    doc: JSON.stringify(finding),
  };
}

function filtered(context: StoreContext, filter: FindingFilter) {
  let query = context.db.selectFrom('findings');
  const column = (name: string) => filterColumn(context, name, filter.text);
  if (filter.room !== undefined) query = query.where(column('room'), '=', filter.room);
  if (filter.kind !== undefined) query = query.where(column('kind'), '=', key(filter.kind));
  if (filter.state !== undefined) query = query.where(column('state'), '=', filter.state);
  if (filter.severity !== undefined) query = query.where('rank', '=', rankOf(filter.severity));
  if (filter.asset !== undefined) query = query.where('asset_id', '=', key(filter.asset));
  if (filter.fix !== undefined) query = query.where('fix_title', '=', key(filter.fix));
  if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
  if (filter.dueBefore !== undefined) query = query.where('due', '<', ms(filter.dueBefore));
  if (filter.acceptedUntilBefore !== undefined)
    query = query.where('accepted_until', '<', ms(filter.acceptedUntilBefore));
  if (filter.text) query = query.where(sql<boolean>`search like ${containing(filter.text)} escape '!'`);
  return query;
}

async function actions(context: StoreContext, filter: FindingFilter, limit: number): Promise<readonly FindingAction[]> {
  const groups = await filtered(context, { ...filter, state: 'open' })
    .select((eb) => [
      'room',
      'fix_title',
      eb.fn.countAll<number>().as('findings'),
      eb.fn.count<number>('asset_name').distinct().as('assets'),
      eb.fn.max<number>('rank').as('worst'),
      eb.fn.min<number | null>('due').as('due'),
      eb.fn.max<number>('disrupts').as('disrupts'),
      eb.fn.min<string>('id').as('example'),
    ])
    .groupBy(['room', 'fix_title'])
    .orderBy('worst', 'desc')
    .orderBy('findings', 'desc')
    .orderBy('fix_title')
    .orderBy('room')
    .limit(limit)
    .execute();
  const examples = await byIds(
    context,
    groups.map((group) => group.example),
  );
  const fixes = new Map(examples.map((finding) => [finding.id as string, finding.fix]));
  return groups.map((group) => ({
    room: group.room as FindingAction['room'],
    title: fixes.get(group.example)?.title ?? group.fix_title,
    how: fixes.get(group.example)?.how ?? '',
    effort: fixes.get(group.example)?.effort ?? 'unknown',
    disrupts: group.disrupts === 1,
    findings: group.findings,
    assets: group.assets,
    worst: severityOf(group.worst),
    due: group.due === null ? null : rfc3339(group.due),
  }));
}
