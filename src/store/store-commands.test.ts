/** `asepsis audit verify` as a person meets it: one sentence or one JSON object, and an exit code. */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rfc3339 } from '../core/index.ts';
import { auditCommands, openStore } from './index.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'asepsis-audit-'));
});
afterEach(() => {
  process.exitCode = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ out: string; exit: typeof process.exitCode }> {
  let out = '';
  const program = new Command().exitOverride();
  auditCommands(program, { out: (text) => (out += text), say: () => {}, progress: () => {}, colour: false });
  process.exitCode = undefined;
  await program.parseAsync(['node', 'asepsis', 'audit', 'verify', ...args]);
  return { out, exit: process.exitCode };
}

test('a whole log, beside the store that writes it, and one that was tampered with', async () => {
  const store = await openStore({ dataDir: dir, clock: { now: () => 0 } });
  for (let i = 0; i < 3; i++) {
    await store.audit.append({ at: rfc3339(i), actor: 'a', action: 'x', outcome: 'success', detail: `d${i}` });
  }
  expect(await run('--data', dir)).toMatchObject({ out: expect.stringMatching(/whole: 3 entries/), exit: undefined });
  expect(statSync(join(dir, 'asepsis.db')).mode & 0o777).toBe(0o600);
  await store.close();
  expect((await run('--data', dir)).exit).toBeUndefined();

  const database = new DatabaseSync(join(dir, 'asepsis.db'));
  database.exec(`drop trigger audit_kept; update audit set doc = replace(doc, 'd1', 'd9') where seq = 2`);
  database.close();
  const { out, exit } = await run('--data', dir, '--json');
  expect(JSON.parse(out)).toMatchObject({ ok: false, entries: 1, firstBad: 2 });
  expect(exit).toBe(1);
});

test('a folder without data is not made into one', async () => {
  await expect(run('--data', join(dir, 'none'))).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  new DatabaseSync(join(dir, 'asepsis.db')).close();
  await expect(run('--data', dir)).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
});
