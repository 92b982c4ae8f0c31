import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { addressKey, clientAddress, networkSet, readAddress } from './gateway-address.ts';
import { parseGatewayConfig } from './gateway-config.ts';
import { foldPath, headerKey, readHost, readTarget, type Target } from './gateway-path.ts';
import { compilePolicy } from './gateway-policy.ts';
import { proxyConfig } from './gateway-proxy-config.ts';

const policy = (rules: unknown[], more: object = {}) =>
  compilePolicy(
    parseGatewayConfig(
      stringify({
        origin: 'https://login.hosp.example',
        networks: { ward: ['10.1.0.0/16', '2001:db8:1::/48'] },
        apps: [{ name: 'a', hosts: ['a.hosp.example'], emergency: 'closed', rules, ...more }],
      }),
      'x',
    ),
  ).get('a.hosp.example')!;
const subject = (groups: string[], strength: 0 | 1 | 2 | 3 = 2, factorMs = 0) => ({
  account: 'anna',
  groups: new Set(groups),
  strength,
  factorMs,
  emergencyApp: null,
});
const ask = (
  app: ReturnType<typeof policy>,
  path: string,
  who: ReturnType<typeof subject> | null,
  method = 'GET',
  address = '192.0.2.1',
) => app.decide({ target: readTarget(path) as Target, method, address }, who, 60_000).kind;

test('the first rule that a request falls under decides, and failing its condition denies', () => {
  const app = policy([
    { paths: ['/admin/**'], groups: ['it'] },
    { paths: ['/files/*/raw'], methods: ['GET'] },
    { paths: ['/files/**'], effect: 'deny' },
    { networks: ['ward'], need: { strength: 'one-factor' } },
  ]);
  expect([
    ask(app, '/admin', subject(['it'])),
    ask(app, '/ADMIN/x', subject([])),
    ask(app, '/administrator', subject([])),
  ]).toEqual(['allow', 'deny', 'allow']);
  expect([
    ask(app, '/files/7/raw', subject([])),
    ask(app, '/files/7/raw', subject([]), 'POST'),
    ask(app, '/files/7/8/raw', subject([])),
  ]).toEqual(['allow', 'deny', 'deny']);
  expect([
    ask(app, '/x', subject([], 1), 'GET', '10.1.2.3'),
    ask(app, '/x', subject([], 1)),
    ask(app, '/x', null),
  ]).toEqual(['allow', 'step-up', 'sign-in']);
});

test('who may enter, how strong and how fresh', () => {
  expect(ask(policy([], { groups: ['staff'] }), '/', subject(['other']))).toBe('deny');
  const fresh = policy([{ paths: ['/pay/**'], need: { strength: 'phishing-resistant', within_minutes: 1 } }]);
  expect([
    ask(fresh, '/pay/x', subject([], 2)),
    ask(fresh, '/pay/x', subject([], 3, -1)),
    ask(fresh, '/pay/x', subject([], 3, 0)),
  ]).toEqual(['step-up', 'step-up', 'allow']);
});

test('the index by first segment finds what a search through all rules finds', () => {
  const segment = fc.constantFrom('a', 'b', 'C', 'long-one');
  const pattern = fc
    .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([parts, open]) => `/${parts.join('/')}${open ? '/**' : ''}`);
  const path = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 12 }), path, (patterns, wanted) => {
      const together = policy(patterns.map((one, i) => ({ paths: [one], groups: [`g${i}`] })));
      const first = patterns.findIndex(
        (one) => ask(policy([{ paths: [one], effect: 'deny' }]), wanted, subject([])) === 'deny',
      );
      expect(ask(together, wanted, subject(first < 0 ? [] : [`g${first}`]))).toBe('allow');
      if (first >= 0) expect(ask(together, wanted, subject(['none']))).toBe('deny');
    }),
  );
});

