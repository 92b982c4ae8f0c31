/** Every decision of a person about patching, in a real browser: pauses, exceptions, policy, windows, pairs, questions, feeds. */

import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { texts } from '../src/console/texts.ts';
import { accessibilityFaults, openBrowser } from './harness/browser.ts';
import { type Desk, enrol, eventually, FREE_PORTS, newDataDir, type Person, startDesk } from './harness/desk.ts';

const ROOT = join(import.meta.dirname, '..');
const t = texts.patching;
const DAY = 86_400_000;

let folder: Awaited<ReturnType<typeof newDataDir>>;
let feeds: Server;
let desk: Desk;
let person: Person;
let browser: Browser;
let page: Page;
let token: string;
let fixed = '3.0.11-1~deb12u2';

interface Finding {
  id: string;
  kind: string;
  title: string;
  due: string | null;
  asset: { name: string };
  detail?: string;
}
/** Its text has the two letters of base64 that mean something else in an address. */
function keyWithSigns(dataDir: string): void {
  for (;;) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const text = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    if (!text.includes('+') || !text.includes('/')) continue;
    mkdirSync(join(dataDir, 'patching'), { recursive: true });
    writeFileSync(join(dataDir, 'patching', 'bundle-key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return;
  }
}
const tracker = () => ({
  openssl: {
    'CVE-2026-1111': { releases: { bookworm: { status: 'resolved', fixed_version: fixed, urgency: 'medium' } } },
  },
});
const ADVISORY = {
  document: {
    title: 'Acme Flow 9',
    tracking: { id: 'ICSMA-26-001-01', version: '1', current_release_date: '2026-01-01T00:00:00Z' },
  },
  product_tree: {
    branches: [
      {
        category: 'vendor',
        name: 'Acme',
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
const dpkg =
  'Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.11-1~deb12u1\nArchitecture: amd64\n\n';

async function push(text: string, query: string): Promise<void> {
  const answer = await fetch(`${desk.origin}/v1/inventory?${query}`, {
    method: 'POST',
    body: text,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
}
const findings = async (kind: string, state = 'open') =>
  (await person.get<{ items: Finding[] }>(`/v1/findings?room=patching&kind=${kind}&state=${state}`)).items;
const feedState = () =>
  person.get<{ generation: number; running: string | null; last: { failed: boolean; sentence: string } | null }>(
    '/v1/patching/feeds',
  );
const quiet = () => eventually('the work on the feeds ends', async () => (await feedState()).running === null);

beforeAll(async () => {
  folder = await newDataDir();
  feeds = createServer((request, response) => {
    if (request.url === '/tracker') response.end(JSON.stringify(tracker()));
    else if (request.url === '/icsma') response.end(JSON.stringify(ADVISORY));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => feeds.once('listening', resolve));
  const base = `http://127.0.0.1:${(feeds.address() as AddressInfo).port}`;
  const config = `${FREE_PORTS}patching:
  own_feeds_only: true
  feeds:
    - { id: debian, kind: file, url: "${base}/tracker" }
    - { id: medical, kind: file, url: "${base}/icsma" }
`;
  keyWithSigns(folder.path);
  desk = await startDesk(folder.path, { config });
  person = await enrol(desk);
  const args = ['token', 'create', '--data', folder.path, '--scope', 'ingest', '--source', 'fleet', '--name', 'fleet'];
  const made = await promisify(execFile)(join(ROOT, 'bin', 'asepsis'), [...args, '--json']);
  token = (JSON.parse(made.stdout) as { token: string }).token;
  await person.send('POST', '/v1/patching/feeds/update');
  await quiet();
  for (const asset of ['pacs-1', 'pacs-2']) await push(dpkg, `asset=${asset}&release=Debian:12`);
  await push(
    'Asset tag,Manufacturer,Model,Software version,Serial number,Department,Redundancy pair\nP-2,Acme,Flow 9,,SER-0002,ICU,\nP-3,Acme,Flow 9,,SER-0003,ICU,\nP-4,Acme,Flow 9,,SER-0004,ICU,\nmon-1,Acme,Eye 1,1,SER-0005,ICU,monitors\nmon-2,Acme,Eye 1,1,SER-0006,ICU,monitors\n',
    '',
  );
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true });
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
const tab = async (name: string) => {
  await page.goto(`${desk.origin}/patching?tab=${name}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
};
const section = (title: string) => page.locator('section', { has: page.getByRole('heading', { name: title }) });

test('an inventory is brought as a file, with its unusual headings told; how fresh all are', async () => {
  await tab('inventories');
  const form = page.getByRole('form', { name: t.inventories.bring });
  await form.getByRole('button', { name: t.inventories.take }).click();
  await form.getByText(t.feeds.fileMissing).waitFor();
  const table = join(folder.path, 'geraete.csv');
  writeFileSync(table, 'Nr;Firma;Bauart;Stand;Ort\nCT-1;Acme;Ring 3;1.0;Radiologie\nCT-2;Acme;Ring 3;1.1;Radiologie\n');
  await form.getByLabel(t.inventories.file).setInputFiles(table);
  await form.getByLabel(t.inventories.columns).fill('nonsense');
  await form.getByRole('button', { name: t.inventories.take }).click();
  await form.getByText(/Write headings as pairs/).waitFor();
  await form.getByLabel(t.inventories.columns).fill('host=Nr,vendor=Firma,model=Bauart,version=Stand,department=Ort');
  await form.getByRole('button', { name: t.inventories.take }).click();
  await form.getByText(/^2 assets, 2 of them new/).waitFor();
  const row = page.getByRole('row', { name: /CT-1/ });
  await row.getByText('brought by night.lead (csv)').waitFor();
  const { items } = await person.get<{ items: { name: string; owner?: string; class: string }[] }>(
    '/v1/assets?text=CT-2',
  );
  expect(items).toMatchObject([{ name: 'CT-2', owner: 'Radiologie' }]);
});

test('a clock is paused with its reason, and runs again; the date moves with it', async () => {
  const [first] = await findings('missing-update');
  await page.goto(`${desk.origin}/findings?view=list&id=${first?.id}`);
  const clocks = section(t.clocks.title);
  await clocks.getByRole('rowheader', { name: t.clocks.rules.local }).waitFor();
  await clocks.getByRole('button', { name: t.clocks.pause }).click();
  await clocks.getByRole('button', { name: t.clocks.pauseNow }).click();
  await clocks.getByText(t.clocks.reasonMissing).waitFor();
  await clocks.getByLabel(t.clocks.reason).fill('the maker still tests it');
  await clocks.getByRole('button', { name: t.clocks.pauseNow }).click();
  await clocks.getByText('the maker still tests it').waitFor();
  await clocks.getByRole('button', { name: t.clocks.resume }).click();
  await clocks.getByRole('button', { name: t.clocks.pause }).waitFor();
  const answer = await person.get<{ pauses: { to: string | null; reason: string; by: string }[] }>(
    `/v1/patching/findings/${first?.id}/clocks`,
  );
  expect(answer.pauses).toMatchObject([{ reason: 'the maker still tests it', by: 'night.lead' }]);
  expect(answer.pauses[0]?.to).not.toBeNull();
  const after = (await findings('missing-update')).find((one) => one.id === first?.id);
  expect(Date.parse(after?.due ?? '')).toBeGreaterThan(Date.parse(first?.due ?? ''));
});

test('an exception has owner, reason, control and end; it is listed, and taken back', async () => {
  const [first, second] = await findings('missing-update');
  await page.goto(`${desk.origin}/findings?view=list&id=${first?.id}`);
  await section(t.clocks.title).getByRole('button', { name: t.clocks.exception }).click();
  const form = page.getByRole('form', { name: t.clocks.exception });
  await form.getByRole('button', { name: t.exceptions.make }).click();
  for (const missing of [t.exceptions.ownerMissing, t.exceptions.reasonMissing, t.exceptions.controlMissing])
    await form.getByText(missing).waitFor();
  await form.getByLabel(t.exceptions.owner).fill('Dr. Weber');
  await form.getByLabel(t.exceptions.reason).fill('The maker forbids the update');
  await form.getByLabel(t.exceptions.control).fill('Own network segment');
  await form.getByLabel(t.exceptions.until).fill(new Date(Date.now() + 20 * DAY).toISOString().slice(0, 10));
  await form.getByRole('button', { name: t.exceptions.make }).click();
  await expect
    .poll(async () => (await findings('missing-update', 'accepted')).map((one) => one.id), { timeout: 20_000 })
    .toEqual([first?.id]);
  await tab('exceptions');
  const row = page.getByRole('row', { name: new RegExp(first?.asset.name ?? '') });
  for (const text of ['Dr. Weber', 'The maker forbids the update', 'Own network segment'])
    await row.getByText(text).waitFor();
  await row.getByRole('button').click();
  await page.getByText(t.exceptions.none).waitFor();
  expect(new Set((await findings('missing-update')).map((one) => one.id))).toEqual(new Set([first?.id, second?.id]));
});

test('an action as a whole gets an exception', async () => {
  await tab('actions');
  const action = page.getByRole('listitem').filter({ hasText: 'Upgrade openssl' });
  await action.getByRole('button', { name: /^Make an exception for/ }).click();
  await action.getByLabel(t.exceptions.owner).fill('Dr. Weber');
  await action.getByLabel(t.exceptions.reason).fill('No window before the move');
  await action.getByLabel(t.exceptions.control).fill('Closed port');
  await action.getByRole('button', { name: t.exceptions.make }).click();
  await expect.poll(async () => (await findings('missing-update', 'accepted')).length, { timeout: 20_000 }).toBe(2);
  for (const { id } of await findings('missing-update', 'accepted'))
    await person.send('POST', `/v1/findings/${id}/reopen`);
});

test('the policy is data: a stricter number of days counts from the first sight, for what is open already', async () => {
  const before = await findings('missing-update');
  await tab('policy');
  await page.getByLabel(t.policy.name, { exact: true }).fill('St. Elsewhere');
  await page.getByLabel(t.policy.daysOf(t.policy.tables.days, texts.severity.medium)).fill('5');
  await page.getByRole('button', { name: t.policy.save }).click();
  const words = '5 days after it was first seen (medium, St. Elsewhere)';
  await eventually('each finding judged by the new policy', async () =>
    (await findings('missing-update')).every((one) => one.detail?.includes(words)),
  );
  expect((await findings('missing-update')).map((one) => one.due)).not.toEqual(before.map((one) => one.due));
  await page.reload();
  await expect
    .poll(() => page.getByLabel(t.policy.name, { exact: true }).inputValue(), { timeout: 20_000 })
    .toBe('St. Elsewhere');
});

test('windows with their scope, times of no work, and a pair that is never worked on at one time', async () => {
  await tab('plans');
  const soon = (hours: number) => {
    const at = new Date(Date.now() + hours * 3_600_000);
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  };
  for (const [name, from] of [
    ['First night', 24],
    ['Second night', 48],
  ] as const) {
    const windows = section(t.plans.title);
    if (!(await windows.getByLabel(t.plans.name).isVisible())) await windows.getByText(t.plans.addWindow).click();
    await windows.getByLabel(t.plans.name).fill(name);
    await windows.getByLabel(t.plans.starts).fill(soon(from));
    await windows.getByLabel(t.plans.ends).fill(soon(from + 6));
    await windows.getByLabel(t.plans.assets).fill('pacs-1, pacs-2');
    await windows.getByRole('button', { name: t.plans.add, exact: true }).click();
    await windows.getByText(name).waitFor();
  }
  const blackouts = section(t.plans.blackouts);
  await blackouts.getByText(t.plans.addBlackout).click();
  await blackouts.getByLabel(t.plans.name).fill('Rounds');
  await blackouts.getByLabel(t.plans.starts).fill(soon(23));
  await blackouts.getByLabel(t.plans.ends).fill(soon(26));
  await blackouts.getByRole('button', { name: t.plans.add, exact: true }).click();
  await blackouts.getByText('Rounds').waitFor();
  const pairs = section(t.pairs.title);
  await pairs.getByText('mon-1, mon-2').waitFor();
  await pairs.getByText(t.pairs.add).click();
  await pairs.getByLabel(t.pairs.name).fill('PACS');
  await pairs.getByLabel(t.pairs.assets).fill('pacs-1, nobody');
  await pairs.getByRole('button', { name: t.plans.add, exact: true }).click();
  await pairs.getByText(/No asset has the name nobody/).waitFor();
  await pairs.getByLabel(t.pairs.assets).fill('pacs-1, pacs-2');
  await pairs.getByRole('button', { name: t.plans.add, exact: true }).click();
  await pairs.getByText('pacs-1, pacs-2').waitFor();
  await page.getByLabel(t.plans.planName).fill('Nights');
  await page.getByRole('button', { name: t.plans.make }).click();
  await page.getByRole('heading', { name: 'Nights' }).waitFor();
  const { items } = await person.get<{ items: { id: string }[] }>('/v1/patching/plans');
  const plan = await person.get<{ tasks: { asset: { name: string }; window_name: string; starts: string }[] }>(
    `/v1/patching/plans/${items[0]?.id}`,
  );
  const tasks = plan.tasks.filter((one) => one.asset.name.startsWith('pacs'));
  expect(tasks.map((one) => one.window_name).sort()).toEqual(['First night', 'Second night']);
  // The first window opens at 24 hours, and care must not be disturbed until 26.
  expect(Date.parse(tasks[0]?.starts ?? '')).toBeGreaterThan(Date.now() + 25 * 3_600_000);
});

test('questions of advisories are answered by whoever knows: affected, not, or nobody can tell yet', async () => {
  await tab('devices');
  const answer = async (device: string, word: keyof typeof t.devices.answers, by: string) => {
    const item = page.getByRole('listitem').filter({ hasText: `Which version does ${device} run` });
    await item.getByRole('button', { name: t.devices.answerFor(device, t.devices.answers[word]) }).click();
    await item.getByText(t.devices.saidByMissing).waitFor();
    await item.getByLabel(t.devices.saidBy).fill(by);
    await item.getByLabel(t.devices.note).fill(`looked at ${device}`);
    await item.getByRole('button', { name: t.devices.answerFor(device, t.devices.answers[word]) }).click();
    await page.getByText(t.devices.answered(device, t.devices.answers[word])).waitFor();
  };
  await answer('P-2', 'affected', 'A. Biomed');
  await answer('P-3', 'not affected', 'B. Biomed');
  await answer('P-4', 'unknown', 'C. Biomed');
  expect((await findings('device-advisory')).map((one) => [one.asset.name, one.detail])).toEqual([
    ['P-2', expect.stringMatching(/A\. Biomed answered on .*: affected\. looked at P-2/)],
  ]);
  const left = await findings('device-advisory-question');
  expect(left.map((one) => one.asset.name)).toEqual(['P-4']);
  expect(left[0]?.detail).toMatch(/C\. Biomed answered on .*: unknown\. looked at P-4/);
  await page.getByText(/C\. Biomed answered on/).waitFor();
});

test('feeds are brought with progress, carried as a signed bundle, refused when changed, and gone back to', async () => {
  fixed = '3.0.11-1~deb12u9';
  await tab('feeds');
  await quiet();
  const first = (await feedState()).generation;
  await page.getByRole('button', { name: t.feeds.update }).click();
  // An update before this one may have said the same.
  await eventually('a newer generation', async () => (await feedState()).generation > first, 90_000);
  await quiet();
  await page.getByText(/Last update: 2 feeds changed/).waitFor({ timeout: 90_000 });
  expect((await findings('missing-update'))[0]?.title).toContain('openssl');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: t.feeds.export }).click();
  const bundle = join(folder.path, 'out.bundle');
  await (await download).saveAs(bundle);
  const key = (await person.get<{ key: string }>('/v1/patching/feeds/key')).key;

  const changed = join(folder.path, 'changed.bundle');
  const bytes = readFileSync(bundle);
  bytes[bytes.length - 10] = (bytes[bytes.length - 10] as number) ^ 1;
  writeFileSync(changed, bytes);
  const before = await feedState();
  const form = page.getByRole('form', { name: t.feeds.import });
  await form.getByRole('button', { name: t.feeds.import }).click();
  await form.getByText(t.feeds.fileMissing).waitFor();
  await form.getByLabel(t.feeds.file).setInputFiles(bundle);
  await form.getByRole('button', { name: t.feeds.import }).click();
  await page.getByText(/The last import failed: .*no key is trusted yet/).waitFor({ timeout: 90_000 });
  await form.getByLabel(t.feeds.file).setInputFiles(changed);
  await form.getByLabel(t.feeds.trust).fill(key);
  await form.getByRole('button', { name: t.feeds.import }).click();
  await expect
    .poll(async () => `${(await feedState()).last?.sentence} ${await form.innerText()}`, { timeout: 90_000 })
    .toMatch(/is not what was signed/);
  await page.getByText(/The last import failed: .*is not what was signed/).waitFor();
  expect((await feedState()).generation).toBe(before.generation);
  await form.getByLabel(t.feeds.file).setInputFiles(bundle);
  await form.getByRole('button', { name: t.feeds.import }).click();
  await page.getByText(/Last import: 2 feeds of/).waitFor({ timeout: 90_000 });
  await page.getByText(/a bundle signed by/).waitFor();
  await page.getByRole('button', { name: t.feeds.back }).click();
  await page.getByText(/Last roll-back: The feeds of/).waitFor({ timeout: 90_000 });
  expect((await feedState()).generation).toBe(before.generation);
});

test('the new pages are free of accessibility faults, in both themes', { timeout: 120_000 }, async () => {
  const [first] = await findings('missing-update');
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const path of [
      '/patching?tab=inventories',
      '/patching?tab=exceptions',
      '/patching?tab=policy',
      '/patching?tab=feeds',
      '/patching?tab=devices',
      `/findings?view=list&id=${first?.id}`,
    ]) {
      await page.goto(`${desk.origin}${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForLoadState('load');
      await page.waitForTimeout(500);
      expect(await accessibilityFaults(page), `${theme} ${path}`).toEqual([]);
    }
  }
});
