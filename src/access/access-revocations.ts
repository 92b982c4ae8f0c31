/** Ends gateway sessions of accounts that a response revoked. Responses leave a document each; which were seen is kept. */

import type { RoomServices } from '../core/index.ts';
import type { HeldGateway } from './access-gateway.ts';
import { canonicalName } from './gateway/index.ts';

/** Documents `{ account, at, by, response }`, in the order of their time in milliseconds. */
const COLLECTION = 'access-revocations';
const SEEN_KEY = 'access.revocations-seen';
const EVERY_MS = 500;
const PER_PAGE = 200;
/** Looked back so far: documents come a little out of order, several in one millisecond, or from a machine whose clock is behind. */
const BACK_MS = 120_000;

/** The latest time, and the documents since shortly before it, which are not new. */
interface Seen {
  readonly latestMs: number;
  readonly ids: readonly string[];
}

/** One turn; answers how many sessions ended. */
export async function endRevoked(
  { store }: Pick<RoomServices, 'store'>,
  gateway: { readonly sessions: { endAll(account: string): number } },
): Promise<number> {
  const kept = await store.values.get(SEEN_KEY);
  const seen: Seen = kept === null ? { latestMs: -1, ids: [] } : (JSON.parse(kept) as Seen);
  const known = new Set(seen.ids);
  const recent: { id: string; order: number }[] = [];
  let ended = 0;
  let fresh = 0;
  let after: string | null = null;
  do {
    const page = await store.records.list(
      COLLECTION,
      { from: Math.max(0, seen.latestMs - BACK_MS) },
      after === null ? { limit: PER_PAGE } : { limit: PER_PAGE, after },
      false,
    );
    for (const { id, order, doc } of page.items) {
      recent.push({ id, order });
      if (known.has(id)) continue;
      fresh++;
      const { account } = doc as { account?: unknown };
      const name = typeof account === 'string' ? canonicalName(account) : null;
      if (name !== null) ended += gateway.sessions.endAll(name);
    }
    after = page.next;
  } while (after !== null);
  if (fresh > 0) {
    const latestMs = Math.max(seen.latestMs, ...recent.map((one) => one.order));
    const ids = recent.filter((one) => one.order >= latestMs - BACK_MS).map((one) => one.id);
    await store.values.set(SEEN_KEY, JSON.stringify({ latestMs, ids }));
  }
  return ended;
}

export function followRevocations(services: RoomServices, held: HeldGateway): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    const gateway = held.current?.gateway;
    if (gateway === undefined) return;
    running = running
      .then(() => endRevoked(services, gateway))
      .catch((error: unknown) =>
        services.log.warn({ error: String(error) }, 'revoked sessions could not be ended; it is tried again'),
      );
  }, EVERY_MS);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
