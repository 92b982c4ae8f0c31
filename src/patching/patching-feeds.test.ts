import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { Command } from 'commander';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readFeed } from './feeds/index.ts';
import { emptyFeedSet, type FeedSet } from './patching-advisory.ts';
import { patchingCommands } from './patching-commands.ts';
import { EVERY_VERSION, inRange as inWholeRange, type VersionRange } from './patching-range.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-feed-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;
const file = (content: string | Buffer) => {
  const path = join(folder, `feed-${serial++}`);
  writeFileSync(path, content);
  return path;
};
const emptySet = (): FeedSet => emptyFeedSet();
async function read(content: string | Buffer) {
  const set = emptySet();
  const report = await readFeed(file(content), set);
  return { set, report, items: set.advisories.flatMap((one) => one.items), faults: Object.fromEntries(report.faults) };
}

/** The short form of a range counts as what it stands for. */
const inRange = (range: VersionRange | string, version: string) =>
  inWholeRange(
    typeof range === 'string'
      ? { scheme: 'deb', intervals: [{ ...EVERY_VERSION, to: range, fixed: true }], exact: [], except: [] }
      : range,
    version,
  );

const osv = (id: string, more: object = {}) => ({
  schema_version: '1.6.0',
  id,
  modified: '2026-01-02T00:00:00Z',
  affected: [
    {
      package: { ecosystem: 'PyPI', name: 'Django_X' },
      ranges: [
        { type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '2.0' }] },
        { type: 'GIT', events: [{ introduced: '0' }] },
      ],
      versions: ['1.0', '3.0'],
    },
  ],
  ...more,
});

/** A zip archive as small as it can be; `method` 8 packs. */
function zip(entries: readonly { name: string; bytes: Buffer; flags?: number; method?: number }[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes, flags = 0, method = 8 } of entries) {
    const packed = method === 8 ? deflateRawSync(bytes) : bytes;
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x0403_4b50, 0);
    head.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x0201_4b50, 0);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(bytes.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    parts.push(head, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('OSV', () => {
  test('file, array, lines, gzip, folder, zip: the same', async () => {
    const list = [osv('A'), osv('B', { withdrawn: '2026-01-03T00:00:00Z' })];
    const inFolder = join(folder, 'all');
    mkdirSync(join(inFolder, 'PyPI'), { recursive: true });
    for (const [i, one] of list.entries()) writeFileSync(join(inFolder, 'PyPI', `${i}.json`), JSON.stringify(one));
    const ways = [
      file(JSON.stringify(list)),
      file(JSON.stringify(list, null, 1)),
      file(`${list.map((one) => JSON.stringify(one)).join('\n')}\n`),
      file(gzipSync(JSON.stringify(list))),
      file(
        zip([
          { name: '../../a.json', bytes: json(list[0]) },
          { name: 'b.json', bytes: json(list[1]), method: 0 },
          { name: 'readme', bytes: json(1) },
        ]),
      ),
      inFolder,
    ];
    for (const path of ways) {
      const set = emptySet();
      const report = await readFeed(path, set);
      expect(report).toMatchObject({
        entries: 2,
        feed: { name: 'OSV', date: '2026-01-02T00:00:00.000Z', dateOf: 'newest advisory' },
      });
      expect(set.advisories[0]?.items.map((one) => one.id)).toEqual(['A']);
      expect(set.advisories[0]?.withdrawn).toEqual(['B']);
      expect(report.faults.size).toBe(0);
    }
    expect((await read(JSON.stringify(osv('A', { aliases: ['CVE-2026-1111'] })))).items[0]?.names).toEqual([
      'A',
      'CVE-2026-1111',
    ]);
  });
  test('ranges and listed versions; names in one spelling; severity of CVSS before words', async () => {
    const severity = [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N' }];
    const [one] = (await read(JSON.stringify(osv('A', { severity, database_specific: { severity: 'LOW' } })))).items;
    const affected = one?.affected[0];
    expect(affected?.key).toBe('pypi\ndjango-x');
    expect(one?.severity).toBe('high');
    expect(
      ['1.5', '2.0', '3.0'].map((version) => affected?.range && inRange(affected.range, version).affected),
    ).toEqual([true, false, true]);
  });
  test('what it does not say is unknown, never "not affected"', async () => {
    const package_ = { ecosystem: 'npm', name: 'x' };
    const affected = [
      { package: package_ },
      { package: package_, ranges: [{ type: 'SEMVER', events: [{}] }] },
      { package: { ecosystem: 'Nowhere', name: 'x' } },
    ];
    const found = await read(JSON.stringify(osv('A', { affected })));
    expect(found.items[0]?.affected.map((one) => one.range)).toEqual([null, null]);
    expect(found.faults).toEqual({
      'A range that cannot be read': 1,
      'An ecosystem whose versions we cannot order': 1,
    });
  });
  test('GitHub: the last version known to be affected ends a range without a fix', async () => {
    const ranges = [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }];
    const affected = [
      {
        package: { ecosystem: 'npm', name: 'x' },
        ranges,
        database_specific: { last_known_affected_version_range: '<= 4.0.1' },
      },
    ];
    const range = (await read(JSON.stringify(osv('A', { affected })))).items[0]?.affected[0]?.range;
    expect(range && ['4.0.1', '4.0.2'].map((version) => inRange(range, version))).toEqual([
      { affected: true, fixed: null },
      { affected: false },
    ]);
  });
  test('a bad entry is counted, the next gets through', async () => {
    const found = await read(`${JSON.stringify(osv('A'))}\n{broken\n5\n${JSON.stringify(osv('B'))}\n`);
    expect(found.items.map((one) => one.id)).toEqual(['A', 'B']);
    expect(found.faults).toEqual({ 'An entry that is no OSV advisory': 2 });
  });
});

describe('zip', () => {
  test('bombs, encryption, unknown packing and broken entries are counted, the rest is read', async () => {
    const found = await read(
      zip([
        { name: 'bomb.json', bytes: Buffer.alloc(40 * 1024 * 1024) },
        { name: 'secret.json', bytes: json(osv('S')), flags: 1 },
        { name: 'odd.json', bytes: json(osv('O')), method: 99 },
        { name: 'a.json', bytes: json(osv('A')) },
      ]),
    );
    expect(found.items.map((one) => one.id)).toEqual(['A']);
    expect(found.faults).toEqual({
      'A broken entry in a zip archive': 1,
      'An encrypted entry in a zip archive': 1,
      'A way of packing that is not known': 1,
    });
  });
  test('damaged archives end with an answer', async () => {
    const good = zip([{ name: 'a.json', bytes: json(osv('A')) }]);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), async (at, byte, length) => {
        const bad = Buffer.from(good);
        bad[at] = byte;
        await read(bad.subarray(0, length)).catch((error: unknown) => expect(error).toHaveProperty('code'));
      }),
      { numRuns: 150 },
    );
  });
  test.runIf(spawnSync('python3', ['-c', 'import zipfile']).status === 0)('archives that Python writes', async () => {
    const path = join(folder, 'python.zip');
    const script =
      'import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1],"w",zipfile.ZIP_DEFLATED)\nfor n in "AB":\n z.writestr(n+".json",sys.argv[2].replace("ID",n))\nz.close()';
    spawnSync('python3', ['-c', script, path, JSON.stringify(osv('ID'))]);
    const set = emptySet();
    await readFeed(path, set);
    expect(set.advisories[0]?.items.map((one) => one.id)).toEqual(['A', 'B']);
  });
});

