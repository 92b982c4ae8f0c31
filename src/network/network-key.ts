/** The key of this installation, with which values are hashed that are never kept. */

import { randomBytes } from 'node:crypto';
import { AsepsisError, type Store } from '../core/index.ts';

const KEY_NAME = 'network.hash-key';

/** The installation's key, made once; without a store a key that nobody will know again. */
export async function hashKey(store: Store | null): Promise<Uint8Array> {
  if (store === null) return randomBytes(32);
  const known = await store.values.get(KEY_NAME);
  if (known !== null) return Buffer.from(known, 'base64');
  const fresh = randomBytes(32);
  if (await store.values.compareAndSet(KEY_NAME, null, fresh.toString('base64'))) return fresh;
  const theirs = await store.values.get(KEY_NAME);
  if (theirs === null) throw new AsepsisError('STORE_UNAVAILABLE', 'The key of the network room cannot be kept.');
  return Buffer.from(theirs, 'base64');
}
