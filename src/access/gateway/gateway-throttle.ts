/** Slows guessing down, in the file that all gateway processes share: by account, address, pair, code, and distinct counts. */

import type { Clock } from '../../core/index.ts';
import { addressKey } from './gateway-address.ts';
import type { Db } from './gateway-db.ts';
import { secretHash } from './gateway-secrets.ts';

interface Rule {
  /** Failures that cost nothing: people mistype. */
  readonly free: number;
  readonly baseSec: number;
  readonly capSec: number;
  /** Forgotten this long after the latest failure. */
  readonly forgetSec: number;
}

/**
 * Waits are capped everywhere, so that nobody is shut out for good. `account` counts only browsers and addresses that
 * the account has never signed in from: guessing from outside keeps no clinician away (as "smart lockout" does), and a
 * known passkey is never asked to wait at all. Five free tries stay below the lock-out of most directories.
 */
const RULES = {
  account: { free: 5, baseSec: 30, capSec: 900, forgetSec: 3600 },
  /** One address (or /64), over all accounts. A hospital behind one address has many people. */
  address: { free: 30, baseSec: 2, capSec: 600, forgetSec: 3600 },
  pair: { free: 5, baseSec: 5, capSec: 600, forgetSec: 3600 },
  /** A browser or address that the account knows. */
  known: { free: 8, baseSec: 5, capSec: 300, forgetSec: 3600 },
  /** Second factors of one account; a right password does not reset it. Three of a million codes are right. */
  code: { free: 5, baseSec: 10, capSec: 900, forgetSec: 6 * 3600 },
  /** The same for a browser or address that the account knows, so that a stolen password keeps nobody from their codes. */
  'code-known': { free: 5, baseSec: 10, capSec: 900, forgetSec: 6 * 3600 },
  /** One address (or /64) that tries many accounts: spraying. Counted by distinct names. */
  spraying: { free: 10, baseSec: 30, capSec: 1800, forgetSec: 3600 },
  /** One account tried from many addresses: stuffing. */
  stuffing: { free: 10, baseSec: 30, capSec: 900, forgetSec: 3600 },
  /** All failures from unknown places together, in buckets of one minute. */
  overall: { free: 300, baseSec: 5, capSec: 30, forgetSec: 60 },
  /** Work that strangers can ask for: links, sealed codes, challenges. */
  stranger: { free: 20, baseSec: 2, capSec: 300, forgetSec: 3600 },
} as const satisfies Record<string, Rule>;
export type ThrottleKind = keyof typeof RULES;
export type ThrottleKey = readonly [kind: ThrottleKind, key: string];

const ROWS_MAX = 200_000;
const DISTINCT_ROWS_MAX = 64;
const SWEEP_EVERY = 1000;
const PLACE_DAYS = 60;

function delaySec(rule: Rule, failures: number): number {
  return failures < rule.free ? 0 : Math.min(rule.capSec, rule.baseSec * 2 ** Math.min(30, failures - rule.free));
}

