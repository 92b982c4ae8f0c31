/** How publishers really answer: unchanged, in pages, in folders, late, cut, as a web page, elsewhere; from a server of this test. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../core/index.ts';
import type { FeedSource } from './feeds/index.ts';
import { type FeedLibrary, openLibrary } from './patching-library.ts';
import { updateFeeds } from './patching-update.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-fetch-'));
const DAY = 86_400_000;
let now = Date.UTC(2026, 5, 1);
const clock: Clock = { now: () => now };
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const answers = new Map<string, Answer>();
let asked: string[] = [];
let server: Server;
let base = '';
let library: FeedLibrary;
let serial = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', base);
    const answer = answers.get(url.pathname);
    asked.push(`${url.pathname}${url.search}`);
    if (answer) answer(request, response);
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  answers.clear();
  asked = [];
  library = openLibrary(join(folder, `library-${serial++}`));
});

const text = (body: string | object, headers: Record<string, string> = {}): Answer => {
  return (_request, response) =>
    void response.writeHead(200, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
};
/** With what a server says that makes a second question cheap. */
const kept = (body: string, etag: string, modified?: string): Answer => {
  return (request, response) => {
    const same =
      request.headers['if-none-match'] === etag ||
      (modified !== undefined && request.headers['if-modified-since'] === modified);
    if (same) response.writeHead(304).end();
    else response.writeHead(200, { ...(etag && { etag }), ...(modified && { 'last-modified': modified }) }).end(body);
  };
};
const bring = (source: Omit<FeedSource, 'id'>, said: string[] = []) =>
  updateFeeds(library, [{ id: 'feed', ...source }], clock, (sentence) => said.push(sentence));
const ids = async () =>
  (await library.load()).advisories.flatMap((one) => one.items.map((item) => item.id)).sort((a, b) => (a < b ? -1 : 1));
const files = async () => readdirSync(join(library.folder, `generation-${await library.generation()}`, 'feed')).sort();
const tracker = (count: number) =>
  JSON.stringify(
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        `p${i}`,
        { [`CVE-2026-${1000 + i}`]: { releases: { bookworm: { status: 'open', urgency: 'low' } } } },
      ]),
    ),
  );
const file = (path: string) => ({ kind: 'file' as const, url: `${base}${path}` });

test('two that build at one time: one counts whole, the other says so', async () => {
  const places: string[] = [];
  const both = await Promise.allSettled(
    [1, 2].map((one) =>
      library.build('update', '2026-06-01T00:00:00Z', async (place) => {
        places.push(place);
        await new Promise((resolve) => setTimeout(resolve, 20 * one));
        return [];
      }),
    ),
  );
  expect(new Set(places).size).toBe(2);
  expect(both.map((one) => one.status)).toEqual(['fulfilled', 'rejected']);
  expect(await library.current()).toMatchObject({ generation: 1 });
  expect(readdirSync(library.folder).filter((name) => name.endsWith('.new'))).toEqual([]);
});

