import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { createGate, type Gate } from './perimeter-gate.ts';
import { identify } from './perimeter-identify.ts';
import type { PortView } from './perimeter-weakness.ts';
import { UDP_PROBES } from './services/service-udp.ts';
import { freePort, has, type Lab, openLab } from './testing/perimeter-lab.ts';
import * as made from './testing/perimeter-made.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';
import { goodCertificate, plainRsa, proxyNginx } from './testing/perimeter-servers.ts';
import * as servers from './testing/perimeter-servers-more.ts';

let lab: Lab;
let gate: Gate;
let rsa: { cert: string; key: string };
const root = process.getuid?.() === 0;
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope(), clock: systemClock });
  if (has('openssl')) rsa = plainRsa(lab);
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});
const look = (port: number, host = '127.0.0.1'): Promise<PortView> =>
  identify({ gate, host, address: host, port, nowMs: Date.now(), outside: false, gentle: false, active: [] });
/** What a self-signed laboratory cannot have: everything else has to be clean. */
const kinds = (view: PortView) =>
  [...new Set(view.weaknesses.map(({ kind, key }) => (key === undefined ? kind : `${kind}:${key}`)))]
    .filter((kind) => !kind.startsWith('self-signed-certificate'))
    .toSorted((a, b) => a.localeCompare(b));

describe.skipIf(!has('dovecot', 'openssl') || !root)('Dovecot: IMAP and POP3', () => {
  test('weak', async () => {
    const { imap, pop3 } = await servers.mailboxServer(lab, false, rsa);
    expect(kinds(await look(imap, '127.0.0.2'))).toEqual(['clear-text-login:imap']);
    expect(kinds(await look(pop3, '127.0.0.2'))).toEqual(['clear-text-login:pop3']);
  });
  test('good', async () => {
    const { imap, pop3 } = await servers.mailboxServer(lab, true, rsa);
    for (const [service, port] of [
      ['imap', imap],
      ['pop3', pop3],
    ] as const) {
      const view = await look(port, '127.0.0.2');
      expect(view).toMatchObject({ service, tls: true, facts: { tls_level: 'intermediate' } });
      expect(kinds(view).filter((kind) => !kind.startsWith('certificate-name'))).toEqual([]);
    }
  });
});

describe.skipIf(!has('prosody', 'openssl') || !root)('Prosody: XMPP', () => {
  test('weak', async () => {
    const view = await look((await servers.chatServer(lab, false, rsa)).port);
    expect(view.service).toBe('xmpp');
    expect(kinds(view)).toEqual(['clear-text-login:xmpp']);
  });
  test('good', async () => {
    const view = await look((await servers.chatServer(lab, true, rsa)).port);
    expect(view).toMatchObject({ service: 'xmpp', tls: true, facts: { tls_level: 'intermediate' } });
    expect(kinds(view)).toEqual([]);
  });
});

describe.skipIf(!has('xrdp', 'openssl') || !root)('xrdp', () => {
  test('with the old encryption', async () => {
    expect(kinds(await look((await servers.desktopServer(lab, true, rsa)).port))).toEqual([
      'rdp-weak-encryption',
      'rdp-without-nla',
    ]);
  });
  test('with TLS, which still is no NLA', async () => {
    expect(kinds(await look((await servers.desktopServer(lab, false, rsa)).port))).toEqual(['rdp-without-nla']);
  });
});

test.skipIf(!has('Xtigervnc')).each([
  ['None', ['no-authentication:vnc']],
  ['VncAuth', ['clear-text-login:vnc']],
  ['TLSVnc', []],
] as const)('TigerVNC with %s', async (types, found) => {
  const view = await look((await servers.screenServer(lab, types)).port);
  expect(view.service).toBe('vnc');
  expect(kinds(view)).toEqual(found);
});

test.skipIf(!has('memcached'))('memcached', async () => {
  const view = await look((await servers.cacheServer(lab)).port);
  expect(view.software[0]?.name).toBe('memcached');
  expect(kinds(view)).toEqual(['no-authentication:memcached']);
});

describe.skipIf(servers.postgresBin() === null || !has('openssl', 'setpriv') || !root)('PostgreSQL', () => {
  test('weak', async () => {
    const view = await look((await servers.postgresServer(lab, false, rsa)).port);
    expect(kinds(view)).toEqual(['database-without-tls:postgresql', 'no-authentication:postgresql']);
  });
  test('good', async () => {
    const view = await look((await servers.postgresServer(lab, true, rsa)).port);
    expect(view).toMatchObject({ service: 'postgresql', tls: true, facts: { trust: false } });
    expect(kinds(view)).toEqual([]);
  });
});

