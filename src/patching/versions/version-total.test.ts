import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareVersions, schemeOf, VERSION_SCHEMES, type VersionScheme } from './index.ts';

/** Pieces that versions are made of, so that neighbours in the order are met often. */
const PIECES = [
  '0',
  '00',
  '1',
  '01',
  '2',
  '10',
  '9',
  '.',
  '.',
  '.',
  '-',
  '-',
  '~',
  '^',
  '+',
  '_',
  ':',
  '1:',
  'a',
  'b',
  'rc',
  'alpha',
  '_p1',
  '_rc',
  '-r1',
  'dev',
  'post1',
  'RC',
  'pl',
  'v',
  'Z',
  '!',
  'é',
  ' ',
  '..',
  'sp',
  'final',
];
const anyVersion = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 7 }).map((pieces) => pieces.join('')),
  fc.string({ maxLength: 12 }),
);
const SHAPES: Partial<Record<VersionScheme, (version: string) => string>> = {
  // PHP makes a literal "#" equal to every number: no order can hold it.
  composer: (version) => version.replaceAll('#', ''),
  // The circle of Maven's specification: a zero before ".word" (see the header of the comparator).
  maven: (version) => version.replaceAll('.', '-').replace(/-(?=[1-9])/g, '.'),
};

describe.each(VERSION_SCHEMES)('%s', (scheme) => {
  const shape = SHAPES[scheme] ?? ((version: string) => version);
  const version = anyVersion.map(shape);
  const compare = (a: string, b: string) => compareVersions(scheme, a, b);

  test('is a total order', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(compare(a, a)).toBe(0);
        expect(compare(a, b) + compare(b, a)).toBe(0);
        const [low, middle, high] = [a, b, c].sort(compare) as [string, string, string];
        expect(compare(low, middle)).toBeLessThanOrEqual(0);
        expect(compare(middle, high)).toBeLessThanOrEqual(0);
        expect(compare(low, high)).toBeLessThanOrEqual(0);
        if (compare(low, middle) < 0 || compare(middle, high) < 0) expect(compare(low, high)).toBe(-1);
      }),
      { numRuns: 3000 },
    );
  });

  test('long hostile versions end soon', () => {
    for (const piece of ['0', '1.', 'a1', '-', '~', '.0', '_p', '1-a.'])
      expect([-1, 0, 1]).toContain(compare(piece.repeat(20_000), `${piece.repeat(20_000)}1`));
  });
});

const EXAMPLES: readonly (readonly [VersionScheme, string])[] = [
  ['deb', '1:1.0~rc1-1 < 1:1.0-1 < 1:1.0-1+deb12u1 < 1:1.0-1.1 < 2:0'],
  ['rpm', '1.0~rc1-1 < 1.0-1.el9 < 1.0-2.el9 < 1.0^git1-1 < 1.0.1-1 < 1:0.1-1'],
  ['apk', '1.0_alpha < 1.0_rc1 < 1.0 < 1.0-r0 < 1.0-r1 < 1.0_p1 < 1.0a < 1.0.1'],
  ['semver', '1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-rc.1 < 1.0.0 < 1.0.1 < 1.10.0'],
  ['pub', '1.0.0-a < 1.0.0 < 1.0.0+1 < 1.0.0+a'],
  ['maven', '1-alpha-1 < 1-beta < 1-m1 < 1-rc < 1-SNAPSHOT < 1.0 < 1-sp < 1-abc < 1-1 < 1.1'],
  ['pypi', 'old-thing < 1.dev1 < 1a1 < 1b1 < 1rc1 < 1.0 < 1.0+local.1 < 1.post1 < 1.1 < 1!0.1'],
  ['nuget', '1.0-alpha < 1.0-Beta < 1.0 < 1.0.0.1 < 1.1'],
  ['gem', '1.0.a.2 < 1.0.b1 < 1.0 < 1.0.1 < 1.10'],
  ['composer', 'dev-main < 1.0-dev < 1.0a1 < 1.0b1 < 1.0RC1 < 1.0 < 1.0.1 < 1.0pl1'],
  ['cran', '0.1-1 < 0.1-2 < 0.1-2.1 < 0.2'],
  ['hackage', '1.0 < 1.0.0 < 1.1'],
];

test.each(EXAMPLES)('%s: %s', (scheme, chain) => {
  const versions = chain.split(' < ');
  for (let i = 0; i < versions.length; i++)
    for (let j = 0; j < versions.length; j++)
      expect([i, j, compareVersions(scheme, versions[i] as string, versions[j] as string)]).toEqual([
        i,
        j,
        Math.sign(i - j),
      ]);
});

