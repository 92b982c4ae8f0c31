/** The door of the relay: TLS between two sites for devices that know only clear text. */

export { relayCommands } from './relay-commands.ts';
export { type RelayRecord, relayVerdicts } from './relay-proof.ts';
