/** A full and a failing disk under a whole desk: it says so, senders are told to wait, it goes on by itself, nothing acknowledged is lost. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Desk, enrol, eventually, FREE_PORTS, type Person, startDesk } from './harness/desk.ts';
import { openLoopDisk } from './harness/loop-disk.ts';

const DISK_MB = 420;
const BATCH = 50;
const disk = openLoopDisk(DISK_MB);

describe.skipIf(disk === null)('a disk of its own (needs root and loop devices: skipped without)', () => {
  const path = disk?.path ?? '';
  const data = join(path, 'data');
  const ballast = join(path, 'ballast');
  let desk: Desk;
  let person: Person;
  let token = '';
  let sent = 0;
  const acknowledged = new Set<string>();

  const send = async (): Promise<Response> => {
    const ids = Array.from({ length: BATCH }, () => `d${sent++}`);
    const response = await fetch(`${desk.origin}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
      body: ids.map((id) => `<38>1 ${new Date().toISOString()} disk-1 cron 7 - - run ${id}.`).join('\n'),
    });
    await response.text();
    if (response.ok) for (const id of ids) acknowledged.add(id);
    return response;
  };
  const alarm = async () => (await person.get<{ alarm: string | null }>('/v1/overview')).alarm;
  const present = async (): Promise<string[]> => {
    const found: string[] = [];
    let after = '';
    for (;;) {
      const page = await person.get<{ items: { raw: string }[]; next: string | null }>(
        `/v1/events?query=host:disk-1&limit=500${after}`,
      );
      for (const { raw } of page.items) found.push(/run (d\d+)\./.exec(raw)?.[1] ?? raw);
      if (page.next === null) return found;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  };
  const allThereOnce = async () => {
    await eventually('all events', async () => {
      const found = await present();
      return new Set(found).size >= acknowledged.size;
    });
    const found = await present();
    expect(new Set(found).size).toBe(found.length);
    expect([...acknowledged].filter((id) => !found.includes(id))).toEqual([]);
  };

  beforeAll(async () => {
    await mkdir(data);
    desk = await startDesk(data, { config: FREE_PORTS });
    person = await enrol(desk);
    token = (await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'disk', scope: 'ingest' })).token;
  });

  afterAll(async () => {
    await desk?.kill();
    disk?.remove();
  });

  test.each([
    ['less than the reserve is free', 250],
    ['nothing is free at all', DISK_MB],
  ])('%s: intake stops with an alarm and resumes by itself', async (_, megabytes) => {
    expect((await send()).status).toBe(200);
    expect(await alarm()).toBeNull();
    // Written, not only reserved; the last one meets the end of the disk.
    for (let i = 0; i < megabytes; i += 10) {
      const full = await writeFile(`${ballast}-${i}`, Buffer.alloc(10 * 1024 * 1024, 1)).then(
        () => false,
        () => true,
      );
      if (full) break;
    }
    const refused = await eventually('a refusal', async () => {
      const response = await send();
      return response.ok ? null : response;
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await eventually('the alarm', alarm)).toMatch(/Intake is stopped\..*disk is full/i);
    for (let i = 0; i < megabytes; i += 10) await rm(`${ballast}-${i}`, { force: true });
    await eventually('intake to resume', async () => (await send()).ok);
    await eventually('the alarm to go', async () => (await alarm()) === null);
    await allThereOnce();
  });

  test('the disk takes no more writes: the desk says so and can be read; after the repair everything is there', async () => {
    expect((await send()).status).toBe(200);
    disk?.breakOff();
    const refused = await eventually('a refusal', async () => {
      const response = await send();
      return response.ok ? null : response;
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await eventually('the alarm', alarm)).toMatch(/Intake is stopped/);
    expect((await present()).length).toBeGreaterThan(0);
    await desk.kill();
    disk?.repair();
    desk = await startDesk(data, { config: FREE_PORTS });
    const { cookie } = person;
    const origin = desk.origin;
    person = {
      ...person,
      get: async <T>(path: string) => (await (await fetch(`${origin}${path}`, { headers: { cookie } })).json()) as T,
    };
    expect((await send()).status).toBe(200);
    await allThereOnce();
  });
});
