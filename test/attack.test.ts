/** A real attack: hydra against a real sshd, its log through a real syslog connection, one incident in a real browser. */

import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser } from './harness/browser.ts';
import { type Desk, enrol, eventually, newDataDir, type Person, startDesk } from './harness/desk.ts';
import { type Sshd, startSshd } from './harness/sshd.ts';

const canAttack = process.getuid?.() === 0 && existsSync('/usr/sbin/sshd') && existsSync('/usr/bin/hydra');
let desk: Desk;
let person: Person;
let sshd: Sshd;
let browser: Browser;
let folder: Awaited<ReturnType<typeof newDataDir>>;

beforeAll(async () => {
  if (!canAttack) return;
  folder = await newDataDir();
  desk = await startDesk(folder.path);
  person = await enrol(desk);
  sshd = await startSshd();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  sshd?.stop();
  await desk?.stop();
  await folder?.remove();
});

interface Incident {
  title: string;
  opened: string;
  first_event: string;
  entities: { type: string; value: string; role?: string }[];
}

test.skipIf(!canAttack)('hydra against sshd becomes one incident that names both, seen without reloading', async () => {
  const page = await browser.newPage();
  await page.context().addCookies(
    person.cookie.split('; ').map((pair) => {
      const equals = pair.indexOf('=');
      return { name: pair.slice(0, equals), value: pair.slice(equals + 1), url: desk.origin };
    }),
  );
  await page.goto(`${desk.origin}/incidents`);
  await page.getByRole('heading', { name: 'Incidents', exact: true }).first().waitFor();

  // sshd's own lines, framed as its syslog call would, over TCP to the desk.
  const syslog = desk.listener('syslog-tcp');
  const socket = connect(syslog.port, syslog.host);
  socket.on('error', () => {});
  let firstFailureMs = 0;
  sshd.onLine((line) => {
    if (firstFailureMs === 0 && line.includes('Failed password')) firstFailureMs = Date.now();
    socket.write(`<86>1 ${new Date().toISOString()} vpn-1 sshd 4711 - - ${line}\n`);
  });
  const words = join(folder.path, 'words.txt');
  writeFileSync(words, Array.from({ length: 120 }, (_, i) => `guess-${i}`).join('\n'));
  const hydra = spawn(
    'hydra',
    ['-l', 'root', '-P', words, '-t', '8', '-I', '-s', String(sshd.port), '127.0.0.1', 'ssh'],
    { stdio: 'ignore', cwd: folder.path },
  );

  const incident = await eventually(
    'the incident',
    async () => {
      const { items } = await person.get<{ items: Incident[] }>('/v1/incidents');
      return items.find((item) => item.entities.some((entity) => entity.value === '127.0.0.1'));
    },
    60_000,
  );
  const seenMs = Date.now();
  expect(firstFailureMs).toBeGreaterThan(0);
  // The time to notice is reported, not asserted: this machine may be busy with other tests.
  console.log(`incident ${seenMs - firstFailureMs} ms after the first failed password`);
  expect(incident.entities).toEqual(
    expect.arrayContaining([expect.objectContaining({ type: 'address', value: '127.0.0.1' })]),
  );
  expect(JSON.stringify(incident.entities)).toContain('root');
  // While the guessing goes on a worse alert may join and name the incident anew: the page shows the name of now.
  const shown = await eventually(
    'the incident on the open page',
    async () => {
      const { items } = await person.get<{ items: Incident[] }>('/v1/incidents');
      const title = items[0]?.title;
      return title && (await page.getByText(title.slice(0, 30), { exact: false }).count()) > 0 ? title : null;
    },
    30_000,
  );
  expect(shown).toContain('127.0.0.1');

  // What goes on joins the same incident; hydra would guess for minutes, a few more lines tell as much.
  const ended = new Promise<void>((resolve) => hydra.once('close', () => resolve()));
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
  hydra.kill('SIGTERM');
  await ended;
  socket.end();
  const { items } = await eventually('all lines', async () => {
    const answer = await person.get<{ items: Incident[] }>('/v1/incidents');
    return answer.items.length > 0 ? answer : null;
  });
  expect(items).toHaveLength(1);
});