export function openThrottle(db: Db, clock: Clock) {
  let calls = 0;
  const sweep = () => {
    if (calls++ % SWEEP_EVERY !== 0) return;
    const old = clock.now() - 6 * 3_600_000;
    db.run('DELETE FROM throttle WHERE last < ?', old);
    db.run('DELETE FROM distincts WHERE last < ?', old);
    db.run('DELETE FROM places WHERE last < ?', clock.now() - PLACE_DAYS * 86_400_000);
    // Names that nobody has push out the oldest, never an account under attack (its row is always fresh).
    db.run(
      'DELETE FROM throttle WHERE (kind, key) IN (SELECT kind, key FROM throttle ORDER BY last DESC LIMIT -1 OFFSET ?)',
      ROWS_MAX,
    );
  };
  const row = (kind: ThrottleKind, key: string) =>
    db.get('SELECT failures, last, until FROM throttle WHERE kind = ? AND key = ?', kind, key);
  const count = (kind: ThrottleKind, key: string): number => {
    const now = clock.now();
    const rule: Rule = RULES[kind];
    const before = row(kind, key);
    const failures =
      before === undefined || now - (before.last as number) > rule.forgetSec * 1000
        ? 1
        : (before.failures as number) + 1;
    const until = now + delaySec(rule, failures) * 1000;
    db.run('INSERT OR REPLACE INTO throttle VALUES (?, ?, ?, ?, ?)', kind, key, failures, now, until);
    return until;
  };
  /** Another distinct value under the key: counted once, so that one value over and over is not many. */
  const distinct = (kind: 'spraying' | 'stuffing', key: string, value: string): void => {
    const now = clock.now();
    db.run(
      'DELETE FROM distincts WHERE kind = ? AND key = ? AND last < ?',
      kind,
      key,
      now - RULES[kind].forgetSec * 1000,
    );
    const known =
      db.run('UPDATE distincts SET last = ? WHERE kind = ? AND key = ? AND value = ?', now, kind, key, value) === 1;
    if (known) return;
    const held = Number(db.get('SELECT count(*) AS n FROM distincts WHERE kind = ? AND key = ?', kind, key)?.n);
    if (held < DISTINCT_ROWS_MAX) db.run('INSERT OR IGNORE INTO distincts VALUES (?, ?, ?, ?)', kind, key, value, now);
    const failures = held + 1;
    db.run(
      'INSERT OR REPLACE INTO throttle VALUES (?, ?, ?, ?, ?)',
      kind,
      key,
      failures,
      now,
      now + delaySec(RULES[kind], failures) * 1000,
    );
  };
  return {
    /** Seconds to wait before any of these keys may try; 0 when they may. */
    waitSec(keys: readonly ThrottleKey[]): number {
      let wait = 0;
      for (const [kind, key] of keys) {
        const found = row(kind, key);
        // Never longer than the cap, also when the machine's clock was set back.
        if (found !== undefined)
          wait = Math.max(wait, Math.min((found.until as number) - clock.now(), RULES[kind].capSec * 1000));
      }
      return Math.ceil(Math.max(0, wait) / 1000);
    },
    /** Answers until when each key has to wait now, for `undo`. */
    fail(keys: readonly ThrottleKey[]): number[] {
      return db.atomic(() => {
        sweep();
        return keys.map(([kind, key]) => count(kind, key));
      });
    },
    /** Takes back one count, the try was no failure; and its wait, unless another failure came after it. */
    undo(keys: readonly ThrottleKey[], untilMs: readonly number[]): void {
      db.atomic(() => {
        for (const [i, [kind, key]] of keys.entries()) {
          const before = row(kind, key);
          if (before === undefined) continue;
          const failures = Math.max(0, (before.failures as number) - 1);
          const until = failures < RULES[kind].free || before.until === untilMs[i] ? 0 : (before.until as number);
          db.run('UPDATE throttle SET failures = ?, until = ? WHERE kind = ? AND key = ?', failures, until, kind, key);
        }
      });
    },
    failDistinct(account: string, address: string): void {
      db.atomic(() => {
        distinct('spraying', addressKey(address), secretHash(account));
        distinct('stuffing', secretHash(account), secretHash(addressKey(address)));
      });
    },
    clear(keys: readonly ThrottleKey[]): void {
      for (const [kind, key] of keys) db.run('DELETE FROM throttle WHERE kind = ? AND key = ?', kind, key);
    },
    /** Places (an address, a browser) that the account has completely signed in from. */
    knowsPlace: (account: string, place: string): boolean =>
      db.get(
        'SELECT 1 FROM places WHERE account = ? AND place = ? AND last > ?',
        account,
        place,
        clock.now() - PLACE_DAYS * 86_400_000,
      ) !== undefined,
    /** Somebody has completely signed in from there. */
    isKnownToAnybody: (address: string): boolean =>
      db.get(
        'SELECT 1 FROM places WHERE place = ? AND last > ? LIMIT 1',
        address,
        clock.now() - PLACE_DAYS * 86_400_000,
      ) !== undefined,
    addPlace: (account: string, place: string) =>
      db.run('INSERT OR REPLACE INTO places VALUES (?, ?, ?)', account, place, clock.now()),
    /** The account whose counter the key is, among these. */
    nameOf: (key: string, names: readonly string[]): string | null =>
      names.find((name) => secretHash(name) === key) ?? null,
    /** What is held back now, for the desk. */
    held: (limit = 200) =>
      db.all(
        'SELECT kind, key, failures, last, until FROM throttle WHERE until > ? ORDER BY failures DESC LIMIT ?',
        clock.now(),
        limit,
      ),
  };
}
export type Throttle = ReturnType<typeof openThrottle>;

/** What a try at a password is counted under. */
export function passwordKeys(o: { account: string; address: string; known: string | null }): ThrottleKey[] {
  if (o.known !== null) return [['known', secretHash(`${o.account} ${o.known}`)]];
  const address = addressKey(o.address);
  return [
    ['account', secretHash(o.account)],
    ['stuffing', secretHash(o.account)],
    ['pair', secretHash(`${o.account} ${address}`)],
    ['address', address],
    ['spraying', address],
    ['overall', 'all'],
  ];
}

/** What a try at a second factor is counted under; never the keys of the password. */
export function codeKeys(o: { account: string; address: string; known: string | null }): ThrottleKey[] {
  if (o.known !== null) return [['code-known', secretHash(`${o.account} ${o.known}`)]];
  return [
    ['code', secretHash(o.account)],
    ['address', addressKey(o.address)],
  ];
}

/** The keys whose counter a failed try raises directly; the distinct ones are raised by {@link Throttle.failDistinct}. */
export const counted = (keys: readonly ThrottleKey[]): ThrottleKey[] =>
  keys.filter(([kind]) => kind !== 'spraying' && kind !== 'stuffing');
