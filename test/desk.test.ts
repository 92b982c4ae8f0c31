/** A newcomer's first minutes, in a real browser on a real desk: enrol with a passkey, see an attack, work on it, sign in again. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { texts } from '../src/console/texts.ts';
import { accessibilityFaults, openBrowser } from './harness/browser.ts';
import { type Desk, newDataDir, PASSWORD, startDesk } from './harness/desk.ts';

/** With ASEPSIS_PICTURE=1 the README's picture is made anew; otherwise pictures go where they are not kept. */
const PICTURES = join(import.meta.dirname, '..', process.env.ASEPSIS_PICTURE ? 'docs' : 'test-results');
const PAGES = ['/', '/incidents', '/alerts', '/findings', '/responses', '/assets', '/accounts', '/events', '/sources']
  .concat(['/patching', '/patching?tab=devices', '/perimeter', '/perimeter?tab=drift', '/network', '/network?tab=map'])
  .concat(['/access', '/rules', '/hunt', '/attack', '/wall', '/settings']);

let folder: Awaited<ReturnType<typeof newDataDir>>;
let desk: Desk;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const faults: string[] = [];

beforeAll(async () => {
  folder = await newDataDir();
  desk = await startDesk(folder.path, { verb: ['rehearse', '--speed', '6', '--rate', '30'] });
  browser = await openBrowser();
  context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  page = await context.newPage();
  page.on('response', (r) => {
    if (r.status() === 404) faults.push(`404 ${r.url()}`);
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
  });
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && origin !== desk.origin) faults.push(`asked ${origin}`);
  });
  // A security key that says yes, as Chromium's own tests use it (WebAuthn, section 11).
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
});
afterAll(async () => {
  await browser?.close();
  await desk?.stop();
  await folder?.remove();
});

test('the first administrator enrols with a passkey, by the link that was printed', async () => {
  await page.goto(desk.enrolLink as string);
  await page.getByLabel(texts.enrol.username).fill('night.lead');
  await page.getByRole('textbox', { name: /^Name/ }).fill('Night Lead');
  await page.getByRole('textbox', { name: texts.enrol.password }).fill(PASSWORD);
  await page.getByRole('button', { name: texts.enrol.next }).click();
  await page.getByRole('button', { name: texts.enrol.makePasskey }).click();
  await page.getByLabel(texts.enrol.codesKept).check();
  await page.getByRole('button', { name: texts.enrol.enter }).click();
  await page.getByRole('heading', { name: texts.pages.overview }).waitFor();
});

test('the attack becomes an incident that the overview names, without a reload', async () => {
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page
    .getByText(/after password guessing/)
    .first()
    .waitFor({ timeout: 60_000 });
  expect(await page.getByText('EXERCISE').first().isVisible()).toBe(true);
});

test('by keyboard alone: open the incident, take it, say something', async () => {
  await page.goto(`${desk.origin}/incidents`);
  await page
    .getByText(/after password guessing/)
    .first()
    .waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(/id=inc_/);
  await page.getByRole('heading', { name: /after password guessing/ }).waitFor();
  await page.keyboard.press('a');
  await page.getByText('night.lead works on it').waitFor();
  const incidents = await context.request.get(`${desk.origin}/v1/incidents?assignee=me`);
  const { items } = (await incidents.json()) as { items: { assignee_name: string; acknowledged_at: string }[] };
  expect(items).toHaveLength(1);
  expect(items[0]?.acknowledged_at).toMatch(/Z$/);
});

test('every page is free of accessibility faults with real data, in both themes', { timeout: 240_000 }, async () => {
  mkdirSync(PICTURES, { recursive: true });
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const path of PAGES) {
      await page.goto(`${desk.origin}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('load');
      await page.waitForTimeout(600);
      expect(await accessibilityFaults(page), `${theme} ${path}`).toEqual([]);
      const name = path === '/' ? 'overview' : path.slice(1).replaceAll(/[?=]/g, '-');
      if (!process.env.ASEPSIS_PICTURE) await page.screenshot({ path: join(PICTURES, `${name}-${theme}.png`) });
      else if (path === '/') await page.screenshot({ path: join(PICTURES, `desk-${theme}.png`) });
    }
  }
});

test('events are found by the query language, with the raw record', async () => {
  await page.goto(`${desk.origin}/events?query=${encodeURIComponent('src_ip:203.0.113.66 AND outcome:success')}`);
  await page
    .getByText(/Accepted password/)
    .first()
    .waitFor();
});

test('out, and in again with the password and the passkey', async () => {
  await page.getByRole('button', { name: /sign out/i }).click();
  await page.getByLabel(texts.signIn.username).fill('night.lead');
  await page.getByRole('textbox', { name: texts.signIn.password }).fill(PASSWORD);
  await page.locator('form button[type=submit]').click();
  const passkey = page.locator('form button[type=submit]');
  await passkey.waitFor();
  await page.waitForTimeout(300);
  if (await passkey.isVisible()) await passkey.click().catch(() => {});
  await page.getByRole('heading', { name: texts.pages.overview }).waitFor();
});

test('nothing went wrong behind the pages, and nobody else was asked for anything', () => {
  expect(faults).toEqual([]);
});
