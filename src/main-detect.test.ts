/** `asepsis detect` with threads says exactly what it says without: the same alerts, in the same order, at the same records. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, 'main.ts');
let dir: string;
let cache: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'asepsis-detect-'));
  cache = mkdtempSync(join(tmpdir(), 'asepsis-cache-'));
});
afterAll(() => {
  for (const folder of [dir, cache]) rmSync(folder, { recursive: true, force: true });
});

const PAD = 'x'.repeat(600);
/** A failed log-in each second, one process start in a thousand that a rule of ours knows. */
function line(i: number, from: number): string {
  const EventTime = new Date(Date.UTC(2026, 0, 5) + (from + i) * 1000).toISOString();
  const windows = { EventTime, UtcTime: EventTime, Hostname: 'srv-1', PAD };
  return JSON.stringify(
    i % 1000 === 500
      ? {
          ...windows,
          EventID: 1,
          Channel: 'Microsoft-Windows-Sysmon/Operational',
          Image: 'C:\\Windows\\System32\\vssadmin.exe',
          CommandLine: 'vssadmin delete shadows /all /quiet',
        }
      : {
          ...windows,
          EventID: 4625,
          Channel: 'Security',
          TargetUserName: `user${i % 7}`,
          LogonType: '3',
          IpAddress: `203.0.113.${i % 5}`,
        },
  );
}

const detect = (threads: number, ...paths: string[]) => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [MAIN, 'detect', ...paths, '--json', '--threads', String(threads)],
    { encoding: 'utf8', maxBuffer: 2 ** 28, env: { ...process.env, XDG_CACHE_HOME: cache } },
  );
  return { lines: stdout.trim().split('\n'), said: stderr };
};

test('files, a compressed one, a bad one, and correlations across files whatever their order', () => {
  const at = (n: number) => Array.from({ length: 2500 }, (_, i) => line(i, n * 2500)).join('\n');
  // By name the last of the log comes first.
  for (let n = 0; n < 4; n++) writeFileSync(join(dir, `part-${9 - n}.ndjson`), `${at(n)}\n`);
  execFileSync('gzip', ['-k', '-S', '.gz', join(dir, 'part-9.ndjson')]);
  rmSync(join(dir, 'part-9.ndjson'));
  writeFileSync(join(dir, 'torn.gz'), Buffer.from([0x1f, 0x8b, 8, 0, 1, 2, 3]));
  const one = detect(1, dir);
  const two = detect(2, dir);
  // Not compared as lists: a difference would print megabytes.
  expect(two.lines.findIndex((text, i) => text !== one.lines[i])).toBe(-1);
  expect(two.lines.length).toBe(one.lines.length);
  expect(two.said).toContain('torn.gz');
  expect(two.said).toContain('10000 events');
  const alerts = one.lines.map(
    (text) => JSON.parse(text) as { rule: { id: string }; time: string; source: { file: string; record: string } },
  );
  const shadow = alerts.filter(({ rule }) => rule.id.includes('shadow'));
  expect(shadow.map(({ source }) => source.record).slice(0, 3)).toEqual(['501', '1501', '501']);
  const guessed = alerts.filter(({ rule }) => rule.id === 'password-guessing').map(({ time }) => time);
  expect(guessed.length).toBeGreaterThan(5);
  expect(guessed).toEqual([...guessed].sort());
}, 60_000);
