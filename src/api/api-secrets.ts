/** Random secrets that leave once and stay behind only as a hash: session cookies, API tokens, invitation links. */

import { createHash } from 'node:crypto';

export type Random = (n: number) => Uint8Array;

/** 256 random bits as text for a URL or header. */
export function newSecret(random: Random, prefix = ''): string {
  return prefix + Buffer.from(random(32)).toString('base64url');
}

/** SHA-256 in hex: enough for 256 random bits, which nobody can guess from it. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** The CSRF value of a session: derived from the cookie, so it needs no storage and says nothing about it. */
export function csrfOf(sessionSecret: string): string {
  return createHash('sha256').update(`csrf:${sessionSecret}`).digest('base64url');
}
