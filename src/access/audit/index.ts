/** The door of the audit inside its room. */

export { type AuditDeps, auditCommands } from './audit-commands.ts';
export { takeExports } from './audit-keep.ts';
export { seenEvent } from './audit-read.ts';
export { type AuditInput, account, fault } from './audit-record.ts';
