/** What is followed: the configured files, and this machine's own journal or log files. */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Clock, Config, Stream } from '../../core/index.ts';
import { shortKey } from '../ingest-key.ts';
import type { Sources } from '../ingest-sources.ts';
import { followFiles } from './file-follower.ts';
import { followJournal } from './journal-follower.ts';

/** Debian and Ubuntu, then Red Hat and SUSE: who logged in, and everything else. */
const OWN_LOGS = ['/var/log/auth.log', '/var/log/syslog', '/var/log/secure', '/var/log/messages'];
const PROBE_MS = 5000;

export interface OwnLogs {
  readonly journal: boolean;
  readonly files: readonly string[];
  /** Why something is not followed; null when all is well. */
  readonly notice: string | null;
}

/** What of this machine can be read: the journal when it has entries of the whole system, else its log files. */
export async function findOwnLogs(command = 'journalctl', candidates: readonly string[] = OWN_LOGS): Promise<OwnLogs> {
  const probe = await promisify(execFile)(command, ['-o', 'json', '-n', '1', '--no-pager'], {
    timeout: PROBE_MS,
    maxBuffer: 16 * 1024 * 1024,
  }).catch((error: NodeJS.ErrnoException) => ({ stdout: '', stderr: error.code === 'ENOENT' ? 'absent' : '' }));
  const entries = probe.stdout.trimStart().startsWith('{');
  // journalctl(1): users outside systemd-journal and adm see only their own messages, and are told so.
  const whole = !probe.stderr.includes('not seeing messages');
  if (entries && whole) return { journal: true, files: [], notice: null };
  const readable = await Promise.all(
    candidates.map((path) =>
      access(path, constants.R_OK).then(
        () => path,
        () => null,
      ),
    ),
  );
  const files = readable.filter((path) => path !== null);
  if (files.length > 0) return { journal: false, files, notice: null };
  if (entries) {
    return {
      journal: true,
      files: [],
      notice: 'only own messages of the journal can be read; add the user to the group systemd-journal',
    };
  }
  const why = probe.stderr === 'absent' ? 'journalctl is not installed' : 'the journal is empty or may not be read';
  return {
    journal: false,
    files: [],
    notice: `this machine’s own logs are not followed: ${why}, and no log file in /var/log can be read`,
  };
}

export interface Followed {
  readonly name: string;
  readonly address: string;
  close(): Promise<void>;
}

export async function followConfigured(o: {
  config: Config;
  stream: Stream;
  clock: Clock;
  sources: Sources;
  dataDir: string;
  exercise: boolean;
  log: (o: object, msg: string) => void;
}): Promise<Followed[]> {
  const folder = join(o.dataDir, 'followers');
  const shared = { ...o, eventsPerSecMax: o.config.limits.source_events_per_sec };
  const follow = (path: string, more: { name?: string; zone?: string }): Followed => {
    const pattern = resolve(path);
    const checkpointPath = join(folder, `${shortKey(pattern)}.json`);
    return { name: 'file', address: pattern, ...followFiles({ ...shared, pattern, checkpointPath, ...more }) };
  };
  const followed = o.config.files.map(({ path, name, zone }) =>
    follow(path, { ...(name && { name }), ...(zone && { zone }) }),
  );
  if (o.config.this_machine.logs === 'off') return followed;
  const own = await findOwnLogs();
  if (own.notice !== null) o.log({}, own.notice);
  const named = new Set(followed.map((entry) => entry.address));
  for (const path of own.files) if (!named.has(path)) followed.push(follow(path, {}));
  if (own.journal) {
    const checkpointPath = join(folder, 'journal.json');
    followed.push({ name: 'journal', address: 'journalctl', ...followJournal({ ...shared, checkpointPath }) });
  }
  return followed;
}
