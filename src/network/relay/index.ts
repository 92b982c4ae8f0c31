/** The door of the relay: TLS between two sites for devices that know only clear text. */

import type { Command } from 'commander';
import type { Terminal } from '../../core/index.ts';
import type { RelayDeps } from './relay-commands.ts';

export { type RelayRecord, relayVerdicts } from './relay-proof.ts';

/** Adds `relay` to the program; what it needs is loaded then, so that inspections do not wait for it. */
export async function relayCommands(program: Command, terminal: Terminal, deps: RelayDeps): Promise<void> {
  (await import('./relay-commands.ts')).relayCommands(program, terminal, deps);
}
