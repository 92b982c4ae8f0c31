/** Signing in: a password, then a second factor; counted so that guessing is slow, and telling nothing about who exists. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { AsepsisError, audited, type Person } from '../core/index.ts';
import { addressKey } from './api-address.ts';
import { type Api, enabled, now } from './api-context.ts';
import { recoveryHash, totpStep } from './api-factors.ts';
import type { SignInFlow } from './api-flow.ts';
import { provenPasskey, relyingParty } from './api-passkey.ts';
import { secretHash } from './api-secrets.ts';
import { knownDevice, sessionCookie, setDeviceCookie, setSessionCookie, startSession } from './api-session.ts';
import type { ThrottleKey } from './api-throttle.ts';

export type Factor = 'passkey' | 'totp' | 'recovery';

/** The one spelling of a name. */
export const nameKey = (username: string) => username.normalize('NFKC').toLowerCase();

function guardRate(api: Api, keys: readonly ThrottleKey[]): void {
  const wait = api.throttle.waitSec(keys);
  if (wait > 0) throw new AsepsisError('RATE_LIMITED', 'Too many tries.', { retryAfterSec: wait });
}

/** What a try at the password is counted under. */
function passwordKeys(api: Api, request: FastifyRequest, name: string, isPerson: boolean): ThrottleKey[] {
  const address = addressKey(request.ip);
  const device = knownDevice(api, request, name);
  // A hospital is often behind one address: what others do there must not keep a known browser away.
  if (device !== null) return [['device', device]];
  return [
    [isPerson ? 'account' : 'nobody', secretHash(name)],
    ['pair', secretHash(`${name} ${address}`)],
    ['address', address],
  ];
}

/** Second factors the person has, in the order in which they are offered. */
export async function factorsOf(api: Api, person: Person, request: FastifyRequest): Promise<Factor[]> {
  const { people } = api.store;
  const factors: Factor[] = [];
  if (relyingParty(api, request) !== null && (await people.passkeys(person.id)).length > 0) factors.push('passkey');
  if ((await people.totp(person.id)) !== null) factors.push('totp');
  if ((await people.recoveryCodesLeft(person.id)) > 0) factors.push('recovery');
  return factors;
}

/** The first step. Unknown name, wrong password and disabled account give one answer after the same work. */
export async function checkPassword(
  api: Api,
  request: FastifyRequest,
  username: string,
  password: string,
): Promise<Person> {
  const name = nameKey(username);
  const person = await api.store.people.byUsername(name);
  const keys = passwordKeys(api, request, name, person !== null);
  guardRate(api, keys);
  // Counted before it is tried, so that a hundred at once are not a hundred free tries.
  const until = api.throttle.fail(keys);
  const right = await api.passwords.verify(person?.password_hash ?? null, password).catch((error: unknown) => {
    api.throttle.undo(keys, until);
    throw error;
  });
  if (person !== null && right && !person.disabled) {
    api.throttle.undo(keys, until);
    api.throttle.clear(keys.filter(([kind]) => kind === 'pair' || kind === 'device'));
    return person;
  }
  const outcome = right ? 'denied' : 'failure';
  // A name that is nobody's may be a password typed into the wrong field: it is not written down.
  const target = person === null ? 'an unknown name' : person.username;
  await audited(api, request, { action: 'sign-in.password', actor: 'nobody', target, outcome });
  throw new AsepsisError('UNAUTHENTICATED', 'The name or the password is not right.');
}

/** The half-finished sign-in of a flow token, and its person. */
async function openFlow(api: Api, token: string): Promise<{ flow: SignInFlow; person: Person }> {
  const flow = api.flows.get('sign-in', token);
  if (flow === null) throw new AsepsisError('UNAUTHENTICATED', 'This sign-in is over; start again with the password.');
  return { flow, person: enabled(await api.store.people.get(flow.person)) };
}

export async function passkeyChallenge(api: Api, token: string) {
  const { flow, person } = await openFlow(api, token);
  return { flow, keys: await api.store.people.passkeys(person.id) };
}

type Proof =
  | { factor: 'totp'; code: string }
  | { factor: 'recovery'; code: string }
  | { factor: 'passkey'; response: object };

/** True when the second factor is proven; each code and each challenge counts once. */
async function proven(api: Api, request: FastifyRequest, flow: SignInFlow, proof: Proof): Promise<true | string> {
  const { people } = api.store;
  if (proof.factor === 'totp') {
    const kept = await people.totp(flow.person);
    const step = kept && totpStep(api.seal.open(kept.sealed, flow.person), proof.code, api.clock.now());
    if (step === null) return 'wrong code';
    // biome-ignore lint/correctness/useHookAtTopLevel: a method of the store, not a React hook
    return (await people.useTotpStep(flow.person, step)) ? true : 'code used before';
  }
  if (proof.factor === 'recovery') {
    const hash = recoveryHash(proof.code);
    // biome-ignore lint/correctness/useHookAtTopLevel: a method of the store, not a React hook
    return hash !== null && (await people.useRecoveryCode(flow.person, hash)) ? true : 'wrong recovery code';
  }
  const party = relyingParty(api, request);
  const { challenge } = flow;
  flow.challenge = null;
  if (party === null || challenge === null) return 'no challenge';
  const verdict = await provenPasskey(api, party, { person: flow.person, challenge, response: proof.response });
  if (verdict.ok) return true;
  return verdict.why === 'cloned' ? 'the passkey counts backwards: it may have been copied' : 'wrong passkey';
}

/** The second step: ends in a session, or in one answer for every kind of wrong. */
export async function finishSignIn(
  api: Api,
  request: FastifyRequest,
  reply: FastifyReply,
  token: string,
  proof: Proof,
): Promise<Person> {
  const { flow, person } = await openFlow(api, token);
  const device = knownDevice(api, request, person.username);
  const code: ThrottleKey = device === null ? ['code', person.id] : ['codeDevice', device];
  const keys: ThrottleKey[] = device === null ? [code, ['address', addressKey(request.ip)]] : [code];
  guardRate(api, keys);
  const until = api.throttle.fail(keys);
  const result = await proven(api, request, flow, proof);
  if (result !== true) {
    api.flows.wrong(token);
    await audited(api, request, {
      action: 'sign-in.second-factor',
      actor: person.username,
      target: proof.factor,
      outcome: 'failure',
      detail: result,
    });
    throw new AsepsisError('UNAUTHENTICATED', 'The second factor is not right.');
  }
  api.throttle.undo(keys, until);
  api.flows.end(token);
  const secret = await api.store.transaction(async (store) => {
    await store.people.update(person.id, { last_sign_in: now(api) });
    // A new sign-in in the same browser replaces the session that it had.
    const before = request.cookies[sessionCookie(api.secure)];
    const old = before === undefined ? null : await store.people.session(secretHash(before));
    if (old !== null) await store.people.deleteSession(old.id);
    await audited({ store, clock: api.clock }, request, {
      action: 'sign-in',
      actor: person.username,
      target: proof.factor,
    });
    return startSession(api, store, request, person.id, ['password', proof.factor]);
  });
  api.throttle.clear([
    code,
    ...passwordKeys(api, request, person.username, true).filter(([kind]) => kind !== 'address'),
  ]);
  setSessionCookie(api, reply, secret);
  if (device === null) setDeviceCookie(api, reply, person.username);
  return person;
}
