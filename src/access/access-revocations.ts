/** Ends gateway sessions of accounts that a response revoked. Responses leave a document each; the last one seen is kept. */

import type { RoomServices } from '../core/index.ts';
import type { HeldGateway } from './access-gateway.ts';
import { canonicalName } from './gateway/index.ts';

/** Documents `{ account, at, by, response }`, in the order of their time in milliseconds. */
const COLLECTION = 'access-revocations';
const SEEN_KEY = 'access.revocations-seen-ms';
const EVERY_MS = 500;
const PER_TURN = 200;

/** One turn; answers how many sessions ended. */
export async function endRevoked(
  { store }: Pick<RoomServices, 'store'>,
  gateway: { readonly sessions: { endAll(account: string): number } },
): Promise<number> {
  const seen = Number((await store.values.get(SEEN_KEY)) ?? -1);
  const { items } = await store.records.list(COLLECTION, { from: seen + 1 }, { limit: PER_TURN }, false);
  let ended = 0;
  for (const { doc } of items) {
    const { account } = doc as { account?: unknown };
    const name = typeof account === 'string' ? canonicalName(account) : null;
    if (name !== null) ended += gateway.sessions.endAll(name);
  }
  const last = items.at(-1);
  if (last !== undefined) await store.values.set(SEEN_KEY, String(last.order));
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
