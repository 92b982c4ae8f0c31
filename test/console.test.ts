/** The console in a real browser against the stand-in server: reachable for everybody, fast, and by keyboard. */

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MockDesk, startMockDesk } from '../src/console/testing/mock-desk.ts';
import { openBrowser } from './harness/browser.ts';

const ROOT = join(import.meta.dirname, '..');
const CONSOLE = join(ROOT, 'dist', 'console');
const id = (prefix: string, index: number) => `${prefix}_${String(index).padStart(26, '0')}`;

const PAGES = [
  '/',
  '/incidents',
  `/incidents?id=${id('inc', 0)}`,
  `/incidents?state=closed&id=${id('inc', 12)}`,
  '/alerts',
  `/alerts?id=${id('alr', 1)}`,
  '/findings',
  '/findings?view=list',
  `/findings?view=list&id=${id('fnd', 0)}`,
  `/findings?view=list&state=accepted&id=${id('fnd', 3)}`,
  '/responses',
  `/responses?id=${id('rsp', 0)}`,
  `/responses?id=${id('rsp', 1)}`,
  '/assets',
  `/assets?id=${id('ast', 2)}`,
  '/access',
  '/perimeter',
  `/perimeter?id=${encodeURIComponent('inside:192.0.2.1@192.0.2.1/tcp/443')}`,
  '/perimeter?tab=map',
  '/perimeter?tab=certificates',
  '/perimeter?tab=drift',
  '/perimeter?tab=compare',
  '/perimeter?tab=scope',
  '/accounts',
  '/network',
  `/network?id=${id('fnd', 1)}`,
  '/network?tab=map',
  '/network?tab=routers',
  '/events',
  '/events?id=mockdesk-255s-0',
  '/events?query=((',
  '/sources',
  `/sources?id=${id('src', 5)}`,
  '/settings',
  '/settings?tab=people',
  '/settings?tab=tokens',
  '/settings?tab=configuration',
  '/settings?tab=audit',
  '/wall',
  '/sign-in',
  '/enrol/link',
  '/nowhere',
];

let browser: Browser;
beforeAll(async () => {
  const built = spawnSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { encoding: 'utf8' });
  expect(built.status, built.stderr).toBe(0);
  browser = await openBrowser();
});
afterAll(() => browser?.close());

interface Visit {
  readonly mock: MockDesk;
  readonly page: Page;
  /** Console errors, exceptions, and requests to another origin. */
  readonly faults: string[];
}

async function visit(
  work: (visit: Visit) => Promise<void>,
  options: Parameters<Browser['newContext']>[0] & { mock?: Partial<Parameters<typeof startMockDesk>[0]> } = {},
): Promise<void> {
  const { mock: mockOptions, ...contextOptions } = options;
  const mock = await startMockDesk({ consoleDir: CONSOLE, ...mockOptions });
  let context: BrowserContext | undefined;
  try {
    context = await browser.newContext({ viewport: { width: 1366, height: 800 }, ...contextOptions });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      // The browser itself reports a refused query as an error; the page shows it in words.
      if (message.type() === 'error' && !message.text().includes('status of 4')) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== mock.origin && protocol !== 'data:' && protocol !== 'blob:') faults.push(request.url());
    });
    await work({ mock, page, faults });
    expect(faults).toEqual([]);
  } finally {
    await context?.close();
    await mock.close();
  }
}

const settle = (page: Page) =>
  page.waitForFunction(() => document.querySelector('h1') !== null && !document.querySelector('[aria-busy=true]'));

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe: injected } = globalThis as unknown as {
      axe: {
        run: (
          node: Document,
          options: object,
        ) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
      };
    };
    const result = await injected.run(document, { rules: { 'target-size': { enabled: true } } });
    return result.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
  });
}

describe.each(['light', 'dark'] as const)('in the %s theme', (colorScheme) => {
  test('every page is free of accessibility faults, console errors and foreign requests', async () => {
    await visit(
      async ({ mock, page }) => {
        const found: string[] = [];
        for (const path of PAGES) {
          await page.goto(mock.origin + path);
          await settle(page);
          found.push(...(await violations(page)).map((fault) => `${path} ${fault}`));
        }
        expect(found).toEqual([]);
      },
      { colorScheme, mock: { exercise: true } },
    );
  });

  test('the first day, with nothing in any list, teaches and is accessible', async () => {
    await visit(
      async ({ mock, page }) => {
        for (const path of [
          '/',
          '/incidents',
          '/alerts',
          '/findings',
          '/assets',
          '/events',
          '/sources',
          '/perimeter',
        ]) {
          await page.goto(mock.origin + path);
          await settle(page);
          expect(await violations(page), path).toEqual([]);
          expect(await page.getByRole('button', { name: /^Copy: / }).count(), path).toBeGreaterThan(0);
        }
      },
      { colorScheme, mock: { empty: true } },
    );
  });
});

