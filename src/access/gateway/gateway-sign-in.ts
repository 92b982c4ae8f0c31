/** Signing in: who it is, then proof; counted so that guessing is slow, and telling nothing about who exists. */

import { AsepsisError } from '../../core/index.ts';
import { canonicalName } from './gateway-accounts.ts';
import { addressKey } from './gateway-address.ts';
import type { Gateway } from './gateway-core.ts';
import type { DirectoryAnswer, DirectoryPerson } from './gateway-directory.ts';
import { provenPasskey, totpStep } from './gateway-factors.ts';
import type { Strength } from './gateway-policy.ts';
import { isSecret, sameText } from './gateway-secrets.ts';
import type { GatewaySession, SessionFactor } from './gateway-session-record.ts';
import { codeKeys, counted, passwordKeys, type ThrottleKey } from './gateway-throttle.ts';

/** A failed password is answered at the next multiple of this, so that time does not tell who exists. */
const ANSWER_QUANTUM_MS = 250;
const FLOW_MS = 10 * 60_000;
const FLOW_FAILURES_MAX = 10;
const HOUR_MS = 3_600_000;

/** Who asks: address and browser, and whether this browser has signed in to an account before. */
export interface Visitor {
  readonly address: string;
  readonly agent: string;
  readonly deviceCookie: string | null;
}

/** A sign-in between its two steps. */
export interface Flow {
  readonly account: string;
  readonly display: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly first: SessionFactor;
  readonly goal: string | null;
  readonly failures: number;
  readonly challenge: string | null;
}

export type PasswordResult =
  | { readonly kind: 'second'; readonly flow: string }
  | { readonly kind: 'not-enrolled' }
  | { readonly kind: 'wrong' | 'refused' | 'down' | 'busy' }
  | { readonly kind: 'wait'; readonly seconds: number };

/** The key under which a place that the account knows is counted; null for a place that it does not. */
export function knownPlace(gateway: Gateway, account: string, visitor: Visitor): string | null {
  const [nonce = '', mac = ''] = (visitor.deviceCookie ?? '').slice(0, 200).split('.');
  if (nonce !== '' && mac !== '' && sameText(gateway.seal.mac(`known:${account}:${nonce}`), mac))
    return `device ${nonce}`;
  const address = addressKey(visitor.address);
  return gateway.throttle.knowsPlace(account, address) ? `address ${address}` : null;
}

const settled = async <T>(startedMs: number, result: T): Promise<T> => {
  const spent = performance.now() - startedMs;
  await new Promise((resolve) => setTimeout(resolve, ANSWER_QUANTUM_MS - (spent % ANSWER_QUANTUM_MS)));
  return result;
};

/** The first step. Unknown names, wrong passwords and refused accounts give one answer, at one of few moments. */
export async function checkPassword(
  gateway: Gateway,
  visitor: Visitor,
  rawName: string,
  password: string,
  goal: string | null,
): Promise<PasswordResult> {
  const started = performance.now();
  const account = canonicalName(rawName);
  const name = account ?? 'nobody';
  const keys = passwordKeys({
    account: name,
    address: visitor.address,
    known: account === null ? null : knownPlace(gateway, name, visitor),
  });
  const seconds = gateway.throttle.waitSec(keys);
  if (seconds > 0) {
    gateway.events.often({
      what: 'throttled',
      outcome: 'failure',
      account: name,
      address: visitor.address,
      why: 'password',
      agent: visitor.agent,
    });
    return settled(started, { kind: 'wait', seconds });
  }
  // Counted before it is tried, so that a hundred at once are not a hundred free tries.
  const until = gateway.throttle.fail(counted(keys));
  const answer = await askDirectories(gateway, account, password);
  if (answer === 'busy' || answer.kind === 'down') {
    // Nothing was tried: honest people who try again from where they are known do not shut themselves out. Strangers stay
    // counted, and so do local accounts, whose password was looked at; telling the two apart needs a known place.
    if (keys.every(([kind]) => kind === 'known') && !isLocal(gateway, name))
      gateway.throttle.undo(counted(keys), until);
    gateway.events.often({
      what: 'password',
      outcome: 'failure',
      account: name,
      address: visitor.address,
      why: answer === 'busy' ? 'busy' : 'directory-down',
    });
    if (answer !== 'busy') gateway.alarm('access-gateway-directory', `The directory does not answer: ${answer.why}`);
    return settled(started, { kind: answer === 'busy' ? 'busy' : 'down' });
  }
  gateway.alarm('access-gateway-directory', null);
  const result = judged(gateway, visitor, name, { keys, until }, answer, goal);
  return result.kind === 'second' ? result : settled(started, result);
}

