/** The journal of a journald of its own (a namespace, where this runs as root), read through the real journalctl. */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSources } from '../ingest-sources.ts';
import { type Harness, openHarness, until } from '../testing/ingest-harness.ts';
import { findOwnLogs } from './follow-configured.ts';
import { cursorOf, followJournal } from './journal-follower.ts';

const JOURNALCTL = '/usr/bin/journalctl';
const JOURNALD = '/lib/systemd/systemd-journald';
const able =
  process.getuid?.() === 0 &&
  existsSync(JOURNALD) &&
  existsSync('/etc/machine-id') &&
  spawnSync('logger', ['--version']).status === 0 &&
  spawnSync(JOURNALCTL, ['--version']).status === 0;
if (!able)
  process.stderr.write('The journal test is skipped: it needs root, systemd-journald, journalctl and logger.\n');

let harness: Harness;
beforeEach(async () => {
  harness = await openHarness();
});
afterEach(async () => {
  await harness.stop();
});

const messages = () => harness.records().map((record) => (JSON.parse(record) as { MESSAGE: string }).MESSAGE);
const mine = () => messages().filter((message) => message.startsWith('entry '));

function follow(command: string) {
  const ending = new AbortController();
  const sources = createSources({ ...harness, exercise: false, signal: ending.signal });
  const checkpointPath = join(harness.dir, 'journal.json');
  const follower = followJournal({
    ...harness,
    sources,
    exercise: false,
    eventsPerSecMax: 1_000_000,
    checkpointPath,
    command,
  });
  return {
    checkpointPath,
    async stop() {
      await follower.close();
      await sources.close();
      ending.abort();
    },
  };
}

test.skipIf(!able)('the journal is followed by its cursor, over a restart and over a kill', async () => {
  const name = `asepsistest${randomBytes(3).toString('hex')}`;
  const journald = spawn(JOURNALD, [name], { stdio: 'ignore' });
  const wrapper = join(harness.dir, 'journalctl');
  await writeFile(wrapper, `#!/bin/sh\nexec ${JOURNALCTL} --namespace=${name} "$@"\n`);
  await chmod(wrapper, 0o755);
  const socket = `/run/systemd/journal.${name}/dev-log`;
  let count = 0;
  const write = (entries: number) => {
    for (let i = 0; i < entries; i++) execFileSync('logger', ['--socket', socket, `entry ${count++}`]);
  };
  try {
    await until(
      () => existsSync(socket),
      () => 'journald did not start',
    );
    write(3);
    let following = follow(wrapper);
    await until(
      () => mine().length >= 3,
      () => `${mine().length} of 3`,
    );
    write(2);
    await until(
      () => mine().length >= 5,
      () => `${mine().length} of 5`,
    );
    await following.stop();
    const early = await readFile(following.checkpointPath, 'utf8');
    write(3);
    following = follow(wrapper);
    await until(
      () => mine().length >= 8,
      () => `${mine().length} of 8`,
    );
    await following.stop();
    // As after kill -9: the stream has everything, the checkpoint is older, and more has come.
    await writeFile(following.checkpointPath, early);
    write(4);
    following = follow(wrapper);
    await until(
      () => mine().length >= 12,
      () => `${mine().length} of 12`,
    );
    await following.stop();
    expect(mine()).toEqual(Array.from({ length: 12 }, (_, i) => `entry ${i}`));
    expect(harness.stream.blocks[0]).toMatchObject({ hint: 'journal', peer: 'journalctl' });
    expect(await findOwnLogs(wrapper)).toEqual({ journal: true, files: [], notice: null });
  } finally {
    journald.kill();
    const id = readFileSync('/etc/machine-id', 'utf8').trim();
    await rm(`/run/systemd/journal.${name}`, { recursive: true, force: true });
    await rm(`/run/log/journal/${id}.${name}`, { recursive: true, force: true });
    await rm(`/var/log/journal/${id}.${name}`, { recursive: true, force: true });
  }
});

test('without journalctl the log files are followed, and without both it is said why', async () => {
  const readable = join(harness.dir, 'auth.log');
  await writeFile(readable, '');
  expect(await findOwnLogs('/nowhere/journalctl', [readable, '/nowhere/secure'])).toEqual({
    journal: false,
    files: [readable],
    notice: null,
  });
  const nothing = await findOwnLogs('/nowhere/journalctl', ['/nowhere/secure']);
  expect(nothing).toMatchObject({ journal: false, files: [] });
  expect(nothing.notice).toContain('journalctl is not installed');
});

test('an absent journalctl is a notice and nothing else', async () => {
  const following = follow('/nowhere/journalctl');
  await until(
    () => harness.logged.length > 0,
    () => 'nothing was said',
  );
  await following.stop();
  expect(harness.logged[0]).toMatchObject({ o: { reason: 'journalctl is not installed' } });
});

test('the cursor is found, also when a message speaks of one', () => {
  expect(cursorOf(Buffer.from('{"MESSAGE":"\\"__CURSOR\\":\\"wrong\\"","__CURSOR":"s=1;i=2"}'))).toBe('s=1;i=2');
  expect(cursorOf(Buffer.from('{ "__CURSOR" : "s=1;i=2" }'))).toBe('s=1;i=2');
  expect(cursorOf(Buffer.from('{}'))).toBeNull();
});
