/** What a hardening check is: pure over evidence, with its source, and the exact change that it offers. */

import type { Severity } from '../../core/index.ts';

export const CATEGORIES = [
  'ssh',
  'kernel',
  'mounts',
  'files',
  'accounts',
  'services',
  'firewall',
  'updates',
  'logging',
  'time',
  'web',
  'database',
  'shares',
  'windows',
] as const;
export type Category = (typeof CATEGORIES)[number];

/** What was collected of one server: from the machine itself, or from a folder with copies of its files. */
export interface HardeningEvidence {
  /** The text of a file; null when it is not there or cannot be read. */
  text(path: string): string | null;
  /** Files of a folder, by full path, in the order in which programs read them. */
  folder(path: string): readonly string[];
  /** Permission bits and owner; null when it is not known. */
  mode(path: string): { readonly bits: number; readonly owner: string } | null;
  /** A running kernel parameter; null when only files are at hand. */
  kernel(name: string): string | null;
  /** Lines of mounts that are active; null when only files are at hand. */
  readonly mounts: string | null;
}

export type Change =
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  | { readonly kind: 'mode'; readonly path: string; readonly bits: number };

export type Verdict =
  | { readonly state: 'good'; readonly seen: string }
  | { readonly state: 'bad'; readonly seen: string; readonly changes: readonly Change[]; readonly how?: string }
  /** The thing is not on this server. */
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly why: string };

export interface HardeningCheck {
  readonly id: string;
  readonly category: Category;
  /** Where it is asked for: name and number. */
  readonly sources: readonly string[];
  readonly severity: Severity;
  readonly title: string;
  readonly why: string;
  /** Shown to people: how to see the same by hand. */
  readonly command: string;
  /** What makes the change take effect. */
  readonly reload: string;
  readonly judge: (evidence: HardeningEvidence) => Verdict;
}
