/** Local passwords: what is accepted, argon2id off the event loop, and the breached list on this disk. */

import { hash as digest, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, open } from 'node:fs/promises';
import { hash, verify } from '@node-rs/argon2';
import { AsepsisError, createSlots, isCommonPassword } from '../../core/index.ts';

const PASSWORD_CHARS_MAX = 256;
/** OWASP's password storage cheat sheet: 19 MiB, two passes, one lane; `algorithm: 2` is argon2id. */
const ARGON2 = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Each costs 19 MiB and a thread of the pool: more wait, and more than those are told to come back. */
const PARALLEL_MAX = 3;
const WAITING_MAX = 64;
/** Longest line of the breached list: 40 digits, a colon, a count. */
const BREACH_LINE_MAX = 64;

export interface Passwords {
  hash(password: string): Promise<string>;
  /** With `null` (nobody has that name) it does the same work and answers false. */
  verify(stored: string | null, password: string): Promise<boolean>;
  /** Null when the password may be used; otherwise why not, in words for its owner. */
  judge(password: string, own: readonly string[]): Promise<'short' | 'long' | 'own' | 'common' | 'breached' | null>;
}

/** The one form of a password (NIST SP 800-63B-4: NFKC before hashing), so that every keyboard gives the same. */
const plain = (password: string): string => password.normalize('NFKC');

export async function openPasswords(o: { min_chars: number; breached_file?: string }): Promise<Passwords> {
  if (o.breached_file !== undefined)
    await access(o.breached_file, constants.R_OK).catch((error: unknown) => {
      throw new AsepsisError('CONFIG_INVALID', `passwords.breached_file: ${(error as Error).message}.`);
    });
  const dummy = await hash(randomBytes(32).toString('hex'), ARGON2);
  const slot = createSlots({
    parallelMax: PARALLEL_MAX,
    waitingMax: WAITING_MAX,
    full: 'Too many sign-ins at once.',
    retryAfterSec: 5,
  });
  return {
    hash: (password) => slot(() => hash(plain(password), ARGON2)),
    verify: (stored, password) =>
      slot(async () => {
        const right = await verify(stored ?? dummy, plain(password).slice(0, PASSWORD_CHARS_MAX)).catch(() => false);
        return stored !== null && right;
      }),
    async judge(password, own) {
      const text = plain(password);
      const chars = Array.from(text).length;
      if (chars < o.min_chars) return 'short';
      if (chars > PASSWORD_CHARS_MAX) return 'long';
      const lower = text.toLowerCase();
      const words = own
        .flatMap((word) => word.toLowerCase().split(/[^\p{L}\p{N}]+/u))
        .filter((word) => word.length >= 4);
      if (words.some((word) => lower.includes(word) && lower.length - word.length < o.min_chars)) return 'own';
      if (isCommonPassword(lower)) return 'common';
      // A disk that fails under a running gateway keeps nobody from enrolling: the other rules still hold.
      if (o.breached_file !== undefined && (await isBreached(o.breached_file, password).catch(() => false)))
        return 'breached';
      return null;
    },
  };
}

/** Binary search in `HASH:COUNT` lines ordered by hash (the "Pwned Passwords" download), without reading the file whole. */
export async function isBreached(path: string, password: string): Promise<boolean> {
  const wanted = digest('sha1', password, 'hex').toUpperCase();
  const file = await open(path, 'r');
  try {
    let low = 0;
    let high = (await file.stat()).size;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const line = await lineFrom(file, middle);
      if (line === null) high = middle;
      else {
        const found = line.text.slice(0, 40).toUpperCase();
        if (found === wanted) return true;
        if (found < wanted) low = line.start + line.text.length;
        else high = middle;
      }
    }
    return false;
  } finally {
    await file.close();
  }
}

/** The first line that begins at or after the offset (or at 0). */
async function lineFrom(file: FileHandle, offset: number): Promise<{ start: number; text: string } | null> {
  const from = Math.max(0, offset - 1);
  const buffer = Buffer.alloc(2 * BREACH_LINE_MAX);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  const text = buffer.toString('latin1', 0, bytesRead);
  const begin = offset === 0 ? 0 : text.indexOf('\n') + 1;
  if (offset !== 0 && begin === 0) return null;
  const end = text.indexOf('\n', begin);
  const line = text.slice(begin, end < 0 ? undefined : end).trim();
  return line.length < 40 ? null : { start: from + begin, text: line };
}
