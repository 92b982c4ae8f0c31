/** The Debian security tracker's JSON: source package → vulnerability → release → state. */

import type { Severity } from '../../core/index.ts';
import type { Advisory, Affected } from '../patching-advisory.ts';
import { type Faults, isObject, type Json, textAt } from '../patching-input.ts';
import { ecosystemKey, packageKey, VERSION_CHARS_MAX } from '../patching-package.ts';
import { EVERY_VERSION } from '../patching-range.ts';

/** One member of the file. The advisory's id carries the package, so that packages come and go by themselves. */
export function readDebianPackage(name: string, value: unknown, faults: Faults): Advisory[] {
  if (!isObject(value) || name === '' || name.length > 256) {
    faults.add('A package that cannot be read');
    return [];
  }
  const found: Advisory[] = [];
  for (const [id, entry] of Object.entries(value)) {
    if (!isObject(entry) || !isObject(entry.releases) || id.length > 64) {
      faults.add('A vulnerability that cannot be read');
      continue;
    }
    const affected: Affected[] = [];
    for (const [release, state] of Object.entries(entry.releases)) {
      const read = isObject(state) ? readState(name, release, state, faults) : null;
      if (read) affected.push(read);
    }
    found.push({
      id: `${id}/${name}`,
      names: [id],
      summary: textAt(entry, 'description').slice(0, 400),
      severity: null,
      published: null,
      affected,
    });
  }
  return found;
}

/** Debian's urgency is about handling inside Debian; only these words say how bad it is. */
const URGENCY: Readonly<Record<string, Severity>> = {
  high: 'high',
  medium: 'medium',
  low: 'low',
  unimportant: 'information',
};

const ALL = { scheme: 'deb' as const, intervals: [EVERY_VERSION], exact: [], except: [] };

function readState(name: string, release: string, state: Json, faults: Faults): Affected | null {
  const ecosystem = ecosystemKey(release);
  if (!ecosystem.startsWith('debian:')) {
    faults.add('A Debian release that is not known');
    return null;
  }
  const status = textAt(state, 'status');
  const fixed = textAt(state, 'fixed_version');
  const urgency = textAt(state, 'urgency').replace(/\*+$/, '');
  const shared = {
    key: packageKey(ecosystem, name),
    ...(Object.hasOwn(URGENCY, urgency) ? { severity: URGENCY[urgency] as Severity } : {}),
  };
  if (status === 'undetermined') return { ...shared, range: null, note: 'undetermined' };
  if (status === 'resolved') {
    // "0": no version of this release was ever affected.
    if (fixed === '0') return null;
    if (fixed === '' || fixed.length > VERSION_CHARS_MAX)
      return { ...shared, range: null, note: 'no fixed version given' };
    return { ...shared, range: fixed };
  }
  if (status !== 'open') {
    faults.add('A state that is not known');
    return null;
  }
  const note = urgency === 'end-of-life' ? 'end-of-life' : typeof state.nodsa === 'string' ? 'no-dsa' : 'open';
  return { ...shared, range: ALL, note };
}
