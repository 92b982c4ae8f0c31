/** Judges one server: every check, a score by category, and findings. Pure. */

import type { AssetId, FindingObservation, Severity } from '../../core/index.ts';
import { rfc3339 } from '../../core/index.ts';
import { LINUX_CHECKS } from './hardening-linux.ts';
import type { Category, HardeningCheck, HardeningEvidence, Verdict } from './hardening-model.ts';
import { changeScript } from './hardening-script.ts';
import { SERVER_CHECKS } from './hardening-servers.ts';
import { judgeAuditpol, judgeRegistry, parseRegistry, windowsCommand } from './hardening-windows.ts';
import { auditUndo, valueBefore, windowsUndo } from './hardening-windows-script.ts';

export const CHECKS: readonly HardeningCheck[] = [...LINUX_CHECKS, ...SERVER_CHECKS];

export interface Judgement {
  readonly check: HardeningCheck;
  readonly verdict: Verdict;
}

export function judgeServer(evidence: HardeningEvidence): Judgement[] {
  return CHECKS.map((check) => ({ check, verdict: check.judge(evidence) }));
}

export interface Score {
  readonly category: Category;
  readonly good: number;
  readonly bad: number;
  readonly unknown: number;
}

export function scoreOf(judgements: readonly Judgement[]): Score[] {
  const by = Map.groupBy(
    judgements.filter(({ verdict }) => verdict.state !== 'absent'),
    ({ check }) => check.category,
  );
  return [...by].map(([category, list]) => {
    const count = (state: Verdict['state']) => list.filter(({ verdict }) => verdict.state === state).length;
    return { category, good: count('good'), bad: count('bad'), unknown: count('unknown') };
  });
}

const DAY_MS = 86_400_000;
const DUE_DAYS: Readonly<Record<Severity, number | null>> = {
  critical: 2,
  high: 14,
  medium: 60,
  low: 180,
  information: null,
};
export const HARDENING_KIND = 'hardening';

function finding(o: {
  id: string;
  severity: Severity;
  title: string;
  why: string;
  sources: readonly string[];
  seen: string;
  command: string;
  how: string;
  disrupts: boolean;
  category: string;
  asset: { id?: AssetId; name: string };
  nowMs: number;
}): FindingObservation {
  const days = DUE_DAYS[o.severity];
  return {
    room: 'perimeter',
    kind: HARDENING_KIND,
    key: `hardening/${o.id}`,
    severity: o.severity,
    asset: o.asset,
    title: `${o.title} on ${o.asset.name}`.slice(0, 250),
    detail: `${o.why} Asked for by ${o.sources.join('; ')}.`,
    evidence: [
      {
        what: o.seen.slice(0, 1000),
        seen: rfc3339(o.nowMs),
        command: o.command,
        data: { category: o.category, check: o.id },
      },
    ],
    fix: {
      title: `Harden ${o.category} on ${o.asset.name}`.slice(0, 250),
      how: o.how.slice(0, 4000),
      effort: 'minutes',
      disrupts: o.disrupts,
    },
    due: days === null ? null : rfc3339(o.nowMs + days * DAY_MS),
    exercise: false,
  };
}

export function hardeningFindings(
  judgements: readonly Judgement[],
  evidence: HardeningEvidence,
  asset: { id?: AssetId; name: string },
  nowMs: number,
): FindingObservation[] {
  return judgements.flatMap(({ check, verdict }) => {
    if (verdict.state !== 'bad') return [];
    const script =
      verdict.changes.length > 0
        ? `asepsis perimeter harden --script ${check.id} writes the change as a script that can undo itself.`
        : '';
    const lines =
      verdict.changes.length > 0
        ? changeScript(check, verdict.changes, evidence)
            .split('\n')
            .filter((line) => /^# [-+/]/.test(line))
            .slice(0, 30)
            .map((line) => line.slice(2))
        : [];
    const how = [
      ...(verdict.how ? [verdict.how] : []),
      ...lines,
      ...(check.reload === '' ? [] : [`Then: ${check.reload}`]),
      script,
    ].join('\n');
    return [
      finding({
        ...check,
        seen: verdict.seen,
        how,
        disrupts: check.category === 'ssh' || check.category === 'firewall' || check.category === 'shares',
        asset,
        nowMs,
      }),
    ];
  });
}

/** Findings from exports of a Windows server. */
export function windowsFindings(
  exports: { registry?: Buffer; auditpol?: string },
  asset: { id?: AssetId; name: string },
  nowMs: number,
): { findings: FindingObservation[]; unknown: number; good: number } {
  const findings: FindingObservation[] = [];
  let unknown = 0;
  let good = 0;
  const base = { asset, nowMs, disrupts: true, category: 'windows' };
  const registry = exports.registry ? parseRegistry(exports.registry) : new Map();
  for (const { check, state, seen } of exports.registry ? judgeRegistry(registry) : []) {
    if (state === 'unknown') unknown++;
    else if (state === 'good') good++;
    else
      findings.push(
        finding({
          ...base,
          ...check,
          category: 'windows',
          seen,
          command: `reg query "${check.key}" /v ${check.value}`,
          how: `${windowsCommand(check)}\n(better by group policy)\nTo undo: ${windowsUndo(check, valueBefore(check, registry))}\nasepsis perimeter harden --registry FILE --script ${check.id} writes it as a script that can undo itself.`,
        }),
      );
  }
  for (const row of exports.auditpol === undefined ? [] : judgeAuditpol(exports.auditpol)) {
    if (row.state === 'unknown') unknown++;
    else if (row.state === 'good') good++;
    else
      findings.push(
        finding({
          ...base,
          id: row.id,
          severity: 'medium',
          title: `"${row.name}" is not audited`,
          why: 'Attacks leave no trace in the security log.',
          sources: [row.source],
          seen: row.seen,
          command: 'auditpol /get /category:*',
          how: `${row.command}\nTo undo: ${auditUndo(row)}\nasepsis perimeter harden --auditpol FILE --script ${row.id} writes it as a script that can undo itself.`,
        }),
      );
  }
  return { findings, unknown, good };
}