test('no written path that is accepted means another one after a second reading', () => {
  const piece = fc.constantFrom(
    '/',
    '.',
    '..',
    ';',
    '%2f',
    '%2e',
    '%5c',
    '%25',
    '%00',
    'a',
    'B',
    '%61',
    '//',
    '\\',
    '%c0%af',
    '%ef%bc%8f',
    ' ',
    '?',
    '#',
    '%',
    '%3b',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const read = readTarget(`/${pieces.join('')}`);
      if ('refused' in read) return;
      expect(read.path).not.toMatch(/\/\/|\/\.{1,2}(?:\/|$)|[\\;%?#\0]/);
      expect(new URL(`http://x${read.path}`).pathname).toBe(encodeURI(read.path));
      expect(decodeURIComponent(read.path)).toBe(read.path);
    }),
    { numRuns: 2000 },
  );
});

test('addresses: one spelling, trusted hops only, and nothing that does not parse', () => {
  const trusted = networkSet(['10.0.0.0/8'])!;
  expect(clientAddress('10.0.0.1', '203.0.113.7, 10.0.0.2', trusted)).toBe('203.0.113.7');
  expect(clientAddress('203.0.113.9', '1.2.3.4', trusted)).toBe('203.0.113.9');
  for (const odd of ['unknown', '1.2.3', '1.2.3.4:80', '[::1]', '0x7f.1', '010.1.1.1', '1.2.3.4,', 'fe80::1%eth0'])
    expect(clientAddress('10.0.0.1', odd, trusted)).toBeNull();
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const read = readAddress(text);
      if (read?.includes(':')) expect(readAddress(read)).toBe(read);
      if (read !== null) expect(addressKey(read).length).toBeGreaterThan(0);
    }),
  );
  expect(networkSet(['10.0.0.0/33'])).toBeNull();
});

test('hosts and header names', () => {
  for (const odd of ['', 'a..b', 'a/b', 'a@b', 'a:99999', 'a b', '-a', 'a:80:80', 'ａ'])
    expect(readHost(odd)).toBeNull();
  expect(readHost('A.Example:443')).toEqual({ host: 'a.example', port: '443' });
  expect(headerKey('X_Asepsis-User')).toBe('x-asepsis-user');
});

test('a file that contradicts itself is refused with its place', () => {
  const refused = (change: object) =>
    expect(() =>
      parseGatewayConfig(stringify({ origin: 'https://login.hosp.example', ...change }), 'gateway.yaml'),
    ).toThrow(/gateway\.yaml/);
  refused({ origin: 'http://login.hosp.example' });
  refused({ origin: 'https://192.0.2.1' });
  refused({ trusted_proxies: ['everywhere'] });
  refused({ apps: [{ name: 'a', hosts: ['a.example'] }] });
  refused({ apps: [{ name: 'a', hosts: ['login.hosp.example'], emergency: 'closed' }] });
  refused({ apps: [{ name: 'a', hosts: ['a.example'], emergency: 'closed', rules: [{ effect: 'public' }] }] });
  refused({ apps: [{ name: 'a', hosts: ['a.example'], emergency: 'closed', rules: [{ paths: ['/a*b'] }] }] });
  refused({ apps: [{ name: 'a', hosts: ['a.example'], emergency: 'closed', rules: [{ networks: ['nowhere'] }] }] });
  refused({ break_glass: { minutes: 31 } });
  refused({ unknown: 1 });
});

