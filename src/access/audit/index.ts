/** The door of the audit inside its room. */

export { type AuditDeps, auditCommands } from './audit-commands.ts';
