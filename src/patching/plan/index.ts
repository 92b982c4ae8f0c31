/** The door of plan: actions, their place in maintenance windows, exports, proof, and how long things took. */

export { ACTION_KINDS, type ActionKind, type AssetFacts, actionsOf, type PatchAction } from './plan-actions.ts';
export { type AnsiblePackage, type ExportedPlan, planAnsible, planCalendar, planCsv } from './plan-export.ts';
export { type Proof, proofOf } from './plan-proof.ts';
export {
  type Blackout,
  type MaintenanceWindow,
  type PlanAsset,
  type PlanTask,
  type Schedule,
  type Scope,
  schedule,
} from './plan-schedule.ts';
export { type TimedFinding, type Times, timesOf } from './plan-times.ts';
