/** The door of policy: by when something has to be done, and why. */

export { bodOutcome } from './policy-bod.ts';
export {
  type AssetContext,
  byDay,
  type Clock,
  type Decision,
  decide,
  type Pause,
  pausedDue,
  UNKNOWN_CONTEXT,
  type VulnerabilityFacts,
} from './policy-clock.ts';
export { DEFAULT_POLICY, type Policy, PolicySchema, policyOf } from './policy-local.ts';
export { type SsvcDecision, ssvcDecision } from './policy-ssvc.ts';
