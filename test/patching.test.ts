/** A maintenance window in a real browser: what waits, a plan, a claim that an old inventory contradicts, and the proof. */

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { texts } from '../src/console/texts.ts';
import { accessibilityFaults, openBrowser } from './harness/browser.ts';
import { type Desk, enrol, FREE_PORTS, newDataDir, type Person, startDesk } from './harness/desk.ts';

const ROOT = join(import.meta.dirname, '..');
const PICTURES = join(ROOT, 'test-results');
const t = texts.patching;

let folder: Awaited<ReturnType<typeof newDataDir>>;
let feeds: Server;
let tickets: { url: string; body: { id: string; status_to: string; task: { id: string } }; signature: string }[];
let desk: Desk;
let person: Person;
let browser: Browser;
let page: Page;
let token: string;

/** Source packages that Debian 12 has; what is affected and repaired is made up for this test. */
const TRACKER = {
  openssl: {
    'CVE-2026-1111': {
      releases: { bookworm: { status: 'resolved', fixed_version: '3.0.11-1~deb12u2', urgency: 'high' } },
    },
  },
};
const dpkg = (version: string) =>
  `Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: ${version}\nArchitecture: amd64\n\n`;

async function push(text: string, asset: string, query = ''): Promise<{ opened: number; fixed: number }> {
  const answer = await fetch(`${desk.origin}/v1/inventory?asset=${asset}${query}`, {
    method: 'POST',
    body: text,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
  return (await answer.json()) as { opened: number; fixed: number };
}

beforeAll(async () => {
  folder = await newDataDir();
  tickets = [];
  feeds = createServer((request, response) => {
    if (request.url === '/tracker') response.end(JSON.stringify(TRACKER));
    else if (request.url === '/tickets') {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        tickets.push({
          url: request.url ?? '',
          body: JSON.parse(body),
          signature: String(request.headers['x-asepsis-signature']),
        });
        response.end('{}');
      });
    } else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => feeds.once('listening', resolve));
  const base = `http://127.0.0.1:${(feeds.address() as AddressInfo).port}`;
  const secret = join(folder.path, 'ticket-secret');
  writeFileSync(secret, 'a secret of this test\n');
  const config = `${FREE_PORTS}patching:
  own_feeds_only: true
  feeds: [{ id: debian, kind: file, url: "${base}/tracker" }]
  tickets: { url: "${base}/tickets", secret_file: "${secret}" }
`;
  desk = await startDesk(folder.path, { config });
  person = await enrol(desk);
  const made = await promisify(execFile)(join(ROOT, 'bin', 'asepsis'), [
    'token',
    'create',
    '--data',
    folder.path,
    '--scope',
    'ingest',
    '--source',
    'fleet',
    '--name',
    'fleet',
    '--json',
  ]);
  token = (JSON.parse(made.stdout) as { token: string }).token;
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const [name = '', value = ''] = person.cookie.split(';', 1)[0]?.split('=') ?? [];
  await context.addCookies([{ name, value, url: desk.origin }]);
  page = await context.newPage();
});
afterAll(async () => {
  await browser?.close();
  await desk?.stop();
  feeds?.close();
  await folder?.remove();
});

test('an inventory is taken with the token of its source, and with no other', async () => {
  for (const headers of [{}, { authorization: 'Bearer nobody' }] as Record<string, string>[]) {
    const answer = await fetch(`${desk.origin}/v1/inventory?asset=x`, { method: 'POST', body: dpkg('1'), headers });
    expect(answer.status).toBe(401);
  }
  await push(dpkg('3.0.11-1~deb12u1'), 'pacs-1', '&release=Debian:12');
  const bad = await fetch(`${desk.origin}/v1/inventory?asset=x`, {
    method: 'POST',
    body: 'hello',
    headers: { authorization: `Bearer ${token}` },
  });
  expect(bad.status).toBe(422);
});

test('feeds come from their address; what waits stands first with its reason', async () => {
  await page.goto(`${desk.origin}/patching?tab=feeds`);
  await page.getByText(t.feeds.none).waitFor();
  await page.getByRole('button', { name: t.feeds.update }).click();
  await page.getByRole('rowheader', { name: /Debian security tracker/ }).waitFor({ timeout: 30_000 });
  await page.getByRole('tab', { name: t.tabs.actions }).click();
  await expect
    .poll(
      async () => {
        await page.reload();
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.waitForTimeout(500);
        return page.getByRole('heading', { name: /Upgrade openssl to 3\.0\.11-1~deb12u2 or newer on pacs-1/ }).count();
      },
      { timeout: 30_000 },
    )
    .toBe(1);
  await page.getByText(/closes 1 finding, 1 vulnerability/).waitFor();
});

test('a plan into a window, a claim that is contradicted, and the proof', async () => {
  await page.getByRole('button', { name: t.actions.planAll }).click();
  await page.getByText(t.plans.addWindow).click();
  const windows = page.locator('section', { has: page.getByRole('heading', { name: t.plans.title }) });
  await windows.getByLabel(t.plans.name).fill('Tuesday night');
  await windows.getByRole('button', { name: t.plans.add, exact: true }).click();
  await windows.getByText('Tuesday night').waitFor();
  await page.getByLabel(t.plans.planName).fill('November');
  await page.getByRole('button', { name: t.plans.make }).click();
  await page.getByRole('heading', { name: 'November' }).waitFor();
  const row = page.getByRole('row', { name: /pacs-1/ });
  await row.getByText(t.plans.proofs.open, { exact: true }).waitFor();
  await page.getByRole('button', { name: t.plans.approve }).click();
  await page.getByText(t.plans.states.approved).waitFor();
  await page.getByRole('button', { name: t.plans.doneOf('pacs-1') }).click();
  await row.getByText(t.plans.proofs.claimed, { exact: true }).waitFor();
  // The old version again, after the claim.
  expect(await push(dpkg('3.0.11-1~deb12u1'), 'pacs-1', '&release=Debian:12')).toMatchObject({ fixed: 0 });
  await page.reload();
  await row.getByText(t.plans.proofs['claimed, not proven']).waitFor();
  expect(await push(dpkg('3.0.11-1~deb12u2'), 'pacs-1', '&release=Debian:12')).toMatchObject({ fixed: 1 });
  await page.reload();
  await row.getByText(t.plans.proofs.proven, { exact: true }).waitFor();
  await row.getByText(/3\.0\.11-1~deb12u2 in the inventory of fleet/).waitFor();
});

test('the plan goes out as calendar, table, and for Ansible; tickets are signed, and their status comes back', async () => {
  const { items } = await person.get<{ items: { id: string }[] }>('/v1/patching/plans');
  const path = `/v1/patching/plans/${items[0]?.id}`;
  const export_ = async (format: string) =>
    (await fetch(`${desk.origin}${path}/export?format=${format}`, { headers: { cookie: person.cookie } })).text();
  expect(await export_('ical')).toMatch(
    /^BEGIN:VCALENDAR\r\n[\s\S]*SUMMARY:pacs-1: Upgrade openssl[\s\S]*END:VCALENDAR\r\n$/,
  );
  expect(await export_('csv')).toContain('pacs-1');
  expect(await export_('ansible-inventory')).toContain(
    '{ name: "libssl3", ecosystem: "deb", at_least: "3.0.11-1~deb12u2" }',
  );
  await expect.poll(() => tickets.length, { timeout: 40_000 }).toBe(1);
  expect(tickets[0]?.signature).toMatch(/^sha256=[0-9a-f]{64}$/);
  const task = tickets[0]?.body.task.id;
  const after = await person.send<{ tasks: { status: string; note: string }[] }>(
    'POST',
    tickets[0]?.body.status_to ?? '',
    { task, status: 'done', note: 'CHG-1' },
  );
  expect(after.tasks[0]).toMatchObject({ status: 'done', note: 'CHG-1' });
});

test('each tab is free of accessibility faults, in both themes', { timeout: 120_000 }, async () => {
  mkdirSync(PICTURES, { recursive: true });
  await push('Name,Manufacturer,Model,Software version,Serial number\npump-7,Acme,Flow 9,1.0,SER-7777\n', 'x');
  const { items } = await person.get<{ items: { id: string }[] }>('/v1/patching/plans');
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const search of [
      'tab=actions',
      'tab=plans',
      `tab=plans&id=${items[0]?.id}`,
      'tab=devices',
      'tab=feeds',
      'tab=times',
      'tab=reach&text=CVE-2026-1111',
    ]) {
      await page.goto(`${desk.origin}/patching?${search}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('load');
      await page.waitForTimeout(500);
      expect(await accessibilityFaults(page), `${theme} ${search}`).toEqual([]);
      const name = search.includes('id=') ? 'plan' : (/tab=([a-z]+)/.exec(search)?.[1] ?? '');
      await page.screenshot({ path: join(PICTURES, `patching-${name}-${theme}.png`) });
    }
  }
});
