/** Medical devices in the installation: a register, an advisory, a question to biomedical engineering, and its answer. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Store, systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { readInventory } from './inventories/index.ts';
import { openLibrary } from './patching-library.ts';
import { exposureOf, readPauses, writeAnswer, writePause } from './patching-records.ts';
import { createPatchingService } from './patching-service.ts';
import { describeFeed } from './patching-update.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-clinical-'));
let store: Store;
beforeAll(async () => {
  store = await openStore({ dataDir: folder, clock: systemClock });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const ADVISORY = {
  document: {
    category: 'csaf_security_advisory',
    title: 'Acme Flow',
    publisher: { name: 'CISA' },
    tracking: { id: 'ICSMA-26-001-01', version: '1', current_release_date: '2026-01-02T00:00:00Z' },
  },
  product_tree: {
    branches: [
      {
        category: 'vendor',
        name: 'Acme Medical Inc.',
        branches: [
          {
            category: 'product_name',
            name: 'Flow 9 Infusion Pump',
            branches: [{ category: 'product_version_range', name: '<= 2.3', product: { product_id: 'P1', name: 'x' } }],
          },
        ],
      },
    ],
  },
  vulnerabilities: [
    {
      cve: 'CVE-2026-9999',
      product_status: { known_affected: ['P1'] },
      scores: [{ products: ['P1'], cvss_v3: { baseScore: 9.8 } }],
    },
  ],
};

test('affected with a deadline, a question, its answers, and a device that was replaced', async () => {
  const service = createPatchingService({ store, clock: systemClock, dataDir: folder });
  await openLibrary(join(folder, 'patching', 'feeds')).build('update', new Date().toISOString(), async (place) => {
    writeFileSync(join(place, 'medical'), JSON.stringify(ADVISORY));
    return [
      await describeFeed(
        { id: 'medical', kind: 'file', url: 'https://example.org' },
        join(place, 'medical'),
        new Date().toISOString(),
      ),
    ];
  });
  const register = async (version: string) => {
    const path = join(folder, 'register.csv');
    writeFileSync(
      path,
      `Asset tag,Manufacturer,Model,Software version,Serial number,Risk class\nP-1,Acme,Flow 9,2.2,SER-0001,life-sustaining\nP-2,Acme,Flow 9,${version},SER-0002,\nP-3,Acme,Flow 9,,SER-0003,\n`,
    );
    return service.take(await readInventory(path), 'cmms');
  };
  expect(await register('')).toMatchObject({ assets: 3, created: 3, opened: 3 });
  const list = async (kind: string) =>
    (await store.findings.list({ room: 'patching', kind, state: 'open' }, { limit: 10 })).items;
  expect((await list('device-advisory')).map((one) => [one.asset.name, one.severity, one.due !== null])).toEqual([
    ['P-1', 'critical', true],
  ]);
  const questions = await list('device-advisory-question');
  expect(questions.map((one) => one.asset.name).sort()).toEqual(['P-2', 'P-3']);
  expect(questions[0]?.detail).toContain('Which version does');

  // Nobody can tell yet: the question stays, with who was asked.
  const at = new Date().toISOString();
  const first = questions[0];
  if (!first) throw new Error('no question');
  await writeAnswer(store, first.asset.id as string, {
    advisory: 'ICSMA-26-001-01',
    answer: 'unknown',
    note: 'The device is at the ward.',
    said_by: 'J. Doe',
    by: 'lead',
    at,
  });
  await service.judgeAll();
  const still = (await list('device-advisory-question')).find((one) => one.id === first.id);
  expect(still?.detail).toMatch(/Which version does .* J\. Doe answered on .*: unknown\. The device is at the ward\./);

  // P-2 is looked at: affected. P-3: not.
  for (const question of questions)
    await writeAnswer(store, question.asset.id as string, {
      advisory: 'ICSMA-26-001-01',
      answer: question.asset.name === 'P-2' ? 'affected' : 'not affected',
      said_by: 'biomed',
      note: 'Looked at the screen.',
      by: 'biomed',
      at,
    });
  await service.judgeAll();
  expect(await list('device-advisory-question')).toEqual([]);
  expect((await list('device-advisory')).map((one) => one.asset.name).sort()).toEqual(['P-1', 'P-2']);
  expect((await list('device-advisory')).find((one) => one.asset.name === 'P-2')?.detail).toContain('biomed answered');
  const assets = await store.assets.list({}, { limit: 10 });
  expect(assets.items.find((one) => one.name === 'P-1')).toMatchObject({ criticality: 'life-sustaining' });
});

test('exposure comes from the scan before the register; pauses are kept with their reason', async () => {
  const [asset] = (await store.assets.list({}, { limit: 1 })).items;
  if (!asset) throw new Error('no asset');
  expect(await exposureOf(store, asset)).toEqual({ exposed: null, exposedBy: null });
  expect(await exposureOf(store, { ...asset, external: false })).toEqual({
    exposed: false,
    exposedBy: 'the asset register says so',
  });
  await store.findings.observe(
    [
      {
        room: 'perimeter',
        kind: 'open-port',
        key: '443',
        severity: 'low',
        asset: { id: asset.id, name: asset.name },
        title: 'Port 443 answers',
        evidence: [{ what: 'x', seen: '2026-01-01T00:00:00.000Z' as never, data: { from: 'outside' } }],
        fix: { title: 'x', how: 'x', effort: 'minutes', disrupts: false },
        due: null,
        exercise: false,
      },
    ],
    '2026-01-01T00:00:00.000Z' as never,
  );
  expect(await exposureOf(store, { ...asset, external: false })).toMatchObject({ exposed: true });
  await writePause(store, {
    id: 'p',
    finding: 'f',
    from: '2026-01-01T00:00:00Z',
    to: null,
    reason: 'waits',
    by: 'lead',
  });
  expect(await readPauses(store, 'f')).toMatchObject([{ reason: 'waits', to: null }]);
});
