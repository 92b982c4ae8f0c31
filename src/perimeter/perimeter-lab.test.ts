import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { createGate, type Gate } from './perimeter-gate.ts';
import { identify } from './perimeter-identify.ts';
import type { PortView } from './perimeter-weakness.ts';
import { UDP_PROBES } from './services/service-udp.ts';
import { freePort, has, type Lab, openLab } from './testing/perimeter-lab.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';
import * as servers from './testing/perimeter-servers.ts';

let lab: Lab;
let gate: Gate;
const root = process.getuid?.() === 0;
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope(), clock: systemClock });
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});

const look = (port: number, outside = false): Promise<PortView> =>
  identify({
    gate,
    host: '127.0.0.1',
    address: '127.0.0.1',
    port,
    nowMs: Date.now(),
    outside,
    gentle: false,
    active: ['heartbleed', 'ccs-injection', 'robot', 'ticketbleed'],
  });
const kinds = (view: PortView) =>
  [...new Set(view.weaknesses.map(({ kind, key }) => (key === undefined ? kind : `${kind}:${key}`)))].toSorted((a, b) =>
    String(a).localeCompare(String(b)),
  );
/** What a self-signed laboratory cannot have: everything else has to be clean. */
const beyondLab = (view: PortView) => kinds(view).filter((kind) => !kind.startsWith('self-signed-certificate'));

describe.skipIf(!has('openssl', 'nginx'))('nginx', () => {
  test('weak: every planted weakness is found', async () => {
    const { port } = await servers.weakNginx(lab, servers.weakCertificate(lab));
    const view = await look(port);
    expect(view.service).toBe('http');
    expect(view.grade).toBe('F');
    expect(kinds(view)).toEqual(
      expect.arrayContaining([
        'weak-tls:old-versions',
        'weak-tls:suite-anon',
        'weak-certificate:rsa',
        'certificate-expiry:rsa',
        'certificate-name:rsa',
        'self-signed-certificate:rsa',
        'http-hsts',
        'http-csp',
        'http-framing',
        'http-cookie:PHPSESSID',
        'http-cors:https://asepsis.invalid',
        'http-referrer',
        'http-script-integrity',
        'http-mixed-content',
        'http-left-file:/.git/HEAD',
        'http-left-file:/.env',
        'http-version-told:version',
        'single-factor-login:web',
        'http-directory-listing',
      ]),
    );
    expect(JSON.stringify(view)).not.toMatch(/hunter2|abc123/);
    expect(view.software.map(({ name }) => name)).toContain('nginx');
  });
  test('good: nothing', async () => {
    const { port } = await servers.goodNginx(lab, servers.goodCertificate(lab));
    const view = await look(port);
    expect(beyondLab(view)).toEqual([]);
    expect(view.facts.tls_level).toBe('intermediate');
  });
});

test.skipIf(!has('apache2') || !root)('Apache, weak', async () => {
  const view = await look((await servers.weakApache(lab)).port, true);
  expect(kinds(view)).toEqual(
    expect.arrayContaining([
      'http-default-page',
      'http-methods',
      'http-admin-panel:/server-status',
      'http-directory-listing',
      'http-without-https:page',
      'http-version-told:version',
    ]),
  );
});

describe.skipIf(!has('sshd', 'ssh-keygen') || !root)('sshd', () => {
  test('weak', async () => {
    const view = await look((await servers.sshServer(lab, false)).port);
    expect(view.service).toBe('ssh');
    expect(kinds(view)).toEqual([
      'single-factor-login:ssh',
      'weak-ssh:algorithms-ciphers',
      'weak-ssh:algorithms-kex',
      'weak-ssh:algorithms-macs',
    ]);
    expect(view.software[0]?.name).toBe('openssh');
  });
  test('good', async () => {
    const view = await look((await servers.sshServer(lab, true)).port);
    expect(view.facts.methods).toBe('publickey');
    expect(kinds(view)).toEqual([]);
  });
});

describe.skipIf(!has('vsftpd', 'openssl') || !root)('vsftpd', () => {
  test('weak', async () => {
    const view = await look((await servers.ftpServer(lab, false, servers.plainRsa(lab))).port);
    expect(kinds(view)).toEqual(['anonymous-access:ftp', 'clear-text-login:ftp']);
  });
  test('good', async () => {
    const view = await look((await servers.ftpServer(lab, true, servers.plainRsa(lab))).port);
    expect(view.service).toBe('ftp');
    expect(view.tls).toBe(true);
    expect(beyondLab(view)).toEqual([]);
  });
});

