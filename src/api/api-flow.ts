/** Half-finished sign-ins and enrolments: kept here, short-lived, bounded in number, bound to one account. */

import { LRUCache } from 'lru-cache';
import type { Clock, PersonId } from '../core/index.ts';
import { newSecret, type Random, secretHash } from './api-secrets.ts';

const LIFE_MS = 5 * 60 * 1000;
const ENROL_LIFE_MS = 15 * 60 * 1000;
const FLOWS_MAX = 10_000;
/** Wrong answers in one flow; after that the password is asked for again. */
const TRIES_MAX = 5;

export interface SignInFlow {
  readonly kind: 'sign-in';
  readonly person: PersonId;
  challenge: string | null;
}

export interface EnrolFlow {
  readonly kind: 'enrol';
  readonly invitation: string;
  readonly username: string;
  readonly displayName: string;
  readonly passwordHash: string;
  readonly totp: Uint8Array;
  readonly challenge: string;
  readonly person: PersonId;
}

/** A signed-in person who adds a factor, after giving the password again. */
export interface FactorFlow {
  readonly kind: 'factor';
  readonly person: PersonId;
  readonly challenge: string | null;
  readonly totp: Uint8Array | null;
}

export type Flow = SignInFlow | EnrolFlow | FactorFlow;

export interface Flows {
  start(flow: Flow): string;
  /** The flow of that kind, or null when it is over, used up or never was. */
  get<K extends Flow['kind']>(kind: K, token: string): Extract<Flow, { kind: K }> | null;
  /** Counts a wrong answer; the fifth ends the flow. */
  wrong(token: string): void;
  end(token: string): void;
}

interface Kept {
  readonly flow: Flow;
  readonly untilMs: number;
  tries: number;
}

export function createFlows(clock: Clock, random: Random): Flows {
  const kept = new LRUCache<string, Kept>({ max: FLOWS_MAX });
  return {
    start(flow) {
      const token = newSecret(random);
      const lifeMs = flow.kind === 'enrol' ? ENROL_LIFE_MS : LIFE_MS;
      kept.set(secretHash(token), { flow, untilMs: clock.now() + lifeMs, tries: 0 });
      return token;
    },
    get(kind, token) {
      const found = kept.get(secretHash(token));
      if (!found || found.flow.kind !== kind || clock.now() >= found.untilMs) return null;
      return found.flow as Extract<Flow, { kind: typeof kind }>;
    },
    wrong(token) {
      const key = secretHash(token);
      const found = kept.get(key);
      if (found && ++found.tries >= TRIES_MAX) kept.delete(key);
    },
    end(token) {
      kept.delete(secretHash(token));
    },
  };
}