describe.skipIf(!has('mariadbd', 'mariadb-install-db', 'openssl') || !root)('MariaDB', () => {
  test('weak', async () => {
    const view = await look((await servers.mariaServer(lab, false, rsa)).port);
    expect(view.software[0]?.name).toBe('mariadb');
    expect(kinds(view)).toEqual(['database-without-tls:mysql']);
  }, 30_000);
  test('good', async () => {
    const view = await look((await servers.mariaServer(lab, true, rsa)).port);
    expect(view).toMatchObject({ service: 'mysql', tls: true, facts: { tls_level: 'intermediate' } });
    expect(kinds(view)).toEqual([]);
  }, 30_000);
});

describe.skipIf(!has('Orthanc', 'nginx', 'openssl'))('Orthanc', () => {
  test('weak: images open over HTTP and DICOM', async () => {
    const { web, dicom } = await servers.imageServer(lab, false);
    const view = await look(web);
    expect(view.software[0]).toMatchObject({ name: 'orthanc' });
    expect(kinds(view)).toEqual(
      expect.arrayContaining(['no-authentication:orthanc', 'http-csp', 'http-framing', 'http-without-https:page']),
    );
    expect(kinds(await look(dicom))).toEqual(['clinical-without-tls:dicom', 'dicom-open']);
  }, 30_000);
  test('good: behind TLS, with a password, and DICOM knows its partners', async () => {
    const { web, dicom } = await servers.imageServer(lab, true);
    const { port } = await proxyNginx(lab, goodCertificate(lab), web);
    const view = await look(port);
    expect(view).toMatchObject({ service: 'orthanc', tls: true, facts: { status: 401 } });
    expect(kinds(view)).toEqual(['single-factor-login:web']);
    const closed = await look(dicom);
    expect(closed).toMatchObject({ service: 'dicom', facts: { association: 'rejected' } });
    expect(kinds(closed)).toEqual([]);
  }, 30_000);
});

test.skipIf(!has('storescp', 'openssl'))('DICOM inside TLS', async () => {
  const port = await freePort();
  await lab.start('storescp', ['+tls', rsa.key, rsa.cert, '-ic', String(port)], port);
  const view = await look(port);
  expect(view).toMatchObject({ service: 'dicom', tls: true });
  expect(kinds(view)).toContain('dicom-open');
  expect(kinds(view)).not.toContain('clinical-without-tls:dicom');
});

test.skipIf(!has('slapd', 'openssl') || !root)('slapd with StartTLS', async () => {
  const port = await freePort();
  const conf = lab.file(
    'slapd-tls.conf',
    `pidfile ${lab.dir}/slapd-tls.pid\nTLSCertificateFile ${rsa.cert}\nTLSCertificateKeyFile ${rsa.key}\nTLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA\n`,
  );
  await lab.start('slapd', ['-d', '0', '-f', conf, '-h', `ldap://127.0.0.1:${port}`], port);
  const view = await look(port);
  expect(view).toMatchObject({ service: 'ldap', tls: true });
  expect(view.profile?.versions.map(({ version }) => version)).toEqual(['TLS 1.2', 'TLS 1.3']);
  expect(view.profile?.chains[0]?.certificates[0]?.keyType).toBe('rsa');
});

test.skipIf(!has('etcd'))('etcd', async () => {
  const view = await look((await servers.keyServer(lab)).port);
  expect(view).toMatchObject({ service: 'etcd', software: [{ name: 'etcd' }] });
  expect(kinds(view)).toEqual(['database-without-tls:etcd']);
});

test.skipIf(!has('cupsd') || !root)('CUPS', async () => {
  const view = await look((await servers.printServer(lab)).port);
  expect(view).toMatchObject({ service: 'printer-web', software: [{ name: 'cups' }] });
});

test.skipIf(!has('nats-server'))('NATS', async () => {
  const [weak, good] = [await freePort(), await freePort()];
  await lab.start('nats-server', ['-a', '127.0.0.1', '-p', String(weak)], weak);
  await lab.start('nats-server', ['-a', '127.0.0.1', '-p', String(good), '--user', 'u', '--pass', 'a-long-one'], good);
  expect(kinds(await look(weak))).toEqual(['database-without-tls:nats', 'no-authentication:nats']);
  expect(kinds(await look(good))).toEqual(['database-without-tls:nats']);
});

test.skipIf(!has('mosquitto'))('Mosquitto: MQTT', async () => {
  const [weak, good] = [await freePort(), await freePort()];
  for (const [port, allow] of [
    [weak, true],
    [good, false],
  ] as const)
    await lab.start(
      'mosquitto',
      ['-c', lab.file(`mosquitto-${allow}.conf`, `listener ${port} 127.0.0.1\nallow_anonymous ${allow}\n`, 0o644)],
      port,
    );
  expect(kinds(await look(weak))).toEqual(['no-authentication:mqtt']);
  const view = await look(good);
  expect(view.service).toBe('mqtt');
  expect(kinds(view)).toEqual([]);
});

