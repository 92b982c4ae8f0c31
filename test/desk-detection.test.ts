/** An analyst's work with alerts in a real browser on a real desk: why, why not, a change tried, filters, silence, off, hunt, block. */

import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { texts } from '../src/console/texts.ts';
import { detectionTexts } from '../src/console/texts-detection.ts';
import { responseTexts } from '../src/console/texts-responses.ts';
import { accessibilityFaults, openBrowser } from './harness/browser.ts';
import { type Desk, enrol, eventually, FREE_PORTS, newDataDir, type Person, startDesk } from './harness/desk.ts';

const t = detectionTexts.rules;
const RULE = 'password-guessing-burst';
const TITLE = 'Burst of failed log-ins from one address';
const SCANNER = '198.51.100.1';

let folder: Awaited<ReturnType<typeof newDataDir>>;
let desk: Desk;
let person: Person;
let browser: Browser;
let page: Page;
const faults: string[] = [];

interface Items<T> {
  readonly items: readonly T[];
}
let pid = 0;
/** @param aheadMs how far the sender's clock is ahead: a group alerts once a minute of its time */
async function send(lines: readonly string[], aheadMs = 0): Promise<void> {
  const { host, port } = desk.listener('syslog-tcp');
  const at = new Date(Date.now() + aheadMs).toISOString();
  const socket = connect(port, host);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    for (const line of lines) socket.write(`<86>1 ${at} srv-9 sshd ${++pid} - - ${line}\n`);
    socket.end(resolve);
  });
}
const guesses = (address: string) =>
  Array.from({ length: 9 }, (_, i) => `Failed password for root from ${address} port ${40_000 + i} ssh2`);

beforeAll(async () => {
  const built = spawnSync(process.execPath, [join(import.meta.dirname, '..', 'scripts', 'build.mjs')]);
  expect(built.status, String(built.stderr)).toBe(0);
  folder = await newDataDir();
  desk = await startDesk(folder.path, { config: FREE_PORTS });
  person = await enrol(desk);
  browser = await openBrowser();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const cookies = person.cookie.split('; ').map((pair) => {
    const at = pair.indexOf('=');
    return { name: pair.slice(0, at), value: pair.slice(at + 1), url: desk.origin };
  });
  await context.addCookies(cookies);
  page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('status of 4')) faults.push(message.text());
  });
  await send([...guesses(SCANNER), `Accepted password for kim from 203.0.113.66 port 40001 ssh2`]);
  await eventually('the alert', async () => {
    const { items } = await person.get<Items<object>>(`/v1/alerts?rule=${RULE}`);
    return items.length > 0;
  });
  await eventually('the events are archived', async () => {
    const { items } = await person.get<Items<object>>('/v1/events?query=src_ip:203.0.113.66');
    return items.length > 0;
  });
});
afterAll(async () => {
  await browser?.close();
  await desk?.stop();
  await folder?.remove();
});