describe('one file', () => {
  test('is asked for by its tag or its day, and says how far it is', async () => {
    const said: string[] = [];
    answers.set('/tracker', kept(tracker(2), '"1"'));
    expect(await bring(file('/tracker'), said)).toMatchObject({ changed: ['feed'] });
    expect(said.some((one) => /^feed: [0-9.]+ MB$/.test(one))).toBe(true);
    expect(await bring(file('/tracker'))).toMatchObject({ same: ['feed'], changed: [] });
    answers.set('/tracker', kept(tracker(3), '', 'Mon, 01 Jun 2026 00:00:00 GMT'));
    expect(await bring(file('/tracker'))).toMatchObject({ changed: ['feed'] });
    expect(await bring(file('/tracker'))).toMatchObject({ same: ['feed'] });
    expect(await ids()).toHaveLength(3);
  });
  test('gzip as a file, and gzip on the way', async () => {
    answers.set('/a.gz', (_request, response) => void response.writeHead(200).end(gzipSync(tracker(2))));
    expect(await bring(file('/a.gz'))).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toHaveLength(2);
    answers.set(
      '/b',
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(tracker(4))),
    );
    expect(await bring(file('/b'))).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toHaveLength(4);
  });
  test('"too many requests" is waited for as long as it says, and not for ever', async () => {
    let refused = 2;
    answers.set('/busy', (_request, response) => {
      if (refused-- > 0) response.writeHead(429, { 'retry-after': '0' }).end();
      else response.end(tracker(1));
    });
    expect(await bring(file('/busy'))).toMatchObject({ changed: ['feed'] });
    expect(asked).toHaveLength(3);
    refused = 1000;
    expect((await bring(file('/busy'))).failed).toMatchObject([{ why: expect.stringContaining('answered 429') }]);
    expect(asked).toHaveLength(7);
    expect(await ids()).toHaveLength(1);
  });
  test.each<readonly [string, RegExp, Answer]>([
    [
      'cut on the way',
      /does not answer to the end/,
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100000' });
        response.write(tracker(5).slice(0, 100));
        setTimeout(() => response.destroy(), 20);
      },
    ],
    ['cut by its publisher', /ends in the middle/, text(`${tracker(300).slice(0, -400)}`)],
    [
      'a web page',
      /web page instead of data/,
      text('<html>Sign in</html>', { 'content-type': 'text/html; charset=utf-8' }),
    ],
    ['no feed at all', /no feed that is known/, text('hello')],
    [
      'gzip that is cut',
      /cannot be read/,
      (_request, response) => void response.end(gzipSync(tracker(300)).subarray(0, 200)),
    ],
    ['much smaller than before', /held 300; the older one stays/, text(tracker(2))],
    ['empty', /no feed that is known|nothing that can be read/, text('')],
    [
      'led to a plain address elsewhere',
      /https only/,
      (_r, response) => void response.writeHead(302, { location: 'http://192.0.2.1/x' }).end(),
    ],
    [
      'led round in a circle',
      /answered 302/,
      (_r, response) => void response.writeHead(302, { location: '/feed' }).end(),
    ],
  ])(
    '%s: the older one stays, and why is shown',
    async (_name, why, answer) => {
      answers.set('/feed', text(tracker(300)));
      await bring(file('/feed'));
      answers.set('/feed', answer);
      const { failed, generation } = await bring(file('/feed'));
      expect(failed).toMatchObject([{ id: 'feed', why: expect.stringMatching(why) }]);
      expect(generation?.feeds[0]?.failed).toMatch(why);
      expect(await ids()).toHaveLength(300);
    },
    60_000,
  );
  test('what never came is shown too, and comes later', async () => {
    const first = await bring(file('/later'));
    expect(first.generation?.feeds).toMatchObject([{ id: 'feed', entries: 0, failed: expect.stringContaining('404') }]);
    expect((await library.load()).advisories).toEqual([]);
    answers.set('/later', text(tracker(1)));
    expect((await bring(file('/later'))).generation?.feeds[0]).not.toHaveProperty('failed');
    expect(await ids()).toHaveLength(1);
  });
});

const cve = (id: number) => ({
  cve: {
    id: `CVE-2026-${id}`,
    lastModified: '2026-05-01',
    configurations: [
      { nodes: [{ cpeMatch: [{ vulnerable: true, criteria: `cpe:2.3:a:acme:app${id}:*:*:*:*:*:*:*:*` }] }] },
    ],
  },
});
const nvdPages =
  (all: () => readonly object[], size: number): Answer =>
  (request, response) => {
    const { searchParams } = new URL(request.url ?? '', base);
    const start = Number(searchParams.get('startIndex'));
    const part = all().slice(start, start + size);
    const head = { resultsPerPage: part.length, startIndex: start, totalResults: all().length, format: 'NVD_CVE' };
    const body = { ...head, version: '2.0', timestamp: '2026-06-01T00:00:00', vulnerabilities: part };
    response.end(JSON.stringify(body));
  };
describe('NVD', () => {
  const source = () => ({ kind: 'nvd' as const, url: `${base}/nvd` });
  test('pages of all, then of what changed; a new base forgets older changes', async () => {
    let all = [1001, 1002, 1003, 1004, 1005].map(cve);
    answers.set(
      '/nvd',
      nvdPages(() => all, 2),
    );
    expect(await bring(source())).toMatchObject({ changed: ['feed'] });
    expect(asked.map((one) => new URL(one, base).searchParams.get('startIndex'))).toEqual(['0', '2', '4']);
    expect(await ids()).toHaveLength(5);
    asked = [];
    now += DAY;
    all = [1006].map(cve);
    expect(await bring(source())).toMatchObject({ changed: ['feed'] });
    expect(asked[0]).toContain('lastModStartDate=2026-06-01');
    expect(await ids()).toHaveLength(6);
    now += DAY;
    all = [];
    expect(await bring(source())).toMatchObject({ same: ['feed'] });
    // Longer away than the API answers changes for.
    now += 200 * DAY;
    all = [1001, 1007, 1008, 1009].map(cve);
    expect(await bring(source())).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toEqual([1001, 1007, 1008, 1009].map((id) => `CVE-2026-${id}`));
    expect((await files()).filter((name) => name.startsWith('changes'))).toEqual([]);
  });
  test('pages that stop in the middle are nothing', async () => {
    answers.set(
      '/nvd',
      nvdPages(() => [1001, 1002].map(cve), 2),
    );
    await bring(source());
    answers.set('/nvd', (request, response) => {
      const start = Number(new URL(request.url ?? '', base).searchParams.get('startIndex'));
      const part = start === 0 ? [cve(1003)] : [];
      response.end(
        JSON.stringify({ resultsPerPage: part.length, totalResults: 5, format: 'NVD_CVE', vulnerabilities: part }),
      );
    });
    now += DAY;
    expect((await bring(source())).failed).toMatchObject([{ why: expect.stringContaining('stopped after 1 of 5') }]);
    expect(await ids()).toHaveLength(2);
  });
});

