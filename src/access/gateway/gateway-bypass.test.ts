import type { IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BYPASSES, type Bypass, sendRaw } from '../testing/gateway-bypass.ts';
import { type Front, type FrontName, programOf, startFront } from '../testing/gateway-fronts.ts';
import {
  addPerson,
  browser,
  codeAt,
  LOGIN_HOST,
  legacyApp,
  startTestGateway,
  type TestGateway,
} from '../testing/gateway-harness.ts';

const APP = 'notes.localhost:8430';
const FRONTS: FrontName[] = ['alone', 'nginx', 'caddy', 'haproxy'];
const AT_ONCE = 12;
const RULES = [
  { paths: ['/public/info'], methods: ['GET', 'POST'], effect: 'public' },
  // Open without a session to one network: who may say that they come from there?
  { paths: ['/office'], networks: ['office'], effect: 'public' },
  { paths: ['/admin/**'], groups: ['admins'] },
];

for (const front of FRONTS) {
  const there = front === 'alone' || programOf(front) !== null;
  describe.skipIf(!there)(`behind ${front}${there ? '' : ' (not installed)'}`, () => {
    let app: Awaited<ReturnType<typeof legacyApp>>;
    let it: TestGateway;
    let proxy: Front | null = null;
    let port = 0;
    let cookie = '';

    beforeAll(async () => {
      app = await legacyApp();
      it = await startTestGateway({
        networks: { office: ['10.9.0.0/16'] },
        ...(front !== 'alone' && { trusted_proxies: ['127.0.0.1'] }),
        apps: [
          { name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${app.port}`, emergency: 'closed', rules: RULES },
        ],
      });
      if (front !== 'alone') proxy = await startFront(front, it.gateway.settings().config, it.port);
      port = proxy?.port ?? it.port;
      const totp = await addPerson(it.gateway, 'anna', ['doctors']);
      const anna = browser({ port }, { agent: 'corpus' });
      const page = await anna.signIn('anna', codeAt(totp, it.clock), `http://${APP}/mine`);
      expect(page.status).toBe(200);
      expect(page.url).toBe(`http://${APP}/mine`);
      cookie = `Cookie: asepsis-access=${anna.cookies(APP).get('asepsis-access')}\r\nUser-Agent: corpus\r\n`;
    });
    afterAll(async () => {
      await proxy?.stop();
      await it.stop();
      await app.close();
    });

    test('the honest requests pass, so that a refusal means something', async () => {
      const mine = await sendRaw(port, `GET /mine HTTP/1.1\r\nHost: ${APP}\r\n${cookie}\r\n`);
      expect(mine).toMatch(/^HTTP\/1\.1 200/);
      expect(mine).toContain('"x-asepsis-user":"anna"');
      const info = await sendRaw(port, `GET /public/info HTTP/1.1\r\nHost: ${APP}\r\n\r\n`);
      expect(info).toMatch(/^HTTP\/1\.1 200/);
    });

    // All of one kind at once, then each alone when something got through, so that the failure has its name.
    test.each(['nobody', 'anna'] as const)('every way around is refused to %s', async (as) => {
      const cases = BYPASSES.filter((one) => one.as === as);
      const tryAll = async (some: readonly Bypass[]): Promise<string[]> => {
        app.seen.length = 0;
        const waiting = some.flatMap((one) => one.requests.map((bytes) => ({ name: one.name, bytes })));
        const faults: string[] = [];
        await Promise.all(
          Array.from({ length: AT_ONCE }, async () => {
            for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
              const bytes = next.bytes.replaceAll('COOKIE', as === 'anna' ? cookie : '').replaceAll('HOST', APP);
              faults.push(...answerFaults(await sendRaw(port, bytes)).map((fault) => `${next?.name}: ${fault}`));
            }
          }),
        );
        return [...faults, ...app.seen.flatMap((reached) => reachFaults(reached, as))];
      };
      if ((await tryAll(cases)).length === 0) return;
      const named: string[] = [];
      for (const one of cases) for (const fault of await tryAll([one])) named.push(`${one.name}: ${fault}`);
      expect(named).toEqual([]);
    });
  });
}

/** What is wrong with an answer: a switch of protocols, or a redirect to somewhere else. */
function answerFaults(text: string): string[] {
  const faults = /HTTP\/1\.1 101/.test(text) ? ['switched protocols'] : [];
  const homes = [`http://${LOGIN_HOST}/`, `http://${APP}/`, 'http://notes.localhost'];
  for (const [, location = ''] of text.matchAll(/^location: (\S+)/gim)) {
    const own = homes.some((home) => location.startsWith(home)) || /^\/(?!\/)/.test(location);
    if (!own) faults.push(`redirect to ${location}`);
  }
  return faults;
}

/** What is wrong with a request that reached the application. */
function reachFaults(reached: IncomingMessage, as: 'nobody' | 'anna'): string[] {
  const faults: string[] = [];
  const path = (reached.url ?? '').split('?')[0] as string;
  const { headers } = reached;
  // Nobody may reach the public path only; Anna everything but what is the administrators'.
  if (as === 'nobody' && !/^(GET|POST) \/public\/info$/.test(`${reached.method} ${path}`))
    faults.push('reached without a session');
  const lenient = decodeURIComponent(path)
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toUpperCase()
    .toLowerCase()
    .replaceAll('i\u0307', 'i');
  if (lenient.includes('admin')) faults.push('reached what is the administrators’');
  const known = as === 'anna' && path !== '/public/info';
  if ((headers['x-asepsis-user'] ?? '') !== (known ? 'anna' : ''))
    faults.push(`was told user ${String(headers['x-asepsis-user'])}`);
  if ((headers['x-asepsis-groups'] ?? '') !== (known ? 'doctors' : ''))
    faults.push(`was told groups ${String(headers['x-asepsis-groups'])}`);
  // In the spelling of CGI no other header becomes one of ours.
  const cgi = reached.rawHeaders
    .filter((_, i) => i % 2 === 0)
    .map((name) => name.toUpperCase().replace(/[^A-Z0-9]/g, '_'));
  const times = (name: string) => cgi.filter((one) => one === name).length;
  for (const name of ['X_ASEPSIS_USER', 'X_ASEPSIS_GROUPS'])
    if (times(name) > (known ? 1 : 0) && headers[name.toLowerCase().replaceAll('_', '-')] !== '')
      faults.push(`${name} ${times(name)} times`);
  for (const name of [
    'REMOTE_USER',
    'X_FORWARDED_USER',
    'X_HTTP_METHOD_OVERRIDE',
    'X_ORIGINAL_URL',
    'X_REWRITE_URL',
    'X_HTTP_METHOD',
  ])
    if (times(name) > 0) faults.push(`${name} came through`);
  if ((headers['x-forwarded-for'] ?? '127.0.0.1') !== '127.0.0.1')
    faults.push(`address ${String(headers['x-forwarded-for'])}`);
  return faults.map((fault) => `${fault} (${reached.method} ${reached.url})`);
}