describe.skipIf(!has('smbd') || !root)('Samba', () => {
  test('weak', async () => {
    const view = await look((await servers.smbServer(lab, false)).port);
    expect(kinds(view)).toEqual(['smb-signing', 'smb1']);
  });
  test('good', async () => {
    const view = await look((await servers.smbServer(lab, true)).port);
    expect(view.facts).toMatchObject({ signing_required: true, smb1: false, dialect: '0x0311' });
    expect(kinds(view)).toEqual([]);
  });
});

describe.skipIf(!has('redis-server'))('Redis', () => {
  test('weak', async () => {
    const view = await look((await servers.redisServer(lab, false)).port);
    expect(kinds(view)).toEqual(['no-authentication:redis']);
    expect(view.software[0]).toMatchObject({ name: 'redis', version: expect.stringMatching(/^\d+\.\d+/) });
  });
  test('good', async () => {
    const view = await look((await servers.redisServer(lab, true)).port);
    expect(view.service).toBe('redis');
    expect(kinds(view)).toEqual([]);
  });
});

describe.skipIf(!has('postfix', 'openssl') || !root)('Postfix', () => {
  test('weak', async () => {
    const view = await look((await servers.smtpServer(lab, false, servers.plainRsa(lab))).port);
    expect(kinds(view)).toEqual(['mail-without-tls:smtp', 'open-relay:smtp', 'smtp-vrfy:smtp']);
  });
  test('good', async () => {
    const view = await look((await servers.smtpServer(lab, true, servers.plainRsa(lab))).port);
    expect(view.service).toBe('smtp');
    expect(view.tls).toBe(true);
    expect(beyondLab(view)).toEqual([]);
  });
});

describe.skipIf(!has('named') || !root)('BIND', () => {
  const dns = UDP_PROBES.find(({ service }) => service === 'dns');
  const ask = (port: number) =>
    dns?.look({
      gate,
      host: '127.0.0.1',
      address: '127.0.0.1',
      port,
      tls: false,
      nowMs: Date.now(),
      outside: true,
      banner: null,
    });
  test('weak: resolves for anybody', async () => {
    const view = await ask((await servers.dnsServer(lab, false)).port);
    expect(view?.weaknesses.map(({ kind }) => kind)).toEqual(['open-resolver', 'dns-version-told']);
    expect(view?.software[0]?.name).toBe('bind');
  });
  test('good', async () => {
    const view = await ask((await servers.dnsServer(lab, true)).port);
    expect(view?.service).toBe('dns');
    expect(view?.weaknesses).toEqual([]);
  });
});

test.skipIf(!has('snmpd') || !root)(
  'SNMP: found without a community; "public" is tried only where the scope names the host',
  async () => {
    const port = await freePort();
    await lab.start(
      'snmpd',
      [
        '-f',
        '-Lo',
        '-C',
        '-c',
        lab.file('snmpd.conf', 'rocommunity public\n'),
        '-p',
        `${lab.dir}/snmpd.pid`,
        `udp:127.0.0.1:${port}`,
        `tcp:127.0.0.1:${port}`,
      ],
      port,
      { env: { SNMP_PERSISTENT_DIR: lab.dir } },
    );
    const snmp = UDP_PROBES.find(({ service }) => service === 'snmp');
    const base = {
      gate,
      host: '127.0.0.1',
      address: '127.0.0.1',
      port,
      tls: false,
      nowMs: Date.now(),
      outside: false,
      banner: null,
    };
    expect(await snmp?.look(base)).toMatchObject({ service: 'snmp', facts: { v3: true }, weaknesses: [] });
    expect((await snmp?.look({ ...base, mayGuess: () => true }))?.weaknesses.map(({ kind }) => kind)).toEqual([
      'default-credentials',
    ]);
  },
);

test.skipIf(!has('storescp'))(
  'DICOM: an association for verification, and nothing else, tells that a real receiver is open',
  async () => {
    const port = await freePort();
    await lab.start('storescp', [String(port)], port);
    const view = await look(port);
    expect(view.service).toBe('dicom');
    expect(view.facts.association).toBe('accepted');
    expect(kinds(view)).toEqual(['clinical-without-tls:dicom', 'dicom-open']);
  },
);

test.skipIf(!has('slapd') || !root)('LDAP', async () => {
  const port = await freePort();
  const conf = lab.file('slapd.conf', `pidfile ${lab.dir}/slapd.pid\n`);
  await lab.start('slapd', ['-d', '0', '-f', conf, '-h', `ldap://127.0.0.1:${port}`], port);
  const view = await look(port);
  expect(view.service).toBe('ldap');
  expect(view.facts.anonymous_bind).toBe(true);
});
