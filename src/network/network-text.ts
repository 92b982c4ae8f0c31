/** Words of findings: texts cut to size, quoted for a shell, times that may be anything, flows in one line. */

import type { Leak } from './network-report.ts';

export const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** Times come from the capture and may be anything. */
export const safeMs = (ms: number): number => (Number.isFinite(ms) && ms >= 0 && ms < 8.64e15 ? ms : 0);

const READABLE = new Set(['clear-text-patient-data', 'clear-text-clinical-protocol', 'clear-text-credential']);

/** Readable flows that touch one of the addresses (or any, when there is none) and went on after `fromMs`. */
export const clearFlows = (leaks: readonly Leak[], affected: ReadonlySet<string>, fromMs: number): string[] =>
  leaks
    .filter(
      (leak) =>
        READABLE.has(leak.kind) &&
        leak.lastMs >= fromMs &&
        (affected.size === 0 || affected.has(leak.client) || affected.has(leak.server)),
    )
    .map((leak) => `${leak.client} → ${leak.server}:${leak.port} ${leak.app}`);
