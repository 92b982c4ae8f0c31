/** Upkeep's decisions: what is sealed, merged and deleted, and when not. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { folderEndMs, HOUR_MS, slotFolder } from './archive-files.ts';
import type { FileEntry } from './archive-manifest.ts';
import { planUpkeep, UPKEEP } from './archive-plan.ts';

const HOUR = Date.UTC(2026, 2, 1, 9) / HOUR_MS;
const NOW = (HOUR + 1) * HOUR_MS + UPKEEP.settleMs;
const folder = slotFolder({ unit: 'hour', number: HOUR });

const entry = (file: string, rows: number, timeMs = HOUR * HOUR_MS): FileEntry => ({
  file,
  rows,
  bytes: rows * 25,
  sha256: '',
  time: [timeMs, timeMs + 1],
  seq: [1, 2],
});
const hot = (rows: number) => entry('hot/1-2-3.parquet', rows);
const sealed = (job: number, rows: number) => entry(`${folder}/sealed-${job}.parquet`, rows);
const packed = (job: number, rows: number) => entry(`${folder}/packed-${job}.parquet`, rows);
const plan = (live: FileEntry[], over = {}) =>
  planUpkeep({
    live,
    nowMs: NOW,
    hotSinceMs: live.some((e) => e.file.startsWith('hot')) ? NOW : null,
    retentionDays: 30,
    busy: false,
    ...over,
  });

test('seals by size and by age', () => {
  expect(plan([hot(10)])).toBeNull();
  expect(plan([hot(UPKEEP.sealRows)])?.kind).toBe('seal');
  expect(plan([hot(10)], { hotSinceMs: NOW - UPKEEP.sealAgeMs })?.kind).toBe('seal');
});

test('merges an hour once it is over and it is quiet', () => {
  const live = [sealed(1, 100), sealed(2, 100)];
  expect(plan(live)).toMatchObject({ kind: 'compact', folder, files: live });
  expect(plan(live, { busy: true })).toBeNull();
  expect(plan(live, { nowMs: NOW - 1 })).toBeNull();
  expect(plan([packed(3, 200)])).toBeNull();
  expect(plan([sealed(3, 200)])).toBeNull();
  const many = Array.from({ length: UPKEEP.folderFilesMax }, (_, i) => sealed(i, 10));
  expect(plan(many, { nowMs: NOW - 1, busy: true })?.kind).toBe('compact');
});

test('late events do not make it write a whole hour again', () => {
  expect(plan([packed(3, 1_000_000), sealed(4, 10)])).toBeNull();
  const late = plan([packed(3, 1_000_000), sealed(4, 10), sealed(5, 20)]);
  expect(late?.files.map((file) => file.rows)).toEqual([10, 20]);
  const five = [packed(3, 1_000_000), packed(4, 90), packed(5, 80), packed(6, 70), packed(7, 60), sealed(8, 1)];
  expect(
    plan(five)
      ?.files.map((file) => file.rows)
      .sort((a, b) => a - b),
  ).toEqual([1, 60, 70, 80, 90]);
});

test('deletes what is older than the retention', () => {
  const old = entry(`${slotFolder({ unit: 'day', number: 100 })}/sealed-1.parquet`, 10, 100 * 24 * HOUR_MS);
  expect(plan([old, sealed(2, 10)], { busy: true })).toMatchObject({ kind: 'retire', files: [old] });
});

test('comes to an end: every plan carried out, nothing is left to do and nothing was lost', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(sizes, (rows) => {
      let live = rows.map((count, i) => sealed(i + 1, count));
      const sum = () => live.reduce((all, file) => all + file.rows, 0);
      const before = sum();
      for (let job = 100; ; job++) {
        expect(job).toBeLessThan(300);
        const next = plan(live);
        if (next?.kind !== 'compact') break;
        const made = packed(
          job,
          next.files.reduce((all, file) => all + file.rows, 0),
        );
        live = [...live.filter((file) => !next.files.includes(file)), made];
      }
      expect(sum()).toBe(before);
    }),
    { numRuns: 50 },
  );
});

test('folders say when their time is over', () => {
  expect(folderEndMs(folder)).toBe((HOUR + 1) * HOUR_MS);
  expect(folderEndMs(slotFolder({ unit: 'day', number: 3 }))).toBe(4 * 24 * HOUR_MS);
  expect(folderEndMs(slotFolder(null))).toBeNull();
});
