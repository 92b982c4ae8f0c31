import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTestServer } from './api-harness.ts';
import { ownName } from './api-server.ts';
import { challengeAnswer, createAcmeKeeper, nextAcmeStep } from './tls-acme.ts';
import { initTls } from './tls-authority.ts';
import { tlsMaterial } from './tls-material.ts';
import { addressBytes, cleanNames, coversNames } from './tls-names.ts';

const DAY_MS = 24 * 3600 * 1000;
const clock = { now: () => Date.now() };
let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'asepsis-tls-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const init = (names: string[], more: { newAuthority?: boolean; dataDir?: string } = {}) =>
  initTls({ dataDir, names, defaults: ['localhost'], clock, newAuthority: false, ...more });
const authority = () => readFile(join(dataDir, 'tls', 'ca.crt'), 'utf8');

/** The verdict of OpenSSL about a server, as a client that trusts only our authority. */
function handshake(
  port: number,
  ca: string,
  servername: string,
): Promise<{ fault: string | null; version: string | null; serial: string }> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect(
      { port, host: '127.0.0.1', ca, servername, checkServerIdentity: () => undefined, rejectUnauthorized: false },
      () => {
        const fault = socket.authorizationError;
        const serial = socket.getPeerCertificate().serialNumber;
        resolve({ fault: fault ? String(fault) : null, version: socket.getProtocol(), serial });
        socket.destroy();
      },
    );
    socket.on('error', (error) => resolve({ fault: error.message, version: null, serial: '' }));
  });
}

describe('tls init', () => {
  test('an authority for these names only, a certificate that OpenSSL accepts, keys for us only', async () => {
    const made = await init(['desk.hospital.example', '127.0.0.1', '::1']);
    expect(made.newAuthority).toBe(true);
    for (const name of ['ca.key', 'server.key']) {
      expect((await stat(join(dataDir, 'tls', name))).mode & 0o777).toBe(0o600);
    }
    const folder = join(dataDir, 'tls');
    const openssl = promisify(execFile);
    const verified = await openssl('openssl', [
      'verify',
      '-x509_strict',
      '-CAfile',
      `${folder}/ca.crt`,
      '-verify_hostname',
      'desk.hospital.example',
      `${folder}/server.crt`,
    ]);
    expect(verified.stdout).toContain('OK');
    const { stdout } = await openssl('openssl', ['x509', '-in', `${folder}/ca.crt`, '-noout', '-text']);
    expect(stdout).toContain('CA:TRUE, pathlen:0');
    expect(stdout).toMatch(/Name Constraints: critical\s+Permitted:\s+DNS:desk\.hospital\.example/);
    const material = await tlsMaterial({}, dataDir);
    expect(material?.names.slice(0, 2)).toEqual(['desk.hospital.example', '127.0.0.1']);
    const days = ((material?.expiresMs ?? 0) - Date.now()) / DAY_MS;
    expect(days).toBeGreaterThan(396.9);
    expect(days).toBeLessThanOrEqual(397);
  });

  test('a certificate of that authority for any other name is worth nothing', async () => {
    await init(['desk.hospital.example']);
    const folder = join(dataDir, 'tls');
    // Somebody who stole the key: signs for a bank, with OpenSSL itself.
    const openssl = promisify(execFile);
    for (const name of ['DNS:bank.example', 'IP:192.0.2.1', 'IP:2001:db8::1']) {
      await writeFile(join(dataDir, 'ext'), `subjectAltName=${name}\n`);
      const run = (args: string[]) => openssl('openssl', args, { cwd: dataDir });
      await run([
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        'k',
        '-out',
        'r',
        '-subj',
        '/CN=x',
      ]);
      await run([
        'x509',
        '-req',
        '-in',
        'r',
        '-CA',
        `${folder}/ca.crt`,
        '-CAkey',
        `${folder}/ca.key`,
        '-extfile',
        'ext',
        '-out',
        'c',
        '-days',
        '5',
      ]);
      await expect(run(['verify', '-CAfile', `${folder}/ca.crt`, 'c'])).rejects.toThrow(
        /permitted subtree violation|excluded subtree violation/,
      );
    }
  });

  test('renewing keeps the authority and the names; other names need a new one', async () => {
    await init(['desk.hospital.example', '::1', '10.0.0.5']);
    const before = await authority();
    const renewed = await init([]);
    expect(renewed.newAuthority).toBe(false);
    expect(renewed.names).toHaveLength(3);
    expect(await authority()).toBe(before);
    expect((await init(['logs.desk.hospital.example', '10.0.0.5'])).newAuthority).toBe(false);
    await expect(init(['other.example'])).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await init(['other.example'], { newAuthority: true })).newAuthority).toBe(true);
    expect(await authority()).not.toBe(before);
  });

  test('names are checked', () => {
    expect(cleanNames(['Desk.Example.', 'desk.example', '192.0.2.1'])).toEqual(['desk.example', '192.0.2.1']);
    for (const bad of ['', 'a b', '-x.example', 'x..example', `${'a'.repeat(64)}.example`, '*.example']) {
      expect(() => cleanNames([bad])).toThrow();
    }
    expect(coversNames(['desk.example', '10.0.0.5'], ['a.desk.example', '10.0.0.5'])).toBe(true);
    expect(coversNames(['desk.example'], ['notdesk.example'])).toBe(false);
    expect(coversNames(['10.0.0.5'], ['10.0.0.6'])).toBe(false);
  });

  test('addresses in bytes, as the platform reads them back', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        if (text.includes('.')) return;
        const bytes = Buffer.from(addressBytes(text)).toString('hex');
        const full = (bytes.match(/.{4}/g) as string[]).join(':');
        expect(new URL(`http://[${full}]`).host).toBe(new URL(`http://[${text}]`).host);
      }),
    );
    expect([...addressBytes('192.0.2.7')]).toEqual([192, 0, 2, 7]);
  });
});

