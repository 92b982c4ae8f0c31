/** The model of a cut disk itself: a check that never fails would prove nothing. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Luck, writeState } from './power-states.ts';
import type { DiskOp } from './power-trace.ts';

const NEW: DiskOp[] = [
  { kind: 'create', path: 'a.tmp' },
  { kind: 'write', path: 'a.tmp', at: 0, data: Buffer.from('new') },
  { kind: 'sync', path: 'a.tmp', since: 2 },
  { kind: 'rename', path: 'a.tmp', to: 'a' },
  { kind: 'sync', path: '', since: 4 },
  { kind: 'write', path: 'a', at: 3, data: Buffer.from('er') },
];

function state(ops: readonly DiskOp[], luck: Luck): Record<string, string> {
  const dir = mkdtempSync(join(tmpdir(), 'power-'));
  try {
    writeState(ops, ops.length, luck, () => 0, dir);
    return Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('only what was synchronised is certain: bytes by the file, names by the folder', () => {
  expect(state(NEW, 'none')).toEqual({ a: 'new' });
  expect(state(NEW, 'all')).toEqual({ a: 'newer' });
  expect(state(NEW.slice(0, 4), 'none')).toEqual({});
  expect(state(NEW.slice(0, 4), 'all')).toEqual({ a: 'new' });
  expect(
    state(
      NEW.filter((op) => op.kind !== 'sync'),
      'none',
    ),
  ).toEqual({});
});

test('a synchronisation covers what was done before it began, not what came meanwhile', () => {
  const ops: DiskOp[] = [
    { kind: 'create', path: 'a' },
    { kind: 'sync', path: '', since: 1 },
    { kind: 'write', path: 'a', at: 0, data: Buffer.from('old') },
    { kind: 'write', path: 'a', at: 0, data: Buffer.from('NEW') },
    { kind: 'sync', path: 'a', since: 3 },
  ];
  expect(state(ops, 'none')).toEqual({ a: 'old' });
});

test('a rename over a file leaves the old or the new one; a removal may come back', () => {
  const ops: DiskOp[] = [
    ...NEW,
    { kind: 'create', path: 'b.tmp' },
    { kind: 'write', path: 'b.tmp', at: 0, data: Buffer.from('second') },
    { kind: 'sync', path: 'b.tmp', since: 8 },
    { kind: 'rename', path: 'b.tmp', to: 'a' },
  ];
  expect(state(ops, 'none')).toEqual({ a: 'new' });
  expect(state(ops, 'all')).toEqual({ a: 'second' });
  expect(state([...NEW, { kind: 'remove', path: 'a' }], 'none')).toEqual({ a: 'new' });
  expect(state([...NEW, { kind: 'remove', path: 'a' }], 'all')).toEqual({});
});
