/** `asepsis access …`: the gateway and the audit. */

import type { Command } from 'commander';
import type { Terminal } from '../core/index.ts';
import { joinOwn } from './access-join.ts';
import { type AuditDeps, auditCommands } from './audit/index.ts';
import { gatewayCommands } from './gateway/index.ts';

export function accessCommands(program: Command, terminal: Terminal, deps: Omit<AuditDeps, 'join'>): void {
  const access = program.command('access').description('who has no second factor; the gateway that adds one');
  gatewayCommands(access, terminal);
  auditCommands(access, terminal, { ...deps, join: joinOwn });
}