test('Debian: resolved, open, no-dsa, end of life, undetermined, never affected', async () => {
  const releases = (state: object) => ({ releases: { bookworm: state } });
  const tracker = {
    openssl: {
      'CVE-2026-0001': releases({ status: 'resolved', fixed_version: '3.0.2-1', urgency: 'high**' }),
      'CVE-2026-0002': releases({ status: 'open', urgency: 'not yet assigned', nodsa: 'Minor issue' }),
      'CVE-2026-0003': releases({ status: 'open', urgency: 'end-of-life' }),
      'CVE-2026-0004': releases({ status: 'undetermined', urgency: 'low' }),
      'CVE-2026-0005': releases({ status: 'resolved', fixed_version: '0', urgency: 'unimportant' }),
      'CVE-2026-0006': { releases: { plan9: { status: 'open' } } },
      'TEMP-1': 5,
    },
    linux: 'nothing',
  };
  const found = await read(JSON.stringify(tracker));
  expect(found.report.feed).toMatchObject({ name: 'Debian security tracker', dateOf: 'file' });
  expect(
    found.items.map(({ id, affected: [one] }) => [
      id,
      one?.note,
      one?.severity,
      one?.range && inRange(one.range, '3.0.1-1').affected,
    ]),
  ).toEqual([
    ['CVE-2026-0001/openssl', undefined, 'high', true],
    ['CVE-2026-0002/openssl', 'no-dsa', undefined, true],
    ['CVE-2026-0003/openssl', 'end-of-life', undefined, true],
    ['CVE-2026-0004/openssl', 'undetermined', 'low', null],
    ['CVE-2026-0005/openssl', undefined, undefined, undefined],
    ['CVE-2026-0006/openssl', undefined, undefined, undefined],
  ]);
  expect(found.faults).toEqual({
    'A Debian release that is not known': 1,
    'A vulnerability that cannot be read': 1,
    'A package that cannot be read': 1,
  });
});