test('incidents are worked on by keyboard alone, and undone', async () => {
  await visit(async ({ mock, page }) => {
    await page.goto(`${mock.origin}/incidents`);
    await page.getByRole('heading', { name: 'Incidents', level: 1 }).waitFor();
    await page.getByRole('row').nth(2).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    await page.keyboard.press('Enter');
    const detail = page.getByRole('region', { name: 'Incident', exact: true });
    await detail.getByRole('button', { name: /Assign to me/ }).waitFor();
    expect(new URL(page.url()).searchParams.get('id')).toBe(id('inc', 0));
    await page.keyboard.press('a');
    await page.getByText('The incident is yours.').waitFor();
    await detail.getByText('M. Keller works on it').waitFor();
    await page.keyboard.press('u');
    await detail.getByText('nobody yet').waitFor();

    await page.keyboard.press('c');
    await page.keyboard.type('Checked by phone; x and u are only letters here.');
    await page.keyboard.press('Control+Enter');
    await page.getByText('The comment is in the record.').waitFor();
    await page.keyboard.press('Escape');

    await page.keyboard.press('x');
    await detail.getByLabel('Reason').waitFor();
    await page.keyboard.type('A backup job with an old password.');
    await page.keyboard.press('Control+Enter');
    await page.getByText('The incident is closed.', { exact: true }).first().waitFor();
    await detail.getByText('Closed as').waitFor();
    await page.keyboard.press('u');
    await detail.getByRole('button', { name: /Assign to me/ }).waitFor();

    // With a record open, j and k go through the list.
    await page.keyboard.press('j');
    await page.waitForURL(`**/incidents?id=${id('inc', 1)}`);
    await page.keyboard.press('Escape');
    await detail.waitFor({ state: 'detached' });
    await page.keyboard.press('/');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('type'))).toBe('search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'Alerts', level: 1 }).waitFor();
  });
});

test('a change that somebody else overtook is shown as it is now, and can be made again', async () => {
  await visit(async ({ mock, page }) => {
    await page.goto(`${mock.origin}/incidents?id=${id('inc', 0)}`);
    await page.getByRole('button', { name: /Assign to me/ }).waitFor();
    mock.touchIncident(0);
    await page.keyboard.press('a');
    await page.getByRole('alert').getByText('Somebody changed this meanwhile').waitFor();
    await page.getByRole('button', { name: 'Do it again' }).click();
    await page.getByText('M. Keller works on it').waitFor();
  });
});

test('a table of 100,000 rows holds few of them, reaches its end, and keeps its place', async () => {
  await visit(async ({ mock, page }) => {
    await page.goto(`${mock.origin}/findings?view=list&state=all`);
    await page.getByRole('row').nth(5).waitFor();
    const grid = page.getByRole('grid', { name: 'Findings' });
    await page.evaluate(() => {
      const seen = globalThis as unknown as { rowsMax: number };
      seen.rowsMax = 0;
      const look = () => {
        seen.rowsMax = Math.max(seen.rowsMax, document.querySelectorAll('[role=row]').length);
        requestAnimationFrame(look);
      };
      look();
    });
    await grid.focus();
    await page.keyboard.press('End');
    await page.getByText('100,000 in all').waitFor({ timeout: 60_000 });
    await page.locator('[aria-rowindex="100001"]').waitFor();
    expect(await page.evaluate(() => (globalThis as unknown as { rowsMax: number }).rowsMax)).toBeLessThan(200);

    await page.keyboard.press('PageUp');
    const place = await grid.evaluate((element) => element.scrollTop);
    expect(place).toBeGreaterThan(2_000_000);
    await page.getByRole('link', { name: 'Assets', exact: true }).click();
    await page.getByRole('heading', { name: 'Assets', level: 1 }).waitFor();
    await page.goBack();
    await page.getByRole('row').nth(5).waitFor();
    expect(await grid.evaluate((element) => element.scrollTop)).toBe(place);
  });
});

test('live alerts are counted and read out, and move nothing until they are taken in', async () => {
  await visit(async ({ mock, page }) => {
    await page.goto(`${mock.origin}/alerts`);
    await page.locator('.live', { hasText: '● live' }).waitFor();
    await page.getByRole('row').nth(3).waitFor();
    const first = () => page.getByRole('row').nth(1).textContent();
    const before = await first();
    const alert = mock.newAlert(500);
    await page.getByText(`New critical alert: ${alert.title}`).waitFor({ state: 'attached' });
    expect(await first()).toBe(before);
    await page.getByRole('button', { name: '1 new: show' }).click();
    await page.locator(`a[href="/alerts?id=${alert.id}"]`).waitFor();

    await page.goto(`${mock.origin}/sources`);
    await page.locator('.live', { hasText: '● live' }).waitFor();
    const elsewhere = mock.newAlert(505);
    await page.getByText('New critical alert').waitFor({ state: 'attached' });
    await page.getByRole('link', { name: /^Alerts/ }).click();
    await page.locator(`a[href="/alerts?id=${elsewhere.id}"]`).waitFor();
    expect(await page.getByRole('button', { name: /new: show/ }).count()).toBe(0);
  });
});

