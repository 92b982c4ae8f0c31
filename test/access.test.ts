/** The gateway end to end: a real browser with a virtual authenticator, a real slapd, a legacy application, and attackers. */

import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import { Secret, TOTP } from 'otpauth';
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { freePort, programOf } from '../src/access/testing/gateway-fronts.ts';
import { legacyApp, sendTo } from '../src/access/testing/gateway-harness.ts';
import { hasSlapd, LDAP_PASSWORD, type Slapd, startSlapd } from '../src/access/testing/gateway-slapd.ts';
import { openBrowser } from './harness/browser.ts';
import { type Desk, enrol, newDataDir, type Person, startDesk } from './harness/desk.ts';

const ready = hasSlapd();
/** Seconds here; `ASEPSIS_ATTACK_SECONDS=120 npm test -- test/access.test.ts` for the long one. */
const ATTACK_SEC = Number(process.env.ASEPSIS_ATTACK_SECONDS ?? 6);
interface Incident {
  readonly id: string;
  readonly title: string;
}

describe.skipIf(!ready)(`access${ready ? '' : ' (slapd is not installed)'}`, () => {
  let slapd: Slapd;
  let app: Awaited<ReturnType<typeof legacyApp>>;
  let folder: Awaited<ReturnType<typeof newDataDir>>;
  let desk: Desk;
  let lead: Person;
  let browser: Browser;
  let port = 0;
  let login = '';
  let notes = '';
  const configure = (change: object = {}) => {
    mkdirSync(join(folder.path, 'access'), { recursive: true });
    writeFileSync(
      join(folder.path, 'access', 'gateway.yaml'),
      stringify({
        origin: login,
        organisation: 'Test Hospital',
        listen: { port },
        networks: { ward: ['127.9.0.0/16'] },
        directories: [slapd.config(), { type: 'local' }],
        apps: [
          {
            name: 'notes',
            title: 'Ward notes',
            hosts: [new URL(notes).host],
            upstream: `http://127.0.0.1:${app.port}`,
            emergency: 'break-glass',
            groups: ['staff'],
            rules: [
              { paths: ['/orders/**'], need: { strength: 'phishing-resistant', within_minutes: 5 } },
              { paths: ['/admin/**'], groups: ['admins'] },
            ],
          },
        ],
        ...change,
      }),
    );
  };

  beforeAll(async () => {
    [slapd, app, folder, port, browser] = await Promise.all([
      startSlapd(),
      legacyApp(),
      newDataDir(),
      freePort(),
      openBrowser(),
    ]);
    login = `http://login.localhost:${port}`;
    notes = `http://notes.localhost:${port}`;
    configure();
    desk = await startDesk(folder.path);
    lead = await enrol(desk);
  });
  afterAll(async () => {
    await browser?.close();
    await desk?.stop();
    await slapd?.stop();
    await app?.close();
    await folder?.remove();
  });

  async function person(): Promise<{ context: BrowserContext; page: Page; cdp: CDPSession; authenticator: string }> {
    const context = await browser.newContext();
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'usb',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return { context, page, cdp, authenticator: authenticatorId };
  }
  const accessible = async (page: Page): Promise<void> => {
    await page.evaluate(axe.source);
    const found = (await page.evaluate('axe.run()')) as { violations: { id: string; nodes: { html: string }[] }[] };
    expect(found.violations.map((one) => `${one.id}: ${one.nodes[0]?.html}`)).toEqual([]);
  };
  const invite = async (account: string) =>
    (await lead.send<{ link: string }>('POST', '/v1/access/enrolments', { account, kind: 'link' })).link;
  const startEnrolment = async (page: Page, account: string) => {
    await page.goto(await invite(account));
    await page.getByLabel('Your current password').or(page.getByLabel('Password')).fill(LDAP_PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL('**/enrol/factor');
  };
  const shots = process.env.ASEPSIS_SCREENSHOTS;
  const shot = async (page: Page, name: string) =>
    shots && (await page.screenshot({ path: join(shots, `access-${name}.png`), fullPage: true }));

  test('passkey: enrolment with a one-time link, log-in without a password, a step-up, a kill that closes the open WebSocket', async () => {
    const { page, context } = await person();
    await startEnrolment(page, 'anna');
    await accessible(page);
    await shot(page, 'enrol');
    await page.getByRole('button', { name: 'Set up a passkey or security key' }).click();
    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
    expect(await page.locator('.codes li').count()).toBe(10);
    await page.goto(`${notes}/ward?bed=2`);
    expect(new URL(page.url()).host).toBe(new URL(login).host);
    await accessible(page);
    await shot(page, 'sign-in');
    await page.getByRole('button', { name: 'Sign in with a passkey or security key' }).click();
    await page.waitForURL((url) => url.href === `${notes}/ward?bed=2`);
    const told = JSON.parse((await page.locator('body').textContent()) ?? '') as { headers: Record<string, string> };
    expect(told.headers['x-asepsis-user']).toBe('anna');
    expect(told.headers['x-asepsis-groups']?.split(',').sort()).toEqual(['doctors', 'icu', 'staff']);
    // A passkey just shown is fresh enough; the administrators' part stays closed.
    expect((await page.goto(`${notes}/orders/7`))?.status()).toBe(200);
    expect((await page.goto(`${notes}/admin/x`))?.status()).toBe(403);
    await accessible(page);
    await page.goto(`${notes}/ward`);
    await page.evaluate(
      `window.ended = new Promise((resolve) => { const socket = new WebSocket('ws://' + location.host + '/live'); socket.onopen = () => socket.send('hello'); socket.onmessage = (event) => { window.echo = event.data; }; socket.onclose = () => resolve(performance.now()); }); undefined`,
    );
    await page.waitForFunction('window.echo === "hello"');
    const { items } = await lead.get<{ items: { id: string; account: string }[] }>('/v1/access/sessions');
    const mine = items.find((one) => one.account === 'anna');
    const before = (await page.evaluate('performance.now()')) as number;
    await lead.send('DELETE', `/v1/access/sessions/${mine?.id}`);
    expect(((await page.evaluate('window.ended')) as number) - before).toBeLessThan(1000);
    await page.goto(`${notes}/ward`);
    expect(page.url()).toContain('/sign-in');
    await context.close();
  });

  let benTotp: TOTP;
  test('an authenticator app: enrolment and log-in, and a step-up that asks for a key', async () => {
    const { page, context } = await person();
    await startEnrolment(page, 'ben');
    await page.getByText('Use an authenticator app instead').click();
    benTotp = new TOTP({ secret: Secret.fromBase32((await page.locator('code').textContent()) ?? '') });
    await page.getByLabel('Six-digit code').fill(benTotp.generate());
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
    await page.goto(`${notes}/`);
    await page.getByLabel('User name').fill('HOSP\\Ben');
    await page.getByLabel('Password').fill(LDAP_PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL('**/sign-in/second');
    await accessible(page);
    await shot(page, 'second');
    // The code that confirmed the enrolment is used up: the next one is the first that counts.
    const wait = 30_000 - (Date.now() % 30_000);
    await page.getByLabel('Six-digit code').fill(benTotp.generate({ timestamp: Date.now() + 30_000 }));
    expect(wait).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Use this code' }).click();
    await page.waitForURL(`${notes}/`);
    await page.goto(`${notes}/orders/7`);
    expect(page.url()).toContain('/step-up');
    expect(await page.locator('main').textContent()).toContain('You have none enrolled');
    await accessible(page);
    await context.close();
  });

  test('a ward workstation: fast switching, a short lock, and the key with its PIN opens it', async () => {
    configure({ networks: { ward: ['127.0.0.0/8'] }, workstations: { networks: ['ward'], lock_minutes: 0.05 } });
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const { page, context } = await person();
    await startEnrolment(page, 'cleo');
    await page.getByRole('button', { name: 'Set up a passkey or security key' }).click();
    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
    await page.goto(`${login}/`);
    await page.getByRole('button', { name: 'Sign in with a passkey or security key' }).click();
    await page.getByRole('heading', { name: 'Signed in as' }).waitFor();
    await page.waitForTimeout(3500);
    await page.goto(`${login}/sign-in`);
    await page.getByRole('heading', { name: 'Locked' }).waitFor();
    await accessible(page);
    await shot(page, 'locked');
    await page.getByRole('button', { name: 'Unlock with my key' }).click();
    await page.getByRole('heading', { name: 'Signed in as' }).waitFor();
    configure();
    await context.close();
  });

  test('guessing and spraying: no success, nobody legitimate shut out, one incident', {
    timeout: 120_000 + 4000 * ATTACK_SEC,
  }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 2500));
    // Passwords that are right for everybody without a second factor, and many that are not.
    const words = join(folder.path, 'words');
    const names = join(folder.path, 'names');
    writeFileSync(
      words,
      [...Array.from({ length: 12 * ATTACK_SEC }, (_, i) => `guess-${i}`), LDAP_PASSWORD].join('\n'),
    );
    writeFileSync(names, ['lea', 'max', 'dora', 'root', 'admin'].join('\n'));
    const host = new URL(login).host;
    let hydraSaid = '';
    if (programOf('hydra') !== null) {
      const hydra = spawn(
        'hydra',
        [
          '-L',
          names,
          '-P',
          words,
          '-t',
          '8',
          '-f',
          '-s',
          String(port),
          '127.0.0.1',
          'http-post-form',
          `/sign-in:name=^USER^&password=^PASS^:H=Host\\: ${host.replace(':', '\\:')}:S=sign-in/second`,
        ],
        // A group of its own: its workers end with it.
        { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
      );
      const stop = setTimeout(() => process.kill(-(hydra.pid as number), 'SIGKILL'), ATTACK_SEC * 1000);
      for (const stream of [hydra.stdout, hydra.stderr])
        stream.on('data', (chunk: Buffer) => {
          hydraSaid += chunk.toString();
        });
      await new Promise((resolve) => hydra.on('exit', resolve));
      clearTimeout(stop);
      expect(hydraSaid).not.toMatch(/login: \S+\s+password/);
    }
    const sprayed: { status: number }[] = [];
    const until = Date.now() + (ATTACK_SEC > 10 ? ATTACK_SEC * 1000 : 0);
    do {
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          sendTo(port, '/sign-in', {
            host,
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams({ name: `staff${i}`, password: LDAP_PASSWORD }).toString(),
          }),
        ),
      );
      sprayed.push(...answers);
    } while (Date.now() < until);
    expect(sprayed.every((answer) => answer.status !== 303)).toBe(true);
    if (ATTACK_SEC > 10) {
      const tried = /(\d+) tries in/.exec(hydraSaid.split('[STATUS]').at(-1) ?? '')?.[1] ?? '?';
      const waited = sprayed.filter((answer) => answer.status === 429).length;
      process.stderr.write(`hydra ${tried} tries, spraying ${sprayed.length} (${waited} told to wait), no success\n`);
    }
    // Anna signs in meanwhile, from the attackers' own address, with her key.
    const anna = await person();
    await startEnrolmentElsewhere(anna.page);
    await anna.page.goto(`${notes}/`);
    await anna.page.getByRole('button', { name: 'Sign in with a passkey or security key' }).click();
    await anna.page.waitForURL(`${notes}/`);
    await anna.context.close();
    let incidents: Incident[] = [];
    for (let tries = 0; tries < 40 && incidents.length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      incidents = (await lead.get<{ items: Incident[] }>('/v1/incidents')).items.filter((one) =>
        /guess|spray|stuff/i.test(one.title),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    incidents = (await lead.get<{ items: Incident[] }>('/v1/incidents')).items.filter((one) =>
      /guess|spray|stuff/i.test(one.title),
    );
    expect(incidents.map((one) => one.title)).toHaveLength(1);
  });

  /** Anna gets a second key in another browser, by a help-desk code. */
  async function startEnrolmentElsewhere(page: Page): Promise<void> {
    const made = await lead.send<{ link: string }>('POST', '/v1/access/enrolments', {
      account: 'anna',
      kind: 'desk',
      identity: 'staff card seen',
    });
    await page.goto(made.link);
    await page.getByLabel('Password').fill(LDAP_PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.waitForURL('**/enrol/factor');
    await page.getByRole('button', { name: 'Set up a passkey or security key' }).click();
    await page.getByRole('heading', { name: 'Your recovery codes' }).waitFor();
  }

  test('break-glass with the directory stopped: opened, alarmed at once, reviewed on the desk', async () => {
    const sealed = spawn(
      join(import.meta.dirname, '..', 'bin', 'asepsis'),
      ['access', 'sealed-codes', 'notes', '--count', '1', '--data', folder.path],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let code = '';
    sealed.stdout.on('data', (chunk: Buffer) => {
      code += chunk.toString();
    });
    await new Promise((resolve) => sealed.on('close', resolve));
    await slapd.stop();
    const { page, context } = await person();
    await page.goto(`${notes}/ward`);
    await page.getByLabel('User name').fill('lea');
    await page.getByLabel('Password').fill(LDAP_PASSWORD);
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('alert').first().waitFor();
    await page.getByRole('link', { name: 'Emergency access' }).click();
    await accessible(page);
    await shot(page, 'break-glass');
    await page.getByLabel('Your name and role').fill('Dr. Roe, ICU');
    await page.getByLabel('Why it cannot wait').fill('Allergies are needed before surgery');
    await page.getByLabel('Code from the sealed envelope').fill(code.trim());
    await page.getByRole('button', { name: 'Open now with this code' }).click();
    await page.waitForURL(`${notes}/`);
    expect(await page.locator('body').textContent()).toContain('break-glass');
    const { items } = await lead.get<{ items: { id: string; person: string; reviewed: string | null }[] }>(
      '/v1/access/emergencies',
    );
    expect(items[0]).toMatchObject({ person: 'Dr. Roe, ICU', reviewed: null });
    let critical: Incident[] = [];
    for (let tries = 0; tries < 40 && critical.length === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      critical = (await lead.get<{ items: Incident[] }>('/v1/incidents')).items.filter((one) =>
        one.title.includes('Break-glass'),
      );
    }
    expect(critical).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await lead.get<{ alarm: string | null }>('/v1/overview')).alarm).toContain('Dr. Roe');
    await lead.send('POST', `/v1/access/emergencies/${items[0]?.id}/review`, { note: 'Called the ward: right so' });
    await context.close();
  });
});
