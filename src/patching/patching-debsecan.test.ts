import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readFeed } from './feeds/index.ts';
import { readInventory } from './inventories/index.ts';
import { emptyFeedSet, type FeedSet } from './patching-advisory.ts';
import { matchInventories } from './patching-match.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-debsecan-'));
afterAll(() => rmSync(folder, { recursive: true }));
const debsecan = spawnSync('debsecan', ['--help']).status === 0;

// An independent opinion: Debian's own tool over the same packages and the same statements.
test.runIf(debsecan)('debsecan finds the same vulnerabilities of the same packages', async () => {
  const version = fc
    .tuple(
      fc.constantFrom('', '1:'),
      fc.constantFrom('1.0', '1.0~rc1', '1.0+dfsg', '1.10', '2.0a', '0'),
      fc.constantFrom('', '-1', '-1+deb12u2', '-1+deb12u10', '-1~bpo12+1', '-1.1'),
    )
    .map((parts) => parts.join(''));
  const items = fc.sample(
    fc.record({ installed: version, binary: version, fixed: fc.option(version), own: fc.boolean() }),
    200,
  );
  const status = items.map(({ installed, binary, own }, i) =>
    [
      `Package: bin${i}`,
      'Status: install ok installed',
      'Architecture: amd64',
      `Version: ${own ? installed : binary}`,
      ...(own ? [] : [`Source: src${i} (${installed})`]),
      '',
    ].join('\n'),
  );
  const source = (i: number) => (items[i]?.own ? `bin${i}` : `src${i}`);
  const tracker = Object.fromEntries(
    items.map(({ fixed }, i) => [
      source(i),
      {
        [`CVE-2026-${10_000 + i}`]: {
          releases: {
            bookworm:
              fixed === null
                ? { status: 'open', urgency: 'low' }
                : { status: 'resolved', fixed_version: fixed, urgency: 'low' },
          },
        },
      },
    ]),
  );
  // "0" in the tracker means that the release was never affected; debsecan's data leaves such lines out.
  const lines = items.flatMap(({ fixed }, i) =>
    fixed === '0' ? [] : [`${source(i)},${i},S ? ${fixed === null ? ' ' : 'F'},${fixed ?? ''},`.replace('S ? ', 'S ?')],
  );
  const data = `VERSION 1\n${items.map((_, i) => `CVE-2026-${10_000 + i},,text`).join('\n')}\n\n${lines.join('\n')}\n\n${items.map((_, i) => `${source(i)},bin${i}`).join('\n')}\n\n`;
  writeFileSync(join(folder, 'status'), status.join('\n'));
  writeFileSync(join(folder, 'tracker.json'), JSON.stringify(tracker));
  writeFileSync(join(folder, 'bookworm'), deflateSync(data));
  const told = execFileSync(
    'debsecan',
    ['--status', join(folder, 'status'), '--suite', 'bookworm', '--source', `file://${folder}/`, '--format', 'simple'],
    { encoding: 'utf8' },
  );
  const expected = new Set(
    told
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  );

  const feeds: FeedSet = emptyFeedSet();
  await readFeed(join(folder, 'tracker.json'), feeds);
  const inventory = await readInventory(join(folder, 'status'), { release: 'Debian:12' });
  const found = matchInventories([inventory], feeds, Date.now()).findings.flatMap((finding) =>
    finding.evidence.map((one) => one.data?.vulnerability),
  );
  expect(new Set(found)).toEqual(expected);
  expect(expected.size).toBeGreaterThan(10);
});