test('dragging over the histogram puts the time range into the address', async () => {
  await visit(async ({ mock, page }) => {
    await page.goto(`${mock.origin}/events?query=user:root`);
    const box = await page.locator('.u-over').boundingBox();
    if (!box) throw new Error('no chart');
    await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 20, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    const { searchParams } = new URL(page.url());
    expect(Date.parse(searchParams.get('from') ?? '')).toBeLessThan(Date.parse(searchParams.get('to') ?? ''));
    expect(searchParams.get('query')).toBe('user:root');
  });
});

test('signing in takes a password and a second factor, and leads back to where one wanted to go', async () => {
  await visit(
    async ({ mock, page }) => {
      await page.goto(`${mock.origin}/findings?view=list&severity=high`);
      await page.getByLabel('Username').fill('m.keller');
      await page.getByRole('textbox', { name: 'Password' }).fill('wrong');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').getByText('Check both and try again.').waitFor();
      await page.getByRole('textbox', { name: 'Password' }).fill('a long enough sentence');
      await page.keyboard.press('Enter');
      await page.getByLabel('Code of the authenticator app').fill('123456');
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Findings', level: 1 }).waitFor();
      expect(page.url()).toBe(`${mock.origin}/findings?view=list&severity=high`);
    },
    { mock: { signedIn: false } },
  );
});

test('an invitation becomes an account with an authenticator app and kept recovery codes', async () => {
  await visit(
    async ({ mock, page }) => {
      await page.goto(`${mock.origin}/enrol/link`);
      await page.getByLabel('Username').fill('m.keller');
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('M. Keller');
      await page.getByRole('textbox', { name: 'Password' }).fill('a long enough sentence');
      await page.keyboard.press('Enter');
      await page.getByRole('img', { name: /QR code/ }).waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByLabel('Code').last().fill('123 456');
      await page.getByRole('button', { name: 'Check the code' }).click();
      await page.getByRole('heading', { name: 'Recovery codes' }).waitFor();
      expect(await violations(page)).toEqual([]);
      const go = page.getByRole('button', { name: 'Go to the desk' });
      expect(await go.isDisabled()).toBe(true);
      await page.getByLabel('I have kept the codes in a safe place').check();
      await go.click();
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
    },
    { mock: { signedIn: false } },
  );
});

test('the person on call works at 360 pixels: nothing is cut off, and it is accessible', async () => {
  await visit(
    async ({ mock, page }) => {
      for (const path of [
        '/',
        '/incidents',
        `/incidents?id=${id('inc', 0)}`,
        '/alerts',
        `/alerts?id=${id('alr', 1)}`,
      ]) {
        await page.goto(mock.origin + path);
        await settle(page);
        expect(await violations(page), path).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(360);
      }
      await page.goto(`${mock.origin}/incidents?id=${id('inc', 0)}`);
      await page.getByRole('button', { name: /Assign to me/ }).click();
      await page.getByText('M. Keller works on it').waitFor();
    },
    { viewport: { width: 360, height: 740 }, reducedMotion: 'reduce' },
  );
});

test('the first page needs at most 230 kB of JavaScript gzipped, every other page at most 40 kB more', () => {
  const folder = join(CONSOLE, 'assets');
  const sizes = new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.js'))
      .map((name) => [name, gzipSync(readFileSync(join(folder, name)), { level: 9 }).length]),
  );
  /** A file and all that it imports when it is loaded, without what it only loads when it is asked for. */
  const needs = (name: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(name) || !sizes.has(name)) return seen;
    seen.add(name);
    const code = readFileSync(join(folder, name), 'utf8');
    for (const [, inner = ''] of code.matchAll(/(?:from|import)\s?["']\.\/([^"']+\.js)["']/g)) needs(inner, seen);
    return seen;
  };
  const total = (names: Iterable<string>) => [...names].reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
  const html = readFileSync(join(CONSOLE, 'index.html'), 'utf8');
  const entry = new Set([...html.matchAll(/assets\/([^"]+\.js)/g)].flatMap(([, name = '']) => [...needs(name)]));
  const pages = [...sizes.keys()].filter((name) => /-page-[\w-]+\.js$/.test(name));
  expect(pages.length).toBeGreaterThan(10);
  const first = new Set(entry);
  for (const name of pages.filter((one) => one.startsWith('overview-page')))
    for (const one of needs(name)) first.add(one);
  expect(total(first)).toBeLessThanOrEqual(230_000);
  for (const page of pages) {
    const more = [...needs(page)].filter((name) => !first.has(name));
    expect(total(more), page).toBeLessThanOrEqual(40_000);
  }
});
