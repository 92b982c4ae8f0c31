/** What a command may touch of the terminal: data to stdout, progress to stderr and only on a terminal. */

export interface Terminal {
  readonly out: (text: string) => void;
  /** A line for people, on stderr. */
  readonly say: (line: string) => void;
  /** Replaces the current progress line; nothing when stderr is not a terminal. */
  readonly progress: (line: string) => void;
  readonly colour: boolean;
}

/** Exit codes of every command: clean, findings or alerts, failure. */
export const EXIT = { clean: 0, findings: 1, failure: 2 } as const;