describe('the server on a network address', () => {
  test('TLS 1.2 or newer, HSTS, a __Host- cookie, and a renewed certificate without a restart', async () => {
    const desk = await startTestServer({
      http: { host: '0.0.0.0' },
      prepare: async (folder) =>
        void (await init(['desk.hospital.example', 'localhost', '127.0.0.1'], { dataDir: folder })),
    });
    try {
      expect(desk.origin).toMatch(/^https:\/\/desk\.hospital\.example:\d+$/);
      const port = Number(new URL(desk.origin).port);
      const ca = await readFile(join(desk.dataDir, 'tls', 'ca.crt'), 'utf8');
      const first = await handshake(port, ca, 'desk.hospital.example');
      expect([first.fault, first.version]).toEqual([null, 'TLSv1.3']);
      const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
        const asked = request(
          { port, host: '127.0.0.1', servername: 'localhost', ca, path: '/v1/session' },
          (response) => {
            response.resume();
            resolve(response.headers);
          },
        );
        asked.on('error', reject).end();
      });
      expect(headers['strict-transport-security']).toBe('max-age=63072000');
      await init([], { dataDir: desk.dataDir });
      await desk.server.reload();
      const second = await handshake(port, ca, 'desk.hospital.example');
      expect(second.fault).toBeNull();
      expect(second.serial).not.toBe(first.serial);
      // A broken renewal leaves the good one in place.
      await writeFile(join(desk.dataDir, 'tls', 'server.crt'), 'not a certificate');
      await desk.server.reload();
      expect((await handshake(port, ca, 'desk.hospital.example')).serial).toBe(second.serial);
      expect(desk.log()).toContain('the renewed certificate cannot be used');
    } finally {
      await desk.stop();
    }
  });

  test('files that do not belong together are named', async () => {
    await init(['localhost']);
    const folder = join(dataDir, 'tls');
    const tls = { cert: `${folder}/server.crt`, key: `${folder}/ca.key` };
    await expect(tlsMaterial(tls, dataDir)).rejects.toMatchObject({ code: 'TLS_INVALID' });
    await expect(tlsMaterial({ cert: `${folder}/none.crt`, key: tls.key }, dataDir)).rejects.toMatchObject({
      code: 'TLS_INVALID',
    });
    await expect(tlsMaterial({ cert: tls.cert }, dataDir)).rejects.toMatchObject({ code: 'TLS_INVALID' });
  });

  test('the origin prefers a name, since passkeys need one', () => {
    expect(ownName('127.0.0.1', ['desk.example'], 'vm')).toBe('localhost');
    expect(ownName('0.0.0.0', ['localhost', '10.0.0.5', 'desk.example'], 'vm')).toBe('desk.example');
    expect(ownName('10.0.0.5', ['localhost', '10.0.0.5'], 'vm')).toBe('10.0.0.5');
    expect(ownName('::', [], 'vm')).toBe('vm');
    expect(ownName('2001:db8::5', [], 'vm')).toBe('[2001:db8::5]');
  });
});

