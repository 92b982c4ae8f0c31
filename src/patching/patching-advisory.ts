/** What feeds say, in one form: advisories with the packages they name, and lists about vulnerabilities (KEV, EPSS). */

import type { Severity } from '../core/index.ts';
import type { DeviceAdvisory } from './devices/device-advisory.ts';
import type { VersionRange } from './patching-range.ts';
import type { VexStatement } from './patching-vex.ts';

/** Where a statement comes from; it stands in the evidence of every finding. */
export interface FeedRef {
  readonly name: string;
  /** "unknown" where the feed does not say. */
  readonly version: string;
  /** RFC 3339, and what it is the date of. */
  readonly date: string;
  readonly dateOf: 'feed' | 'newest advisory' | 'file';
}

export interface Affected {
  /** See `packageKey`. */
  readonly key: string;
  /**
   * A text is a version: all before it are affected and it repairs them, which most statements say and which needs a
   * quarter of the memory. null: the feed names the package but gives no range that we can judge.
   */
  readonly range: VersionRange | string | null;
  readonly severity?: Severity;
  /** The feed's own word: "no-dsa", "end-of-life", "undetermined". */
  readonly note?: string;
  /** Architectures that it holds for; absent: all. */
  readonly arches?: readonly string[];
  /** KB numbers that repair it: its own first, then those that supersede it. */
  readonly fixedBy?: readonly string[];
  /** Guessed from names, as NVD's CPE: a reason to look, no more. */
  readonly low?: boolean;
  /** The update asks for a restart of the machine. */
  readonly restart?: boolean;
}

/** The short form of a range where it says no more than a version that repairs. */
export function shortRange(range: VersionRange | null): Affected['range'] {
  const [only] = range?.intervals ?? [];
  if (range === null || only === undefined || range.intervals.length !== 1) return range;
  const plain = only.from === null && only.to !== null && only.fixed && !only.toInclusive;
  return plain && range.exact.length === 0 && range.except.length === 0 ? only.to : range;
}

export interface Advisory {
  readonly id: string;
  /** CVE ids and others that mean the same, the id itself included. */
  readonly names: readonly string[];
  readonly summary: string;
  /** null: the feed does not say. */
  readonly severity: Severity | null;
  readonly published: string | null;
  /** CVSS 3 vector, for what it says of automation and impact. */
  readonly vector?: string;
  readonly affected: readonly Affected[];
}

export interface KnownExploited {
  readonly added: string;
  readonly due: string | null;
  readonly ransomware: boolean;
  readonly feed: FeedRef;
}

export interface Likelihood {
  readonly score: number;
  readonly feed: FeedRef;
}

/** CISA's Vulnrichment: the points of an SSVC decision. */
export interface SsvcPoints {
  readonly exploitation: 'none' | 'poc' | 'active';
  readonly automatable: boolean;
  readonly total: boolean;
  readonly feed: FeedRef;
}

/** When the maker ends support of a product's release. */
export interface EndOfLife {
  readonly product: string;
  readonly cycle: string;
  /** Null: a day is not said, but it is over (or not). */
  readonly day: string | null;
  readonly over: boolean;
  readonly latest: string | null;
  readonly feed: FeedRef;
}

/** All that was read of the feeds of one run. */
export interface FeedSet {
  readonly advisories: {
    readonly feed: FeedRef;
    readonly items: readonly Advisory[];
    readonly withdrawn: readonly string[];
  }[];
  readonly exploited: Map<string, KnownExploited>;
  readonly likelihood: Map<string, Likelihood>;
  readonly decisions: Map<string, SsvcPoints>;
  readonly ends: EndOfLife[];
  readonly vex: VexStatement[];
  readonly devices: DeviceAdvisory[];
}

export const emptyFeedSet = (): FeedSet => ({
  advisories: [],
  exploited: new Map(),
  likelihood: new Map(),
  decisions: new Map(),
  ends: [],
  vex: [],
  devices: [],
});
