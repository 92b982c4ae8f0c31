/** Long work on the feeds, one piece at a time: what runs, how far it is, and how the last one ended. */

import { AsepsisError, type Clock, errorLine, rfc3339 } from '../core/index.ts';

export interface JobEnd {
  readonly what: string;
  readonly at: string;
  /** What came of it, in a sentence. */
  readonly sentence: string;
  readonly failed: boolean;
}

export interface FeedJobs {
  /** Null: nothing runs. */
  running(): string | null;
  last(): JobEnd | null;
  /**
   * Resolves when it is done, whether it went well or not: `last` says which.
   * @throws CONFLICT at once when something else runs
   */
  start(what: string, work: (progress: (sentence: string) => void) => Promise<string>): Promise<JobEnd>;
}

const SENTENCE_MAX = 1000;

export function createJobs(clock: Clock): FeedJobs {
  let now: string | null = null;
  let last: JobEnd | null = null;
  const run = async (what: string, work: Parameters<FeedJobs['start']>[1]): Promise<JobEnd> => {
    let end: Pick<JobEnd, 'sentence' | 'failed'>;
    try {
      const sentence = await work((text) => {
        now = `${what}: ${text}`.slice(0, SENTENCE_MAX);
      });
      end = { sentence, failed: false };
    } catch (error) {
      end = { sentence: errorLine(error), failed: true };
    }
    now = null;
    last = { what, at: rfc3339(clock.now()), failed: end.failed, sentence: end.sentence.slice(0, SENTENCE_MAX) };
    return last;
  };
  return {
    running: () => now,
    last: () => last,
    start(what, work) {
      if (now !== null) throw new AsepsisError('CONFLICT', `Something else is done with the feeds now: ${now}.`);
      now = what;
      return run(what, work);
    },
  };
}
