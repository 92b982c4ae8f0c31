/** CISA Binding Operational Directive 26-04: its decision table as CERT/CC publishes it (SSVC "CISA BOD 26-04" 1.0.0). */

export type BodOutcome = 'FSU' | '60D' | '14D' | '3D' | '3DF';

export interface BodPoints {
  readonly kev: boolean;
  readonly exposed: boolean;
  readonly automatable: boolean;
  /** Technical impact: total, or else partial. */
  readonly total: boolean;
}

/** Known exploited, exposed, automatable, total impact: one bit each, in this order. */
const TABLE: readonly BodOutcome[] = [
  'FSU', // nothing of it
  'FSU', // total
  '60D', // automatable
  '60D', // automatable, total
  '60D', // exposed
  '14D', // exposed, total
  '14D', // exposed, automatable
  '3D', // exposed, automatable, total
  '14D', // known exploited
  '14D', // known exploited, total
  '14D', // known exploited, automatable
  '3DF', // known exploited, automatable, total
  '14D', // known exploited, exposed
  '3DF', // known exploited, exposed, total
  '3D', // known exploited, exposed, automatable
  '3DF', // all of it
];

export const bodOutcome = (points: BodPoints): BodOutcome =>
  TABLE[
    (points.kev ? 8 : 0) + (points.exposed ? 4 : 0) + (points.automatable ? 2 : 0) + (points.total ? 1 : 0)
  ] as BodOutcome;

/** Days, null for "with the next scheduled upgrade"; whether signs of a break-in are to be looked for as well. */
export const BOD_MEANING: Readonly<Record<BodOutcome, { days: number | null; triage: boolean; words: string }>> = {
  FSU: { days: null, triage: false, words: 'fix with the next scheduled upgrade' },
  '60D': { days: 60, triage: false, words: '60 days' },
  '14D': { days: 14, triage: false, words: '14 days' },
  '3D': { days: 3, triage: false, words: '3 days' },
  '3DF': { days: 3, triage: true, words: '3 days, and look for signs of a break-in' },
};
