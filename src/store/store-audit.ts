/** The audit log in the database: a chain of hashes to which entries are only ever added, one at a time. */

import { createHash, randomBytes } from 'node:crypto';
import { type AuditEntry, type AuditId, type AuditStore, LIMITS, newId } from '../core/index.ts';
import { atomic, key, lock, ms, read, type StoreContext } from './store-context.ts';
import { type Order, readPage } from './store-page.ts';

const ORDER: Order = { list: 'audit', direction: 'desc', columns: [{ ref: 'seq', type: 'number' }] };
const FIRST_PREVIOUS = '0'.repeat(64);
const VERIFY_ROWS = 1000;

type Draft = Omit<AuditEntry, 'id' | 'seq' | 'previous' | 'hash'>;

export function auditStore(context: StoreContext): AuditStore {
  return {
    append: (draft) =>
      atomic(context, async (inside) => {
        await lock(inside, 'audit');
        const head = await readHead(inside);
        const id = newId<AuditId>('audit', inside.clock.now(), randomBytes(10));
        const entry = chained({ ...bounded(draft), id, seq: head.seq + 1, previous: head.hash });
        await inside.db.insertInto('audit').values(rowOf(entry)).execute();
        await inside.db.updateTable('audit_head').set({ seq: entry.seq, hash: entry.hash }).execute();
        return entry;
      }),
    list: async (filter, page) => {
      let query = context.db.selectFrom('audit').select(['seq', 'doc']);
      if (filter.actor !== undefined) query = query.where('actor', '=', key(filter.actor));
      if (filter.action !== undefined) query = query.where('action', '=', key(filter.action));
      if (filter.since !== undefined) query = query.where('at', '>=', ms(filter.since));
      return readPage(query, {
        order: ORDER,
        page,
        position: (row) => [row.seq],
        item: (row) => read<AuditEntry>(row),
      });
    },
    verify: () => verify(context),
  };
}

type Verdict = Awaited<ReturnType<AuditStore['verify']>>;

/**
 * Reads the chain in pages while others may go on appending: the head is read before, so that what it names must be
 * there, and after, so that nothing may be there that it does not name.
 */
async function verify(context: StoreContext): Promise<Verdict> {
  const before = await readHead(context);
  let last = { seq: 0, hash: FIRST_PREVIOUS };
  let from = Number.MIN_SAFE_INTEGER;
  const bad = (firstBad: number, reason: string): Verdict => ({ ok: false, entries: last.seq, firstBad, reason });
  for (;;) {
    const rows = await context.db
      .selectFrom('audit')
      .selectAll()
      .where('seq', '>', from)
      .orderBy('seq')
      .limit(VERIFY_ROWS)
      .execute();
    for (const row of rows) {
      const reason = misfit(row, last);
      if (reason !== null) return bad(last.seq + 1, reason);
      last = { seq: row.seq, hash: read<AuditEntry>(row).hash };
      if (last.seq === before.seq && last.hash !== before.hash) {
        return bad(last.seq, 'The entry is not the one that the recorded head names.');
      }
    }
    if (rows.length < VERIFY_ROWS) break;
    from = last.seq;
  }
  if (last.seq < before.seq) {
    return bad(last.seq + 1, `The recorded head is entry ${before.seq}: entries at the end were removed.`);
  }
  const after = await readHead(context);
  if (after.seq < last.seq) return bad(after.seq + 1, `The recorded head is entry ${after.seq}: entries were added.`);
  return { ok: true, entries: last.seq, firstBad: null, reason: null };
}

type Row = ReturnType<typeof rowOf>;

/** Why the row does not follow the entry before it; null when it does. */
function misfit(row: Row, last: { seq: number; hash: string }): string | null {
  if (row.seq !== last.seq + 1) return 'The entry was removed.';
  try {
    const entry = read<AuditEntry>(row);
    if (entry.seq !== row.seq) return `The entry is numbered ${entry.seq}: entries were put into another order.`;
    if (chained(entry).hash !== entry.hash) return 'The entry was changed after it was written.';
    if (entry.previous !== last.hash) return 'The entry does not follow the one before it.';
    const { at, actor, action } = rowOf(entry);
    if (at !== row.at || actor !== row.actor || action !== row.action) return 'The columns of the entry were changed.';
    return null;
  } catch {
    return 'The entry cannot be read.';
  }
}

async function readHead(context: StoreContext): Promise<{ seq: number; hash: string }> {
  const head = await context.db.selectFrom('audit_head').select(['seq', 'hash']).executeTakeFirst();
  // Without its row the head reads as "nothing was ever written", and every entry is one that it does not name.
  return head ?? { seq: 0, hash: FIRST_PREVIOUS };
}

/** The entry with its hash: SHA-256 over the previous hash and the rest of the entry as canonical JSON. */
function chained(entry: Omit<AuditEntry, 'hash'> & { hash?: string }): AuditEntry {
  const { previous, hash: _hash, ...rest } = entry;
  const hash = createHash('sha256').update(previous).update(canonicalJson(rest)).digest('hex');
  return { ...rest, previous, hash };
}

/** JSON with the names sorted and nothing between, as RFC 8785 has it for flat objects of strings and integers. */
function canonicalJson(record: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(record).filter((name) => record[name] !== undefined);
  return JSON.stringify(Object.fromEntries(names.sort().map((name) => [name, record[name]])));
}

function bounded(draft: Draft): Draft {
  const cut = (text: string | undefined, chars: number) => text?.slice(0, chars);
  const { at, actor, address, action, target, outcome, detail } = draft;
  return {
    at,
    actor: actor.slice(0, LIMITS.nameCharsMax),
    action,
    outcome,
    ...(address === undefined ? {} : { address: cut(address, 64) }),
    ...(target === undefined ? {} : { target: cut(target, LIMITS.nameCharsMax) }),
    ...(detail === undefined ? {} : { detail: cut(detail, LIMITS.textCharsMax) }),
  };
}

function rowOf(entry: AuditEntry) {
  return {
    seq: entry.seq,
    at: ms(entry.at),
    actor: key(entry.actor),
    action: key(entry.action),
    doc: JSON.stringify(entry),
  };
}
