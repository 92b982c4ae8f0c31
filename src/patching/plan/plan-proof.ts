/** Whether a fix that somebody claims is proven: by signals that the claim did not make itself. */

import type { Finding } from '../../core/index.ts';

export type ProofState = 'open' | 'claimed' | 'proven' | 'claimed, not proven';
export interface ProofSignal {
  readonly signal: 'inventory' | 'process' | 'outside';
  /** null: nobody has looked since. */
  readonly agrees: boolean | null;
  readonly what: string;
}
export interface Proof {
  readonly state: ProofState;
  readonly signals: readonly ProofSignal[];
}

export interface ProofInput {
  readonly claimedMs: number | null;
  /** The findings that the action closes. */
  readonly findings: readonly Finding[];
  /** Other open findings of the asset: restarts that are needed, and what the perimeter still sees. */
  readonly others: readonly Finding[];
  /** When the newest inventory of the asset looked. */
  readonly inventoryMs: number | null;
  /** When somebody last looked at what runs on the asset; null: nobody does. */
  readonly processesMs?: number | null;
}

export function proofOf({ claimedMs, findings, others, inventoryMs, processesMs = null }: ProofInput): Proof {
  const fixed = findings.filter((one) => one.state === 'fixed');
  const signals = [
    inventorySignal(findings, fixed, claimedMs, inventoryMs),
    processSignal(others, claimedMs, processesMs),
    outsideSignal(findings, others, claimedMs),
  ];
  const against = signals.some((one) => one.agrees === false);
  const done = findings.length > 0 && fixed.length === findings.length;
  if (claimedMs === null)
    return { state: done && !against ? 'proven' : done ? 'claimed, not proven' : 'open', signals };
  if (against) return { state: 'claimed, not proven', signals };
  return { state: done ? 'proven' : 'claimed', signals };
}

function inventorySignal(
  findings: readonly Finding[],
  fixed: readonly Finding[],
  claimedMs: number | null,
  inventoryMs: number | null,
): ProofSignal {
  const signal = 'inventory' as const;
  if (findings.length > 0 && fixed.length === findings.length)
    return { signal, agrees: true, what: fixed[0]?.fixed_by?.what ?? 'It is fixed' };
  const later = inventoryMs !== null && claimedMs !== null && inventoryMs > claimedMs;
  if (!later) return { signal, agrees: null, what: 'No inventory has come since' };
  const open = findings.find((one) => one.state !== 'fixed');
  return { signal, agrees: false, what: `The inventory after it still has it: ${open?.title ?? 'a finding is open'}` };
}

function processSignal(others: readonly Finding[], claimedMs: number | null, lookedMs: number | null): ProofSignal {
  const signal = 'process' as const;
  const restart = others.find((one) => one.kind === 'restart-needed' && one.state === 'open');
  if (restart === undefined)
    return lookedMs !== null && claimedMs !== null && lookedMs > claimedMs
      ? { signal, agrees: true, what: 'Nothing of before the update still runs, as the inventory after it saw' }
      : { signal, agrees: null, what: 'Nobody says that old code still runs' };
  const since = claimedMs === null || Date.parse(restart.last_seen) >= claimedMs;
  return since
    ? { signal, agrees: false, what: `Updated, not restarted: ${restart.detail ?? restart.title}` }
    : { signal, agrees: null, what: 'Nobody has looked at what runs since' };
}

/** The perimeter's scan from outside still names the vulnerability, or the old version. */
function outsideSignal(
  findings: readonly Finding[],
  others: readonly Finding[],
  claimedMs: number | null,
): ProofSignal {
  const signal = 'outside' as const;
  const names = new Set(
    findings
      .flatMap((one) => one.evidence.map(({ data }) => data?.vulnerability))
      .filter((name) => typeof name === 'string'),
  );
  const versions = new Set(
    findings
      .flatMap((one) => one.evidence.map(({ data }) => data?.installed))
      .filter((name) => typeof name === 'string'),
  );
  const speaks = (one: Finding) =>
    [
      one.title,
      one.detail ?? '',
      ...one.evidence.map(({ what, data }) => `${what} ${Object.values(data ?? {}).join(' ')}`),
    ].some((text) => [...names, ...versions].some((word) => text.includes(word)));
  const outside = others.filter((one) => one.room === 'perimeter' && speaks(one));
  const open = outside.find(
    (one) => one.state === 'open' && (claimedMs === null || Date.parse(one.last_seen) >= claimedMs),
  );
  if (open) return { signal, agrees: false, what: `The scan from outside still sees it: ${open.title}` };
  const gone = outside.find((one) => one.state === 'fixed');
  return gone
    ? { signal, agrees: true, what: `The scan from outside does not see it any more: ${gone.title}` }
    : { signal, agrees: null, what: 'No scan from outside speaks of it' };
}
