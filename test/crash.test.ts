/** A short form of `npm run crash`: kill -9 under load, and everything that was acknowledged is there exactly once. */

import { expect, test } from 'vitest';
import { crashRounds } from './harness/crash.ts';
import { newDataDir } from './harness/desk.ts';
import { freePort } from './harness/sshd.ts';

const KILLS = 5;

test('nothing acknowledged is lost or doubled by kill -9', { timeout: 240_000 }, async () => {
  const folder = await newDataDir();
  try {
    const config = `http: { port: ${await freePort()} }\nsyslog: { udp: { port: 0 }, tcp: { port: 0 }, tls: { enabled: false } }\nthis_machine: { logs: off, check: off }\n`;
    const result = await crashRounds(folder.path, KILLS, config, () => {});
    expect(result.acknowledged).toBeGreaterThan(100);
    expect(result.alerts).toBeGreaterThan(0);
    expect(result).toMatchObject({ missing: 0, repeated: 0, repeatedAlerts: 0 });
  } finally {
    await folder.remove();
  }
});
