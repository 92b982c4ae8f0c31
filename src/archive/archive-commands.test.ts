/** The commands as people call them: output, exit codes, and errors for what is not there. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { archiveCommands } from './archive-commands.ts';
import { openArchiveWriter } from './archive-writer.ts';
import { sampleEvents } from './testing/sample-events.ts';

let data = '';
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'archive-data-'));
});
afterEach(async () => {
  process.exitCode = 0;
  await rm(data, { recursive: true, force: true });
});

async function run(...words: string[]): Promise<{ out: string; said: string; exit: unknown }> {
  let out = '';
  let said = '';
  const program = new Command().exitOverride();
  archiveCommands(
    program,
    {
      out: (text) => {
        out += text;
      },
      say: (line) => {
        said += line;
      },
      progress: () => undefined,
      colour: false,
    },
    async () => 0,
  );
  await program.parseAsync([...words, '--data', data], { from: 'user' });
  return { out, said, exit: process.exitCode };
}

test('hunt prints matches and verify proves the archive', async () => {
  const clock = { now: () => Date.UTC(2026, 2, 1, 9, 40) };
  const writer = await openArchiveWriter({
    dir: join(data, 'archive'),
    streamId: 'cmdstrea',
    clock,
    retentionDays: 365,
  });
  const events = sampleEvents(1200);
  events[0] = { ...(events[0] as (typeof events)[0]), raw: 'bell \u0007\u001b[2J here' };
  await writer.append(events, 3);
  await writer.close();

  const all = await run('hunt', '--json', '--limit', '1100');
  expect(all.out.trimEnd().split('\n')).toHaveLength(1100);
  expect(all).toMatchObject({ exit: 1, said: expect.stringContaining('more with --limit') });
  const one = await run('hunt', 'bell', '--from', '2026-03-01T09:00:00Z', '--to', '2026-03-02T00:00:00Z');
  expect(one.out).toBe('2026-03-01T09:30:00.000Z  syslog/sshd  bell  [2J here\n'.replace('bell  [2J', 'bell   [2J'));
  expect(await run('hunt', 'nothing-like-this')).toMatchObject({ exit: 0, out: '', said: 'No event matches.' });
  expect(await run('archive', 'verify')).toMatchObject({
    exit: 0,
    out: expect.stringContaining('Unchanged: 1 files with 1200 events'),
  });
  const proof = JSON.parse((await run('archive', 'verify', '--json')).out) as { ok: boolean; head: string };
  expect(proof.ok).toBe(true);
  expect(await run('archive', 'verify', '--expect', proof.head)).toMatchObject({ exit: 0 });
  expect(await run('archive', 'verify', '--expect', `1:${'0'.repeat(64)}`)).toMatchObject({ exit: 1 });
});

test('says what is wrong', async () => {
  await expect(run('hunt', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await mkdir(join(data, 'archive'));
  expect(await run('archive', 'verify')).toMatchObject({
    exit: 1,
    out: expect.stringContaining('there is no manifest'),
  });
});

test('verify of a folder without an archive says so, unless somebody expects one', async () => {
  await expect(run('archive', 'verify')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const noted = await run('archive', 'verify', '--expect', `1:${'0'.repeat(64)}`);
  expect(noted).toMatchObject({ exit: 1, out: expect.stringContaining('Not as it was written') });
});
