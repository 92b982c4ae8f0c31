/** What feeds say, in one form: advisories with the packages they name, and lists about vulnerabilities (KEV, EPSS). */

import type { Severity } from '../core/index.ts';
import type { VersionRange } from './patching-range.ts';

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
  /** null: the feed names the package but gives no range that we can judge. */
  readonly range: VersionRange | null;
  readonly severity?: Severity;
  /** The feed's own word: "no-dsa", "end-of-life", "undetermined". */
  readonly note?: string;
}

export interface Advisory {
  readonly id: string;
  /** CVE ids and others that mean the same, the id itself included. */
  readonly names: readonly string[];
  readonly summary: string;
  /** null: the feed does not say. */
  readonly severity: Severity | null;
  readonly published: string | null;
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

/** All that was read of the feeds of one run. */
export interface FeedSet {
  readonly advisories: {
    readonly feed: FeedRef;
    readonly items: readonly Advisory[];
    readonly withdrawn: readonly string[];
  }[];
  readonly exploited: Map<string, KnownExploited>;
  readonly likelihood: Map<string, Likelihood>;
}
