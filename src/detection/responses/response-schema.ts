/** What a response is: who asked for what, on whom, what it touches, for how long, and how it ended. */

import { type Static, Type } from 'typebox';
import { AlertIdSchema, IncidentIdSchema, LIMITS, TimeSchema } from '../../core/index.ts';

const name = (max: number = LIMITS.nameCharsMax) => Type.String({ maxLength: max });
const words = <const T extends string>(values: readonly T[]) => Type.Unsafe<T>({ type: 'string', enum: [...values] });

export const RESPONSE_KINDS = ['block', 'disable-account', 'revoke-sessions'] as const;
export type ResponseKind = (typeof RESPONSE_KINDS)[number];

/**
 * `proposed` waits for a lead. `active` holds until it expires or is undone. `failed` was approved and could not be
 * carried out. `refused` was proposed and a lead said no.
 */
export const RESPONSE_STATES = ['proposed', 'active', 'expired', 'undone', 'refused', 'failed'] as const;
export type ResponseState = (typeof RESPONSE_STATES)[number];

export const PreviewSchema = Type.Object({
  touches: Type.Array(Type.String({ maxLength: 512 }), {
    maxItems: 16,
    description: 'Exactly what would be changed, one sentence each',
  }),
  affected: Type.Array(Type.Object({ what: Type.String({ maxLength: 512 }), count: Type.Integer({ minimum: 0 }) }), {
    maxItems: 16,
    description: 'Who uses it: recent events, log-ins, hosts',
  }),
  disrupts: Type.Boolean({ description: 'May disturb care: a lead has to approve it' }),
  reasons: Type.Array(Type.String({ maxLength: 512 }), { maxItems: 16, description: 'Why it may disturb' }),
  refused: Type.Union([Type.String({ maxLength: 512 }), Type.Null()], {
    description: 'Why it is not possible at all: an allow-list, the budget, a setting; null when it is',
  }),
  undo: Type.String({ maxLength: 512, description: 'How it is taken back' }),
  simulated: Type.Boolean({ description: 'Nothing would be changed: responses are rehearsed only' }),
});
export type Preview = Static<typeof PreviewSchema>;

export const ResponseSchema = Type.Object({
  id: Type.String({ pattern: '^rsp_[0-9a-z]{26}$' }),
  number: Type.Integer({ minimum: 1, description: 'Short number; ids of decisions that bouncers see follow from it' }),
  kind: words(RESPONSE_KINDS),
  target: name(),
  /** The address that was named, where the target is the network around it (IPv6). */
  named: Type.Optional(name()),
  reason: Type.String({ maxLength: LIMITS.textCharsMax }),
  incident: Type.Optional(IncidentIdSchema),
  alert: Type.Optional(AlertIdSchema),
  state: words(RESPONSE_STATES),
  simulated: Type.Boolean(),
  duration_sec: Type.Integer({ minimum: 1 }),
  proposed_by: name(),
  proposed_at: TimeSchema,
  approved_by: Type.Optional(name()),
  approved_at: Type.Optional(TimeSchema),
  expires: Type.Optional(TimeSchema),
  ended_by: Type.Optional(name()),
  ended_at: Type.Optional(TimeSchema),
  preview: PreviewSchema,
  /** What was really done, in order, also what failed. */
  done: Type.Array(Type.Object({ at: TimeSchema, what: Type.String({ maxLength: 512 }), ok: Type.Boolean() }), {
    maxItems: 32,
  }),
  exercise: Type.Boolean(),
});
export type ResponseRecord = Static<typeof ResponseSchema>;

export const ProposalSchema = Type.Object(
  {
    kind: words(RESPONSE_KINDS),
    target: Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax }),
    duration_minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 525_600 })),
    reason: Type.String({ minLength: 1, maxLength: LIMITS.textCharsMax }),
    incident: Type.Optional(IncidentIdSchema),
    alert: Type.Optional(AlertIdSchema),
  },
  { additionalProperties: false },
);
export type Proposal = Static<typeof ProposalSchema>;
