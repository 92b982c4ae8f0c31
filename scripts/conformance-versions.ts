/** Version comparators over published lines `a < b`, `a = b`, `a > b`: every line, and the same turned round, must be right. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareVersions, type VersionScheme } from '../src/patching/versions/index.ts';

const FILES: readonly (readonly [RegExp, VersionScheme])[] = [
  [/^alpine-/, 'apk'],
  [/^debian-/, 'deb'],
  [/^redhat-/, 'rpm'],
  [/^semver-/, 'semver'],
  [/^pub-/, 'pub'],
  [/^maven-/, 'maven'],
  [/^pypi-/, 'pypi'],
  [/^nuget-/, 'nuget'],
  [/^rubygems-/, 'gem'],
  [/^packagist-/, 'composer'],
  [/^cran-/, 'cran'],
  [/^hackage-/, 'hackage'],
];
const WRONG_SHOWN_MAX = 10;

export async function conformanceVersions(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const folder = join(dataDir, 'versions');
  const lines: string[] = [];
  let all = 0;
  let wrong = 0;
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    const scheme = FILES.find(([pattern]) => pattern.test(file))?.[1];
    if (!scheme) {
      lines.push(`${file}: nobody compares these`);
      wrong++;
      continue;
    }
    const bad = checkLines(readFileSync(join(folder, file), 'utf8'), scheme);
    all += bad.count;
    wrong += bad.wrong.length;
    lines.push(`${file}: ${bad.count - bad.wrong.length} of ${bad.count}`);
    lines.push(...bad.wrong.slice(0, WRONG_SHOWN_MAX).map((line) => `  wrong: ${line}`));
  }
  return { name: `versions: ${all - wrong} of ${all} lines`, ok: wrong === 0 && all > 0, lines };
}

function checkLines(text: string, scheme: VersionScheme): { count: number; wrong: string[] } {
  const wrong: string[] = [];
  let count = 0;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith('//')) continue;
    const [a, sign, b] = line.split(' ');
    if (a === undefined || b === undefined || (sign !== '<' && sign !== '=' && sign !== '>')) continue;
    count++;
    const expected = sign === '<' ? -1 : sign === '>' ? 1 : 0;
    const forth = compareVersions(scheme, a, b);
    const back = compareVersions(scheme, b, a);
    if (forth !== expected || back + expected !== 0) wrong.push(line);
  }
  return { count, wrong };
}
