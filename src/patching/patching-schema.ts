/** Schemas of what the room's routes take and give. */

import { type Static, Type } from 'typebox';
import { closed, nullable, oneOf, SeveritySchema } from '../core/index.ts';
import { ACTION_KINDS } from './plan/index.ts';

const name = Type.String({ minLength: 1, maxLength: 120 });
const time = Type.String({ format: 'date-time', maxLength: 32 });
const list = Type.Array(Type.String({ maxLength: 250 }), { maxItems: 500, default: [] });

export const ScopeSchema = Type.Object(
  { departments: list, assets: list, classes: list },
  { ...closed, default: {}, description: 'Empty lists: all' },
);
export const WindowSchema = Type.Object(
  {
    name,
    starts: time,
    ends: time,
    repeat_days: nullable(Type.Integer({ minimum: 1, maximum: 366, description: 'Again after so many days' })),
    parallel: Type.Integer({ minimum: 1, maximum: 500, default: 4, description: 'Assets worked on at one time' }),
    scope: ScopeSchema,
  },
  closed,
);
export const BlackoutSchema = Type.Object(
  {
    name,
    starts: time,
    ends: time,
    repeat_days: nullable(Type.Integer({ minimum: 1, maximum: 366 })),
    scope: ScopeSchema,
  },
  closed,
);
export type WindowDoc = Static<typeof WindowSchema> & { readonly id: string };
export type BlackoutDoc = Static<typeof BlackoutSchema> & { readonly id: string };

export const TASK_STATES = ['planned', 'done', 'failed', 'skipped'] as const;
export type TaskState = (typeof TASK_STATES)[number];
export const PLAN_STATES = ['draft', 'approved', 'closed'] as const;

export const ActionSchema = Type.Object({
  id: Type.String(),
  kind: oneOf(ACTION_KINDS),
  title: Type.String(),
  how: Type.String(),
  why: Type.String(),
  findings: Type.Integer(),
  assets: Type.Integer(),
  vulnerabilities: Type.Integer(),
  exploited: Type.Integer(),
  worst: SeveritySchema,
  due: nullable(Type.String()),
  overdue: Type.Integer(),
  risk: Type.Number(),
  minutes: Type.Integer(),
  reboot: Type.Boolean(),
  rollback: Type.String(),
  example: Type.String({ description: 'The names of some of its assets' }),
});

const ProofSchema = Type.Object({
  state: oneOf(['open', 'claimed', 'proven', 'claimed, not proven'] as const),
  signals: Type.Array(
    Type.Object({
      signal: oneOf(['inventory', 'process', 'outside'] as const),
      agrees: nullable(Type.Boolean()),
      what: Type.String(),
    }),
  ),
});

export const TaskSchema = Type.Object({
  id: Type.String(),
  asset: Type.Object({
    id: nullable(Type.String()),
    name: Type.String(),
    department: nullable(Type.String()),
    class: Type.String(),
    criticality: Type.String(),
    pair: nullable(Type.String()),
  }),
  window: Type.String(),
  window_name: Type.String(),
  starts: Type.String(),
  ends: Type.String(),
  reboot: Type.Boolean(),
  actions: Type.Array(
    Type.Object({ id: Type.String(), title: Type.String(), kind: Type.String(), rollback: Type.String() }),
  ),
  findings: Type.Array(Type.String()),
  due: nullable(Type.String()),
  late_days: Type.Integer(),
  approval: nullable(Type.String()),
  status: oneOf(TASK_STATES),
  status_by: nullable(Type.String()),
  status_at: nullable(Type.String()),
  note: Type.String(),
  proof: ProofSchema,
});

export const PlanSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  state: oneOf(PLAN_STATES),
  created: Type.String(),
  by: Type.String(),
  tasks: Type.Array(TaskSchema),
  unplaced: Type.Array(
    Type.Object({
      asset: Type.String(),
      actions: Type.Array(Type.String()),
      due: nullable(Type.String()),
      reason: Type.String(),
    }),
  ),
  sentence: Type.String(),
});
export type PlanView = Static<typeof PlanSchema>;