const csaf = (id: string, version = '1') => ({
  document: {
    category: 'csaf_security_advisory',
    title: id,
    publisher: { name: 'Acme' },
    tracking: { id, version, current_release_date: '2026-05-01T00:00:00Z' },
  },
  product_tree: {
    full_product_names: [{ product_id: 'p', name: 'x', product_identification_helper: { purl: 'pkg:pypi/x@1.0' } }],
  },
  vulnerabilities: [{ cve: 'CVE-2026-1', product_status: { known_affected: ['p'] } }],
});
describe('CSAF', () => {
  const source = (path: string) => ({ kind: 'csaf' as const, url: `${base}${path}` });
  test('a folder with changes.csv: all, then what is newer; a document that is not there is counted', async () => {
    answers.set('/d/changes.csv', text('"2026/b.json","2026-05-02T00:00:00Z"\n"2026/a.json","2026-05-01T00:00:00Z"\n'));
    answers.set('/d/2026/a.json', text(csaf('A')));
    answers.set('/d/2026/b.json', text(csaf('B')));
    expect(await bring(source('/d/'))).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toEqual(['A/CVE-2026-1', 'B/CVE-2026-1']);
    asked = [];
    answers.set(
      '/d/changes.csv',
      text(
        '"2026/c.json","2026-05-03T00:00:00Z"\n"2026/page-1.json","2026-05-03T00:00:00Z"\n"2026/gone.json","2026-05-03T00:00:00Z"\n"2026/b.json","2026-05-02T00:00:00Z"\n"2026/a.json","2026-05-01T00:00:00Z"\n"../x.json","2026-05-03T00:00:00Z"\n',
      ),
    );
    answers.set('/d/2026/c.json', text(csaf('C')));
    answers.set('/d/2026/page-1.json', text(csaf('P')));
    const result = await bring(source('/d/'));
    expect(asked.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      '/d/2026/c.json',
      '/d/2026/gone.json',
      '/d/2026/page-1.json',
      '/d/changes.csv',
    ]);
    expect(await ids()).toEqual(['A', 'B', 'C', 'P'].map((id) => `${id}/CVE-2026-1`));
    expect(result.generation?.feeds[0]?.faults).toEqual({ 'A document that is listed and not there': 1 });
  });
  test('a name that looks like a page of a feed hides no other', async () => {
    answers.set('/d/changes.csv', text('"page-1.json","2026-05-02T00:00:00Z"\n"a.json","2026-05-01T00:00:00Z"\n'));
    answers.set('/d/a.json', text(csaf('A')));
    answers.set('/d/page-1.json', text(csaf('P')));
    await bring(source('/d/'));
    expect(await ids()).toEqual(['A/CVE-2026-1', 'P/CVE-2026-1']);
  });
  test('a folder with index.txt alone: each document by its day', async () => {
    answers.set('/i/index.txt', text('a.json\nb.json\n'));
    answers.set('/i/a.json', text(csaf('A')));
    answers.set('/i/b.json', (request, response) => {
      if (request.headers['if-modified-since']) response.writeHead(304).end();
      else response.end(JSON.stringify(csaf('B')));
    });
    expect(await bring(source('/i/'))).toMatchObject({ changed: ['feed'] });
    now += DAY;
    answers.set('/i/a.json', text(csaf('A2')));
    expect(await bring(source('/i/'))).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toEqual(['A2/CVE-2026-1', 'B/CVE-2026-1']);
  });
  test('the metadata of a provider names a folder and ROLIE feeds; closed circles are left alone', async () => {
    const entry = (name: string, updated: string) => ({
      id: name,
      updated,
      link: [{ rel: 'self', href: `${base}/r/${name}.json` }],
      content: { type: 'application/json', src: `${base}/r/${name}.json` },
    });
    answers.set(
      '/.well-known/csaf/provider-metadata.json',
      text({
        distributions: [
          { directory_url: `${base}/m` },
          {
            rolie: {
              feeds: [
                { tlp_label: 'WHITE', url: `${base}/rolie.json` },
                { tlp_label: 'AMBER', url: `${base}/closed.json` },
              ],
            },
          },
        ],
      }),
    );
    answers.set('/m/changes.csv', text('a.json,2026-05-01T00:00:00Z\n'));
    answers.set('/m/a.json', text(csaf('A')));
    answers.set('/rolie.json', text({ feed: { entry: [entry('b', '2026-05-02T00:00:00Z')] } }));
    answers.set('/r/b.json', text(csaf('B')));
    expect(await bring(source('/.well-known/csaf/provider-metadata.json'))).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toEqual(['A/CVE-2026-1', 'B/CVE-2026-1']);
    expect(asked).not.toContain('/closed.json');
    asked = [];
    expect(await bring(source('/.well-known/csaf/provider-metadata.json'))).toMatchObject({ same: ['feed'] });
    expect(asked).not.toContain('/r/b.json');
    answers.set('/rolie.json', text({ feed: { entry: [entry('b', '2026-05-03T00:00:00Z')] } }));
    answers.set('/r/b.json', text(csaf('B2', '2')));
    await bring(source('/.well-known/csaf/provider-metadata.json'));
    expect(await ids()).toEqual(['A/CVE-2026-1', 'B2/CVE-2026-1']);
  });
  test('nothing where documents should be is a fault, not silence', async () => {
    answers.set('/d/changes.csv', text('nothing of use'));
    expect((await bring(source('/d/'))).failed).toMatchObject([
      { why: expect.stringContaining('no list of documents') },
    ]);
    answers.set('/x.json', text({ distributions: 'none' }));
    expect((await bring(source('/x.json'))).failed).toHaveLength(1);
    expect((await bring(source('/not-there/'))).failed).toMatchObject([{ why: expect.stringContaining('404') }]);
  });
});

