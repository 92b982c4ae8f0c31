/** The perimeter's files in the data folder: the scope, the keys it may be signed with, the kill switch, the probe log. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { AsepsisError, rfc3339 } from '../core/index.ts';
import type { ProbeEntry } from './perimeter-gate.ts';
import { openScope } from './perimeter-scope-file.ts';

const LOG_BYTES_MAX = 64 * 1024 * 1024;
const FLUSH_ENTRIES = 500;
const FLUSH_MS = 1000;
const KEY = /^[A-Za-z0-9+/]{43}=$/;

export interface PerimeterFiles {
  readonly dir: string;
  readonly scopeFile: string;
  trusted(): string[];
  trust(key: string): void;
  /** Opens a scope file with the keys trusted here, and those handed in. */
  open(path: string, more?: readonly string[]): ReturnType<typeof openScope>;
  writeScope(text: string): void;
  /** A sentence while the kill switch is on. */
  killed(): string | null;
  kill(why: string): void;
  revive(): void;
  probeLog(): { log: (entry: ProbeEntry) => void; close: () => void };
}

export function perimeterFiles(dataDir: string): PerimeterFiles {
  const dir = `${dataDir}/perimeter`;
  const file = (name: string) => `${dir}/${name}`;
  const make = () => mkdirSync(dir, { recursive: true, mode: 0o700 });
  const trusted = () => {
    if (!existsSync(file('trusted-keys'))) return [];
    const lines = readFileSync(file('trusted-keys'), 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => KEY.test(line));
  };
  const write = (name: string, text: string) => {
    make();
    writeFileSync(file(`${name}.new`), text, { mode: 0o600 });
    renameSync(file(`${name}.new`), file(name));
  };
  return {
    dir,
    scopeFile: file('scope.yaml'),
    trusted,
    trust: (key) => {
      if (!KEY.test(key)) throw new AsepsisError('SCOPE_INVALID', 'A public key is 44 characters of base64.');
      write('trusted-keys', `${[...new Set([...trusted(), key])].join('\n')}\n`);
    },
    open: (path, more = []) => {
      let text: string;
      try {
        text = readFileSync(path, 'utf8');
      } catch (error) {
        throw new AsepsisError('SCOPE_INVALID', `${path} cannot be read.`, { cause: error });
      }
      return openScope(text, [...trusted(), ...more]);
    },
    writeScope: (text) => write('scope.yaml', text),
    killed: () => {
      try {
        return readFileSync(file('STOP'), 'utf8').trim().slice(0, 200) || 'the kill switch is on';
      } catch {
        return null;
      }
    },
    kill: (why) => write('STOP', `${why.replace(/\s+/g, ' ').slice(0, 200)}\n`),
    revive: () => rmSync(file('STOP'), { force: true }),
    probeLog: () => openProbeLog(make, file('probes.ndjson')),
  };
}

/** One line a probe; the file before the last is kept when one becomes too large. */
function openProbeLog(make: () => void, path: string): { log: (entry: ProbeEntry) => void; close: () => void } {
  make();
  let lines: string[] = [];
  const flush = () => {
    if (lines.length === 0) return;
    const text = lines.join('');
    lines = [];
    if (existsSync(path) && statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
    appendFileSync(path, text, { mode: 0o600 });
  };
  const timer = setInterval(flush, FLUSH_MS);
  timer.unref();
  return {
    log: (entry) => {
      lines.push(`${JSON.stringify({ ...entry, at: rfc3339(entry.at) })}\n`);
      if (lines.length >= FLUSH_ENTRIES) flush();
    },
    close: () => {
      clearInterval(timer);
      flush();
    },
  };
}
