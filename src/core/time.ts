/** Times: Unix milliseconds inside, RFC 3339 in UTC wherever a record leaves. */

import type { Branded } from './ids.ts';

export type Rfc3339 = Branded<string, 'Rfc3339'>;

/** Unix milliseconds as RFC 3339 with a `Z` (RFC 3339 section 5.6). */
export function rfc3339(ms: number): Rfc3339 {
  return new Date(ms).toISOString() as Rfc3339;
}

/** Where time comes from; a parameter everywhere, so that tests bring their own. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
