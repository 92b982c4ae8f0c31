/** File integrity over a real folder, a real store and real inotify: what is written, told, and kept. */

import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openArchiveReader } from '../../archive/index.ts';
import { loadConfig } from '../../cli/config-load.ts';
import { type ArchiveReader, type RoomServices, type Store, systemClock } from '../../core/index.ts';
import { openStore } from '../../store/index.ts';
import { type FileIntegrity, startFileIntegrity } from './file-service.ts';

interface Told {
  readonly metadata: { readonly event_code: string };
  readonly file?: { readonly path: string };
  readonly process?: { readonly name: string };
  readonly package?: string;
  readonly difference?: string;
  readonly message: string;
}

let folder = '';
let watched = '';
let store: Store;
let archive: ArchiveReader;
let running: FileIntegrity | null = null;
let told: Told[] = [];

async function begin(change: (config: RoomServices['config']) => void = () => {}): Promise<void> {
  const config = structuredClone(await loadConfig(undefined, join(folder, 'data')));
  config.file_integrity.paths = [watched];
  change(config);
  const services: RoomServices = {
    store,
    archive,
    config,
    clock: systemClock,
    dataDir: join(folder, 'data'),
    exercise: false,
    emit: async (_, records) => void told.push(...(records as Told[])),
    raise: async () => {},
    alarm: () => {},
    log: { info: () => {}, warn: (entry) => console.error(entry) },
  };
  running = await startFileIntegrity(services);
  await until(() => existsSync(join(folder, 'data', 'files', 'baseline.ndjson')));
}
const codes = () =>
  told.map((one) => `${one.metadata.event_code} ${one.file?.path.slice(watched.length) ?? ''}`.trim());
async function until(is: () => boolean): Promise<void> {
  for (let i = 0; i < 600 && !is(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(is(), `told: ${JSON.stringify(codes())}`).toBe(true);
}
const tells = (code: string) => until(() => codes().includes(code));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-files-'));
  watched = join(folder, 'etc');
  told = [];
  await mkdir(join(watched, 'app'), { recursive: true });
  await mkdir(join(folder, 'data'), { recursive: true });
  await writeFile(join(watched, 'app', 'app.conf'), 'port = 1\npassword = hunter22\n');
  store = await openStore({ dataDir: join(folder, 'data'), clock: systemClock });
  archive = await openArchiveReader({ dir: join(folder, 'data', 'archive'), streamId: 'test0000', clock: systemClock });
});
afterEach(async () => {
  await running?.stop();
  running = null;
  await archive.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

test('changes are told as they happen, with the difference and without secrets', async () => {
  await begin();
  await writeFile(join(watched, 'app', 'app.conf'), 'port = 2\npassword = hunter23\n');
  await tells('file-changed /app/app.conf');
  expect(told[0]?.difference).toContain('-port = 1\n');
  expect(told[0]?.difference).toContain('+port = 2\n');
  expect(JSON.stringify(told)).not.toMatch(/hunter2[23]/);
  expect(await readFile(join(folder, 'data', 'files', 'baseline.ndjson'), 'utf8')).not.toContain('hunter');

  await mkdir(join(watched, 'new', 'deep'), { recursive: true });
  await writeFile(join(watched, 'new', 'deep', 'x'), 'x');
  await tells('file-created /new/deep/x');
  await appendFile(join(watched, 'new', 'deep', 'x'), 'y');
  await tells('file-changed /new/deep/x');
  await writeFile(join(watched, 'tool'), '#!/bin/sh\n');
  await chmod(join(watched, 'tool'), 0o4755);
  await tells('file-rights-gained /tool');
  await rm(join(watched, 'app', 'app.conf'));
  await tells('file-removed /app/app.conf');
});

test('what changed while nobody looked is found at the next start, and a changed baseline is found out', async () => {
  await begin();
  await running?.stop();
  await writeFile(join(watched, 'app', 'app.conf'), 'port = 3\n');
  await begin();
  await tells('file-changed /app/app.conf');
  await running?.stop();
  expect(codes().filter((one) => one.includes('tampered'))).toEqual([]);
  await appendFile(join(folder, 'data', 'files', 'baseline.ndjson'), '{}\n');
  await begin();
  await tells('file-baseline-tampered');
  const { items } = await store.audit.list({ action: 'files.baseline' }, { limit: 5 });
  expect(items[0]?.detail).toMatch(/sha256 [0-9a-f]{64}/);
});

test('canaries and a script that encrypts: both told, the process named', async () => {
  const share = join(folder, 'share');
  await mkdir(share);
  for (let i = 0; i < 30; i++) await writeFile(join(share, `letter-${i}.txt`), `Dear colleague ${i}, `.repeat(300));
  await begin((config) => {
    config.file_integrity.canaries = [share];
  });
  // A harmless stand-in for ransomware: rewrites what is in one folder of this test with random bytes, under new names.
  const script = `
    const fs = require('fs'); process.chdir(process.argv[1]);
    (async () => { for (const name of fs.readdirSync('.')) {
      fs.writeFileSync(name, require('crypto').randomBytes(5000)); fs.renameSync(name, name + '.k3x9');
      await new Promise((next) => setTimeout(next, 30));
    } setInterval(() => {}, 1000); })();`;
  const child = spawn(process.execPath, ['-e', script, share], { stdio: 'ignore' });
  try {
    await until(() => codes().some((one) => one.startsWith('file-mass-change')));
    await until(() => codes().some((one) => one.startsWith('file-canary')));
  } finally {
    child.kill('SIGKILL');
  }
  const mass = told.find((one) => one.metadata.event_code === 'file-mass-change');
  expect(mass?.message).toMatch(/look encrypted now/);
  expect(mass?.process?.name).toMatch(/node|MainThread/);
}, 20_000);

test.skipIf(!existsSync('/var/lib/dpkg/info/coreutils.md5sums'))(
  'a file as its package brings it is an upgrade',
  async () => {
    await begin((config) => {
      config.file_integrity.paths = [watched, '/usr/bin/true'];
    });
    // The same content under the packaged path: only its times change, as after a reinstallation.
    const copy = join(watched, 'true');
    execFileSync('cp', ['/usr/bin/true', copy]);
    await tells('file-created /true');
    expect(told.at(-1)?.package).toBe('unknown');
    const { createPackages } = await import('./file-packages.ts');
    const packages = createPackages();
    expect(await packages.judge('/usr/bin/true', await readFile('/usr/bin/true'))).toBe('same');
    expect(await packages.judge('/usr/bin/true', Buffer.from('other'))).toBe('differs');
    expect(await packages.judge('/etc/nowhere', Buffer.from('x'))).toBe('unknown');
  },
);

test('a file replaced by rename is one change', async () => {
  await begin();
  await writeFile(join(watched, 'app', '.tmp1'), 'port = 9\n');
  await rename(join(watched, 'app', '.tmp1'), join(watched, 'app', 'app.conf'));
  await tells('file-changed /app/app.conf');
  expect(codes().filter((one) => one.includes('app.conf'))).toHaveLength(1);
});
