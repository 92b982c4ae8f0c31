import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { ntHash } from './audit-hash.ts';
import { auditCoverage, judge, observations } from './audit-judge.ts';
import { passwordAlonePasses } from './audit-pam.ts';
import { readExports } from './audit-read.ts';
import { settingsFor, sshdBlocks, sshFactor } from './audit-sshd.ts';

const NOW = Date.parse('2026-11-25T00:00:00Z');
const folder = mkdtempSync(join(tmpdir(), 'asepsis-audit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;

async function audited(files: Record<string, unknown>, o: { external?: string[] } = {}) {
  const root = join(folder, String(folders++));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  const input = await readExports([root]);
  const verdicts = judge(input, { nowMs: NOW, ...o });
  const of = (name: string) => {
    const found = verdicts.filter((one) => one.name.toLowerCase().startsWith(name));
    return found.map((one) => `${one.factor}${one.protocol ? `:${one.protocol}` : ''}`).join(' ');
  };
  return { input, verdicts, of, kinds: observations(verdicts, NOW).map((one) => `${one.kind} ${one.key}`) };
}

const user = (name: string, registered: boolean, more: object = {}) => ({
  id: `id-${name}`,
  userPrincipalName: `${name}@hosp.example`,
  userDisplayName: name,
  isMfaRegistered: registered,
  isAdmin: false,
  userType: 'member',
  methodsRegistered: registered ? ['microsoftAuthenticatorPush'] : [],
  ...more,
});
const policy = (change: { conditions?: object; grantControls?: object; state?: string } = {}) => ({
  displayName: 'MFA for all',
  state: change.state ?? 'enabled',
  conditions: {
    users: { includeUsers: ['All'], excludeUsers: ['id-glass'] },
    applications: { includeApplications: ['All'] },
    clientAppTypes: ['all'],
    ...change.conditions,
  },
  grantControls: change.grantControls ?? { operator: 'OR', builtInControls: ['mfa'] },
});

test('Entra: registration, conditional access and what legacy protocols let through', async () => {
  const people = {
    value: [user('anna', true), user('ben', false), user('glass', true, { isAdmin: true }), user('imap', true)],
  };
  const signIns = {
    value: [
      {
        userPrincipalName: 'imap@hosp.example',
        createdDateTime: '2026-11-20T08:00:00Z',
        clientAppUsed: 'IMAP4',
        authenticationRequirement: 'singleFactorAuthentication',
        status: { errorCode: 0 },
      },
      {
        userPrincipalName: 'anna@hosp.example',
        createdDateTime: '2026-11-20T08:00:00Z',
        clientAppUsed: 'IMAP4',
        authenticationRequirement: 'singleFactorAuthentication',
        status: { errorCode: 50126 },
      },
    ],
  };
  const all = await audited({
    'registration.json': people,
    'policies.json': { value: [policy()] },
    'signins.json': signIns,
  });
  expect([all.of('anna'), all.of('ben'), all.of('glass'), all.of('imap')]).toEqual([
    'enforced',
    'none',
    'registered',
    'bypassed:IMAP4',
  ]);
  expect(all.kinds).toContain('second-factor-bypassed imap@hosp.example');
  const browserOnly = await audited({
    'r.json': people,
    'p.json': { value: [policy({ conditions: { clientAppTypes: ['browser', 'mobileAppsAndDesktopClients'] } })] },
  });
  expect(browserOnly.of('anna')).toBe('bypassed:legacy authentication');
  const reportOnly = await audited({
    'r.json': people,
    'p.json': { value: [policy({ state: 'enabledForReportingButNotEnforced' })] },
  });
  expect([reportOnly.of('anna'), reportOnly.of('ben')]).toEqual(['registered', 'none']);
  const trusted = await audited({
    'r.json': people,
    'p.json': {
      value: [policy({ conditions: { locations: { includeLocations: ['All'], excludeLocations: ['AllTrusted'] } } })],
    },
  });
  expect(trusted.of('anna')).toBe('registered');
  const managed = await audited({
    'r.json': people,
    'p.json': { value: [policy({ grantControls: { operator: 'OR', builtInControls: ['mfa', 'compliantDevice'] } })] },
  });
  expect(managed.of('anna')).toBe('registered');
  const groups = await audited({
    'r.json': people,
    'p.json': { value: [policy({ conditions: { users: { includeGroups: ['g1'] } } })] },
  });
  expect(groups.of('anna')).toBe('unknown');
  const alone = await audited({ 'r.json': people });
  expect([alone.of('anna'), alone.of('ben')]).toEqual(['registered', 'none']);
  const csv = await audited({
    'r.csv':
      'User principal name,User display name,Is MFA registered,Is admin\nanna@hosp.example,"Anna, Dr.",True,False\nben@hosp.example,Ben,False,True\n',
  });
  expect([csv.of('anna'), csv.of('ben')]).toEqual(['registered', 'none']);
});

const ad = (name: string, flags: number, more = '') =>
  `dn: CN=${name},OU=Staff,DC=hosp,DC=example\nobjectClass: user\nsAMAccountName: ${name}\nuserAccountControl: ${flags}\n${more}\n`;

test('Active Directory: smart cards, keys, administrators through groups, stale and never used', async () => {
  const ticks = (day: string) => String((Date.parse(day) + 11_644_473_600_000) * 10_000);
  const found = await audited({
    'export.ldif': `version: 1\n\n${[
      ad('anna', 512 | 0x40000, `lastLogonTimestamp: ${ticks('2026-11-20')}`),
      ad('ben', 512, `lastLogonTimestamp: ${ticks('2026-01-01')}\nwhenCreated: 20200101000000.0Z`),
      ad('cleo', 512, `msDS-KeyCredentialLink:: QjoxMjM=\nlastLogonTimestamp: ${ticks('2026-11-24')}`),
      ad('dora', 514),
      ad('svc-backup', 512, 'servicePrincipalName: backup/srv1'),
      ad('eve', 512 | 0x20, 'whenCreated: 20200101000000.0Z'),
      'dn: CN=Domain Admins,CN=Users,DC=hosp,DC=example\nobjectClass: group\nmember: CN=IT,OU=Groups,DC=hosp,DC=example\n',
      'dn: CN=IT,OU=Groups,DC=hosp,DC=example\nobjectClass: group\nmember: CN=be\n n,OU=Staff,DC=hosp,DC=example\n',
      'dn: CN=PC1,DC=hosp,DC=example\nobjectClass: computer\nuserAccountControl: 4096\nsAMAccountName: PC1$\n',
    ].join('\n')}`,
  });
  expect([found.of('anna'), found.of('ben'), found.of('cleo'), found.of('pc1')]).toEqual([
    'enforced',
    'none',
    'registered',
    '',
  ]);
  expect(found.verdicts.find((one) => one.name === 'ben')).toMatchObject({
    privileged: true,
    stale: true,
    service: 'hosp.example',
  });
  expect(found.verdicts.find((one) => one.name === 'eve')).toMatchObject({ neverUsed: true });
  expect(found.kinds).toEqual(
    expect.arrayContaining(['stale-account ben', 'never-used-account eve', 'password-not-required eve']),
  );
  expect(found.kinds.filter((kind) => kind.includes('dora') || kind === 'no-second-factor svc-backup')).toEqual([]);
});

test('Google Workspace, Okta, FreeIPA', async () => {
  const google = await audited({
    'users.json': {
      users: [
        { primaryEmail: 'a@h.example', isEnrolledIn2Sv: true, isEnforcedIn2Sv: true, isAdmin: true },
        { primaryEmail: 'b@h.example', isEnrolledIn2Sv: true, isEnforcedIn2Sv: false },
        {
          primaryEmail: 'c@h.example',
          isEnrolledIn2Sv: false,
          isEnforcedIn2Sv: false,
          lastLoginTime: '1970-01-01T00:00:00.000Z',
        },
      ],
    },
    'users.csv':
      'Email Address [Required],Status [READ ONLY],2sv Enrolled [READ ONLY],2sv Enforced [READ ONLY]\nd@h.example,Active,False,False\n',
  });
  expect(['a', 'b', 'c', 'd'].map((name) => google.of(name))).toEqual(['enforced', 'registered', 'none', 'none']);
  const factors = [{ factorType: 'push', status: 'ACTIVE' }];
  const okta = await audited({
    'okta.json': {
      users: [
        { id: '1', status: 'ACTIVE', profile: { login: 'a@h.example' }, factors, credentials: {} },
        {
          id: '2',
          status: 'ACTIVE',
          profile: { login: 'b@h.example' },
          factors: [{ factorType: 'question', status: 'ACTIVE' }],
        },
      ],
      policies: [
        {
          type: 'OKTA_SIGN_ON',
          status: 'ACTIVE',
          rules: [{ actions: { signon: { access: 'ALLOW', requireFactor: true } } }],
        },
      ],
    },
  });
  expect([okta.of('a'), okta.of('b')]).toEqual(['enforced', 'none']);
  const ipa = (name: string, types: string) =>
    `dn: uid=${name},cn=users,cn=accounts,dc=ipa,dc=example\nobjectClass: person\nobjectClass: ipaobject\nuid: ${name}\n${types}\n`;
  const free = await audited({
    'ipa.ldif': [
      ipa('a', 'ipaUserAuthType: otp'),
      ipa('b', 'ipaUserAuthType: otp\nipaUserAuthType: password'),
      ipa('c', ''),
      'dn: ipatokenuniqueid=1,cn=otp,dc=ipa,dc=example\nipatokenOwner: uid=a,cn=users,cn=accounts,dc=ipa,dc=example\n',
    ].join('\n'),
  });
  expect(['a', 'b', 'c'].map((name) => free.of(name))).toEqual(['enforced', 'registered', 'none']);
});

test('Keycloak: conditional and required flows, and the direct grant that goes around them', async () => {
  const users = [
    { username: 'anna', enabled: true, credentials: [{ type: 'password' }, { type: 'otp' }] },
    { username: 'ben', enabled: true, credentials: [{ type: 'password' }] },
  ];
  const step = (authenticator: string, requirement: string) => ({ authenticator, requirement });
  const inner = (flowAlias: string, requirement: string) => ({ flowAlias, requirement, authenticatorFlow: true });
  const flows = [
    { alias: 'browser', authenticationExecutions: [step('auth-cookie', 'ALTERNATIVE'), inner('forms', 'ALTERNATIVE')] },
    {
      alias: 'forms',
      authenticationExecutions: [step('auth-username-password-form', 'REQUIRED'), inner('otp', 'CONDITIONAL')],
    },
    {
      alias: 'otp',
      authenticationExecutions: [step('conditional-user-configured', 'REQUIRED'), step('auth-otp-form', 'REQUIRED')],
    },
    {
      alias: 'strict',
      authenticationExecutions: [step('auth-username-password-form', 'REQUIRED'), step('auth-otp-form', 'REQUIRED')],
    },
    { alias: 'plain', authenticationExecutions: [step('auth-username-password-form', 'REQUIRED')] },
    {
      alias: 'grant',
      authenticationExecutions: [
        step('direct-grant-validate-username', 'REQUIRED'),
        step('direct-grant-validate-password', 'REQUIRED'),
      ],
    },
  ];
  const realm = (more: object) => ({
    realm: 'hosp',
    users,
    authenticationFlows: flows,
    browserFlow: 'browser',
    ...more,
  });
  const names = (found: { of: (name: string) => string }) => [found.of('anna'), found.of('ben')];
  expect(names(await audited({ 'realm.json': realm({ clients: [] }) }))).toEqual(['enforced', 'none']);
  expect(names(await audited({ 'realm.json': realm({ browserFlow: 'plain' }) }))).toEqual(['registered', 'none']);
  expect(
    names(
      await audited({
        'realm.json': realm({
          directGrantFlow: 'grant',
          clients: [{ clientId: 'old-app', directAccessGrantsEnabled: true, enabled: true }],
        }),
      }),
    ),
  ).toEqual(['bypassed:direct grant (client old-app)', 'none']);
  expect(
    names(await audited({ 'realm.json': realm({ browserFlow: 'strict', directGrantFlow: 'grant', clients: [] }) })),
  ).toEqual(['enforced', 'none']);
});

const passwd =
  'root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000::/home/anna:/bin/bash\nben:x:1001:1001::/home/ben:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\n';
const TWO = 'auth required pam_unix.so\nauth required pam_google_authenticator.so\n';

test('sshd with Match blocks and PAM, one verdict for each account', async () => {
  const found = await audited({
    'web1/etc/passwd': passwd,
    'web1/etc/group': 'sudo:x:27:anna\nlegacy:x:50:ben\n',
    'web1/etc/pam.d/sshd': TWO,
    'web1/etc/ssh/sshd_config':
      'UsePAM yes\nPasswordAuthentication no\nAuthenticationMethods publickey,keyboard-interactive\nPermitRootLogin no\nMatch Group legacy\n  AuthenticationMethods any\n  PubkeyAuthentication yes\n',
  });
  expect(found.of('anna')).toBe('enforced');
  expect(found.of('ben')).toBe('none');
  expect(found.of('root')).toBe('enforced');
  const address = await audited({
    'db/etc/passwd': passwd,
    'db/etc/ssh/sshd_config':
      'UsePAM no\nAuthenticationMethods publickey,password\nMatch Address 10.0.0.0/8\n AuthenticationMethods password\n',
  });
  expect(address.of('anna')).toBe('bypassed:SSH password');
});

test('PAM stacks, as libpam walks them', () => {
  const none = new Map<string, string>();
  const debian =
    'auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\nauth required pam_permit.so\n';
  const files = new Map([['common-auth', debian]]);
  expect(passwordAlonePasses(debian, none)).toBe('yes');
  expect(passwordAlonePasses(`@include common-auth\nauth required pam_google_authenticator.so\n`, files)).toBe('no');
  expect(passwordAlonePasses(`@include common-auth\nauth required pam_google_authenticator.so nullok\n`, files)).toBe(
    'when-none',
  );
  expect(passwordAlonePasses('auth sufficient pam_unix.so\nauth required pam_u2f.so\n', none)).toBe('yes');
  expect(
    passwordAlonePasses('auth required pam_unix.so\nauth sufficient pam_oath.so\nauth required pam_permit.so\n', none),
  ).toBe('yes');
  expect(passwordAlonePasses('auth required pam_unix.so\nauth [success=done default=die] pam_oath.so\n', none)).toBe(
    'no',
  );
  expect(
    passwordAlonePasses(
      'auth [success=2 default=ignore] pam_unix.so\nauth requisite pam_deny.so\nauth required pam_oath.so\nauth required pam_permit.so\n',
      none,
    ),
  ).toBe('yes');
  expect(passwordAlonePasses('', none)).toBe('no');
});

test('sshd: first value, blocks over globals, patterns', () => {
  const blocks = sshdBlocks(
    'PasswordAuthentication no\nPasswordAuthentication yes\nMatch User a*,!anna\n PasswordAuthentication yes\nMatch all\n PasswordAuthentication maybe\n',
  );
  expect(settingsFor(blocks, 'abel', new Set(), false).get('passwordauthentication')).toBe('yes');
  expect(settingsFor(blocks, 'anna', new Set(), false).get('passwordauthentication')).toBe('maybe');
  expect(
    sshFactor(
      new Map([
        ['pubkeyauthoptions', 'verify-required'],
        ['passwordauthentication', 'no'],
        ['kbdinteractiveauthentication', 'no'],
      ]),
      'yes',
    ).factor,
  ).toBe('enforced');
});

test('VPN, RADIUS and firewalls', async () => {
  const found = await audited({
    'a.conf':
      'port 1194\nproto udp\ndev tun\nserver 10.8.0.0 255.255.255.0\nplugin /usr/lib/openvpn/openvpn-plugin-auth-pam.so login\nverify-client-cert none\n',
    'b.conf':
      'port 1194\ndev tun\nserver 10.9.0.0 255.255.255.0\nca ca.crt\nplugin /usr/lib/openvpn/openvpn-plugin-auth-pam.so login\n',
    'ipsec.conf': 'conn staff\n  rightauth=eap-mschapv2\nconn strong\n  rightauth=pubkey\n  rightauth2=eap-mschapv2\n',
    'radius-default': 'authorize {\n  ldap\n  pap\n}\nauthenticate {\n  Auth-Type PAP {\n    pap\n  }\n}\n',
    'forti.conf':
      'config system global\n    set hostname "fw1"\nend\nconfig user local\n    edit "anna"\n        set type password\n        set two-factor fortitoken\n    next\n    edit "ben"\n        set type password\n    next\nend\nconfig system admin\n    edit "admin"\n        set password ENC x\n    next\nend\n',
  });
  const by = (service: string) =>
    found.verdicts
      .filter((one) => one.service.includes(service))
      .map((one) => one.factor)
      .join(' ');
  expect([
    by('OpenVPN a'),
    by('OpenVPN b'),
    by('IPsec ipsec.conf staff'),
    by('IPsec ipsec.conf strong'),
    by('RADIUS'),
    by('FortiGate fw1 VPN'),
    by('FortiGate fw1 admin'),
  ]).toEqual(['none', 'enforced', 'none', 'enforced', 'none', 'enforced none', 'none']);
  expect(auditCoverage(found.verdicts).external_privileged).toMatchObject({ accounts: 1, none: 1 });
});

test('reused and default passwords by hash; the vectors of MS-NLMP and RFC 1320', async () => {
  expect(ntHash('Password')).toBe('a4f49c406510bdcab6824ee7c30fd852');
  expect(ntHash('')).toBe('31d6cfe0d16ae931b73c59d7e0c089c0');
  const line = (name: string, hash: string) => `${name}:1000:aad3b435b51404eeaad3b435b51404ee:${hash}:::`;
  const found = await audited({
    'hashes.txt': [
      line('anna', '11111111111111111111111111111111'),
      line('HOSP\\ben', '11111111111111111111111111111111'),
      line('cleo', ntHash('Welcome1')),
    ].join('\n'),
    'ad.ldif': `version: 1\n\n${ad('anna', 512)}\n${ad('ben', 512)}\n${ad('cleo', 512)}`,
  });
  expect(found.kinds).toEqual(
    expect.arrayContaining(['password-reused anna', 'password-reused ben', 'password-default cleo']),
  );
  expect(JSON.stringify(found.verdicts)).not.toContain('11111111111111111111111111111111');
});

test('one bad file hides none of the others', async () => {
  const found = await audited({
    'broken.json': '{"value": [',
    'empty.txt': '',
    'noise.bin': '\u0000\u0001\u0002',
    'good.json': { users: [{ primaryEmail: 'a@h.example', isEnrolledIn2Sv: false, isEnforcedIn2Sv: false }] },
  });
  expect(found.of('a')).toBe('none');
  expect(found.input.faults.size).toBeGreaterThan(0);
});

test('nothing that an export holds ends the audit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ maxLength: 400 }),
      fc.constantFrom('a.json', 'a.ldif', 'a.csv', 'etc/ssh/sshd_config', 'etc/pam.d/sshd', 'etc/passwd', 'x.conf'),
      fc.constantFrom('', 'version: 1\n\ndn: x\n', '{"value":[{"isMfaRegistered":', 'conn a\n', 'root:x:0:0:'),
      async (text, name, head) => {
        await audited({ [name]: head + text });
      },
    ),
    { numRuns: 120 },
  );
});