describe('ACME', () => {
  const names = ['desk.example'];
  const certificate = { fromMs: 0, untilMs: 90 * DAY_MS, names };

  test('orders when nothing is there, when a name is missing, and in the last third of the life', () => {
    const state = { certificate, failures: 0, lastTryMs: null };
    expect(nextAcmeStep({ ...state, certificate: null }, names, 0).do).toBe('order');
    expect(nextAcmeStep(state, names, 59 * DAY_MS).do).toBe('nothing');
    expect(nextAcmeStep(state, names, 61 * DAY_MS).do).toBe('order');
    expect(nextAcmeStep(state, ['desk.example', 'logs.example'], DAY_MS).do).toBe('order');
  });

  test('waits longer after each failure, at most a day', () => {
    const state = { certificate: null, lastTryMs: 0 };
    expect(nextAcmeStep({ ...state, failures: 1 }, names, 1)).toEqual({ do: 'wait', untilMs: 3600_000 });
    expect(nextAcmeStep({ ...state, failures: 3 }, names, 1)).toEqual({ do: 'wait', untilMs: 4 * 3600_000 });
    expect(nextAcmeStep({ ...state, failures: 50 }, names, 1)).toEqual({ do: 'wait', untilMs: DAY_MS });
    expect(nextAcmeStep({ ...state, failures: 50 }, names, DAY_MS).do).toBe('order');
  });

  test('only the challenge is answered', () => {
    const challenges = new Map([['tok', 'tok.print']]);
    expect(challengeAnswer(challenges, '/.well-known/acme-challenge/tok')).toBe('tok.print');
    for (const url of [
      '/',
      '/.well-known/acme-challenge/',
      '/.well-known/acme-challenge/other',
      '/v1/session',
      '/.well-known/acme-challenge/../tok',
    ]) {
      expect(challengeAnswer(challenges, url)).toBeNull();
    }
  });

  test('a failed order is tried again when its time has come; a good one is kept and served', async () => {
    await init(['desk.example']);
    const folder = join(dataDir, 'tls');
    const good = {
      cert: await readFile(`${folder}/server.crt`, 'utf8'),
      key: await readFile(`${folder}/server.key`, 'utf8'),
    };
    const time = { ms: Date.now(), now: () => time.ms };
    let orders = 0;
    let broken = true;
    const keeper = createAcmeKeeper({
      names,
      dataDir,
      clock: time,
      log: () => {},
      order: async () => {
        orders++;
        if (broken) throw new Error('the authority does not answer');
        return good;
      },
    });
    expect(await keeper.look()).toBe(false);
    expect(await keeper.look()).toBe(false);
    expect([orders, keeper.fault]).toEqual([1, 'the authority does not answer']);
    broken = false;
    time.ms += 3600_000;
    expect(await Promise.all([keeper.look(), keeper.look()])).toEqual([true, true]);
    expect([orders, keeper.fault]).toEqual([2, null]);
    expect(await keeper.look()).toBe(false);
    expect((await stat(`${folder}/acme.key`)).mode & 0o777).toBe(0o600);
    const acme = { directory: 'https://acme.example', email: 'it@example', names };
    expect((await tlsMaterial({ acme }, dataDir))?.files[0]).toBe(`${folder}/acme.crt`);
  });
});