test('KEV and EPSS: date and version come from the feed', async () => {
  const row = {
    cveID: 'CVE-2026-0001',
    dateAdded: '2026-01-01',
    dueDate: '2026-01-22',
    knownRansomwareCampaignUse: 'Known',
  };
  const kev = {
    catalogVersion: '2026.01.01',
    dateReleased: '2026-01-01T10:00:00.5Z',
    count: 2,
    vulnerabilities: [row, { cveID: 'x' }],
  };
  const one = await read(JSON.stringify(kev, null, 2));
  expect(one.report.feed).toEqual({
    name: 'CISA KEV',
    version: '2026.01.01',
    date: '2026-01-01T10:00:00.500Z',
    dateOf: 'feed',
  });
  expect(one.set.exploited.get('CVE-2026-0001')).toMatchObject({ due: '2026-01-22', ransomware: true });
  expect(one.faults).toEqual({ 'A row that is no known exploited vulnerability': 1 });
  const two = await read(
    gzipSync(
      '#model_version:v2025.03.14,score_date:2026-01-02T00:00:00+0000\ncve,epss,percentile\nCVE-2026-0001,0.91,0.99\nCVE-2026-0002,,\nnonsense\n',
    ),
  );
  expect(two.report.feed).toMatchObject({ version: 'v2025.03.14', date: '2026-01-02T00:00:00.000Z', dateOf: 'feed' });
  expect([...two.set.likelihood].map(([cve, { score }]) => [cve, score])).toEqual([['CVE-2026-0001', 0.91]]);
  expect(two.faults).toEqual({ 'A row that is no EPSS score': 2 });
});

test('what is no feed is refused by name', async () => {
  for (const text of ['', 'hello', '{}', '{"a":1}'])
    await expect(read(text)).rejects.toHaveProperty('code', 'INPUT_UNREADABLE');
});

describe('commands', () => {
  async function run(...args: string[]) {
    const out: string[] = [];
    const said: string[] = [];
    const program = new Command().exitOverride();
    patchingCommands(program, {
      out: (text) => out.push(text),
      say: (line) => said.push(line),
      progress: () => undefined,
      colour: false,
    });
    process.exitCode = undefined;
    try {
      await program.parseAsync(['node', 'asepsis', 'patch', ...args]);
      return { out: out.join(''), said: said.join('\n'), code: process.exitCode };
    } finally {
      process.exitCode = undefined;
    }
  }
  const inventory = () =>
    file('host,type,name,version\npacs,pypi,django.x,1.5\nlab,pypi,django-x,2.0\nlab,deb,bash,5\n');

  test('match: a finding in the agreed shape, and what was not judged', async () => {
    const feed = file(JSON.stringify(osv('A', { modified: new Date().toISOString() })));
    const { out, said, code } = await run('match', '--inventory', inventory(), '--feed', feed, '--json');
    expect(code).toBe(1);
    const found = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      room: 'patching',
      kind: 'missing-update',
      asset: { name: 'pacs' },
      state: 'open',
    });
    for (const key of ['id', 'severity', 'title', 'evidence', 'first_seen', 'last_seen', 'due', 'fix'])
      expect(found[0]).toHaveProperty(key);
    expect(said).toContain('Not judged on lab: 1 packages of a distribution whose release is not told');
  });
  test('match: an old feed is a finding, an empty one is a failure', async () => {
    const elsewhere = [{ package: { ecosystem: 'PyPI', name: 'other' }, versions: ['1'] }];
    const { out } = await run(
      'match',
      '-i',
      inventory(),
      '-f',
      file(JSON.stringify(osv('A', { affected: elsewhere }))),
    );
    expect(out).toContain('newer vulnerabilities are not known');
    const kev = file(JSON.stringify({ catalogVersion: '1', vulnerabilities: [] }));
    await expect(run('match', '-i', inventory(), '-f', kev)).rejects.toHaveProperty('code', 'INPUT_UNREADABLE');
  });
  test('versions', async () => {
    expect((await run('versions', '1.0~rc1', '1.0', '--ecosystem', 'deb')).out).toBe('1.0~rc1 < 1.0\n');
    expect(JSON.parse((await run('versions', '1.10', '1.9', '-e', 'npm', '--json')).out)).toMatchObject({
      order: 1,
      scheme: 'semver',
    });
    expect((await run('versions', '1.5', '-e', 'pypi', '--in', '>=1,<2')).out).toBe('1.5 is in >=1,<2\n');
    expect(
      JSON.parse((await run('versions', '2.0', '-e', 'npm', '--in', 'vers:npm/>=1|<2', '--json')).out),
    ).toMatchObject({ in: false });
    await expect(run('versions', '1', '-e', 'npm', '--in', 'vers:npm/')).rejects.toHaveProperty('code', 'BAD_REQUEST');
    await expect(run('versions', '1', '-e', 'npm')).rejects.toHaveProperty('code', 'BAD_REQUEST');
    await expect(run('versions', '1', '2', '-e', 'nowhere')).rejects.toHaveProperty('code', 'BAD_REQUEST');
  });
});
