/** Ranges as text: vers URIs, and the ecosystems' own notations; null is "cannot be read", never "everything". */

import { EVERY_VERSION, type Interval, type VersionRange } from './patching-range.ts';
import { compareVersions, schemeOf, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

const RANGE_CHARS_MAX = 4096;
type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=';
interface Constraint {
  readonly operator: Operator;
  readonly version: string;
}

/** `vers:deb/>=1.0|<2.0|!=1.5` (VERS specification, "Parsing and validating" and "Checking if a version is contained"). */
export function parseVers(text: string): VersionRange | null {
  if (text.length > RANGE_CHARS_MAX || !text.startsWith('vers:')) return null;
  const slash = text.indexOf('/');
  const scheme = slash < 0 ? null : schemeOf(text.slice(5, slash));
  if (scheme === null) return null;
  const rest = text.slice(slash + 1).replace(/\s/g, '');
  if (rest === '*') return { scheme, intervals: [EVERY_VERSION], exact: [], except: [] };
  const constraints: Constraint[] = [];
  for (const part of rest.split('|')) {
    const constraint = readConstraint(part);
    if (constraint === null) return null;
    constraints.push(constraint);
  }
  constraints.sort((a, b) => compareVersions(scheme, a.version, b.version));
  for (let i = 1; i < constraints.length; i++)
    if (
      compareVersions(scheme, (constraints[i - 1] as Constraint).version, (constraints[i] as Constraint).version) === 0
    )
      return null;
  const except = constraints.filter((one) => one.operator === '!=').map((one) => one.version);
  const others = constraints.filter((one) => one.operator !== '!=');
  const intervals = others.length === 0 ? [EVERY_VERSION] : versIntervals(others);
  return { scheme, intervals, exact: others.filter((one) => one.operator === '=').map((one) => one.version), except };
}

function readConstraint(part: string): Constraint | null {
  const match = /^(!=|<=|>=|<|>|=)?(.+)$/.exec(part);
  if (!match) return null;
  try {
    const version = decodeURIComponent(match[2] as string);
    if (version.length > VERSION_CHARS_MAX || version === '*') return null;
    return { operator: (match[1] ?? '=') as Operator, version };
  } catch {
    return null;
  }
}

const isUpper = (operator: Operator | undefined) => operator === '<' || operator === '<=';
const isLower = (operator: Operator | undefined) => operator === '>' || operator === '>=';

function versIntervals(sorted: readonly Constraint[]): Interval[] {
  const found: Interval[] = [];
  const bounds = sorted.filter((one) => one.operator !== '=');
  for (let i = 0; i < bounds.length; i++) {
    const { operator, version } = bounds[i] as Constraint;
    // Of several upper bounds in a row the last says it, of several lower ones the first.
    if (isUpper(operator)) {
      if (isUpper(bounds[i + 1]?.operator)) continue;
      const lower = firstLowerBefore(bounds, i);
      found.push({
        from: lower?.version ?? null,
        fromInclusive: lower === undefined || lower.operator === '>=',
        to: version,
        toInclusive: operator === '<=',
        fixed: operator === '<',
      });
    } else if (!bounds.slice(i).some((one) => isUpper(one.operator)) && !isLower(bounds[i - 1]?.operator)) {
      found.push({ ...EVERY_VERSION, from: version, fromInclusive: operator === '>=' });
    }
  }
  return found;
}

function firstLowerBefore(bounds: readonly Constraint[], upper: number): Constraint | undefined {
  let at = upper;
  while (at > 0 && isUpper(bounds[at - 1]?.operator)) at--;
  let lower: Constraint | undefined;
  while (at > 0 && isLower(bounds[at - 1]?.operator)) lower = bounds[--at];
  return lower;
}

/**
 * What people of an ecosystem write: `>= 1.0, < 2.0`, `^1.2 || ~2.1`, `~> 1.2`, `~=1.4.2`, `==1.*`, `[1.0,2.0)`,
 * `1.0 - 2.0`. An upper bound that excludes counts as the version that repairs.
 */
export function parseNativeRange(scheme: VersionScheme, text: string): VersionRange | null {
  if (text.length > RANGE_CHARS_MAX) return null;
  const trimmed = text.trim();
  if (trimmed === '') return null;
  if ((scheme === 'maven' || scheme === 'nuget') && /^[[(]/.test(trimmed)) return bracketRange(scheme, trimmed);
  const intervals: Interval[] = [];
  const except: string[] = [];
  for (const alternative of trimmed.split(/\|\|?/)) {
    const constraints = readAlternative(scheme, alternative.trim());
    if (constraints === null) return null;
    const interval = intersect(
      scheme,
      constraints.filter((one) => one.operator !== '!='),
    );
    if (interval !== null) intervals.push(interval);
    except.push(...constraints.filter((one) => one.operator === '!=').map((one) => one.version));
  }
  return { scheme, intervals, exact: [], except };
}

function bracketRange(scheme: VersionScheme, text: string): VersionRange | null {
  const intervals: Interval[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.slice(1).search(/[\])]/) + 1;
    if (end === 0 || !/^[[(]/.test(rest)) return null;
    const [from = '', to, more] = rest
      .slice(1, end)
      .split(',')
      .map((part) => part.trim());
    const closed = rest[end] === ']';
    if (more !== undefined || (to === undefined && (from === '' || !closed || rest[0] !== '['))) return null;
    intervals.push({
      from: from || null,
      fromInclusive: rest.startsWith('['),
      to: (to === undefined ? from : to) || null,
      toInclusive: closed,
      fixed: !closed && to !== '',
    });
    rest = rest.slice(end + 1).replace(/^[\s,]+/, '');
  }
  return { scheme, intervals, exact: [], except: [] };
}

function readAlternative(scheme: VersionScheme, text: string): Constraint[] | null {
  if (text === '*' || text === '' || text === 'x') return [];
  const hyphen = text.split(/\s+-\s+/);
  if (hyphen.length === 2) {
    const from = expand(scheme, '>=', hyphen[0] as string);
    const to = expand(scheme, '<=', hyphen[1] as string);
    return from === null || to === null ? null : [...from, ...to];
  }
  const found: Constraint[] = [];
  const pieces = text.replace(/([<>=!~^]+)\s+/g, '$1').split(/[\s,]+/);
  for (const piece of pieces) {
    const match = /^([<>=!~^]*)([^<>=!~^][^<>=!^]*)$/.exec(piece);
    const expanded = match ? expand(scheme, match[1] as string, match[2] as string) : null;
    if (expanded === null) return null;
    found.push(...expanded);
  }
  return found;
}

const SIMPLE: Readonly<Record<string, Operator>> = {
  '': '=',
  '=': '=',
  '==': '=',
  '===': '=',
  '!=': '!=',
  '<': '<',
  '<<': '<',
  '<=': '<=',
  '>': '>',
  '>>': '>',
  '>=': '>=',
};

function expand(scheme: VersionScheme, operator: string, version: string): Constraint[] | null {
  if (version.length > VERSION_CHARS_MAX) return null;
  const numbers = version.replace(/^v/, '').split(/[-+]/, 1)[0]?.split('.') ?? [];
  const wild = numbers.findIndex((part) => part === '*' || part === 'x' || part === 'X');
  // Nothing is before or after every version.
  if (wild === 0) return operator === '<' || operator === '>' ? [{ operator: '<', version: '0.0.0-0' }] : [];
  if (wild > 0) return wildcard(scheme, operator, numbers.slice(0, wild));
  // npm reads "<=2" as "<=2.x.x", and ">2" as what comes after all of 2.
  const partial = scheme === 'semver' && numbers.length < 3 && numbers.every((part) => /^[0-9]{1,15}$/.test(part));
  if (partial && operator !== '~>') return wildcard(scheme, operator, numbers);
  if (operator === '^') return between(scheme, version, caret(numbers), numbers);
  if (operator === '~')
    return between(
      scheme,
      version,
      scheme === 'composer' ? Math.max(0, numbers.length - 2) : Math.min(1, numbers.length - 1),
      numbers,
    );
  if (operator === '~>' || operator === '~=') return between(scheme, version, Math.max(0, numbers.length - 2), numbers);
  const simple = Object.hasOwn(SIMPLE, operator) ? SIMPLE[operator] : undefined;
  return simple === undefined ? null : [{ operator: simple, version }];
}

/** A line of versions ("1.2.x") with an operator before it. */
function wildcard(scheme: VersionScheme, operator: string, base: readonly string[]): Constraint[] | null {
  const last = base.length - 1;
  // PEP 440 and Composer count the pre-releases of the first version to the line.
  const begin = scheme === 'pypi' || scheme === 'composer' ? (FIRST_PRE[scheme] ?? '') : '';
  if (['', '=', '==', '~'].includes(operator)) return between(scheme, `${base.join('.')}${begin}`, last, base);
  if (operator === '^') return between(scheme, base.join('.'), caret(base), base);
  // The line itself, from its first version to before the first of the next one.
  const [first, next] = between(scheme, base.join('.'), last, base) ?? [];
  if (first === undefined || next === undefined) return null;
  if (operator === '>=') return [first];
  if (operator === '<=') return [next];
  const pre = FIRST_PRE[scheme] ?? '';
  const whole = next.version.slice(0, pre === '' ? undefined : -pre.length);
  if (operator === '>') return [{ operator: '>=', version: whole }];
  return operator === '<' ? [{ operator: '<', version: `${full(scheme, base)}${pre}` }] : null;
}

/** "1.2" as "1.2.0" where the scheme has three numbers. */
function full(scheme: VersionScheme, base: readonly string[]): string {
  const numbers = [...base];
  while (numbers.length < 3 && !['pypi', 'gem', 'composer'].includes(scheme)) numbers.push('0');
  return numbers.join('.');
}

function caret(numbers: readonly string[]): number {
  const place = numbers.findIndex((part) => /[1-9]/.test(part));
  return place < 0 ? numbers.length - 1 : place;
}

/** Before the first pre-release of the next version, in each scheme's way of writing it. */
const FIRST_PRE: Partial<Record<VersionScheme, string>> = {
  semver: '-0',
  pub: '-0',
  pypi: '.dev0',
  composer: '-dev',
  gem: '.A',
};

function between(scheme: VersionScheme, from: string, place: number, numbers: readonly string[]): Constraint[] | null {
  const number = numbers[place];
  if (number === undefined || !/^[0-9]{1,15}$/.test(number)) return null;
  const next = full(scheme, [...numbers.slice(0, place), String(Number(number) + 1)]);
  return [
    { operator: '>=', version: from },
    { operator: '<', version: `${next}${FIRST_PRE[scheme] ?? ''}` },
  ];
}

function intersect(scheme: VersionScheme, constraints: readonly Constraint[]): Interval | null {
  let range: Interval = EVERY_VERSION;
  for (const { operator, version } of constraints) {
    if (operator === '=' || isLower(operator)) {
      const order = range.from === null ? 1 : compareVersions(scheme, version, range.from);
      if (order > 0 || (order === 0 && operator === '>'))
        range = { ...range, from: version, fromInclusive: operator !== '>' };
    }
    if (operator === '=' || isUpper(operator)) {
      const order = range.to === null ? -1 : compareVersions(scheme, version, range.to);
      if (order < 0 || (order === 0 && operator === '<'))
        range = { ...range, to: version, toInclusive: operator !== '<', fixed: operator === '<' };
    }
  }
  if (range.from === null || range.to === null) return range;
  const order = compareVersions(scheme, range.from, range.to);
  return order < 0 || (order === 0 && range.fromInclusive && range.toInclusive) ? range : null;
}
