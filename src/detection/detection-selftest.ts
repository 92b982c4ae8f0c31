/** Runs the test events that lie beside rules (`name.test.yml`): which rules of the whole pack fire, and with which title. */

import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import {
  type Alert,
  type DecodedEvent,
  type FieldValue,
  NORMALISED_COLUMNS,
  type Normalised,
  type NormalisedColumn,
  type SourceId,
} from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import { ruleFiles } from './detection-load.ts';
import type { Rule } from './detection-rule.ts';

interface EventSpec {
  /** How often the event comes, `every` apart; `{i}` in its values is the number of the repetition. */
  readonly repeat?: number;
  readonly every?: string;
  readonly logsource?: DecodedEvent['logsource'];
  readonly norm?: Readonly<Record<string, string | number>>;
  readonly fields?: Readonly<Record<string, FieldValue>>;
  readonly raw?: string;
}

export interface RuleCase {
  readonly name: string;
  /** Ids of all rules that fire, no more and no fewer. */
  readonly fires: readonly string[];
  /** Number of alerts, where it matters. */
  readonly count?: number;
  /** A part of one of the titles. */
  readonly title?: string;
  readonly events: readonly EventSpec[];
}

export interface CaseResult {
  readonly file: string;
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

const START_MS = Date.UTC(2026, 0, 15, 8, 0, 0);
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number {
  const found = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2] as string] as number) : 1000;
}

function numbered<T>(values: Readonly<Record<string, T>> | undefined, i: number): Record<string, T> {
  const out: Record<string, T> = {};
  for (const [key, value] of Object.entries(values ?? {})) {
    out[key] = (typeof value === 'string' ? value.replaceAll('{i}', String(i)) : value) as T;
  }
  return out;
}

function normalised(values: Readonly<Record<string, string | number>>): Normalised {
  const out: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(values)) {
    const column = NORMALISED_COLUMNS[key as NormalisedColumn];
    out[key] = column?.type === 'int' ? Number(value) : String(value);
  }
  return out as Normalised;
}

/** The events of a case, a second apart unless said otherwise. */
export function caseEvents(specs: readonly EventSpec[]): DecodedEvent[] {
  const out: DecodedEvent[] = [];
  let timeMs = START_MS;
  for (const spec of specs) {
    for (let i = 1; i <= (spec.repeat ?? 1); i++) {
      timeMs += durationMs(spec.every ?? '1s');
      out.push({
        seq: out.length + 1,
        index: 0,
        timeMs,
        receivedMs: timeMs,
        source: 'src_00000000000000000000000000' as SourceId,
        format: 'test',
        logsource: spec.logsource ?? {},
        norm: normalised(numbered(spec.norm, i)),
        fields: numbered(spec.fields, i),
        raw: spec.raw ?? '',
        marks: [],
        exercise: false,
      });
    }
  }
  return out;
}

function judge(one: RuleCase, alerts: readonly Alert[]): string | null {
  const fired = [...new Set(alerts.map((alert) => alert.rule.id))].sort();
  const wanted = [...one.fires].sort();
  if (fired.join() !== wanted.join()) return `fired [${fired.join(', ')}], expected [${wanted.join(', ')}]`;
  if (one.count !== undefined && alerts.length !== one.count) return `${alerts.length} alerts, expected ${one.count}`;
  const { title } = one;
  if (title !== undefined && !alerts.some((alert) => alert.title.includes(title))) {
    return `no title holds "${title}": ${alerts.map((alert) => `"${alert.title}"`).join(', ')}`;
  }
  return null;
}

/** @param folders the rule folders; their `.test.yml` files are run against all of `rules` */
export async function testRules(rules: readonly Rule[], folders: readonly string[]): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const folder of folders) {
    for (const file of await ruleFiles(folder, (name) => /\.test\.ya?ml$/.test(name))) {
      const document = parse(await readFile(file, 'utf8'), { maxAliasCount: 0 }) as { cases?: readonly RuleCase[] };
      for (const one of document.cases ?? []) {
        const engine = createEngine(rules, { streamId: 'ruletest' });
        const reason = judge(
          one,
          caseEvents(one.events).flatMap((event) => engine.feed(event)),
        );
        results.push({ file, name: one.name, ok: reason === null, reason: reason ?? '' });
      }
    }
  }
  return results;
}
