/** `asepsis doctor`: looks at everything an installation stands on, and says what to do about what is wrong. */

import { access, constants, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { AsepsisError, type Config, errorLine, type MachineReader, type Store } from '../core/index.ts';
import { loadConfig } from './config-load.ts';

export interface Diagnosis {
  readonly what: string;
  readonly state: 'good' | 'look' | 'bad' | 'unknown';
  readonly detail: string;
  readonly advice?: string;
}

const GIB = 1024 ** 3;
const FREE_BAD_BYTES = GIB / 4;
const FREE_LOOK_BYTES = 5 * GIB;

export async function diagnose(o: {
  dataDir: string;
  configPath?: string;
  machine: MachineReader;
  /** Opens the database without changing it; absent when the folder holds none. */
  openStore: () => Promise<Store>;
}): Promise<Diagnosis[]> {
  const found: Diagnosis[] = [runtime()];
  const config = await loadConfig(o.configPath, o.dataDir).catch((error: unknown) => {
    const advice = error instanceof AsepsisError ? error.advice : 'Correct the file.';
    found.push({
      what: 'Configuration',
      state: 'bad',
      detail: error instanceof Error ? error.message : String(error),
      advice,
    });
    return null;
  });
  if (config) found.push({ what: 'Configuration', state: 'good', detail: 'Valid.' });
  found.push(...(await folder(o.dataDir)));
  const serving = await servingPid(o.dataDir, o.machine);
  found.push(
    serving === null
      ? {
          what: 'Desk',
          state: 'look',
          detail: 'Not running.',
          advice: 'Start it with `npm start` or the systemd unit.',
        }
      : { what: 'Desk', state: 'good', detail: `Runs as process ${serving}.` },
  );
  if (config && serving === null) found.push(...(await ports(config)));
  found.push(await database(o.openStore));
  found.push(await clock(o.machine));
  return found;
}

function runtime(): Diagnosis {
  const major = Number(process.versions.node.split('.')[0]);
  return major >= 24
    ? { what: 'Node', state: 'good', detail: process.version }
    : {
        what: 'Node',
        state: 'bad',
        detail: `${process.version} runs this; 24 is needed.`,
        advice: 'Start through bin/asepsis or npm, which bring the right one.',
      };
}

async function folder(dataDir: string): Promise<Diagnosis[]> {
  const stats = await stat(dataDir).catch(() => null);
  if (!stats)
    return [
      {
        what: 'Data folder',
        state: 'look',
        detail: `${dataDir} does not exist yet.`,
        advice: 'It is made at the first start.',
      },
    ];
  const found: Diagnosis[] = [];
  const writable = await access(dataDir, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  found.push(
    writable
      ? { what: 'Data folder', state: 'good', detail: `${dataDir} can be written.` }
      : {
          what: 'Data folder',
          state: 'bad',
          detail: `${dataDir} cannot be written by this user.`,
          advice: 'Run as the user that owns it, or mend its permissions.',
        },
  );
  const open = (stats.mode & 0o077) !== 0;
  found.push(
    open
      ? {
          what: 'Permissions',
          state: 'look',
          detail: `Others on this machine may look into ${dataDir}.`,
          advice: `chmod 700 ${dataDir}`,
        }
      : { what: 'Permissions', state: 'good', detail: 'Only its owner can look into it.' },
  );
  const disk = await statfs(dataDir);
  const free = disk.bavail * disk.bsize;
  const text = `${(free / GIB).toFixed(1)} GiB free`;
  if (free < FREE_BAD_BYTES)
    found.push({
      what: 'Disk',
      state: 'bad',
      detail: `${text}: intake stops before the disk is full.`,
      advice: 'Free space, or shorten archive.retention_days.',
    });
  else if (free < FREE_LOOK_BYTES)
    found.push({
      what: 'Disk',
      state: 'look',
      detail: text,
      advice: 'Plan for more space, or shorten archive.retention_days.',
    });
  else found.push({ what: 'Disk', state: 'good', detail: text });
  return found;
}

/** The process that holds the lock of the event log, when it lives. */
async function servingPid(dataDir: string, machine: MachineReader): Promise<number | null> {
  const lock = await machine.text(join(dataDir, 'stream', 'lock'));
  const pid = Number(/\d{1,10}/.exec(lock ?? '')?.[0] ?? 0);
  if (pid === 0) return null;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : null;
  }
}

async function ports(config: Config): Promise<Diagnosis[]> {
  const wanted = [
    { what: 'Port of the desk', ...config.http, enabled: true },
    { what: 'Port of syslog TCP', ...config.syslog.tcp },
    { what: 'Port of syslog TLS', ...config.syslog.tls },
  ];
  const found: Diagnosis[] = [];
  for (const { what, host, port, enabled } of wanted) {
    if (!enabled || port === 0) continue;
    const code = await tryPort(host, port);
    if (code === null) found.push({ what, state: 'good', detail: `${host}:${port} is free.` });
    else
      found.push({
        what,
        state: 'bad',
        detail: `${host}:${port} cannot be opened (${code}).`,
        advice:
          code === 'EACCES'
            ? 'Use a port above 1023 or grant CAP_NET_BIND_SERVICE.'
            : `See who holds it: sudo ss -lntp 'sport = :${port}'`,
      });
  }
  return found;
}

function tryPort(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

async function database(open: () => Promise<Store>): Promise<Diagnosis> {
  try {
    const store = await open();
    try {
      await store.ping();
      const chain = await store.audit.verify();
      if (!chain.ok)
        return {
          what: 'Audit log',
          state: 'bad',
          detail: `Entry ${chain.firstBad} does not fit: ${chain.reason}.`,
          advice: 'Compare with a backup; somebody changed the database by hand.',
        };
      return {
        what: 'Database',
        state: 'good',
        detail: `Answers; the audit log's ${chain.entries} entries fit together.`,
      };
    } finally {
      await store.close();
    }
  } catch (error) {
    return {
      what: 'Database',
      state: 'bad',
      detail: errorLine(error),
      advice: 'Restore the newest backup if it is damaged.',
    };
  }
}

async function clock(machine: MachineReader): Promise<Diagnosis> {
  const answer = await machine.run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], 5000);
  const value = answer?.code === 0 ? answer.stdout.trim() : '';
  if (value === 'yes') return { what: 'Clock', state: 'good', detail: 'Synchronised.' };
  if (value === 'no')
    return { what: 'Clock', state: 'look', detail: 'Not synchronised.', advice: 'sudo timedatectl set-ntp true' };
  return {
    what: 'Clock',
    state: 'unknown',
    detail: 'timedatectl does not answer here (a container shares its host’s clock).',
  };
}