test('Traefik’s and Envoy’s configuration is YAML that asks about every path and strips what clients claim', () => {
  const config = parseGatewayConfig(
    stringify({
      origin: 'https://login.hosp.example',
      apps: [
        {
          name: 'notes',
          hosts: ['notes.hosp.example'],
          upstream: 'http://10.0.0.5:8080',
          emergency: 'closed',
          user_header: 'Remote-User',
        },
      ],
    }),
    'x',
  );
  const traefik = parse(proxyConfig('traefik', config, { gateway: '127.0.0.1:8430' }));
  expect(traefik.http.routers.notes.middlewares).toEqual(['notes-strip', 'notes-verify']);
  expect(traefik.http.middlewares['notes-verify'].forwardAuth).toMatchObject({
    address: 'http://127.0.0.1:8430/.asepsis/verify',
    trustForwardHeader: false,
  });
  expect(traefik.http.middlewares['notes-strip'].headers.customRequestHeaders).toMatchObject({
    'X-Asepsis-User': '',
    X_Asepsis_User: '',
    'Remote-User': '',
  });
  const envoy = parse(proxyConfig('envoy', config, { gateway: '127.0.0.1:8430', port: 8443 }));
  const manager = envoy.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
  expect(manager.http_filters[0].typed_config).toMatchObject({
    failure_mode_allow: false,
    http_service: { path_prefix: '/.asepsis/envoy' },
  });
  expect(manager.common_http_protocol_options.headers_with_underscores_action).toBe('REJECT_REQUEST');
  // Every name that a route or router uses is defined: what these programs would refuse to start with.
  const { routers, middlewares, services } = traefik.http;
  for (const router of Object.values<{ service: string; middlewares?: string[] }>(routers)) {
    expect(services).toHaveProperty(router.service);
    for (const name of router.middlewares ?? []) expect(middlewares).toHaveProperty(name);
  }
  const clusters = envoy.static_resources.clusters.map((one: { name: string }) => one.name);
  for (const host of manager.route_config.virtual_hosts)
    for (const route of host.routes)
      if (route.direct_response === undefined) expect(clusters).toContain(route.route.cluster);
  expect(clusters).toContain(manager.http_filters[0].typed_config.http_service.server_uri.cluster);
  expect(envoy.static_resources.clusters.map((one: { name: string }) => one.name)).toEqual([
    'asepsis_access',
    'app_notes',
  ]);
});

test('what restricts a script restricts it with a path behind it; what opens one does not', () => {
  const app = policy([
    { paths: ['/public.php'], effect: 'public' },
    { paths: ['/admin.php', '/*/tool.cgi'], groups: ['it'] },
    { paths: ['/orders'], groups: ['it'] },
  ]);
  for (const path of ['/admin.php', '/admin.php/', '/admin.php/x', '/Admin.PHP/x/y', '/a/tool.cgi/x', '/a/tool.cgi'])
    expect(ask(app, path, subject([]))).toBe('deny');
  // A public script is not public with whatever stands behind it.
  expect(ask(app, '/public.php', null)).toBe('allow');
  expect(ask(app, '/public.php/x', null)).toBe('sign-in');
  // A name without an ending is no script: the rule says what it says.
  expect(ask(app, '/orders/7', subject([]))).toBe('allow');
});

test('restrictions are held against the most lenient reading; folding twice changes nothing', () => {
  const app = policy([{ paths: ['/Straße/**', '/admin/**'], groups: ['it'] }]);
  for (const path of [
    '/STRASSE/x',
    '/stra%C3%9Fe/x',
    '/%EF%BD%81dmin/x',
    '/adm%C4%B1n',
    '/adm%C4%B0n',
    '/ad%C2%ADmin/x',
  ])
    expect(ask(app, path, subject([]))).toBe('deny');
  // Honest names in other scripts stay what they are, with joiners and all.
  expect(ask(app, '/%D9%86%D8%A7%D9%85%E2%80%8C%D9%87%D8%A7/1', subject([]))).toBe('allow');
  // What is one letter to an application without regard to case is one here, over every letter there is.
  const wrong: string[] = [];
  for (let code = 0x20; code < 0x20000; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const text = `a${String.fromCodePoint(code)}b`;
    const folded = foldPath(text);
    const others = [folded, text.toUpperCase(), text.toLowerCase(), text.normalize('NFKC'), text.normalize('NFD')];
    if (others.some((one) => foldPath(one) !== folded)) wrong.push(code.toString(16));
  }
  expect(wrong).toEqual([]);
});