test('a circle that Maven itself has is as its specification says', () => {
  expect(compareVersions('maven', '2.9.0-1', '2.9.0.RC1')).toBe(-1);
  expect(compareVersions('maven', '2.9.0.RC1', '2.9.0')).toBe(-1);
  expect(compareVersions('maven', '2.9.0', '2.9.0-1')).toBe(-1);
});

test('ecosystems are known by name, with or without release, and not by accident', () => {
  expect([
    schemeOf('Debian:12'),
    schemeOf('npm'),
    schemeOf('Rocky Linux:9'),
    schemeOf('constructor'),
    schemeOf('x'),
  ]).toEqual(['deb', 'semver', 'rpm', null, null]);
});

const dpkg = spawnSync('dpkg', ['--version']).status === 0;
test.runIf(dpkg)('dpkg itself orders the same', () => {
  const upstream = fc.stringMatching(/^[0-9][0-9a-zA-Z.+~]{0,6}$/);
  const revision = fc.stringMatching(/^[0-9a-z+.~]{1,5}$/);
  const debian = fc
    .tuple(fc.constantFrom('', '0:', '1:'), upstream, fc.option(revision, { nil: '' }))
    .map(([epoch, version, rest]) => `${epoch}${version}${rest === '' ? '' : `-${rest}`}`);
  const pairs = fc.sample(fc.tuple(debian, debian), 200);
  const script = pairs
    .map(
      ([a, b]) =>
        `if dpkg --compare-versions '${a}' lt '${b}'; then echo -1; elif dpkg --compare-versions '${a}' gt '${b}'; then echo 1; else echo 0; fi`,
    )
    .join('\n');
  const answers = execFileSync('sh', { input: script, encoding: 'utf8' }).trim().split('\n').map(Number);
  expect(pairs.map(([a, b]) => compareVersions('deb', a, b))).toEqual(answers);
});

const rpm = spawnSync('rpm', ['--version']).status === 0;
test.runIf(rpm)('rpm itself orders the same', () => {
  const part = fc.stringMatching(/^[0-9a-zA-Z][0-9a-zA-Z.+~^_]{0,7}$/);
  const evr = fc
    .tuple(fc.constantFrom('', '0:', '1:', '10:'), part, fc.option(part, { nil: '' }))
    .map(([epoch, version, release]) => `${epoch}${version}${release === '' ? '' : `-${release}`}`);
  const near = part.chain((base) =>
    fc.tuple(
      fc.constant(base),
      fc.constantFrom('', '~rc1', '^git1', '.0', '.a', 'a', '_1', '+1', '.').map((end) => base + end),
    ),
  );
  const pairs = [...fc.sample(fc.tuple(evr, evr), 400), ...fc.sample(near, 200)];
  const script = `print(table.concat({${pairs.map(([a, b]) => `rpm.vercmp("${a}","${b}")`).join(',')}}, " "))`;
  const answers = execFileSync('rpm', ['--eval', `%{lua:${script}}`], { encoding: 'utf8' })
    .trim()
    .split(' ')
    .map(Number);
  expect(pairs.map(([a, b]) => [a, b, compareVersions('rpm', a, b)])).toEqual(
    pairs.map(([a, b], i) => [a, b, answers[i]]),
  );
});

const python = spawnSync('python3', ['-c', 'import packaging.version']).status === 0;
test.runIf(python)('Python packaging orders the same', () => {
  const release = fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }).map((numbers) => numbers.join('.'));
  const pep440 = fc
    .tuple(
      fc.constantFrom('', '1!', 'v'),
      release,
      fc.constantFrom('', 'a1', 'b2', 'rc1', '.rc.1', '-alpha', 'c1', '_pre2'),
      fc.constantFrom('', '.post1', '-1', '.rev2', 'post'),
      fc.constantFrom('', '.dev0', '.dev3', '-dev'),
      fc.constantFrom('', '+local', '+local.1', '+1.2', '+ubuntu-1'),
    )
    .map((parts) => parts.join(''));
  const pairs = fc.sample(fc.tuple(pep440, pep440), 500);
  const script =
    'import json,sys\nfrom packaging.version import Version as V\nprint(json.dumps([(V(a)>V(b))-(V(a)<V(b)) for a,b in json.load(sys.stdin)]))';
  const answers = JSON.parse(
    execFileSync('python3', ['-c', script], { input: JSON.stringify(pairs), encoding: 'utf8' }),
  ) as number[];
  expect(pairs.map(([a, b]) => [a, b, compareVersions('pypi', a, b)])).toEqual(
    pairs.map(([a, b], i) => [a, b, answers[i]]),
  );
});
