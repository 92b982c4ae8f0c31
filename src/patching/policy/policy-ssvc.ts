/** CISA's SSVC decision (coordinator table 2.0.3): what is known of exploitation and harm → track, track*, attend, act. */

export type SsvcDecision = 'track' | 'track*' | 'attend' | 'act';
export interface SsvcInput {
  readonly exploitation: 'none' | 'poc' | 'active';
  readonly automatable: boolean;
  readonly total: boolean;
  /** Mission and well-being. */
  readonly mission: 'low' | 'medium' | 'high';
}

const T: SsvcDecision = 'track';
/** By exploitation; in each: not automatable partial, total, automatable partial, total; in each: low, medium, high. */
const TABLE: Readonly<Record<SsvcInput['exploitation'], readonly (readonly SsvcDecision[])[]>> = {
  none: [
    [T, T, T],
    [T, T, 'track*'],
    [T, T, 'attend'],
    [T, T, 'attend'],
  ],
  poc: [
    [T, T, 'track*'],
    [T, 'track*', 'attend'],
    [T, T, 'attend'],
    [T, 'track*', 'attend'],
  ],
  active: [
    [T, T, 'attend'],
    [T, 'attend', 'act'],
    ['attend', 'attend', 'act'],
    ['attend', 'act', 'act'],
  ],
};
const MISSION = { low: 0, medium: 1, high: 2 } as const;

export const ssvcDecision = (input: SsvcInput): SsvcDecision =>
  TABLE[input.exploitation][(input.automatable ? 2 : 0) + (input.total ? 1 : 0)]?.[
    MISSION[input.mission]
  ] as SsvcDecision;
