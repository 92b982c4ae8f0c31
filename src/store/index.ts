/** The door of the store: one contract over SQLite in the data folder and PostgreSQL. */

export { auditCommands } from './store-commands.ts';
export { openStore } from './store-open.ts';