const isLocal = (gateway: Gateway, account: string): boolean => {
  const directory = gateway.accounts.get(account)?.directory;
  return gateway.settings().config.directories.some((one) => one.type === 'local' && one.name === directory);
};

async function askDirectories(
  gateway: Gateway,
  account: string | null,
  password: string,
): Promise<DirectoryAnswer | 'busy'> {
  let down: DirectoryAnswer | null = null;
  try {
    for (const directory of gateway.settings().directories) {
      // A name that cannot be one costs the same work.
      const answer = await directory.check(account ?? '.', password);
      if (answer.kind === 'right' && gateway.accounts.get(answer.person.name)?.disabled)
        return { kind: 'refused', why: 'disabled' };
      if (answer.kind === 'right') {
        const { person } = answer;
        const before = gateway.accounts.get(person.name);
        // One name is one person: another directory's account of the same name does not take it over.
        if (before !== null && before.directory !== directory.name) continue;
        if (before === null || before.directory !== 'local')
          gateway.accounts.put({ ...person, directory: directory.name });
        return answer;
      }
      if (answer.kind === 'refused') return answer;
      if (answer.kind === 'down') down = answer;
    }
  } catch (error) {
    if (error instanceof AsepsisError && error.code === 'BUSY') return 'busy';
    throw error;
  }
  return down ?? { kind: 'wrong' };
}

function judged(
  gateway: Gateway,
  visitor: Visitor,
  name: string,
  { keys, until }: { keys: readonly ThrottleKey[]; until: readonly number[] },
  answer: Exclude<DirectoryAnswer, { kind: 'down' }>,
  goal: string | null,
): PasswordResult {
  const event = { account: name, address: visitor.address, agent: visitor.agent } as const;
  if (answer.kind !== 'right') {
    gateway.throttle.failDistinct(name, visitor.address);
    gateway.events.emit({
      ...event,
      what: 'password',
      outcome: 'failure',
      why: answer.kind === 'wrong' ? 'wrong' : answer.why,
    });
    return { kind: answer.kind };
  }
  // The right password takes back only its own try, never the counters of codes and addresses.
  gateway.throttle.undo(counted(keys), until);
  gateway.throttle.clear(keys.filter(([kind]) => kind === 'pair' || kind === 'known'));
  const { person } = answer;
  if (!gateway.accounts.hasFactor(person.name) && gateway.accounts.recoveryLeft(person.name) === 0) {
    gateway.events.emit({ ...event, what: 'second-factor', outcome: 'failure', why: 'not-enrolled' });
    return { kind: 'not-enrolled' };
  }
  gateway.events.often({ ...event, what: 'first-factor', outcome: 'success' });
  return { kind: 'second', flow: startFlow(gateway, person, { kind: 'password', atMs: gateway.clock.now() }, goal) };
}

export function startFlow(
  gateway: Gateway,
  person: DirectoryPerson,
  first: SessionFactor,
  goal: string | null,
): string {
  const flow: Flow = {
    account: person.name,
    display: person.display,
    email: person.email,
    groups: person.groups,
    first,
    goal,
    failures: 0,
    challenge: null,
  };
  return gateway.once.put('flow', flow, FLOW_MS);
}

export const readFlow = (gateway: Gateway, secret: string | null): Flow | null =>
  secret !== null && isSecret(secret) ? gateway.once.peek<Flow>('flow', secret) : null;

export type Proof =
  | { readonly factor: 'totp' | 'recovery'; readonly code: string }
  | { readonly factor: 'passkey'; readonly challenge: string; readonly response: object };

export type ProofResult =
  | { readonly kind: 'proved'; readonly factor: SessionFactor['kind']; readonly strength: Strength }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'wait'; readonly seconds: number };

