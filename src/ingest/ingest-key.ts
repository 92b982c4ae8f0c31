/** Keys that make a repeated block one block. */

import { createHash } from 'node:crypto';

/** A short key of bounded length from anything: keys travel with every block. */
export function shortKey(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\n');
  return hash.digest('base64url').slice(0, 27);
}
