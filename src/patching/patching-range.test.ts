import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inRange, osvIntervals, type VersionRange } from './patching-range.ts';
import { parseNativeRange, parseVers } from './patching-range-text.ts';
import { compareVersions, type VersionScheme } from './versions/index.ts';

const osv = (scheme: VersionScheme, events: unknown[], exact: string[] = []): VersionRange => ({
  scheme,
  intervals: osvIntervals(scheme, events) ?? [],
  exact,
  except: [],
});
const answers = (range: VersionRange | null, versions: string[]) =>
  versions.filter((version) => range !== null && inRange(range, version).affected === true);

describe('OSV events', () => {
  test('introduced, fixed, introduced again', () => {
    const range = osv('semver', [{ introduced: '2.0.0' }, { fixed: '2.1.0' }, { introduced: '0' }, { fixed: '1.4.2' }]);
    expect(answers(range, ['0.1.0', '1.4.1', '1.4.2', '1.9.0', '2.0.0', '2.1.0'])).toEqual(['0.1.0', '1.4.1', '2.0.0']);
    expect(inRange(range, '1.0.0')).toEqual({ affected: true, fixed: '1.4.2' });
  });
  test('last_affected is no fix; the end may be open; limits cut', () => {
    expect(inRange(osv('deb', [{ introduced: '0' }, { last_affected: '1.0-1' }]), '1.0-1')).toEqual({
      affected: true,
      fixed: null,
    });
    expect(inRange(osv('deb', [{ introduced: '0' }]), '99')).toEqual({ affected: true, fixed: null });
    expect(answers(osv('semver', [{ introduced: '0' }, { limit: '2.0.0' }]), ['1.0.0', '2.0.0'])).toEqual(['1.0.0']);
  });
  test('"0" is before every version, also before 0~rc1', () => {
    expect(inRange(osv('deb', [{ introduced: '0' }, { fixed: '1' }]), '0~rc1').affected).toBe(true);
  });
  test('listed versions are affected by name', () => {
    expect(answers(osv('pypi', [], ['1.0', '1.1']), ['1.0.0', '1.2'])).toEqual(['1.0.0']);
  });
  test('what cannot be read is not nothing', () => {
    expect(osvIntervals('semver', [{ introduced: 5 }])).toBeNull();
    expect(osvIntervals('semver', [{ fixed: '1.0' }])).toBeNull();
    expect(inRange(osv('deb', [{ introduced: '0' }]), '')).toEqual({ affected: 'unknown' });
  });
  test('agrees with the evaluation that the OSV schema writes down', () => {
    const number = fc.integer({ min: 0, max: 12 });
    const events = fc.uniqueArray(fc.tuple(fc.constantFrom('introduced', 'fixed', 'last_affected'), number), {
      selector: ([, at]) => at,
      maxLength: 8,
    });
    fc.assert(
      fc.property(events, number, (list, at) => {
        const named = [['introduced', 0] as const, ...list.filter(([, place]) => place > 0)];
        const version = `${at}.5.0`;
        let affected = false;
        for (const [kind, place] of [...named].sort((a, b) => a[1] - b[1])) {
          const order = place === 0 ? 1 : compareVersions('semver', version, `${place}.0.0`);
          if (kind === 'introduced' && order >= 0) affected = true;
          if (kind === 'fixed' && order >= 0) affected = false;
          if (kind === 'last_affected' && order > 0) affected = false;
        }
        const range = osv(
          'semver',
          named.map(([kind, place]) => ({ [kind]: place === 0 ? '0' : `${place}.0.0` })),
        );
        expect(inRange(range, version).affected).toBe(affected);
      }),
    );
  });
});

describe('vers', () => {
  test.each([
    ['vers:npm/1.2.3|>=2.0.0|<5.0.0', ['1.2.3', '2.0.0', '4.9.9'], ['1.2.4', '5.0.0']],
    ['vers:deb/<1.0', ['0.9', '1.0~rc1'], ['1.0']],
    ['vers:pypi/>=1.0|!=1.5', ['1.0', '2'], ['0.9', '1.5.0']],
    ['vers:npm/*', ['0.0.1'], []],
    ['vers:npm/<=1.0.0|>=3.0.0|<4.0.0', ['0.1.0', '1.0.0', '3.5.0'], ['2.0.0', '4.0.0']],
    ['vers:npm/>1.0.0|>=2.0.0|<3.0.0', ['1.5.0', '2.0.0'], ['1.0.0', '3.0.0']],
    ['vers:golang/>=v1.0.0', ['v1.0.0', '2.0.0'], ['v0.9.0']],
    ['vers:deb/%3E1'.replace('%3E', '>'), ['2'], ['1']],
  ])('%s', (text, inside, outside) => {
    const range = parseVers(text);
    expect(answers(range, [...inside, ...outside])).toEqual(inside);
  });
  test.each(['vers:unknown/1', 'vers:npm', 'npm/1', 'vers:npm/', 'vers:npm/>=1|<1', 'vers:npm/%zz'])(
    '%s cannot be read',
    (text) => {
      expect(parseVers(text)).toBeNull();
    },
  );
});

