import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import acme from 'acme-client';
import { expect, test } from 'vitest';
import { acmeOrder, createAcmeKeeper } from './tls-acme.ts';
import { tlsMaterial } from './tls-material.ts';

/** Let's Encrypt's own test server, where it is installed (Debian: `apt-get install pebble`). */
const installed = spawnSync('pebble', ['-h']).error === undefined;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves once the program has written those words. */
function started(child: ChildProcess, words: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (chunk: Buffer) => chunk.includes(words) && resolve();
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.on('exit', () => reject(new Error(`ended before it wrote “${words}”`)));
  });
}

test.skipIf(!installed)('a real ACME server gives a certificate for two names by http-01', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-acme-'));
  const children: ChildProcess[] = [];
  try {
    const at = (name: string) => join(folder, name);
    const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost';
    const names = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', at('key'), '-out', at('cert')];
    execFileSync('openssl', [...request.split(' '), ...names], { stdio: 'ignore' });
    const [port, management, http, tls, dns, dnsManagement] = await Promise.all(Array.from({ length: 6 }, freePort));
    const pebble = {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: at('cert'),
      privateKey: at('key'),
      httpPort: http,
      tlsPort: tls,
    };
    await writeFile(at('config.json'), JSON.stringify({ pebble }));
    const none = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv6', ''];
    const dnsArgs = [...none, '-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`];
    const resolver = spawn('pebble-challtestsrv', dnsArgs);
    children.push(resolver);
    await started(resolver, 'Starting');
    const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1' };
    const server = spawn('pebble', ['-config', at('config.json'), '-dnsserver', `127.0.0.1:${dns}`], { env });
    children.push(server);
    await started(server, 'Listening on');
    acme.axios.defaults.httpsAgent = new Agent({ ca: await readFile(at('cert')) });

    const settings = {
      directory: `https://localhost:${port}/dir`,
      email: 'it@hospital.example',
      names: ['desk.hospital.example', 'logs.hospital.example'],
    };
    const dataDir = at('data');
    const keeper = createAcmeKeeper({
      names: settings.names,
      dataDir,
      clock: { now: () => Date.now() },
      order: acmeOrder({ settings, dataDir, host: '127.0.0.1', challengePort: http as number }),
      log: () => {},
    });
    expect([await keeper.look(), keeper.fault]).toEqual([true, null]);
    expect((await tlsMaterial({ acme: settings }, dataDir))?.names).toEqual(settings.names);
    expect(await keeper.look()).toBe(false);
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
});
