/** What people switched off: whole rules, and alerts that a suppression covers until it ends. Nothing disappears uncounted. */

import { type Static, Type } from 'typebox';
import { type Alert, type DecodedEvent, LIMITS, TimeSchema } from '../core/index.ts';
import { inCidr, parseCidr } from './detection-cidr.ts';
import { fieldReader, toText } from './detection-fields.ts';

export const SUPPRESSION_OPS = ['equals', 'startswith', 'endswith', 'contains', 'cidr'] as const;
export const ConditionSchema = Type.Object(
  {
    field: Type.String({
      minLength: 1,
      maxLength: 128,
      description: 'A field or column of the event, or entity.address, entity.account, entity.host',
    }),
    op: Type.Unsafe<(typeof SUPPRESSION_OPS)[number]>({ type: 'string', enum: [...SUPPRESSION_OPS] }),
    value: Type.String({ minLength: 1, maxLength: 1024 }),
  },
  { additionalProperties: false },
);
export type SuppressionCondition = Static<typeof ConditionSchema>;

export const SuppressionSchema = Type.Object({
  id: Type.String({ maxLength: 64 }),
  rule: Type.Union([Type.String({ maxLength: LIMITS.nameCharsMax }), Type.Null()], { description: 'null: any rule' }),
  conditions: Type.Array(ConditionSchema, { maxItems: 16 }),
  until: TimeSchema,
  owner: Type.String({ maxLength: LIMITS.nameCharsMax }),
  reason: Type.String({ maxLength: LIMITS.textCharsMax }),
});
export type Suppression = Static<typeof SuppressionSchema>;

export interface Control {
  /** Ids of rules that are off: they neither alert nor count. */
  readonly disabled: readonly string[];
  readonly suppressions: readonly Suppression[];
}

export interface SuppressedCount {
  readonly id: string;
  readonly count: number;
  readonly lastMs: number;
}

type Covers = (alert: Alert, event: DecodedEvent) => boolean;

const ENTITY_FIELDS: Readonly<Record<string, string>> = {
  'entity.address': 'address',
  'entity.account': 'account',
  'entity.host': 'host',
};

function valueTest(condition: SuppressionCondition): (text: string) => boolean {
  const wanted = condition.value.toLowerCase();
  switch (condition.op) {
    case 'equals':
      return (text) => text.toLowerCase() === wanted;
    case 'startswith':
      return (text) => text.toLowerCase().startsWith(wanted);
    case 'endswith':
      return (text) => text.toLowerCase().endsWith(wanted);
    case 'contains':
      return (text) => text.toLowerCase().includes(wanted);
    case 'cidr': {
      const cidr = parseCidr(condition.value);
      return cidr === null ? () => false : (text) => inCidr(text, cidr);
    }
  }
}

export function conditionHolds(condition: SuppressionCondition): Covers {
  const test = valueTest(condition);
  const entity = ENTITY_FIELDS[condition.field];
  if (entity !== undefined) {
    return (alert) =>
      alert.entities.some(({ type, value, role }) => type === entity && role !== 'witness' && test(value));
  }
  const read = fieldReader(condition.field, true);
  return (_, event) => {
    const text = toText(read(event));
    if (text === null) return false;
    return typeof text === 'string' ? test(text) : text.some(test);
  };
}

export interface Switchboard {
  isOff(ruleId: string): boolean;
  /** The suppression that covers an alert, or null; counts it. */
  covers(alert: Alert, event: DecodedEvent): string | null;
  readonly counts: () => readonly SuppressedCount[];
}

/** Counts of the same suppressions go on when the switchboard is made anew. */
export function createSwitchboard(control: Control, earlier: readonly SuppressedCount[] = []): Switchboard {
  const off = new Set(control.disabled);
  const counted = new Map(earlier.map((one) => [one.id, { ...one }]));
  const live = control.suppressions.map((one) => ({
    id: one.id,
    rule: one.rule,
    untilMs: Date.parse(one.until),
    tests: one.conditions.map(conditionHolds),
  }));
  return {
    isOff: (ruleId) => off.size > 0 && off.has(ruleId),
    covers: (alert, event) => {
      for (const { id, rule, untilMs, tests } of live) {
        if (rule !== null && rule !== alert.rule.id) continue;
        // Judged by receipt: a replay after a restart decides as the first time did.
        if (event.receivedMs >= untilMs || !tests.every((test) => test(alert, event))) continue;
        const known = counted.get(id);
        counted.set(id, { id, count: (known?.count ?? 0) + 1, lastMs: Math.max(known?.lastMs ?? 0, event.receivedMs) });
        return id;
      }
      return null;
    },
    counts: () => [...counted.values()],
  };
}
