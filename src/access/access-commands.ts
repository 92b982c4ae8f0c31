/** `asepsis access …`: the gateway and the audit. */

import type { Command } from 'commander';
import type { ArchiveReader, Terminal } from '../core/index.ts';
import { joinOwn } from './access-join.ts';
import { joinSeen } from './access-seen.ts';
import { type AuditDeps, auditCommands } from './audit/index.ts';
import { gatewayCommands } from './gateway/index.ts';

export interface AccessDeps extends Omit<AuditDeps, 'join'> {
  /** The archive of an installation; null when it has none yet. */
  readonly openArchive: (dataDir: string) => Promise<ArchiveReader | null>;
}

export function accessCommands(program: Command, terminal: Terminal, deps: AccessDeps): void {
  const access = program.command('access').description('who has no second factor; the gateway that adds one');
  gatewayCommands(access, terminal);
  auditCommands(access, terminal, {
    ...deps,
    join: async (input, store, dataDir, exercise) => {
      await joinOwn(input, store, dataDir);
      const archive = await deps.openArchive(dataDir);
      if (archive === null) return;
      try {
        await joinSeen(input, archive, { nowMs: deps.clock.now(), exercise });
      } finally {
        await archive.close();
      }
    },
  });
}
