/**
 * Rules as they were read, kept in a file so that a start does not read thousands of YAML files again. The file says of
 * which texts, options and code it was made, and carries a digest of itself: what does not fit or is damaged is made anew.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadedRules } from './detection-load.ts';
import { type Regex, regexOf } from './detection-regex.ts';
import type { Expr, Rule } from './detection-rule.ts';

const MAGIC = 'asepsis rules 1';
/** Old cache files that are kept beside the current one: two installations of rules may take turns. */
const KEPT = 3;
const CACHE_BYTES_MAX = 256 * 1024 * 1024;

let code: string | null = null;
/** Digest of this room's program text: a new version reads rules in its own way. */
function codeDigest(): string {
  if (code !== null) return code;
  const hash = createHash('sha256').update(process.version);
  const here = import.meta.dirname;
  for (const name of readdirSync(here).sort())
    if (/^detection-(?!.*\.test\.).*\.[jt]s$/.test(name)) hash.update(name).update(readFileSync(join(here, name)));
  code = hash.digest('hex');
  return code;
}

/** @param texts every rule file with its content, in order */
export function cacheKey(texts: readonly (readonly [file: string, content: string])[], options: unknown): string {
  const hash = createHash('sha256')
    .update(codeDigest())
    .update(JSON.stringify(options) ?? '');
  for (const [file, content] of texts) hash.update(`\0${file}\0${content.length}\0`).update(content);
  return hash.digest('hex');
}

const pathOf = (dir: string, key: string): string => join(dir, `rules-${key.slice(0, 32)}.json`);

/** Regular expressions are written as what they are made of; everything else in a rule is plain data. */
const replacer = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'required' in value && 'test' in value
    ? { source: (value as Regex).source, flags: (value as Regex).flags, required: (value as Regex).required }
    : value;

function revive(expr: Expr): void {
  if (expr.t === 'and' || expr.t === 'or') for (const part of expr.of) revive(part);
  else if (expr.t === 'not') revive(expr.of);
  else if (expr.t === 'test' && expr.test.kind === 'regex')
    Object.assign(expr.test, { regex: regexOf(expr.test.regex) });
}

/** The rules of this key; null when there are none or the file is not what it was when it was written. */
export function readCache(dir: string, key: string): LoadedRules | null {
  try {
    const path = pathOf(dir, key);
    if (statSync(path).size > CACHE_BYTES_MAX) return null;
    const bytes = readFileSync(path);
    const end = bytes.indexOf(10);
    const body = bytes.subarray(end + 1);
    const head = `${MAGIC} ${key} ${createHash('sha256').update(body).digest('hex')}`;
    if (bytes.toString('utf8', 0, Math.max(0, end)) !== head) return null;
    const loaded = JSON.parse(body.toString('utf8')) as LoadedRules;
    for (const rule of loaded.rules as Rule[]) if (rule.kind === 'detection') revive(rule.expr);
    return loaded;
  } catch {
    return null;
  }
}

/** Keeps the rules for the next start. A cache that cannot be written costs time only, so nothing is said about it. */
export function writeCache(dir: string, key: string, loaded: LoadedRules): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const body = Buffer.from(JSON.stringify(loaded, replacer));
    const path = pathOf(dir, key);
    const next = `${path}.${process.pid}.next`;
    const head = `${MAGIC} ${key} ${createHash('sha256').update(body).digest('hex')}\n`;
    writeFileSync(next, Buffer.concat([Buffer.from(head), body]), { mode: 0o600 });
    renameSync(next, path);
    const old = readdirSync(dir)
      .filter((name) => /^rules-[0-9a-f]{32}\.json$/.test(name))
      .map((name) => ({ name, changed: statSync(join(dir, name)).mtimeMs }))
      .sort((a, b) => b.changed - a.changed)
      .slice(KEPT);
    for (const { name } of old) rmSync(join(dir, name), { force: true });
  } catch {
    // See above.
  }
}
