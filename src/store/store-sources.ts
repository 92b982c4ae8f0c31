/** Sources in the database: who sends evidence, how much of it, and what of it was not understood. */

import {
  contentId,
  type Rfc3339,
  type Source,
  type SourceCount,
  type SourceId,
  type SourceStore,
} from '../core/index.ts';
import { atomic, digest, flag, folded, inPortions, ms, read, readOrNull, type StoreContext } from './store-context.ts';

/** Formats and faults kept of one source: both come from outside. */
const FORMATS_MAX = 64;
const FAULTS_MAX = 32;
const SILENCE_SEC_DEFAULT = 3600;

export function sourceStore(context: StoreContext): SourceStore {
  const get = async (inside: StoreContext, id: string) =>
    readOrNull<Source>(await inside.db.selectFrom('sources').select('doc').where('id', '=', id).executeTakeFirst());
  return {
    ensure: async (wanted, at) => {
      // A person may rename the source; what it was first called stays the way to it.
      const bytes = digest(wanted.kind, wanted.name, wanted.exercise ? 'exercise' : '');
      const identity = Buffer.from(bytes).toString('hex');
      const known = await byIdentity(context, identity);
      if (known) return known;
      const source = newSource(contentId<SourceId>('source', bytes), wanted, at);
      await context.db
        .insertInto('sources')
        .values({ ...rowOf(source), identity })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return (await byIdentity(context, identity)) ?? source;
    },
    count: (changes) =>
      atomic(context, async (inside) => {
        const byId = Map.groupBy(changes, (change) => change.id as string);
        for (const ids of inPortions([...byId.keys()])) {
          // Locked in the order of their ids, so that two processes that count do not wait for each other.
          const rows = await inside.db
            .selectFrom('sources')
            .select(['id', 'doc'])
            .where('id', 'in', ids)
            .orderBy('id')
            .$if(inside.kind === 'postgres', (query) => query.forUpdate())
            .execute();
          for (const row of rows) {
            const counted = (byId.get(row.id) ?? []).reduce(counting, read<Source>(row));
            await inside.db
              .updateTable('sources')
              .set({ doc: JSON.stringify(counted) })
              .where('id', '=', row.id)
              .execute();
          }
        }
      }),
    configure: (id, change) =>
      atomic(context, async (inside) => {
        const row = await inside.db
          .selectFrom('sources')
          .select('doc')
          .where('id', '=', id)
          .$if(inside.kind === 'postgres', (query) => query.forUpdate())
          .executeTakeFirst();
        if (!row) return null;
        const { zone, expected_silence_sec, critical, name } = change;
        const given = Object.fromEntries(
          Object.entries({ expected_silence_sec, critical, name }).filter(([, value]) => value !== undefined),
        );
        // A zone may be taken away again: `zone` is there and undefined.
        const next: Source = { ...read<Source>(row), ...given, ...('zone' in change ? { zone: zone as string } : {}) };
        await inside.db.updateTable('sources').set(rowOf(next)).where('id', '=', id).execute();
        return get(inside, id);
      }),
    get: (id) => get(context, id),
    list: async (filter) => {
      let query = context.db.selectFrom('sources').select('doc').orderBy('name_key').orderBy('id');
      if (filter.exercise !== undefined) query = query.where('exercise', '=', flag(filter.exercise));
      return (await query.execute()).map((row) => read<Source>(row));
    },
  };
}

async function byIdentity(context: StoreContext, identity: string): Promise<Source | null> {
  const row = await context.db.selectFrom('sources').select('doc').where('identity', '=', identity).executeTakeFirst();
  return readOrNull<Source>(row);
}

function newSource(id: SourceId, wanted: Pick<Source, 'name' | 'kind'> & Partial<Source>, at: Rfc3339): Source {
  return {
    id,
    expected_silence_sec: SILENCE_SEC_DEFAULT,
    critical: false,
    first_seen: at,
    last_seen: null,
    events: 0,
    bytes: 0,
    not_understood: 0,
    dropped: 0,
    formats: {},
    faults: [],
    exercise: false,
    ...wanted,
  };
}

function rowOf(source: Source) {
  return {
    id: source.id,
    name_key: folded(source.name),
    exercise: flag(source.exercise),
    doc: JSON.stringify(source),
  };
}

function counting(source: Source, change: SourceCount): Source {
  return {
    ...source,
    events: source.events + change.events,
    bytes: source.bytes + change.bytes,
    not_understood: source.not_understood + change.notUnderstood,
    dropped: source.dropped + change.dropped,
    last_seen: later(source.last_seen, change.lastSeen),
    formats: addFormats(source.formats, change.formats),
    faults: addFaults(source.faults, change.faults),
  };
}

function later(a: Rfc3339 | null, b: Rfc3339 | null): Rfc3339 | null {
  if (a === null || b === null) return a ?? b;
  return ms(b) > ms(a) ? b : a;
}

function addFormats(known: Source['formats'], more: Source['formats']): Source['formats'] {
  const sums = new Map(Object.entries(known));
  for (const [format, count] of Object.entries(more)) {
    const name = sums.has(format) || sums.size < FORMATS_MAX - 1 ? format : 'other';
    sums.set(name, (sums.get(name) ?? 0) + count);
  }
  return Object.fromEntries(sums);
}

/** The newest faults first; the one that did not happen for longest is dropped. */
function addFaults(known: Source['faults'], more: SourceCount['faults']): Source['faults'] {
  const sums = new Map(known.map((fault) => [fault.what, fault]));
  for (const { what, count, last } of more) {
    const before = sums.get(what);
    sums.set(what, { what, count: count + (before?.count ?? 0), last: later(before?.last ?? null, last) ?? last });
  }
  return [...sums.values()].sort((a, b) => ms(b.last) - ms(a.last)).slice(0, FAULTS_MAX);
}
