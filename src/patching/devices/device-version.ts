/** A device's version against what an advisory says: inside, outside, or not to be told. */

import { compareParts, isVersion, plainVersion, shapeOf } from './device-version-order.ts';
import { type Bound, readVersionText, type VersionSaying, withTails } from './device-version-text.ts';

export { readVersionText, type VersionSaying };
export type VersionAnswer = 'in' | 'out' | 'unknown';

const DEVICE_WORDS = /^(?:versions?|ver\.?|software|firmware|release|revision|rev\.?|sw|fw)\s*[:.]?\s*/i;
const DEVICE_CHARS_MAX = 100;

export function judgeVersion(saying: VersionSaying, deviceVersion: string): VersionAnswer {
  if (saying.kind === 'all') return 'in';
  if (saying.kind === 'other') return 'unknown';
  let text = deviceVersion.trim().toLowerCase().slice(0, DEVICE_CHARS_MAX);
  for (let i = 0; i < 3 && DEVICE_WORDS.test(text); i++) text = text.replace(DEVICE_WORDS, '');
  // Spreadsheets of many countries write "1,002".
  text = text
    .replace(/(?<=[0-9]|^[a-z]),(?=[0-9])/g, '.')
    .replace(/(?<=[0-9])\(([0-9]{1,4})\)(?=[a-z0-9.]{0,8}$)/, '.$1');
  const version = plainVersion(withTails(text));
  if (!isVersion(version, true)) return 'unknown';
  const out = saying.except.map((one) => listed(version, one));
  if (out.includes('in')) return 'out';
  let answer: VersionAnswer = 'out';
  for (const range of saying.ranges) {
    const here = inRange(range, version);
    if (here === 'in') {
      answer = 'in';
      break;
    }
    if (here === 'unknown') answer = 'unknown';
  }
  // Inside under a condition, or perhaps one of the exceptions: somebody has to look.
  return answer === 'in' && (saying.condition || out.includes('unknown')) ? 'unknown' : answer;
}

function inRange(range: readonly Bound[], version: string): VersionAnswer {
  const [only] = range;
  if (range.length === 1 && only?.operator === '=') return listed(version, only.version);
  if (range.some((bound) => shapeOf(bound.version) !== shapeOf(version))) return 'unknown';
  if (range.every((bound) => holds(bound, version))) return 'in';
  // "1.3" may be any build of 1.3; a bound inside of it cannot be told.
  return range.some(({ version: bound }) => isBuildOf(bound, version)) ? 'unknown' : 'out';
}

const isBuildOf = (other: string, version: string) =>
  other.startsWith(`${version}.`) && /\.(?:build|sp|sr|mr|hf|patch|update|hotfix)/.test(other.slice(version.length));

function listed(version: string, other: string): VersionAnswer {
  if (shapeOf(other) !== shapeOf(version)) return 'unknown';
  // "C.0x" is all of C.00 to C.09.
  if (/[0-9]x$/.test(other)) return version.startsWith(other.slice(0, -1)) ? 'in' : 'out';
  if (other.endsWith('.x'))
    return version === other.slice(0, -2) || version.startsWith(other.slice(0, -1)) ? 'in' : 'out';
  if (compareParts(version, other) === 0) return 'in';
  // "3" may mean all of 3.x.
  const wholeLine = /^[0-9]{1,3}$/.test(other) && version.startsWith(`${other}.`);
  return wholeLine || isBuildOf(other, version) ? 'unknown' : 'out';
}

/** "< 2.x" is before any 2; "<= 2.x" holds for all of them. */
function holds({ operator, version: bound }: Bound, version: string): boolean {
  if (bound.endsWith('.x')) {
    const line = bound.slice(0, -2);
    if (version === line || version.startsWith(`${line}.`)) return operator === '<=' || operator === '>=';
    return holds({ operator, version: line }, version);
  }
  // A revision by its letter alone holds for all that begin with it.
  const order = /^[a-z]$/.test(bound) ? version.charCodeAt(0) - bound.charCodeAt(0) : compareParts(version, bound);
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  if (operator === '=') return order === 0;
  return operator === '>' ? order > 0 : order >= 0;
}
