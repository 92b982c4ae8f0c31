/** The real terminal: stdout for data, stderr for people, colour only where it is wanted. */

import type { Terminal } from '../core/index.ts';

export function openTerminal(env: NodeJS.ProcessEnv = process.env): Terminal {
  const interactive = process.stderr.isTTY === true;
  const colour = process.stdout.isTTY === true && !env.NO_COLOR;
  // `asepsis … | head`: whoever reads has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  let progressShown = false;
  const clear = () => {
    if (progressShown) process.stderr.write('\r\x1b[2K');
    progressShown = false;
  };
  return {
    out: (text) => {
      process.stdout.write(text);
    },
    say: (line) => {
      clear();
      process.stderr.write(`${line}\n`);
    },
    progress: (line) => {
      if (!interactive) return;
      process.stderr.write(`\r\x1b[2K${line}`);
      progressShown = true;
    },
    colour,
  };
}
