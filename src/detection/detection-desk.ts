/** What the desk says about rules: their volume, how often analysts found them right, and where they stand in ATT&CK. Pure. */

import { type Alert, TACTICS } from '../core/index.ts';
import { tacticsOf } from './detection-techniques.ts';

export interface RuleVerdicts {
  alerts: number;
  real: number;
  harmless: number;
  unjudged: number;
}

/** The share of judged alerts that were real; null while none was judged. */
export const precisionOf = ({ real, harmless }: RuleVerdicts): number | null =>
  real + harmless === 0 ? null : Math.round((1000 * real) / (real + harmless)) / 1000;

export function countVerdict(into: Map<string, RuleVerdicts>, alert: Pick<Alert, 'rule' | 'verdict'>): void {
  const known = into.get(alert.rule.id) ?? { alerts: 0, real: 0, harmless: 0, unjudged: 0 };
  known.alerts++;
  if (alert.verdict === 'real') known.real++;
  else if (alert.verdict === 'harmless') known.harmless++;
  else known.unjudged++;
  into.set(alert.rule.id, known);
}

export interface TechniqueCell {
  readonly technique: string;
  readonly tactics: readonly string[];
  readonly rules: readonly string[];
  readonly alerts: number;
}

/** Techniques that rules cover, each with its rules and how many alerts they raised. */
export function attackMatrix(
  rules: readonly { id: string; tags: readonly string[] }[],
  alertsOf: ReadonlyMap<string, number>,
): TechniqueCell[] {
  const cells = new Map<string, { tactics: Set<string>; rules: string[]; alerts: number }>();
  for (const { id, tags } of rules) {
    const words = tags.filter((tag) => tag.startsWith('attack.')).map((tag) => tag.slice(7).toLowerCase());
    const tactics = words
      .map((word) => word.replaceAll('_', '-'))
      .filter((word) => TACTICS.some((known) => known === word));
    for (const word of words) {
      const found = /^t(\d{4})(?:\.(\d{3}))?$/.exec(word);
      if (!found) continue;
      const technique = `T${found[1]}${found[2] === undefined ? '' : `.${found[2]}`}`;
      const cell = cells.get(technique) ?? { tactics: new Set(), rules: [], alerts: 0 };
      for (const tactic of tacticsOf(technique, tactics)) cell.tactics.add(tactic);
      cell.rules.push(id);
      cell.alerts += alertsOf.get(id) ?? 0;
      cells.set(technique, cell);
    }
  }
  return [...cells]
    .map(([technique, { tactics, rules: ids, alerts }]) => ({ technique, tactics: [...tactics], rules: ids, alerts }))
    .sort((a, b) => (a.technique < b.technique ? -1 : 1));
}

export interface TimelineItem {
  readonly time: string;
  readonly kind: 'alert' | 'event' | 'file';
  readonly title: string;
  readonly id: string;
  readonly level: Alert['rule']['level'] | null;
}

/** One order for what came from several places; the same event is said once. */
export function mergeTimeline(items: readonly TimelineItem[], most: number): TimelineItem[] {
  const seen = new Set<string>();
  return items
    .filter(({ kind, id }) => {
      const key = `${kind === 'alert' ? 'a' : 'e'}${id}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .sort((a, b) => (a.time === b.time ? 0 : a.time < b.time ? -1 : 1))
    .slice(0, most);
}

const WHOLE_RULE_MS_MAX = 24 * 3_600_000;

/**
 * A whole rule kept silent is a rule switched off, which is a lead's decision; only the night must end before one comes.
 *
 * @param ms how long it is to be silent
 */
export const needsLead = (conditions: number, ms: number): boolean => conditions === 0 && ms > WHOLE_RULE_MS_MAX;
