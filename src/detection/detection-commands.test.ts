/** The commands as a person calls them: output lines, exit codes, refusals with line and column. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DecodedEvent } from '../core/index.ts';
import { detectionCommands } from './detection-commands.ts';
import { logIn } from './testing/detection-samples.ts';

const OWN = fileURLToPath(new URL('../../rules', import.meta.url));
let folder = '';
let out = '';
let said = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-detect-'));
  out = '';
  said = '';
});
afterEach(async () => {
  process.exitCode = 0;
  await rm(folder, { recursive: true, force: true });
});

/** Stands in for a file: its name says how many failures it holds. */
async function* decodeFile(path: string): AsyncIterable<DecodedEvent> {
  if (path.endsWith('torn.log')) throw new Error('unexpected end of file');
  const failures = Number(/(\d+)\.log$/.exec(path)?.[1] ?? 0);
  for (let i = 0; i < failures; i++) yield logIn('failure', 'root', '45.9.1.2', i);
}

async function run(...words: string[]): Promise<number> {
  const program = new Command('asepsis').exitOverride();
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    say: (line: string) => {
      said += `${line}\n`;
    },
    progress: () => {},
    colour: false,
  };
  detectionCommands(program, terminal, { decodeFile, ownRules: OWN });
  process.exitCode = 0;
  await program.parseAsync(['node', 'asepsis', ...words]);
  return Number(process.exitCode);
}

test('detect --json writes one object a line with the agreed names', async () => {
  expect(await run('detect', 'a/quiet-0.log', 'b/guess-12.log', '--json')).toBe(1);
  const lines = out
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('{"rule":{"id":"password-guessing",'));
  expect(lines).toHaveLength(1);
  const alert = JSON.parse(lines[0] as string);
  expect(alert.rule).toMatchObject({
    id: 'password-guessing',
    title: 'Password guessing from one address',
    level: 'high',
  });
  expect(alert.source).toEqual({ file: 'b/guess-12.log', record: '10' });
  expect(alert.entities).toContainEqual({ type: 'address', value: '45.9.1.2', role: 'attacker' });
  expect(alert.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(alert.event.ocsf.user).toBe('root');
});

test('detect for people: a sentence, a summary, and 0 when nothing was found', async () => {
  expect(await run('detect', 'guess-12.log')).toBe(1);
  expect(out).toContain('Password guessing on vpn-1 from 45.9.1.2: 10 failures for root');
  expect(await run('detect', 'guess-2.log')).toBe(0);
  expect(said).toContain('2 events');
});

test('detect on a folder reads all files below it, and a bad one hides none', async () => {
  await mkdir(join(folder, 'deep', 'er'), { recursive: true });
  for (const name of ['deep/torn.log', 'deep/er/guess-12.log', 'guess-1.log', '.hidden-12.log'])
    await writeFile(join(folder, name), '');
  expect(await run('detect', folder)).toBe(1);
  expect(said).toContain('torn.log: unexpected end of file');
  expect(said).toContain('13 events');
  await expect(run('detect', join(folder, 'deep/torn.log'))).rejects.toThrow('unexpected end');
});

test('rules lint names the place, rules test runs the cases', async () => {
  await writeFile(
    join(folder, 'bad.yml'),
    'title: Bad\nlogsource: { product: x }\ndetection:\n  s: { a|sounds: 1 }\n  condition: s\n',
  );
  expect(await run('rules', 'lint', folder)).toBe(1);
  expect(out).toContain('bad.yml:4:8: the modifier "sounds" is not known');
  expect(await run('rules', 'lint')).toBe(0);
  await writeFile(
    join(folder, 'bad.yml'),
    'title: Good\nid: good\nlogsource: { product: x }\ndetection: { s: { a: 1 }, condition: s }\n',
  );
  await writeFile(
    join(folder, 'good.test.yml'),
    'cases:\n  - { name: wrong, fires: [good], events: [{ logsource: { product: x }, fields: { a: 2 } }] }\n  - { name: right, fires: [good], events: [{ logsource: { product: x }, fields: { a: 1 } }] }\n',
  );
  out = '';
  expect(await run('rules', 'test', folder)).toBe(1);
  expect(out).toContain('wrong: fired [], expected [good]');
  expect(said).toContain('1 of 2 cases as expected');
});

test('a folder that is not there is one clear error', async () => {
  await expect(run('detect', 'x-1.log', '--rules', join(folder, 'none'))).rejects.toThrow(/There is no rule folder/);
});
