/** A short form of `npm run crash -- --power 60`: the power is cut while records come in, and every disk that may be left is started from. */

import { expect, test } from 'vitest';
import { createRandom } from '../src/archive/testing/sample-events.ts';
import { hasStrace, powerCuts } from './harness/power.ts';

const STATES = 4;
const BATCHES = 16;

test.skipIf(!hasStrace())(
  'a power cut loses and doubles nothing acknowledged (needs strace: skipped where it is not installed)',
  { timeout: 240_000 },
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const result = await powerCuts({ states: STATES, batches: BATCHES, random: createRandom(seed), onState: () => {} });
    expect(result.faults, `seed ${seed}`).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(200);
  },
);
