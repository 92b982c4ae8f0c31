/** The composition root: the only file that knows every part. Each command loads what it needs when it is called. */

import { Command } from 'commander';
import { openTerminal } from './cli/terminal.ts';
import { EXIT, errorLine } from './core/index.ts';

const terminal = openTerminal();
const program = new Command('asepsis')
  .description('Self-hosted cyber-security for healthcare organisations')
  .version('0.1.0');

try {
  await program.parseAsync(process.argv);
} catch (error) {
  terminal.say(`asepsis: ${errorLine(error)}`);
  process.exitCode = EXIT.failure;
}
