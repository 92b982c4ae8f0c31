/** This machine's own inventory: its package database, what runs, and what tells it from others. Nothing is changed. */

import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AsepsisError } from '../core/index.ts';
import { type HostFacts, type Inventory, readInventory } from './inventories/index.ts';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const PROCESSES_MAX = 20_000;

export async function ownInventory(): Promise<Inventory> {
  const asset = hostname().slice(0, 200) || 'this-machine';
  const os = /^PRETTY_NAME="?([^"\n]{1,200})/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1];
  const options = { asset, ...(os === undefined ? {} : { release: os }) };
  const inventory = await packages(options);
  const facts = { ...inventory.facts.get(asset), ...(await ownFacts(os)) };
  return { ...inventory, facts: new Map([[asset, facts]]) };
}

async function packages(options: { asset: string; release?: string }): Promise<Inventory> {
  for (const path of ['/var/lib/dpkg/status', '/lib/apk/db/installed'])
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return readInventory(path, options);
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-own-'));
  try {
    const { stdout } = await run(
      'rpm',
      ['-qa', '--qf', '%{NAME}\\t%{EPOCH}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\n'],
      { maxBuffer: OUTPUT_BYTES_MAX, timeout: 60_000 },
    );
    await writeFile(join(folder, 'list'), stdout);
    return await readInventory(join(folder, 'list'), { ...options, format: 'rpm-list' });
  } catch (cause) {
    throw new AsepsisError('TOOL_MISSING', 'This machine has neither dpkg, apk nor rpm.', { cause });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ownFacts(os: string | undefined): Promise<HostFacts> {
  const interfaces = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => !one.internal);
  const macs = [...new Set(interfaces.map((one) => one.mac))].filter((mac) => mac !== '00:00:00:00:00:00');
  const addresses = [...new Set(interfaces.map((one) => one.address))].filter((address) => !address.startsWith('fe80'));
  const old = await oldCode();
  return {
    ...(os === undefined ? {} : { os }),
    kernel: release(),
    class: 'server',
    ...(macs.length > 0 ? { macs } : {}),
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(old === null ? {} : { oldCode: old }),
  };
}

/** Processes that map a library that was replaced on disk; null when other users' processes cannot be seen. */
async function oldCode(): Promise<string[] | null> {
  if (process.getuid?.() !== 0) return null;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX);
  const found = new Set<string>();
  for (const pid of pids) {
    const maps = await readFile(`/proc/${pid}/maps`, 'utf8').catch(() => '');
    const path = /r-x.*?(\/(?:usr\/)?lib\S*\.so\S*) \(deleted\)$/m.exec(maps)?.[1];
    if (path === undefined) continue;
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => `process ${pid}`)).trim();
    found.add(`${name} uses ${path}`);
  }
  return [...found].slice(0, 64);
}