const open = async (path: string) => {
  await page.goto(`${desk.origin}${path}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
};
const detail = () => page.locator('article.detail');

test('from the alert to the predicate and the bytes that fulfilled it', async () => {
  await open('/alerts');
  await page.getByText(`from ${SCANNER}`).first().click();
  await page.getByText(t.whyFired).first().click();
  await page.getByRole('heading', { name: TITLE }).waitFor();
  const why = detail().getByText(/^✓/).first();
  await why.waitFor();
  await expect.poll(() => detail().locator('mark').first().textContent()).toMatch(/failure|logon/i);
  await detail()
    .getByText(/bytes 0 to \d+/)
    .first()
    .waitFor();
});

test('from an event to the rule that did not fire on it', async () => {
  await open('/events?query=src_ip%3A203.0.113.66&range=24h');
  await page.getByText('Accepted password for kim').first().click();
  const form = page.getByRole('form', { name: t.whyEvent });
  await form.getByLabel(t.whyEvent).fill('no such rule');
  await form.getByRole('button', { name: t.explainGo }).click();
  await form.getByText(t.whyUnknown).waitFor();
  await form.getByLabel(t.whyEvent).fill(TITLE);
  await form.getByRole('button', { name: t.explainGo }).click();
  await page.getByRole('heading', { name: TITLE }).waitFor();
  await detail().getByText(/^✗/).first().waitFor();
  await detail()
    .getByText(/outcome/)
    .first()
    .waitFor();
});

test('a change is tried on the archive before anybody puts it into force', async () => {
  await open(`/rules?id=${RULE}`);
  await detail().getByRole('button', { name: t.backtestOpen }).click();
  const text = detail().getByLabel(t.backtestText);
  await expect.poll(() => text.inputValue()).toContain('gte: 6');
  const before = await text.inputValue();
  await text.fill(before.replace('gte: 6', 'gte: 600'));
  await detail().getByRole('button', { name: t.backtestGo }).click();
  await detail()
    .getByText(/^0 alerts in \d+ events; 0 new, 1 gone/)
    .waitFor();
  await text.fill(before);
  await detail().getByRole('button', { name: t.backtestGo }).click();
  await detail()
    .getByText(/^1 alerts in \d+ events; 0 new, 0 gone/)
    .waitFor();
  await detail()
    .getByRole('link', { name: new RegExp(`Burst of failed log-ins.*${SCANNER}`) })
    .waitFor();
  await text.fill('title: [');
  await detail().getByRole('button', { name: t.backtestGo }).click();
  await detail().getByRole('alert').first().waitFor();
});

test('an incident that was harmless teaches a filter, which says what it would have silenced and silences it', async () => {
  await open('/incidents');
  await page.getByText(SCANNER).first().click();
  await page.getByRole('button', { name: `${texts.incidents.close} x` }).click();
  const form = page.getByRole('form', { name: texts.incidents.close });
  await form.getByLabel(texts.incidents.verdict).selectOption('harmless');
  await form.getByLabel(texts.incidents.reason).fill('The scanner of our auditors');
  await form.getByRole('button', { name: texts.incidents.closeNow }).click();
  await page.getByText(texts.incidents.closedAs).first().waitFor();
  await open(`/rules?id=${RULE}`);
  await detail().getByText('1 harmless').waitFor();
  await detail().getByRole('button', { name: t.tune }).click();
  const proposal = detail()
    .getByRole('listitem')
    .filter({ hasText: 'would have silenced 1 of 1' })
    .filter({ hasText: SCANNER });
  await detail().getByLabel(t.quietDays).selectOption('7');
  await proposal
    .first()
    .getByRole('button', { name: t.tuneUse('7') })
    .click();
  await page.getByText(`${t.suppressions} (1)`).click();
  const kept = page.getByRole('listitem').filter({ hasText: t.silentReason });
  const until = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  await kept.getByText(new RegExp(`by night.lead, until ${until}`)).waitFor();
  // In force for what comes now, and counted.
  await send(guesses(SCANNER), 150_000);
  await eventually('it is kept silent', async () => {
    const { items } = await person.get<Items<{ count: number }>>('/v1/detection/suppressions');
    return (items[0]?.count ?? 0) > 0;
  });
  await kept.getByRole('button', { name: t.takeBack }).click();
  await kept.waitFor({ state: 'detached' });
});

test('one’s own condition, with a reason and an end', async () => {
  await open(`/rules?id=${RULE}`);
  const form = page.getByRole('form', { name: t.quietOwn });
  await form.getByRole('button', { name: t.quietGo }).click();
  await form.getByText(t.quietMissing).waitFor();
  await form.getByLabel(t.quietOp).selectOption('cidr');
  await form.getByLabel(t.quietValue).fill('192.0.2.0/24');
  await form.getByLabel(t.quietDays).selectOption('1');
  await form.getByLabel(t.quietReason).fill('A test of the auditors, today only');
  await form.getByRole('button', { name: t.quietGo }).click();
  await page.getByText(`${t.suppressions} (1)`).click();
  await page.getByRole('listitem').filter({ hasText: 'entity.address cidr 192.0.2.0/24' }).waitFor();
});

test('the page of a rule is free of accessibility faults with everything open', async () => {
  await open(`/rules?id=${RULE}`);
  await detail().getByRole('button', { name: t.backtestOpen }).click();
  await detail().getByLabel(t.backtestText).waitFor();
  await page.getByText(`${t.suppressions} (1)`).click();
  await page.waitForTimeout(600);
  expect(await accessibilityFaults(page)).toEqual([]);
});

test('a rule is switched off and on again, with a reason', async () => {
  await open(`/rules?id=${RULE}`);
  for (const [button, state] of [
    [t.switchOff, t.off],
    [t.switchOn, t.on],
  ] as const) {
    const form = page.getByRole('form', { name: t.columns.on });
    await form.getByLabel(t.reason).fill('While the auditors are here');
    await form.getByRole('button', { name: button }).click();
    await detail().locator('header').getByText(state, { exact: true }).waitFor();
  }
  const { items } = await person.get<Items<{ action: string }>>('/v1/audit?limit=20');
  expect(items.filter(({ action }) => /rule/.test(action)).length).toBeGreaterThanOrEqual(2);
});

test('a hunt through the archive, with what it tested; the matrix of techniques', async () => {
  const h = detectionTexts.hunt;
  await open('/hunt');
  await page.getByText(h.newTitle).click();
  await page.getByLabel(h.name).fill('old friends');
  await page.getByLabel(h.text).fill('203.0.113.66\nevil.example');
  await page.getByRole('button', { name: h.start }).click();
  const row = page.getByRole('row').filter({ hasText: 'old friends' });
  await row.getByText(/1 alert from \d+ events/).waitFor();
  await row.getByRole('link', { name: '1' }).click();
  await page.getByText('203.0.113.66').first().waitFor();
  await open('/attack');
  await page.getByText('T1110.001').first().waitFor();
});

test('a block: its effect first, then carried out, then taken back', async () => {
  const r = responseTexts;
  await open('/responses');
  await page.getByText(r.newTitle).click();
  const form = page.getByRole('form', { name: r.newTitle });
  await form.getByLabel(r.form.target).fill('127.0.0.1');
  await form.getByRole('button', { name: r.form.show }).click();
  await page.getByText(/is protected: loopback/).waitFor();
  expect(await page.getByRole('button', { name: r.form.now(r.kinds.block, '127.0.0.1') }).isDisabled()).toBe(true);
  await form.getByLabel(r.form.target).fill('203.0.113.66');
  await form.getByRole('button', { name: r.form.show }).click();
  const order = page.getByRole('form', { name: r.kinds.block });
  await order.getByLabel(r.form.reason).fill('Nobody of ours');
  await order.getByRole('button', { name: r.form.now(r.kinds.block, '203.0.113.66') }).click();
  await page.getByRole('row').filter({ hasText: '203.0.113.66' }).first().click();
  await detail().getByText(r.states.active).first().waitFor();
  await detail().getByRole('button', { name: r.undo }).click();
  await detail().getByText(r.states.undone).first().waitFor();
});

test('nothing went wrong behind the pages', () => {
  expect(faults).toEqual([]);
});
