/** Unique packages against advisories: each package is matched once, and a change of a feed touches only what it names. */

import type { Advisory, Affected, FeedRef } from './patching-advisory.ts';
import { compareVersions, type Package, packageKey } from './patching-package.ts';
import { inRange, type RangeAnswer, type VersionRange } from './patching-range.ts';

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
  /** Whether any feed speaks of this ecosystem ("debian:12" is of "debian"); silence of all feeds is no verdict. */
  covers(ecosystem: string): boolean;
  readonly size: number;
}

/** An advisory with its feed, and which of its `affected` speaks of the key. */
interface Source {
  readonly advisory: Advisory;
  readonly feed: FeedRef;
}
interface Statement {
  readonly source: Source;
  readonly affected: Affected;
}
const NONE: readonly Match[] = [];

export function createMatcher(): Matcher {
  const packages: Package[] = [];
  const answers: (readonly Match[])[] = [];
  const ids = new Map<string, number>();
  const idsAt = new Map<string, number[]>();
  const statementsAt = new Map<string, Statement[]>();
  const advisories = new Map<string, Map<string, Source>>();
  const ecosystems = new Set<string>();

  const judge = (id: number): readonly Match[] => {
    const item = packages[id] as Package;
    const found: Match[] = [];
    for (const key of keysOf(item))
      for (const statement of statementsAt.get(key) ?? []) {
        const match = judgeOne(statement, item);
        if (match) found.push(match);
      }
    // Feeds arrive in any order; answers must not.
    return found.length === 0 ? NONE : found.sort(compareMatches);
  };
  const touch = (key: string, changed: Set<number>) => {
    for (const id of idsAt.get(key) ?? []) changed.add(id);
  };
  const remove = (sources: Map<string, Source>, id: string, changed: Set<number>) => {
    const old = sources.get(id);
    if (!old) return;
    sources.delete(id);
    for (const { key } of old.advisory.affected) {
      touch(key, changed);
      const rest = (statementsAt.get(key) ?? []).filter((statement) => statement.source !== old);
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
    covers: (ecosystem) => ecosystems.has(baseOf(ecosystem)),
    intern(item) {
      const text = `${item.ecosystem}\n${item.name}\n${item.version}\n${item.also ?? ''}\n${item.arch ?? ''}\n${item.fixes?.join() ?? ''}`;
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
      const sources = advisories.get(feed.name) ?? new Map<string, Source>();
      advisories.set(feed.name, sources);
      for (const id of withdrawn) remove(sources, id, changed);
      for (const advisory of items) {
        remove(sources, advisory.id, changed);
        const source = { advisory, feed };
        sources.set(advisory.id, source);
        for (const affected of advisory.affected) {
          if (packages.length > 0) touch(affected.key, changed);
          const list = statementsAt.get(affected.key);
          if (list) list.push({ source, affected });
          else {
            ecosystems.add(baseOf(affected.key));
            statementsAt.set(affected.key, [{ source, affected }]);
          }
        }
      }
      for (const id of changed) answers[id] = judge(id);
      return changed;
    },
  };
}

/** "debian" of "debian:12" and of a key "debian:12\nopenssl". */
const baseOf = (text: string) => text.slice(0, text.search(/[:\n]|$/));

/** A statement about "Debian" without a release holds for each of its releases; Ubuntu Pro's hold for the same release. */
function keysOf(item: Package): string[] {
  const colon = item.ecosystem.indexOf(':');
  const base = item.ecosystem.slice(0, colon);
  const places =
    colon < 0
      ? [item.ecosystem]
      : [item.ecosystem, base, ...(base === 'ubuntu' ? [`ubuntu:pro${item.ecosystem.slice(colon)}`] : [])];
  const names = item.also === undefined ? [item.name] : [item.name, item.also];
  return places.flatMap((place) => names.map((name) => packageKey(place, name)));
}

function judgeOne({ source, affected }: Statement, item: Package): Match | null {
  const { range } = affected;
  // The short form is most of all statements: no more work than one comparison.
  if (typeof range === 'string' && !affected.arches && !affected.fixedBy)
    return item.version === '' || compareVersions(item.scheme, item.version, range) < 0
      ? { ...source, affected, answer: 'affected', fixed: range }
      : null;
  const found = (answer: Match['answer'], fixed: string | null): Match => ({ ...source, affected, answer, fixed });
  if (affected.arches && item.arch && !['noarch', 'src'].includes(item.arch) && !affected.arches.includes(item.arch))
    return null;
  if (affected.fixedBy && item.ecosystem === 'windows') return judgeWindows(affected, item, found);
  if (range === null) return found('unknown', null);
  const answer = answerOf(range, item);
  if (answer.affected === false) return null;
  return answer.affected === 'unknown' ? found('unknown', null) : found('affected', answer.fixed);
}

function answerOf(range: VersionRange | string, item: Package): RangeAnswer {
  if (typeof range !== 'string') return inRange(range, item.version);
  return compareVersions(item.scheme, item.version, range) < 0 ? { affected: true, fixed: range } : { affected: false };
}

/** A hotfix that repairs it, or one that supersedes it, or a build that is as new; with neither known it stays unknown. */
function judgeWindows(
  affected: Affected,
  item: Package,
  found: (answer: Match['answer'], fixed: string | null) => Match,
): Match | null {
  const kbs = affected.fixedBy ?? [];
  const fixed = kbs[0] === undefined ? null : `KB${kbs[0]}`;
  if (item.fixes && kbs.some((kb) => item.fixes?.includes(kb))) return null;
  if (item.version.split('.').length >= 4 && affected.range !== null) {
    const answer = answerOf(affected.range, item);
    if (answer.affected !== true) return null;
    return found('affected', fixed ?? answer.fixed);
  }
  // Without a hotfix that repairs it, the list of those that are installed says nothing.
  return item.fixes && fixed !== null ? found('affected', fixed) : found('unknown', fixed);
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
