/** Passkeys (WebAuthn Level 3) as the second factor; the ceremony's rules are in @simplewebauthn/server. */

import { isIP } from 'node:net';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import type { PasskeyCredential, PersonId } from '../core/index.ts';
import { type Api, now } from './api-context.ts';

export const PASSKEYS_MAX = 10;
/** Ed25519, ES256 and RS256 (COSE numbers): every authenticator in use has one of them. */
const ALGORITHMS = [-8, -7, -257];

/** The relying party: our host name, and the origins whose pages may speak for it. Null for an address (WebAuthn section 5.1.2). */
export function relyingParty(api: Api, request: { headers: { host?: string | undefined } }) {
  const own = new URL(api.origin());
  if (isIP(own.hostname.replace(/^\[|\]$/g, '')) !== 0) return null;
  const host = (request.headers.host ?? '').toLowerCase();
  const asked = host.split(':')[0];
  if (asked !== own.hostname) return null;
  return { id: own.hostname, origins: [own.origin, `${own.protocol}//${host}`] };
}
export type RelyingParty = NonNullable<ReturnType<typeof relyingParty>>;

export async function registrationOptions(
  party: RelyingParty,
  person: { id: PersonId; username: string; displayName: string },
  known: readonly PasskeyCredential[],
) {
  return generateRegistrationOptions({
    rpName: 'Asepsis',
    rpID: party.id,
    userName: person.username,
    userDisplayName: person.displayName,
    userID: Uint8Array.from(Buffer.from(person.id)),
    attestationType: 'none',
    excludeCredentials: known.map((key) => ({ id: key.id, transports: [...key.transports] })),
    authenticatorSelection: { residentKey: 'discouraged', userVerification: 'preferred' },
    timeout: 120_000,
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

/** The new credential, or null when the answer does not prove possession of it. */
export async function registeredPasskey(
  api: Api,
  party: RelyingParty,
  input: { person: PersonId; name: string; challenge: string; response: object },
): Promise<PasskeyCredential | null> {
  const result = await verifyRegistrationResponse({
    response: input.response as RegistrationResponseJSON,
    expectedChallenge: input.challenge,
    expectedOrigin: party.origins,
    expectedRPID: party.id,
    requireUserVerification: false,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(() => null);
  if (result === null || !result.verified) return null;
  const { credential, credentialBackedUp } = result.registrationInfo;
  return {
    id: credential.id,
    person: input.person,
    name: input.name,
    public_key: credential.publicKey,
    counter: credential.counter,
    transports: (credential.transports ?? []).slice(0, 8).map((word) => String(word).slice(0, 32)),
    backed_up: credentialBackedUp,
    created: now(api),
    last_used: null,
  };
}

export async function signInOptions(party: RelyingParty, keys: readonly PasskeyCredential[]) {
  return generateAuthenticationOptions({
    rpID: party.id,
    allowCredentials: keys.map((key) => ({ id: key.id, transports: [...key.transports] })),
    userVerification: 'preferred',
    timeout: 120_000,
  });
}

export type PasskeyVerdict = { ok: true; id: string } | { ok: false; why: 'wrong' | 'cloned' };

/** Whether the answer to the challenge is from one of the person's own keys; raises the key's counter. */
export async function provenPasskey(
  api: Api,
  party: RelyingParty,
  input: { person: PersonId; challenge: string; response: object },
): Promise<PasskeyVerdict> {
  const response = input.response as AuthenticationResponseJSON;
  const id = String(response.id ?? '');
  const key = id.length > 0 && id.length <= 1400 ? await api.store.people.passkey(id) : null;
  if (key === null || key.person !== input.person) return { ok: false, why: 'wrong' };
  const result = await verifyAuthenticationResponse({
    response,
    expectedChallenge: input.challenge,
    expectedOrigin: party.origins,
    expectedRPID: party.id,
    credential: {
      id: key.id,
      publicKey: Uint8Array.from(key.public_key),
      // Our store decides on the counter, atomically, below.
      counter: 0,
      transports: [...key.transports],
    },
    requireUserVerification: false,
  }).catch(() => null);
  if (result === null || !result.verified) return { ok: false, why: 'wrong' };
  // biome-ignore lint/correctness/useHookAtTopLevel: a method of the store, not a React hook
  const grew = await api.store.people.usePasskey(id, result.authenticationInfo.newCounter, now(api));
  return grew ? { ok: true, id } : { ok: false, why: 'cloned' };
}
