/** Second factors: time-based codes (RFC 6238) and passkeys (WebAuthn Level 3). The store takes each of them once. */

import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { Secret, TOTP } from 'otpauth';
import type { Accounts, Passkey } from './gateway-accounts.ts';
import { modelAllowed } from './gateway-attestation.ts';
import type { GatewayConfig } from './gateway-schema.ts';

const STEP_SEC = 30;
/** One step to either side of where the person's clock was last seen (RFC 6238 section 6). */
const WINDOW = 1;
/** How far a clock may drift over time before a new enrolment is asked for. */
const DRIFT_MAX = 10;
/** Ed25519, ES256 and RS256 (COSE numbers): every authenticator in use has one of them. */
const ALGORITHMS = [-8, -7, -257];
export const PASSKEYS_MAX = 10;

function totpOf(secret: Uint8Array, label: string, issuer: string): TOTP {
  return new TOTP({
    issuer,
    label,
    secret: new Secret({ buffer: Uint8Array.from(secret).buffer }),
    algorithm: 'SHA1',
    digits: 6,
    period: STEP_SEC,
  });
}

export function newTotp(secret: Uint8Array, label: string, issuer: string): { secret: string; uri: string } {
  const totp = totpOf(secret, label, issuer);
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/** The time step that a code is right for, and the drift of the person's clock in steps; or null. */
export function totpStep(
  secret: Uint8Array,
  code: string,
  nowMs: number,
  drift = 0,
): { step: number; drift: number } | null {
  const digits = code.replaceAll(' ', '');
  if (!/^[0-9]{6}$/.test(digits)) return null;
  const timestamp = nowMs + drift * STEP_SEC * 1000;
  const delta = totpOf(secret, '', '').validate({ token: digits, timestamp, window: WINDOW });
  if (delta === null) return null;
  const step = Math.floor(nowMs / 1000 / STEP_SEC) + drift + delta;
  return { step, drift: Math.max(-DRIFT_MAX, Math.min(DRIFT_MAX, drift + delta)) };
}

export interface Party {
  readonly id: string;
  readonly name: string;
  readonly origin: string;
}

export function registrationOptions(
  party: Party,
  account: { name: string; display: string },
  known: readonly Passkey[],
  config: GatewayConfig,
) {
  return generateRegistrationOptions({
    rpName: party.name,
    rpID: party.id,
    userName: account.name,
    userDisplayName: account.display,
    userID: Uint8Array.from(Buffer.from(account.name)),
    attestationType: config.passkeys.attestation,
    excludeCredentials: known.map((key) => ({ id: key.id, transports: [...key.transports] as never[] })),
    // Discoverable where the device can, so that the key alone says who signs in.
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
    timeout: 120_000,
    supportedAlgorithmIDs: ALGORITHMS,
  });
}

export type Registered = { ok: true; key: Passkey } | { ok: false; why: 'wrong' | 'model' };

/** The new credential, when the answer proves possession and its model may be used. */
export async function registeredPasskey(
  party: Party,
  config: GatewayConfig,
  input: { account: string; name: string; challenge: string; response: object; nowMs: number },
): Promise<Registered> {
  const result = await verifyRegistrationResponse({
    response: input.response as RegistrationResponseJSON,
    expectedChallenge: input.challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: false,
    supportedAlgorithmIDs: ALGORITHMS,
  }).catch(() => null);
  if (result === null || !result.verified) return { ok: false, why: 'wrong' };
  const { credential, credentialBackedUp, aaguid, attestationObject } = result.registrationInfo;
  if (!modelAllowed(config.passkeys, { aaguid, attestationObject }, input.nowMs)) return { ok: false, why: 'model' };
  return {
    ok: true,
    key: {
      id: credential.id,
      account: input.account,
      name: input.name,
      publicKey: credential.publicKey,
      counter: credential.counter,
      transports: (credential.transports ?? []).slice(0, 8).map((word) => String(word).slice(0, 32)),
      aaguid,
      backedUp: credentialBackedUp,
    },
  };
}

export function signInOptions(party: Party, keys: readonly Passkey[], verification: 'required' | 'preferred') {
  return generateAuthenticationOptions({
    rpID: party.id,
    allowCredentials: keys.map((key) => ({ id: key.id, transports: [...key.transports] as never[] })),
    userVerification: verification,
    timeout: 120_000,
  });
}

/** `userVerified`: a PIN or finger was shown to the device, so that it stands for two factors. */
export type Proven = { ok: true; key: Passkey; userVerified: boolean } | { ok: false; why: 'wrong' | 'copied' };

export async function provenPasskey(
  party: Party,
  accounts: Accounts,
  input: { challenge: string; response: object; account: string | null },
): Promise<Proven> {
  const response = input.response as AuthenticationResponseJSON;
  const id = String(response?.id ?? '');
  const key = id.length > 0 && id.length <= 1400 ? accounts.passkey(id) : null;
  if (key === null || (input.account !== null && key.account !== input.account)) return { ok: false, why: 'wrong' };
  const result = await verifyAuthenticationResponse({
    response,
    expectedChallenge: input.challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    // The store decides on the counter, atomically, below.
    credential: {
      id: key.id,
      publicKey: Uint8Array.from(key.publicKey),
      counter: 0,
      transports: [...key.transports] as never[],
    },
    requireUserVerification: false,
  }).catch(() => null);
  if (result === null || !result.verified) return { ok: false, why: 'wrong' };
  // A user handle that names somebody else is a mixed-up device (WebAuthn section 7.2, step 6).
  const handle = response.response?.userHandle;
  if (handle !== undefined && handle !== null && Buffer.from(handle, 'base64url').toString() !== key.account)
    return { ok: false, why: 'wrong' };
  if (!accounts.takePasskey(id, result.authenticationInfo.newCounter)) return { ok: false, why: 'copied' };
  return { ok: true, key, userVerified: result.authenticationInfo.userVerified };
}
