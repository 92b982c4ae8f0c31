/** What is wrong with the machinery right now, in sentences: said once on the terminal, shown on the desk as long as it lasts. */

export interface Alarms {
  /** `what` names the part: stream, archive, log, pipeline, or a room's word. */
  set(what: string, sentence: string | null): void;
  /** All that stands, or null. */
  current(): string | null;
}

export function createAlarms(say: (line: string) => void): Alarms {
  const standing = new Map<string, string>();
  return {
    set: (what, sentence) => {
      const before = standing.get(what);
      if (sentence === null) {
        standing.delete(what);
        if (before !== undefined) say(`The alarm is over: ${before}`);
      } else {
        standing.set(what, sentence);
        if (before !== sentence) say(`ALARM  ${sentence}`);
      }
    },
    current: () => (standing.size === 0 ? null : [...standing.values()].join(' ')),
  };
}