describe('Microsoft, OSV', () => {
  test('months that changed', async () => {
    const month = (id: string) => ({
      DocumentTracking: {
        Identification: { ID: { Value: id } },
        Version: '1',
        CurrentReleaseDate: '2026-05-09T00:00:00Z',
      },
      ProductTree: { FullProductName: [{ ProductID: '1', Value: 'Windows 10 Version 22H2 for x64-based Systems' }] },
      Vulnerability: [
        {
          CVE: `CVE-2026-${id === '2026-May' ? '5001' : '6001'}`,
          Remediations: [{ Description: { Value: '5034122' }, ProductID: ['1'], FixedBuild: '10.0.19045.3930' }],
        },
      ],
    });
    const list = (...rows: (readonly [string, string])[]) =>
      text({ value: rows.map(([ID, CurrentReleaseDate]) => ({ ID, CurrentReleaseDate })) });
    const source = { kind: 'msrc' as const, url: `${base}/cvrf/v3.0/` };
    answers.set('/cvrf/v3.0/updates', list(['2026-May', '2026-05-09T00:00:00Z'], ['bad', '2026-05-09T00:00:00Z']));
    answers.set('/cvrf/v3.0/cvrf/2026-May', text(month('2026-May')));
    expect(await bring(source)).toMatchObject({ changed: ['feed'] });
    answers.set('/cvrf/v3.0/updates', list(['2026-Jun', '2026-06-09T00:00:00Z'], ['2026-May', '2026-05-09T00:00:00Z']));
    answers.set('/cvrf/v3.0/cvrf/2026-Jun', text(month('2026-Jun')));
    asked = [];
    expect(await bring(source)).toMatchObject({ changed: ['feed'] });
    expect(asked).toEqual(['/cvrf/v3.0/updates', '/cvrf/v3.0/cvrf/2026-Jun']);
    expect(await ids()).toEqual(['CVE-2026-5001', 'CVE-2026-6001']);
    expect(await bring(source)).toMatchObject({ same: ['feed'] });
  });
  test('an advisory that changed and is no JSON leaves all as it was', async () => {
    const osv = (id: string) => ({
      id,
      modified: '2026-01-01T00:00:00Z',
      affected: [
        { package: { ecosystem: 'PyPI', name: 'x' }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }] },
      ],
    });
    answers.set('/o/modified_id.csv', text('2026-01-01T00:00:00Z,A\n'));
    answers.set('/o/all.zip', text(osv('A')));
    const source = { kind: 'osv' as const, url: `${base}/o/` };
    expect(await bring(source)).toMatchObject({ changed: ['feed'] });
    answers.set('/o/modified_id.csv', text('2026-01-02T00:00:00Z,B\n2026-01-01T00:00:00Z,A\n'));
    answers.set('/o/B.json', text('{"id": '));
    expect((await bring(source)).failed).toMatchObject([{ why: expect.stringContaining('no valid JSON') }]);
    expect(await ids()).toEqual(['A']);
    answers.set('/o/B.json', text(osv('B')));
    expect(await bring(source)).toMatchObject({ changed: ['feed'] });
    expect(await ids()).toEqual(['A', 'B']);
  });
});