describe('over UDP', () => {
  const ask = async (service: string, port: number) => {
    const probe = UDP_PROBES.find((one) => one.service === service);
    const context = {
      gate,
      host: '127.0.0.1',
      address: '127.0.0.1',
      port,
      tls: false,
      nowMs: Date.now(),
      outside: true,
      banner: null,
    };
    for (let i = 0; i < 20; i++) {
      const view = await probe?.look(context);
      if (view) return view;
      // A port that is not open yet is refused at once.
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    return null;
  };
  test.skipIf(!has('kamailio'))('Kamailio: SIP', async () => {
    const view = await ask('sip', (await servers.phoneServer(lab)).port);
    expect(view?.weaknesses.map(({ kind }) => kind)).toEqual(['exposed-service']);
  });
  test.skipIf(!has('/usr/lib/ipsec/charon') || !root)(
    'strongSwan: IKE',
    async () => {
      const view = await ask('ike', (await servers.tunnelServer(lab)).port);
      expect(view).toMatchObject({ service: 'ike', facts: { version: 2 }, weaknesses: [] });
    },
    40_000,
  );
  test.skipIf(!has('ntpd') || !root)(
    'NTP: one that answers control questions',
    async () => {
      const view = await ask('ntp', (await servers.clockServer(lab, false)).port);
      expect(view?.weaknesses.map(({ kind }) => kind)).toEqual(['ntp-control']);
    },
    60_000,
  );
});

describe('written after their specifications, for no package brings them', () => {
  const seen = async (opened: Promise<made.Made>) => {
    const server = await opened;
    const view = await look(server.port);
    await server.close();
    const about = kinds(view).filter((kind) => !kind.startsWith('http-'));
    return {
      service: view.service,
      about,
      software: view.software.map(({ name, version }) => `${name} ${version}`),
      asked: server.asked,
    };
  };
  test.each([
    ['Kubernetes for everybody', () => made.kubernetes(true), 'kubernetes', ['no-authentication:kubernetes']],
    ['Kubernetes that asks', () => made.kubernetes(false), 'kubernetes', []],
    ['a kubelet for everybody', () => made.kubelet(true), 'kubelet', ['no-authentication:kubelet']],
    ['a kubelet that asks', () => made.kubelet(false), 'kubelet', []],
    ['Docker’s control port', () => made.docker(), 'docker', ['no-authentication:docker']],
    [
      'Elasticsearch for everybody',
      () => made.elasticsearch(false),
      'elasticsearch',
      ['no-authentication:elasticsearch'],
    ],
    ['Elasticsearch that asks', () => made.elasticsearch(true), 'elasticsearch', ['single-factor-login:web']],
    ['MongoDB for everybody', () => made.mongodb(false), 'mongodb', ['no-authentication:mongodb']],
    ['MongoDB that asks', () => made.mongodb(true), 'mongodb', []],
    ['SQL Server without encryption', () => made.sqlServer(2), 'mssql', ['database-without-tls:mssql']],
    ['SQL Server that encrypts', () => made.sqlServer(3), 'mssql', []],
    ['a desktop with NLA', () => made.desktopWithNla(), 'rdp', []],
    [
      'a FortiGate',
      () => made.portal('<script>location="/remote/login?lang=en"</script>'),
      'vpn-portal',
      ['single-factor-login:web'],
    ],
    [
      'a GlobalProtect',
      () => made.portal('<title>GlobalProtect Portal</title>'),
      'vpn-portal',
      ['single-factor-login:web'],
    ],
    [
      'an Ivanti',
      () => made.portal('<a href="/dana-na/auth/url_default/welcome.cgi">in</a>'),
      'vpn-portal',
      ['single-factor-login:web'],
    ],
    [
      'a NetScaler',
      () => made.portal('<script src="/vpn/js/gateway.js"></script>Citrix Gateway'),
      'vpn-portal',
      ['single-factor-login:web'],
    ],
  ] as const)('%s', async (_what, open, service, found) => {
    const view = await seen(open());
    expect(view.service).toBe(service);
    expect(view.about).toEqual(found);
  });
  test('FHIR: open and guarded, and never a question for a patient', async () => {
    const open = await seen(made.fhir(false));
    expect(open).toMatchObject({ service: 'fhir', about: ['clinical-without-tls:fhir', 'fhir-open'] });
    const guarded = await seen(made.fhir(true));
    expect(guarded).toMatchObject({ service: 'fhir', about: ['clinical-without-tls:fhir'] });
    for (const { asked } of [open, guarded]) {
      expect(asked.filter((line) => /Patient|Observation|_search|Encounter/i.test(line))).toEqual([]);
      expect(asked.filter((line) => !/^(GET|HEAD|OPTIONS) /.test(line) && /^[A-Z]+ \//.test(line))).toEqual([]);
    }
  });
});
