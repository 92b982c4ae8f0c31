/** Slows guessing down: failures counted by key, each one past the free ones doubling the wait up to a cap. */

import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/index.ts';

export interface ThrottleRule {
  /** Failures that cost nothing: people mistype. */
  readonly free: number;
  readonly baseSec: number;
  readonly capSec: number;
  /** A failure is forgotten this long after the latest one. */
  readonly forgetSec: number;
  /** Keys remembered at once; the least recently used goes first. */
  readonly keysMax: number;
}

/**
 * Waits are capped everywhere, so that nobody is ever shut out for good. The account's own counter is skipped by a
 * browser that has signed in to that account before (`device`), so that guessing from outside cannot keep the
 * owner away (OWASP, "Slow down online guessing attacks with device cookies").
 */
export const THROTTLE_RULES = {
  /** One account, over all addresses. */
  account: { free: 10, baseSec: 2, capSec: 300, forgetSec: 3600, keysMax: 20_000 },
  /** Names that are no account get the same treatment from a table of their own, so that they push nobody out. */
  nobody: { free: 10, baseSec: 2, capSec: 300, forgetSec: 3600, keysMax: 20_000 },
  /** One address (or /64), over all accounts. A hospital behind one address has many people. */
  address: { free: 30, baseSec: 1, capSec: 300, forgetSec: 3600, keysMax: 20_000 },
  pair: { free: 5, baseSec: 2, capSec: 600, forgetSec: 3600, keysMax: 20_000 },
  /** A browser known to the account. */
  device: { free: 5, baseSec: 2, capSec: 600, forgetSec: 3600, keysMax: 20_000 },
  /** Second factors of one account; a right password does not reset it. Three of a million codes are right. */
  code: { free: 5, baseSec: 5, capSec: 900, forgetSec: 6 * 3600, keysMax: 20_000 },
  codeDevice: { free: 5, baseSec: 5, capSec: 900, forgetSec: 6 * 3600, keysMax: 20_000 },
  /** Work that costs us a password hash or a row and that anybody may ask for. */
  enrol: { free: 20, baseSec: 2, capSec: 300, forgetSec: 3600, keysMax: 20_000 },
  /** Wrong API tokens by address. */
  token: { free: 50, baseSec: 1, capSec: 60, forgetSec: 600, keysMax: 20_000 },
} as const satisfies Record<string, ThrottleRule>;
export type ThrottleKind = keyof typeof THROTTLE_RULES;
export type ThrottleKey = readonly [kind: ThrottleKind, key: string];

interface Counter {
  failures: number;
  lastMs: number;
  untilMs: number;
}

export interface Throttle {
  /** Seconds to wait before any of these keys may try; 0 when they may. */
  waitSec(keys: readonly ThrottleKey[]): number;
  /** Answers until when each key has to wait now, for {@link undo}. */
  fail(keys: readonly ThrottleKey[]): number[];
  /** Takes one counted try back that was no failure, and its wait, unless another failure came after it. */
  undo(keys: readonly ThrottleKey[], untilMs: readonly number[]): void;
  clear(keys: readonly ThrottleKey[]): void;
}

/** Wait in seconds after this many failures in a row. */
export function delaySec(rule: ThrottleRule, failures: number): number {
  if (failures < rule.free) return 0;
  return Math.min(rule.capSec, rule.baseSec * 2 ** Math.min(30, failures - rule.free));
}

export function createThrottle(clock: Clock): Throttle {
  const tables = new Map<ThrottleKind, LRUCache<string, Counter>>();
  for (const [kind, rule] of Object.entries(THROTTLE_RULES)) {
    tables.set(kind as ThrottleKind, new LRUCache({ max: rule.keysMax }));
  }
  const tableOf = (kind: ThrottleKind) => tables.get(kind) as LRUCache<string, Counter>;
  return {
    waitSec(keys) {
      let wait = 0;
      for (const [kind, key] of keys) {
        const counter = tableOf(kind).get(key);
        if (!counter) continue;
        // Never longer than the cap, also when the machine's clock was set back.
        wait = Math.max(wait, Math.min(counter.untilMs - clock.now(), THROTTLE_RULES[kind].capSec * 1000));
      }
      return Math.ceil(wait / 1000);
    },
    fail(keys) {
      const now = clock.now();
      return keys.map(([kind, key]) => {
        const rule = THROTTLE_RULES[kind];
        const table = tableOf(kind);
        const counter = table.get(key);
        const fresh = counter === undefined || now - counter.lastMs > rule.forgetSec * 1000;
        const failures = fresh ? 1 : counter.failures + 1;
        const delay = delaySec(rule, failures);
        const untilMs = delay === 0 ? 0 : now + delay * 1000;
        table.set(key, { failures, lastMs: now, untilMs });
        return untilMs;
      });
    },
    undo(keys, untilMs) {
      for (const [i, [kind, key]] of keys.entries()) {
        const counter = tableOf(kind).get(key);
        if (!counter) continue;
        counter.failures = Math.max(0, counter.failures - 1);
        if (counter.untilMs === untilMs[i]) counter.untilMs = 0;
      }
    },
    clear(keys) {
      for (const [kind, key] of keys) tableOf(kind).delete(key);
    },
  };
}
