/** Invitations: one-time links with which a person makes an account, or gets back into one after losing a factor. */

import type { Clock, Person, PersonId, Role, Store } from '../core/index.ts';
import { rfc3339 } from '../core/index.ts';
import { newSecret, type Random, secretHash } from './api-secrets.ts';

const LIFE_MS = 7 * 24 * 3600 * 1000;

interface InvitationOrder {
  readonly role: Role;
  /** Person id or name of whoever invites; `system` for the first administrator. */
  readonly createdBy: string;
  readonly username?: string;
  /** Invites a person who is already there to set password and factors anew. */
  readonly reset?: PersonId;
}

/**
 * Makes an invitation; the link's path is `/enrol/<token>`.
 *
 * A reset carries the person's id where a new account's invitation carries the wished name: ids hold an underscore,
 * which names may not, so that an invitation for a new name can never take over somebody's account.
 */
export async function createInvitation(
  store: Store,
  clock: Clock,
  random: Random,
  order: InvitationOrder,
): Promise<{ token: string; expires: string }> {
  const token = newSecret(random);
  const expires = rfc3339(clock.now() + LIFE_MS);
  await store.people.insertInvitation({
    token_hash: secretHash(token),
    role: order.role,
    username: order.reset ?? order.username ?? null,
    created_by: order.createdBy,
    created: rfc3339(clock.now()),
    expires,
    used: false,
  });
  return { token, expires };
}

export type OpenInvitation =
  | { kind: 'new'; hash: string; role: Role; username: string | null; expires: string }
  | { kind: 'reset'; hash: string; role: Role; username: string; expires: string; person: Person };

/** The invitation behind a link while it can be used; null for an unknown, used or old one, all alike. */
export async function openInvitation(store: Store, clock: Clock, token: string): Promise<OpenInvitation | null> {
  if (token.length !== 43) return null;
  const hash = secretHash(token);
  const found = await store.people.invitation(hash);
  if (found === null || found.used || clock.now() >= Date.parse(found.expires)) return null;
  const { role, expires, username } = found;
  if (username === null || !username.startsWith('per_')) return { kind: 'new', hash, role, username, expires };
  const person = await store.people.get(username as PersonId);
  if (person === null || person.disabled) return null;
  return { kind: 'reset', hash, role: person.role, username: person.username, expires, person };
}
