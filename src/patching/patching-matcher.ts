/** Unique packages against advisories: each package is matched once, and a change of a feed touches only what it names. */

import type { Advisory, Affected, FeedRef } from './patching-advisory.ts';
import { type Package, packageKey } from './patching-package.ts';
import { inRange } from './patching-range.ts';

export interface Match {
  readonly advisory: Advisory;
  readonly feed: FeedRef;
  readonly affected: Affected;
  /** "unknown": the feed names the package but what it says cannot be judged for this version. */
  readonly answer: 'affected' | 'unknown';
  readonly fixed: string | null;
}

export interface FeedChange {
  readonly feed: FeedRef;
  /** New ones, and new texts of those that are known by feed name and id. */
  readonly items: readonly Advisory[];
  readonly withdrawn: readonly string[];
}

export interface Matcher {
  /** The number of a package; equal packages have one number, and are matched when they first come. */
  intern(item: Package): number;
  /** Takes a feed's change in; answers the numbers of packages whose matches were made anew. */
  apply(change: FeedChange): ReadonlySet<number>;
  matches(id: number): readonly Match[];
  packageAt(id: number): Package;
  readonly size: number;
}

interface Statement {
  readonly advisory: Advisory;
  readonly feed: FeedRef;
  readonly affected: Affected;
}
const NONE: readonly Match[] = [];

export function createMatcher(): Matcher {
  const packages: Package[] = [];
  const answers: (readonly Match[])[] = [];
  const ids = new Map<string, number>();
  const idsAt = new Map<string, number[]>();
  const statementsAt = new Map<string, Statement[]>();
  const advisories = new Map<string, Advisory>();

  const judge = (id: number): readonly Match[] => {
    const item = packages[id] as Package;
    const found: Match[] = [];
    for (const key of keysOf(item))
      for (const statement of statementsAt.get(key) ?? []) {
        const match = judgeOne(statement, item.version);
        if (match) found.push(match);
      }
    // Feeds arrive in any order; answers must not.
    return found.length === 0 ? NONE : found.sort(compareMatches);
  };
  const touch = (key: string, changed: Set<number>) => {
    for (const id of idsAt.get(key) ?? []) changed.add(id);
  };
  const remove = (name: string, changed: Set<number>) => {
    const old = advisories.get(name);
    if (!old) return;
    advisories.delete(name);
    for (const { key } of old.affected) {
      touch(key, changed);
      const rest = (statementsAt.get(key) ?? []).filter((statement) => statement.advisory !== old);
      if (rest.length === 0) statementsAt.delete(key);
      else statementsAt.set(key, rest);
    }
  };
  return {
    get size() {
      return packages.length;
    },
    packageAt: (id) => packages[id] as Package,
    matches: (id) => answers[id] ?? NONE,
    intern(item) {
      const text = `${item.ecosystem}\n${item.name}\n${item.version}`;
      const known = ids.get(text);
      if (known !== undefined) return known;
      const id = packages.push(item) - 1;
      ids.set(text, id);
      for (const key of keysOf(item)) {
        const list = idsAt.get(key);
        if (list) list.push(id);
        else idsAt.set(key, [id]);
      }
      answers.push(judge(id));
      return id;
    },
    apply({ feed, items, withdrawn }) {
      const changed = new Set<number>();
      for (const id of withdrawn) remove(`${feed.name}\n${id}`, changed);
      for (const advisory of items) {
        const name = `${feed.name}\n${advisory.id}`;
        remove(name, changed);
        advisories.set(name, advisory);
        for (const affected of advisory.affected) {
          touch(affected.key, changed);
          const list = statementsAt.get(affected.key);
          if (list) list.push({ advisory, feed, affected });
          else statementsAt.set(affected.key, [{ advisory, feed, affected }]);
        }
      }
      for (const id of changed) answers[id] = judge(id);
      return changed;
    },
  };
}

/** A statement about "Debian" without a release holds for each of its releases. */
function keysOf(item: Package): string[] {
  const colon = item.ecosystem.indexOf(':');
  const own = packageKey(item.ecosystem, item.name);
  return colon < 0 ? [own] : [own, packageKey(item.ecosystem.slice(0, colon), item.name)];
}

function judgeOne({ advisory, feed, affected }: Statement, version: string): Match | null {
  if (affected.range === null) return { advisory, feed, affected, answer: 'unknown', fixed: null };
  const answer = inRange(affected.range, version);
  if (answer.affected === false) return null;
  if (answer.affected === 'unknown') return { advisory, feed, affected, answer: 'unknown', fixed: null };
  return { advisory, feed, affected, answer: 'affected', fixed: answer.fixed };
}

function compareMatches(a: Match, b: Match): number {
  return (
    compareText(a.feed.name, b.feed.name) ||
    compareText(a.advisory.id, b.advisory.id) ||
    compareText(a.affected.key, b.affected.key) ||
    compareText(a.fixed ?? '', b.fixed ?? '') ||
    compareText(a.answer, b.answer)
  );
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
