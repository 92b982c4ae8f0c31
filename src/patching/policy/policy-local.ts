/** The local policy as data: which rules count, how long each may take, and what is assumed where evidence is missing. */

import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AsepsisError, closed, type Severity } from '../../core/index.ts';

const days = (value: number | null) =>
  Type.Union([Type.Integer({ minimum: 0, maximum: 3650 }), Type.Null()], { default: value });
const severityDays = (critical: number | null, high: number | null, medium: number | null, low: number | null) =>
  Type.Object(
    { critical: days(critical), high: days(high), medium: days(medium), low: days(low) },
    { ...closed, default: {} },
  );

export const PolicySchema = Type.Object(
  {
    name: Type.String({ maxLength: 100, default: 'Local policy' }),
    /** CISA's own date of a known exploited vulnerability. */
    kev_date: Type.Boolean({ default: true }),
    bod_26_04: Type.Boolean({ default: true }),
    /** Critical and high within 14 days of the update's release. */
    cyber_essentials: Type.Boolean({ default: true }),
    /** Days from when it was first seen here; null: no deadline. */
    days: severityDays(14, 14, 30, 90),
    /** Stricter days by what an asset is for. */
    life_sustaining: severityDays(7, 14, 30, 90),
    diagnostic: severityDays(14, 14, 30, 90),
    /** Where nothing is known: the value that is taken, and said to be taken. */
    assume: Type.Object(
      {
        exposed: Type.Boolean({ default: false }),
        automatable: Type.Boolean({ default: false }),
        total_impact: Type.Boolean({ default: false }),
      },
      { ...closed, default: {} },
    ),
    /** Days for containing what has no fix yet. */
    contain_days: severityDays(14, 14, null, null),
    end_of_life_days: days(90),
  },
  { ...closed, default: {} },
);
export type Policy = Static<typeof PolicySchema>;

export function policyOf(value: unknown): Policy {
  const full = Value.Default(PolicySchema, structuredClone(value ?? {}));
  if (!Value.Check(PolicySchema, full)) {
    const [first] = [...Value.Errors(PolicySchema, full)];
    const where = first ? String((first as { instancePath?: string }).instancePath ?? '') : '';
    throw new AsepsisError('BAD_REQUEST', `The policy is not valid${where === '' ? '' : ` at ${where}`}.`);
  }
  return full as Policy;
}

export const DEFAULT_POLICY: Policy = policyOf({});

export function policyDays(policy: Policy, criticality: string, severity: Severity): number | null {
  const of = (table: Policy['days']) => (severity === 'information' ? null : table[severity]);
  const usual = of(policy.days);
  const own =
    criticality === 'life-sustaining'
      ? of(policy.life_sustaining)
      : criticality === 'diagnostic'
        ? of(policy.diagnostic)
        : null;
  if (own === null || usual === null) return own ?? usual;
  return Math.min(own, usual);
}
