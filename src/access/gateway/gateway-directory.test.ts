import { spawnSync } from 'node:child_process';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { programOf } from '../testing/gateway-fronts.ts';
import { addPerson, startTestGateway } from '../testing/gateway-harness.ts';
import { hasSlapd, LDAP_PASSWORD, type Slapd, startSlapd } from '../testing/gateway-slapd.ts';
import { accountState, ldapDirectory } from './gateway-directory.ts';
import { totpStep } from './gateway-factors.ts';
import type { LdapConfig } from './gateway-schema.ts';
import { checkPassword } from './gateway-sign-in.ts';

describe.skipIf(!hasSlapd())(`a real slapd${hasSlapd() ? '' : ' (not installed)'}`, () => {
  let slapd: Slapd;
  const directory = (change: Record<string, unknown> = {}) =>
    ldapDirectory({ starttls: false, nested: true, ...slapd.config(change) } as LdapConfig, systemClock);
  beforeAll(async () => {
    slapd = await startSlapd();
  });
  afterAll(() => slapd?.stop());

  test('a right password with nested groups, also when groups hold themselves', async () => {
    const answer = await directory().check('anna', LDAP_PASSWORD);
    expect(answer).toMatchObject({ kind: 'right', person: { name: 'anna', email: 'anna@hosp.example' } });
    expect(answer.kind === 'right' && [...answer.person.groups].sort()).toEqual(['doctors', 'icu', 'staff']);
  });

  test('wrong and unknown are one answer; an empty password is no "unauthenticated bind"', async () => {
    const one = directory();
    expect(await one.check('anna', 'wrong')).toEqual({ kind: 'wrong' });
    expect(await one.check('nobody', 'wrong')).toEqual({ kind: 'wrong' });
    expect(await one.check('anna', '')).toEqual({ kind: 'wrong' });
    for (const name of ['*', 'a*', 'anna)(uid=*', '\\2a', 'anna\0'])
      expect((await one.check(name, LDAP_PASSWORD)).kind).toBe('wrong');
  });

  test('an expired account is refused after its right password, and when it is asked about', async () => {
    expect(await directory().check('gone', LDAP_PASSWORD)).toEqual({ kind: 'refused', why: 'expired' });
    expect(await directory().lookup('gone')).toEqual({ kind: 'refused', why: 'expired' });
    expect((await directory().lookup('ben')).kind).toBe('right');
  });

  test('LDAPS and StartTLS are verified: with the authority right, without it nothing is sent', async () => {
    const ldaps = { url: `ldaps://localhost:${slapd.tlsPort}` };
    const starttls = { url: `ldap://localhost:${slapd.port}`, starttls: true };
    for (const way of [ldaps, starttls]) {
      expect((await directory({ ...way, ca_file: slapd.ca }).check('anna', LDAP_PASSWORD)).kind).toBe('right');
      expect((await directory(way).check('anna', LDAP_PASSWORD)).kind).toBe('down');
    }
    const remote = await directory({ url: 'ldap://192.0.2.1' }).check('anna', LDAP_PASSWORD);
    expect(remote).toMatchObject({ kind: 'down' });
    expect(JSON.stringify(remote)).toContain('refused');
  });

  test('a server that is not there is down, not wrong', async () => {
    expect((await directory({ url: 'ldap://127.0.0.1:1' }).check('anna', LDAP_PASSWORD)).kind).toBe('down');
  });
});

test('what directories say of an account', () => {
  const now = Date.parse('2026-11-25T00:00:00Z');
  const never = '9223372036854775807';
  expect(
    accountState({ userAccountControl: '512', accountExpires: never, pwdLastSet: '133000000000000000' }, now),
  ).toBeNull();
  expect(accountState({ userAccountControl: '514' }, now)).toBe('disabled');
  expect(accountState({ userAccountControl: '512', 'msDS-User-Account-Control-Computed': '16' }, now)).toBe('locked');
  expect(accountState({ userAccountControl: '512', accountExpires: '133000000000000000', pwdLastSet: '1' }, now)).toBe(
    'expired',
  );
  expect(accountState({ userAccountControl: '512', pwdLastSet: '0' }, now)).toBe('expired');
  expect(accountState({ nsAccountLock: 'TRUE' }, now)).toBe('disabled');
  expect(accountState({ krbPrincipalExpiration: '20250101000000Z' }, now)).toBe('expired');
  expect(accountState({ shadowLastChange: '19000', shadowMax: '90' }, now)).toBe('expired');
});

test('codes: the vectors of RFC 6238 and oathtool agree, and a drifting clock is followed', () => {
  const secret = Buffer.from('12345678901234567890');
  for (const [seconds, code] of [
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ] as const)
    expect(totpStep(secret, code, seconds * 1000)).toEqual({ step: Math.floor(seconds / 30), drift: 0 });
  expect(totpStep(secret, '287082', (59 + 30) * 1000)).toEqual({ step: 1, drift: -1 });
  expect(totpStep(secret, '287082', (59 + 60) * 1000)).toBeNull();
  expect(totpStep(secret, '287082', (59 + 60) * 1000, -1)).toEqual({ step: 1, drift: -2 });
  if (programOf('oathtool') === null) return;
  for (const at of [0, 1_700_000_000, 1_795_000_017]) {
    const said = spawnSync('oathtool', [
      '--totp',
      '--now',
      new Date(at * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC'),
      secret.toString('hex'),
    ])
      .stdout.toString()
      .trim();
    expect(totpStep(secret, said, at * 1000)?.step).toBe(Math.floor(at / 30));
  }
});

test('the schema of a directory fills what is careful', async () => {
  const { GatewaySchema } = await import('./gateway-schema.ts');
  const filled = Value.Default(GatewaySchema, { origin: 'https://x' }) as {
    trusted_proxies: string[];
    session: { life_hours: number; idle_minutes: number };
  };
  expect(filled.trusted_proxies).toEqual([]);
  expect(filled.session).toMatchObject({ life_hours: 12, idle_minutes: 60 });
});

test('a directory that is down costs nobody their tries where they are known, and strangers theirs', async () => {
  const it = await startTestGateway({
    directories: [
      { type: 'local', name: 'local' },
      {
        type: 'ldap',
        name: 'hospital',
        url: 'ldap://127.0.0.1:1',
        bind_dn: 'cn=reader',
        bind_password_file: import.meta.filename,
        base: 'dc=hosp',
        timeout_ms: 200,
      },
    ],
  });
  try {
    const put = (name: string, directory: string) =>
      it.gateway.accounts.put({ name, display: name, email: '', directory, groups: [] });
    put('anna', 'hospital');
    await addPerson(it.gateway, 'lora');
    for (const name of ['anna', 'lora']) it.gateway.throttle.addPlace(name, '127.0.0.1');
    const visitor = (address: string) => ({ address, agent: 'x', deviceCookie: null });
    const tries = async (name: string, address: string) => {
      const kinds = new Set<string>();
      for (let i = 0; i < 10; i++)
        kinds.add((await checkPassword(it.gateway, visitor(address), name, 'not-the-right-one', null)).kind);
      return kinds;
    };
    expect(await tries('anna', '127.0.0.1')).toEqual(new Set(['down']));
    // From elsewhere nobody is told whether the account is a local one: both wait.
    expect(await tries('anna', '127.0.7.1')).toContain('wait');
    expect(await tries('lora', '127.0.7.2')).toContain('wait');
    // A local password can be guessed while the directory is down, so its tries count everywhere.
    expect(await tries('lora', '127.0.0.1')).toContain('wait');
  } finally {
    await it.stop();
  }
});
