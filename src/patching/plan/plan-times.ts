/** How long it took: time from first seen to fixed, by severity, exposure and department, with its trend; and deadlines kept. */

import type { Finding } from '../../core/index.ts';

const DAY_MS = 86_400_000;

export interface TimeRow {
  readonly group: string;
  readonly value: string;
  readonly fixed: number;
  /** Days. */
  readonly median: number;
  readonly p90: number;
  readonly inTime: number;
  readonly late: number;
}
export interface Times {
  readonly rows: readonly TimeRow[];
  /** One a month, oldest first. */
  readonly trend: readonly { readonly month: string; readonly fixed: number; readonly median: number }[];
  /** Of all deadlines that were kept or are over: how many were kept. */
  readonly kept: number;
  readonly missed: number;
}

export interface TimedFinding {
  readonly finding: Finding;
  readonly exposed: boolean | null;
  readonly department: string | null;
}

export function timesOf(all: readonly TimedFinding[], nowMs: number): Times {
  const fixed = all.filter(({ finding }) => finding.state === 'fixed' && finding.fixed_at !== undefined);
  const groups = new Map<string, TimedFinding[]>();
  const put = (group: string, value: string, one: TimedFinding) => {
    const key = `${group}\n${value}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  };
  for (const one of fixed) {
    put('severity', one.finding.severity, one);
    put('exposure', one.exposed === null ? 'unknown' : one.exposed ? 'exposed' : 'inside', one);
    put('department', one.department ?? 'unknown', one);
  }
  const months = Map.groupBy(fixed, ({ finding }) => (finding.fixed_at as string).slice(0, 7));
  let kept = 0;
  let missed = 0;
  for (const { finding } of all) {
    if (finding.due === null) continue;
    const due = Date.parse(finding.due);
    const inTime = finding.state === 'fixed' && finding.fixed_at !== undefined && Date.parse(finding.fixed_at) <= due;
    if (inTime) kept++;
    else if (finding.state === 'fixed' || (finding.state === 'open' && due < nowMs)) missed++;
  }
  return {
    rows: [...groups]
      .map(([key, list]) => rowOf(key, list))
      .sort((a, b) => (a.group + a.value < b.group + b.value ? -1 : 1)),
    trend: [...months]
      .map(([month, list]) => ({ month, fixed: list.length, median: quantile(list, 0.5) }))
      .sort((a, b) => (a.month < b.month ? -1 : 1)),
    kept,
    missed,
  };
}

const daysOf = ({ finding }: TimedFinding) =>
  (Date.parse(finding.fixed_at as string) - Date.parse(finding.first_seen)) / DAY_MS;

function quantile(list: readonly TimedFinding[], part: number): number {
  const days = list.map(daysOf).sort((a, b) => a - b);
  const at = days[Math.min(days.length - 1, Math.max(0, Math.ceil(part * days.length) - 1))] ?? 0;
  return Math.round(at * 10) / 10;
}

function rowOf(key: string, list: readonly TimedFinding[]): TimeRow {
  const [group = '', value = ''] = key.split('\n', 2);
  const inTime = list.filter(
    ({ finding }) => finding.due === null || Date.parse(finding.fixed_at as string) <= Date.parse(finding.due),
  ).length;
  return {
    group,
    value,
    fixed: list.length,
    median: quantile(list, 0.5),
    p90: quantile(list, 0.9),
    inTime,
    late: list.length - inTime,
  };
}
