/** What the routes of this part share: ports, keys, counters and the address under which browsers see us. */

import type { Clock, Config, Person, Store } from '../core/index.ts';
import { AsepsisError, newId, rfc3339 } from '../core/index.ts';
import type { Flows } from './api-flow.ts';
import type { PasswordHasher } from './api-password.ts';
import type { Seal } from './api-seal.ts';
import type { Random } from './api-secrets.ts';
import type { Throttle } from './api-throttle.ts';

export interface Api {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly seal: Seal;
  readonly passwords: PasswordHasher;
  readonly throttle: Throttle;
  readonly flows: Flows;
  /** The cookie is `__Host-` and `Secure`; true on TLS, here or at the proxy before us. */
  readonly secure: boolean;
  /** Known only after listening when the port is ephemeral. */
  readonly origin: () => string;
  /** Host names besides loopback that requests may name. */
  readonly names: ReadonlySet<string>;
}

export const now = (api: Pick<Api, 'clock'>) => rfc3339(api.clock.now());

export function makeId<T extends Parameters<typeof newId>[0]>(api: Pick<Api, 'clock' | 'random'>, kind: T) {
  return newId<never>(kind, api.clock.now(), api.random(10));
}

/** A person that is there and enabled, or 401: what was theirs ends at once. */
export function enabled(person: Person | null): Person {
  if (person === null || person.disabled) throw new AsepsisError('UNAUTHENTICATED', 'This account is not enabled.');
  return person;
}

/** One after the other in this process: changes that must see each other's result (the last administrator). */
export function createQueue(): <T>(work: () => Promise<T>) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = tail.then(work);
    tail = result.catch(() => undefined);
    return result;
  };
}
