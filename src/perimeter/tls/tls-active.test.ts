import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { createGate, type Gate } from '../perimeter-gate.ts';
import { ACTIVE_CHECKS } from '../perimeter-schema.ts';
import { type Flaw, flawedTls, type Peer, ticketServer } from '../testing/perimeter-flawed.ts';
import { has, type Lab, openLab, RSA } from '../testing/perimeter-lab.ts';
import { loopbackScope } from '../testing/perimeter-scopes.ts';
import { activeChecks } from './tls-active.ts';
import { tlsProfile } from './tls-profile.ts';

const openssl = has('openssl');
let lab: Lab;
let gate: Gate;
let material: { cert: string; key: string };
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope(), clock: systemClock });
  if (openssl) material = lab.certificate('rsa', RSA, 'DNS:localhost,IP:127.0.0.1');
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});

async function seen(opened: Promise<Peer>, active: readonly (typeof ACTIVE_CHECKS)[number][] = ACTIVE_CHECKS) {
  const peer = await opened;
  const target = { host: '127.0.0.1', port: peer.port };
  const profile = await tlsProfile(gate, target, Date.now());
  if (!profile) throw new Error('no TLS');
  const found = await activeChecks(gate, target, profile, active);
  await peer.close();
  expect(JSON.stringify(found)).not.toContain('a patient’s record');
  expect(found.every(({ kind, severity }) => kind === 'tls-vulnerability' && severity === 'critical')).toBe(true);
  return found.map(({ key }) => key);
}

test.skipIf(!openssl).concurrent.each([
  ['heartbleed', ['heartbleed']],
  ['ccs-injection', ['ccs-injection']],
  ['robot-alert', ['robot']],
  ['robot-reset', ['robot']],
  ['robot-late', ['robot']],
  ['noisy', []],
  ['patched', []],
] as const)(
  'a peer that is %s: exactly that is found',
  async (flaw: Flaw, found) => {
    expect(await seen(flawedTls(flaw, material))).toEqual(found);
  },
  60_000,
);

test.skipIf(!openssl)('what the scope does not name is not sent', async () => {
  expect(await seen(flawedTls('heartbleed', material), [])).toEqual([]);
});

test.skipIf(!openssl).concurrent.each([
  [false, ['ticketbleed']],
  [true, []],
] as const)(
  'Ticketbleed needs a ticket that the server takes: patched %s',
  async (patched, found) => {
    expect(await seen(ticketServer(patched, material))).toEqual(found);
  },
  60_000,
);
