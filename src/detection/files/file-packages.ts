/** What the package manager says a file should be: an upgrade brings the content that the package names, and is no alert. */

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../detection-run.ts';

const DPKG_INFO = '/var/lib/dpkg/info';
const LIST_BYTES_MAX = 64 * 1024 * 1024;

export interface Packages {
  /**
   * `same`: the content is what an installed package brings. `differs`: a package owns it and brings something else.
   * `conffile`: a package's configuration, which people change. `unknown`: nobody owns it.
   */
  judge(path: string, content: Uint8Array): Promise<'same' | 'differs' | 'conffile' | 'unknown'>;
}

/** /bin and /usr/bin are one folder since the merge of /usr; packages name either. */
export function namesOf(path: string): string[] {
  const merged = /^(?:\/usr)?(\/(?:bin|sbin|lib|lib32|lib64|libx32)\/.*)$/.exec(path);
  return merged ? [path, merged[1] as string, `/usr${merged[1]}`] : [path];
}

/** `md5  path` lines without a leading slash. */
export function readSums(text: string, into: Map<string, string>): void {
  for (const line of text.split('\n')) {
    const found = /^([0-9a-f]{32}) [ *](.+)$/.exec(line);
    if (found) into.set(`/${found[2]}`, found[1] as string);
  }
}

/** @param rpmCommand rpm with the options that name its database */
export function createPackages(folder = DPKG_INFO, rpmCommand: readonly string[] = ['rpm']): Packages {
  let sums = new Map<string, string>();
  let conffiles = new Set<string>();
  let readMs = -1;
  const refresh = async (): Promise<boolean> => {
    const changed = await stat(folder).catch(() => null);
    if (changed === null) return false;
    if (changed.mtimeMs === readMs) return true;
    const nextSums = new Map<string, string>();
    const nextConf = new Set<string>();
    let bytes = 0;
    for (const name of await readdir(folder)) {
      if (!name.endsWith('.md5sums') && !name.endsWith('.conffiles')) continue;
      const text = await readFile(join(folder, name), 'utf8').catch(() => '');
      bytes += text.length;
      if (bytes > LIST_BYTES_MAX) break;
      if (name.endsWith('.md5sums')) readSums(text, nextSums);
      else for (const line of text.split('\n')) if (line.startsWith('/')) nextConf.add(line.trim());
    }
    sums = nextSums;
    conffiles = nextConf;
    readMs = changed.mtimeMs;
    return true;
  };
  let rpm: boolean | null = null;
  const judgeRpm = async (path: string, content: Uint8Array): ReturnType<Packages['judge']> => {
    if (rpm === false) return 'unknown';
    const query = [
      ...rpmCommand,
      '-qf',
      '--queryformat',
      '[%{FILENAMES}\\t%{FILEDIGESTS}\\t%{FILEFLAGS:fflags}\\n]',
      path,
    ];
    const ran = await runProgram(query, '', 5000);
    rpm = ran.code !== null;
    if (ran.code !== 0) return 'unknown';
    const line = ran.stdout.split('\n').find((one) => namesOf(path).includes(one.split('\t')[0] ?? ''));
    if (line === undefined) return 'unknown';
    const [, digest = '', flags = ''] = line.split('\t');
    if (flags.includes('c')) return 'conffile';
    const algorithm = digest.length === 64 ? 'sha256' : 'md5';
    return createHash(algorithm).update(content).digest('hex') === digest ? 'same' : 'differs';
  };
  return {
    judge: async (path, content) => {
      if (!(await refresh())) return judgeRpm(path, content);
      const names = namesOf(path);
      if (names.some((name) => conffiles.has(name))) return 'conffile';
      const wanted = names.map((name) => sums.get(name)).find((sum) => sum !== undefined);
      if (wanted === undefined) return 'unknown';
      return createHash('md5').update(content).digest('hex') === wanted ? 'same' : 'differs';
    },
  };
}