/** Checks a second factor of a known account. Each code, key answer and challenge counts once, in whichever process. */
export async function prove(gateway: Gateway, visitor: Visitor, account: string, proof: Proof): Promise<ProofResult> {
  const keys = codeKeys({ account, address: visitor.address, known: knownPlace(gateway, account, visitor) });
  const event = { account, address: visitor.address, agent: visitor.agent } as const;
  if (proof.factor === 'passkey') {
    // Possession is proven by mathematics; nobody guesses it, so nobody waits for it.
    const verdict = await provenPasskey(gateway.settings().party, gateway.accounts, { ...proof, account });
    if (!verdict.ok) {
      gateway.events.emit({
        ...event,
        what: 'second-factor',
        outcome: 'failure',
        why: verdict.why === 'copied' ? 'key-copied' : 'wrong-key',
      });
      if (verdict.why === 'copied')
        gateway.alarm('access-key-copied', `A security key of ${account} counts backwards: it may have been copied.`);
      return { kind: 'wrong' };
    }
    return { kind: 'proved', factor: verdict.userVerified ? 'passkey' : 'security-key', strength: 3 };
  }
  const seconds = gateway.throttle.waitSec(keys);
  if (seconds > 0) {
    gateway.events.often({ ...event, what: 'throttled', outcome: 'failure', why: 'code' });
    return { kind: 'wait', seconds };
  }
  // Counted before it is looked at: many at once are not many free tries.
  const until = gateway.throttle.fail(keys);
  const why = typedProof(gateway, account, proof);
  if (why !== null) {
    gateway.events.emit({ ...event, what: 'second-factor', outcome: 'failure', why });
    return { kind: 'wrong' };
  }
  gateway.throttle.undo(keys, until);
  gateway.throttle.clear(keys.filter(([kind]) => kind === 'code' || kind === 'code-known'));
  if (proof.factor === 'recovery') {
    const left = gateway.accounts.recoveryLeft(account);
    gateway.events.emit({ ...event, what: 'recovery-code', outcome: 'success', why: `${left} left` });
    gateway.alarm(
      `access-recovery-${account}`,
      `${account} signed in with a recovery code from ${visitor.address}; ${left} are left. Ask whether it was them.`,
    );
  }
  return { kind: 'proved', factor: proof.factor, strength: 2 };
}

function typedProof(
  gateway: Gateway,
  account: string,
  proof: { factor: 'totp' | 'recovery'; code: string },
): string | null {
  if (proof.factor === 'recovery') return gateway.accounts.takeRecovery(account, proof.code) ? null : 'wrong-recovery';
  const kept = gateway.accounts.totp(account);
  const found =
    kept && totpStep(gateway.seal.open(kept.sealed, `totp:${account}`), proof.code, gateway.clock.now(), kept.drift);
  if (!found) return 'wrong-code';
  return gateway.accounts.takeTotpStep(account, found.step, found.drift) ? null : 'code-used-before';
}

/** Counts a failure of the flow; the flow ends when there are too many. */
export function failFlow(gateway: Gateway, secret: string, flow: Flow): void {
  if (flow.failures + 1 >= FLOW_FAILURES_MAX) gateway.once.take('flow', secret);
  else gateway.once.update('flow', secret, { ...flow, failures: flow.failures + 1, challenge: null });
}

export interface Arrival {
  readonly session: GatewaySession;
  /** Cookie values for the sign-in host: the session's, and the mark of a known browser. */
  readonly token: string;
  readonly device: string;
}

/** Both steps are done: a new session, whatever cookie came before (no fixation). */
export function arrive(
  gateway: Gateway,
  visitor: Visitor,
  person: { account: string; display: string; email: string; groups: readonly string[] },
  factors: readonly SessionFactor[],
  strength: Strength,
): Arrival {
  const { config, workstations, host } = gateway.settings();
  const ward = workstations.has(visitor.address);
  const session = gateway.sessions.start({
    ...person,
    strength,
    factors,
    agent: visitor.agent,
    address: visitor.address,
    lifeMs: config.session.life_hours * HOUR_MS,
    idleMs: config.session.idle_minutes * 60_000,
    bind: config.session.bind,
    lockMs: ward ? config.workstations.lock_minutes * 60_000 : null,
    emergencyApp: null,
  });
  gateway.accounts.signedIn(person.account);
  // On a shared machine neither the browser nor the address says anything about the person.
  if (!ward) gateway.throttle.addPlace(person.account, addressKey(visitor.address));
  gateway.events.emit({
    what: 'sign-in',
    outcome: 'success',
    account: person.account,
    address: visitor.address,
    agent: visitor.agent,
    factors: factors.map((one) => one.kind),
  });
  const nonce = session.id.slice(0, 16);
  const device = ward ? '' : `${nonce}.${gateway.seal.mac(`known:${person.account}:${nonce}`)}`;
  return { session, token: gateway.sessions.token(session.id, host), device };
}

/** Whether the account may still sign in, asked without its password (a key alone, an unlock, a step-up). */
export async function standing(gateway: Gateway, account: string): Promise<DirectoryPerson | 'refused' | 'down'> {
  const kept = gateway.accounts.get(account);
  if (kept === null || kept.disabled) return 'refused';
  const directory = gateway.settings().directories.find((one) => one.name === kept.directory);
  // An identity provider cannot be asked about somebody who is not there; what it said at the last sign-in holds.
  if (directory === undefined)
    return gateway.settings().config.directories.some((one) => one.name === kept.directory) ? kept : 'refused';
  const answer = await directory.lookup(account);
  if (answer.kind === 'down') {
    gateway.alarm('access-gateway-directory', `The directory does not answer: ${answer.why}`);
    return 'down';
  }
  return answer.kind === 'right' ? answer.person : 'refused';
}
