/** Bouncers: programs elsewhere that ask for our decisions, each with a key of its own of which only the hash is kept. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { AsepsisError, type Clock, rfc3339, type Store, TimeSchema } from '../../core/index.ts';

const BOUNCERS = 'detection-bouncers';
const PREFIX = 'abn_';
const TAG_CHARS = 12;
export const BOUNCERS_MAX = 500;

export const BouncerSchema = Type.Object({
  id: Type.String({ maxLength: 64 }),
  name: Type.String({ maxLength: 64 }),
  created: TimeSchema,
  created_by: Type.String({ maxLength: 256 }),
  last_pull: Type.Optional(TimeSchema),
  pulls: Type.Integer({ minimum: 0 }),
  address: Type.Optional(Type.String({ maxLength: 64 })),
  version: Type.Optional(Type.String({ maxLength: 128, description: 'Its User-Agent' })),
  dropped_packets: Type.Integer({ minimum: 0, description: 'As it reported itself (usage metrics)' }),
  dropped_bytes: Type.Integer({ minimum: 0 }),
});
export type Bouncer = Static<typeof BouncerSchema>;

interface Doc {
  readonly bouncer: Bouncer;
  readonly key_hash: string;
  /** The newest change of a response that it was told of. */
  readonly seen: number | null;
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

export async function addBouncer(
  store: Store,
  clock: Clock,
  random: (n: number) => Uint8Array,
  o: { name: string; by: string },
): Promise<{ bouncer: Bouncer; key: string }> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(o.name))
    throw new AsepsisError('BAD_REQUEST', 'A bouncer’s name has letters, digits, dots and hyphens.');
  if ((await store.records.count(BOUNCERS)) >= BOUNCERS_MAX)
    throw new AsepsisError('RESPONSE_REFUSED', `There are ${BOUNCERS_MAX} bouncers already.`);
  const key = PREFIX + Buffer.from(random(32)).toString('base64url');
  const hash = hashOf(key);
  const bouncer: Bouncer = {
    id: o.name.toLowerCase(),
    name: o.name,
    created: rfc3339(clock.now()),
    created_by: o.by,
    pulls: 0,
    dropped_packets: 0,
    dropped_bytes: 0,
  };
  const doc: Doc = { bouncer, key_hash: hash, seen: null };
  const row = { id: bouncer.id, order: clock.now(), tag: hash.slice(0, TAG_CHARS), search: o.name, doc };
  if (!(await store.records.insert(BOUNCERS, row)))
    throw new AsepsisError('CONFLICT', `There is a bouncer ${o.name} already.`);
  return { bouncer, key };
}

export async function listBouncers(store: Store): Promise<Bouncer[]> {
  const { items } = await store.records.list(BOUNCERS, {}, { limit: BOUNCERS_MAX });
  return items.map((record) => (record.doc as Doc).bouncer);
}

export const removeBouncer = async (store: Store, id: string): Promise<boolean> =>
  (await store.records.delete(BOUNCERS, [id.toLowerCase()])) > 0;

export interface KnownBouncer {
  readonly bouncer: Bouncer;
  readonly seen: number | null;
  /** Notes what it did; the newest note counts. */
  note(change: Partial<Bouncer>, seen?: number | null): Promise<void>;
}

/** Found by a part of the hash, compared whole in constant time. Null for a key of nobody. */
export async function bouncerOf(store: Store, key: string): Promise<KnownBouncer | null> {
  if (key.length < 16 || key.length > 256) return null;
  const hash = hashOf(key);
  const { items } = await store.records.list(BOUNCERS, { tag: hash.slice(0, TAG_CHARS) }, { limit: 8 });
  const record = items.find(({ doc }) =>
    timingSafeEqual(Buffer.from((doc as Doc).key_hash, 'hex'), Buffer.from(hash, 'hex')),
  );
  if (record === undefined) return null;
  const doc = record.doc as Doc;
  return {
    bouncer: doc.bouncer,
    seen: doc.seen,
    note: async (change, seen) => {
      const current = await store.records.get(BOUNCERS, record.id);
      if (current === null) return;
      const before = current.doc as Doc;
      const next: Doc = {
        ...before,
        bouncer: { ...before.bouncer, ...change },
        seen: seen === undefined ? before.seen : seen,
      };
      await store.records.replace(
        BOUNCERS,
        { id: record.id, order: record.order, tag: record.tag, search: before.bouncer.name, doc: next },
        current.version,
      );
    },
  };
}

/** What a bouncer says it dropped, from a CrowdSec `AllMetrics` document; numbers that are none count as nothing. */
export function droppedIn(body: unknown): { packets: number; bytes: number } {
  let packets = 0;
  let bytes = 0;
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value.slice(0, 1000) : []);
  const of = (value: unknown, key: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  for (const component of list(of(body, 'remediation_components')))
    for (const metrics of list(of(component, 'metrics')))
      for (const item of list(of(metrics, 'items'))) {
        const value = of(item, 'value');
        if (of(item, 'name') !== 'dropped' || typeof value !== 'number' || !(value >= 0) || value > 1e15) continue;
        if (of(item, 'unit') === 'packet') packets += Math.round(value);
        if (of(item, 'unit') === 'byte') bytes += Math.round(value);
      }
  return { packets, bytes };
}
