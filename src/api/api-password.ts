/** Passwords: what is accepted, and argon2id with the parameters that OWASP's password storage cheat sheet gives. */

import { hash, verify } from '@node-rs/argon2';
import { createSlots, isCommonPassword } from '../core/index.ts';

/** NIST SP 800-63B-4 section 3.1.1: at least 8 where the password is one of two factors. */
const PASSWORD_CHARS_MIN = 8;
const PASSWORD_CHARS_MAX = 256;
/** 19 MiB, two passes, one lane; `algorithm: 2` is argon2id. */
const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Each costs 19 MiB and a thread: more than this many wait, and more than that are told to come back. */
const PARALLEL_MAX = 3;
const WAITING_MAX = 64;

export type PasswordVerdict = { ok: true } | { ok: false; reason: string };

/** The one form of a password (NIST SP 800-63B-4: NFKC before hashing), so that every keyboard gives the same. */
function normalisePassword(password: string): string {
  return password.normalize('NFKC');
}

/** Whether a new password may be used. `own` are words that belong to the person: name, organisation, product. */
export function judgePassword(password: string, own: readonly string[]): PasswordVerdict {
  const text = normalisePassword(password);
  const chars = Array.from(text).length;
  if (chars < PASSWORD_CHARS_MIN)
    return { ok: false, reason: `The password is shorter than ${PASSWORD_CHARS_MIN} characters.` };
  if (chars > PASSWORD_CHARS_MAX)
    return { ok: false, reason: `The password is longer than ${PASSWORD_CHARS_MAX} characters.` };
  const lower = text.toLowerCase();
  const named = own
    .flatMap((word) => word.toLowerCase().split(/[^\p{L}\p{N}]+/u))
    .filter((word) => word.length >= 4)
    .find((word) => lower.includes(word) && lower.length - word.length < PASSWORD_CHARS_MIN);
  if (named !== undefined) return { ok: false, reason: 'The password is built around a name that others know.' };
  if (isCommonPassword(lower)) return { ok: false, reason: 'The password is one of those that attackers try first.' };
  return { ok: true };
}

export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /** With `null` (nobody has that name) it does the same work and answers false. */
  verify(stored: string | null, password: string): Promise<boolean>;
}

/** Makes the hasher; the dummy hash is made once, with the same parameters, from random bytes. */
export async function createPasswordHasher(random: (n: number) => Uint8Array): Promise<PasswordHasher> {
  const dummy = await hash(Buffer.from(random(32)).toString('hex'), ARGON2);
  const slot = createSlots({
    parallelMax: PARALLEL_MAX,
    waitingMax: WAITING_MAX,
    full: 'Too many sign-ins at once.',
    retryAfterSec: 5,
  });
  return {
    hash: (password) => slot(() => hash(normalisePassword(password), ARGON2)),
    verify: (stored, password) =>
      slot(async () => {
        const right = await verify(stored ?? dummy, normalisePassword(password));
        return stored !== null && right;
      }),
  };
}