describe('native', () => {
  test.each<[VersionScheme, string, string[], string[]]>([
    ['semver', '>= 1.0.0, < 2.0.0', ['1.0.0', '1.9.9'], ['0.9.0', '2.0.0']],
    ['semver', '^1.2.3 || ~2.1', ['1.2.3', '1.9.0', '2.1.9'], ['1.2.2', '2.0.0', '2.2.0', '2.0.0-rc.1']],
    ['semver', '^0.2.3', ['0.2.3'], ['0.3.0']],
    ['semver', '1.0.0 - 1.5.0', ['1.0.0', '1.5.0'], ['1.5.1']],
    ['semver', '1.x', ['1.0.0', '1.99.0'], ['2.0.0']],
    ['pypi', '>=1.0,!=1.5,<2', ['1.0', '1.6'], ['1.5', '2']],
    ['pypi', '~=1.4.2', ['1.4.2', '1.4.9'], ['1.5', '1.4.1', '1.5rc1']],
    ['pypi', '==1.*', ['1.0', '1.9'], ['2.0']],
    ['gem', '~> 1.2', ['1.2', '1.9'], ['2.0', '1.1']],
    ['maven', '[1.0,2.0),(3.0,]', ['1.0', '1.9', '3.1'], ['2.0', '3.0']],
    ['maven', '(,1.0]', ['0.1', '1.0'], ['1.1']],
    ['nuget', '[1.0]', ['1.0.0'], ['1.0.1']],
    ['composer', '^1.0|~2.1', ['1.5', '2.9'], ['2.0', '3.0']],
    ['deb', '<< 1.0-1', ['0.9'], ['1.0-1']],
    ['rpm', '= 1.0-1', ['1.0-1'], ['1.0-2']],
  ])('%s %s', (scheme, text, inside, outside) => {
    expect(answers(parseNativeRange(scheme, text), [...inside, ...outside])).toEqual(inside);
  });
  test.each(['', '>=', '=>1', '[1.0', '<<<1', '[1,2,3]', '^abc'])('"%s" cannot be read', (text) => {
    expect(parseNativeRange('maven', text)).toBeNull();
  });
  test('never throws and never takes long', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<VersionScheme>('semver', 'maven', 'pypi', 'gem'),
        fc.string({ maxLength: 60 }),
        (scheme, text) => {
          for (const range of [parseNativeRange(scheme, text), parseVers(`vers:npm/${text}`)])
            if (range) inRange(range, '1.0');
        },
      ),
    );
  });
});

// As npm's own reader and Python's packaging answer; compared with them over tens of thousands of random ranges.
test.each<readonly [VersionScheme, string, readonly string[]]>([
  ['semver', '<2.x', ['1.9.9']],
  ['semver', '<=2.x', ['1.9.9', '2.0.0', '2.5.0']],
  ['semver', '<=2', ['1.9.9', '2.0.0', '2.5.0']],
  ['semver', '>2', ['3.0.0']],
  ['semver', '>=2.x', ['2.0.0', '2.5.0', '3.0.0']],
  ['semver', '2', ['2.0.0', '2.5.0']],
  ['semver', '1.x - 2', ['1.9.9', '2.0.0', '2.5.0']],
  ['semver', '<*', []],
  ['semver', '>=*', ['1.9.9', '2.0.0', '2.5.0', '3.0.0']],
  ['pypi', '==2.*', ['2.0.dev1', '2.0.0', '2.5.0']],
  ['pypi', '~=2.0.0', ['2.0.0']],
  ['composer', '2.*', ['2.0.0', '2.5.0']],
])('%s %s', (scheme, text, expected) => {
  const versions = ['1.9.9', ...(scheme === 'pypi' ? ['2.0.dev1'] : []), '2.0.0', '2.5.0', '3.0.0'];
  expect(answers(parseNativeRange(scheme, text), versions)).toEqual(expected);
});
