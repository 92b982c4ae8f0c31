/** What is a version of a medical device at all, of which kind, and the order of two of one kind. */

import { compareVersions } from '../patching-package.ts';

const VERSION_CHARS_MAX = 48;
const VERSION_START = /^[a-z]{0,3}\.?[0-9][a-z0-9._-]*$/;
/** "012U000061": a part number that counts upwards in its last part. */
const PART_NUMBER = /^([0-9]{2,4})([a-z])([0-9]{4,8})$/;

const isDateLike = (text: string) =>
  text.includes('/') ||
  /^(?:19|20)[0-9]{2}$/.test(text) ||
  /^(?:19|20)[0-9]{2}-[0-9]{1,2}(?:-[0-9]{1,2})?$/.test(text) ||
  /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)/.test(text);

/**
 * A version that can be compared: not a part number, which is long and has no dots. A letter alone is a revision.
 *
 * @param signed a sign before it says that it is one
 */
export function isVersion(text: string, signed: boolean): boolean {
  if (text.length > VERSION_CHARS_MAX || isDateLike(text)) return false;
  if (/^[a-z]$/.test(text)) return true;
  if (signed && PART_NUMBER.test(text)) return true;
  if (!VERSION_START.test(text) || /[a-z]{7}/.test(text.replace(/hotfix/g, ''))) return false;
  return /[._]/.test(text) || text.length <= 3 || (signed && text.length <= 4);
}

/** "sp4" of a version that stands before it. */
export const isPatchLevel = (text: string): boolean => /^(?:sp|sr|hf|patch|update|hotfix|build)[0-9]{1,6}$/.test(text);

/** Without what only says that it is a version: "v2.0", "R3.1"; with the same separators. */
export const plainVersion = (version: string): string =>
  version
    .toLowerCase()
    .replace(/^(?:v\.?|ver\.?|rel\.?|rev\.?|r(?=[0-9]+\.))(?=[0-9])/, '')
    .replace(/(?:\.[x*])+$/, '.x')
    .replace(/[.,:]$/, '')
    .replaceAll('_', '.');

/** Kinds of version that can be compared with each other: numbers, revisions by one letter, numbers after a word. */
export function shapeOf(version: string): string {
  const part = PART_NUMBER.exec(version);
  if (part) return `part ${part[1]?.length} ${part[2]} ${part[3]?.length}`;
  const letters = /^[a-z]*/.exec(version)?.[0] ?? '';
  return letters.length <= 1 ? (letters === '' ? 'number' : 'letter') : letters;
}

const base = (version: string) => (version.endsWith('.x') ? version.slice(0, -2) : version);

/** "2.3" and "2.3.0" are the same version of a device; "2.x" stands at the begin of its line. */
export function compareParts(a: string, b: string): number {
  // Revisions by one letter follow the alphabet, where words before a number would stand for a pre-release.
  if (a.length === 1 && b.length === 1) return a < b ? -1 : a > b ? 1 : 0;
  return compareVersions('generic', base(a), base(b));
}
