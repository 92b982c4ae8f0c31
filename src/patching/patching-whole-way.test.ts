/** This machine's real packages the whole way: inventory, a slice of a feed, findings, plan, simulated upgrade, proof. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { readInventory } from './inventories/index.ts';
import { createPatchingDesk, WINDOWS } from './patching-desk.ts';
import { openLibrary } from './patching-library.ts';
import { ownInventory } from './patching-own.ts';
import { packageOf } from './patching-package.ts';
import { createPatchingService } from './patching-service.ts';
import { describeFeed } from './patching-update.ts';
import { compareVersions } from './versions/index.ts';

const STATUS = '/var/lib/dpkg/status';
const folder = mkdtempSync(join(tmpdir(), 'asepsis-whole-way-'));
afterAll(() => rmSync(folder, { recursive: true }));
const HURT = 5;

test.skipIf(!existsSync(STATUS))(
  'inventory → feed slice → findings → plan → simulated upgrade → proof',
  { timeout: 60_000 },
  async () => {
    const store = await openStore({ dataDir: folder, clock: systemClock });
    try {
      const service = createPatchingService({ store, clock: systemClock, dataDir: folder });
      const desk = createPatchingDesk({ store, clock: systemClock, exercise: false });
      const name = hostname();
      const own = await ownInventory();
      const packages = (own.hosts.get(name) ?? [])
        .map((one) => packageOf(one))
        .filter((one) => typeof one === 'object' && one.scheme === 'deb') as Exclude<
        ReturnType<typeof packageOf>,
        string
      >[];
      expect(packages.length).toBeGreaterThan(50);
      // A slice as the tracker writes it: five sources wait for one revision more, all others were repaired by what is installed.
      const sources = new Map<string, string>();
      for (const one of packages) {
        const known = sources.get(one.name);
        // Of several binaries of a source the oldest is what waits.
        if (known === undefined || compareVersions('deb', one.version, known) < 0) sources.set(one.name, one.version);
      }
      const names = [...sources.keys()].filter((one) => !one.startsWith('linux')).sort();
      const hurt = new Set(names.slice(0, HURT));
      const { ecosystem } = packages[0] as (typeof packages)[number];
      const [system, release] = ecosystem.split(':');
      const slice = names.map((source, i) => ({
        id: `TEST-${i}`,
        modified: new Date().toISOString(),
        aliases: [`CVE-2026-${10_000 + i}`],
        affected: [
          {
            package: { ecosystem: `${system === 'ubuntu' ? 'Ubuntu' : 'Debian'}:${release}`, name: source },
            ranges: [
              {
                type: 'ECOSYSTEM',
                events: [
                  { introduced: '0' },
                  { fixed: hurt.has(source) ? `${sources.get(source)}+asepsis1` : sources.get(source) },
                ],
              },
            ],
          },
        ],
      }));
      const library = openLibrary(join(folder, 'patching', 'feeds'));
      await library.build('update', new Date().toISOString(), async (place) => {
        writeFileSync(join(place, 'slice'), JSON.stringify(slice));
        return [
          await describeFeed(
            { id: 'slice', kind: 'file', url: 'https://example.org/' },
            join(place, 'slice'),
            new Date().toISOString(),
          ),
        ];
      });
      const first = await service.take(own, 'this machine');
      // Restarts that this machine needs may stand beside them.
      expect(first.opened, JSON.stringify(first.unjudged)).toBeGreaterThanOrEqual(HURT);
      const open = (
        await store.findings.list({ room: 'patching', kind: 'missing-update', state: 'open' }, { limit: 100 })
      ).items;
      expect(new Set(open.map((one) => one.key.split('/')[1]))).toEqual(hurt);

      const actions = (await desk.actions()).filter((one) => one.kind === 'update');
      expect(actions).toHaveLength(HURT);
      await store.records.put(WINDOWS, [
        {
          id: 'w',
          doc: {
            id: 'w',
            name: 'Tonight',
            starts: new Date().toISOString(),
            ends: new Date(Date.now() + 8 * 3_600_000).toISOString(),
            repeat_days: null,
            parallel: 4,
            scope: { departments: [], assets: [], classes: [] },
          },
        },
      ]);
      const plan = await desk.makePlan({
        name: 'Tonight',
        by: 'test',
        windows: [],
        actions: actions.map((one) => one.id),
      });
      expect(plan.tasks).toHaveLength(1);
      expect(plan.tasks[0]?.findings).toHaveLength(HURT);
      await desk.setTask(plan.id, plan.tasks[0]?.id ?? '', { status: 'done', note: '', by: 'test' });
      expect((await desk.view(await desk.plan(plan.id))).tasks[0]?.proof.state).toBe('claimed');

      // The upgrade, simulated: the same status file with the new versions.
      const upgraded = readFileSync(STATUS, 'utf8')
        .split('\n\n')
        .map((text) => {
          const own_ = /^Package: (.+)$/m.exec(text)?.[1] ?? '';
          const source = /^Source: ([^ \n]+)/m.exec(text)?.[1] ?? own_;
          if (!hurt.has(source)) return text;
          return text
            .replace(/^(Version: .+)$/m, '$1+asepsis1')
            .replace(/^Source: (\S+) \((.+)\)$/m, 'Source: $1 ($2+asepsis1)');
        })
        .join('\n\n');
      writeFileSync(join(folder, 'status'), upgraded);
      const release_ = own.facts.get(name)?.release ?? own.facts.get(name)?.os ?? '';
      const after = await service.take(
        await readInventory(join(folder, 'status'), { asset: name, release: release_ }),
        'this machine',
      );
      expect(after.fixed).toBe(HURT);
      desk.forget();
      const [task] = (await desk.view(await desk.plan(plan.id))).tasks;
      expect(task?.proof.state).toBe('proven');
      expect(task?.proof.signals[0]?.what).toContain('+asepsis1');
    } finally {
      await store.close();
    }
  },
);
