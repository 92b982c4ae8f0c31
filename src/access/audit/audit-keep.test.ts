import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { accessExports, createHospital, createRandom } from '../../rehearsal/index.ts';
import { openStore } from '../../store/index.ts';
import { createMissing } from '../access-missing.ts';
import { takeExports } from './audit-keep.ts';

test('the rehearsal’s exports fill the Access page of an exercise, and no real one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-keep-'));
  const store = await openStore({ dataDir: folder, clock: systemClock });
  try {
    const hospital = createHospital(createRandom(7));
    for (const [name, text] of accessExports(hospital, createRandom(7), systemClock.now())) {
      const file = join(folder, 'exports', name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    const exports = [join(folder, 'exports')];
    await takeExports(store, exports, { nowMs: systemClock.now(), exercise: true });
    const view = await createMissing(store, systemClock, true)();
    expect(view.services.length).toBeGreaterThanOrEqual(3);
    // Every state that the page has a column for is there to be looked at, and the victim is among the missing.
    for (const state of ['none', 'bypassed', 'enforced'] as const)
      expect(view.services.reduce((sum, one) => sum + one[state], 0)).toBeGreaterThan(0);
    const all = await store.accounts.list({ text: hospital.victim }, { limit: 10 });
    expect(all.items.some((one) => one.second_factor !== 'enforced')).toBe(true);
    expect((await createMissing(store, systemClock, false)()).services).toEqual([]);
    const findings = await store.findings.list({ room: 'access' }, { limit: 500 });
    expect(findings.items.length).toBeGreaterThan(20);
    expect(findings.items.every((one) => one.exercise)).toBe(true);
    // Once more: nothing doubles, nothing is fixed that is still there.
    const before = await store.findings.count({ room: 'access', state: 'open' });
    await takeExports(store, exports, { nowMs: systemClock.now(), exercise: true });
    expect(await store.findings.count({ room: 'access', state: 'open' })).toBe(before);
    const counted = view.services.find((one) => one.none > 0);
    const opened = await store.accounts.list(
      { service: counted?.service ?? '', second_factor: 'none' },
      { limit: 500 },
    );
    // What a number of the page opens is what it counts.
    expect(opened.items).toHaveLength(counted?.none ?? -1);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});
