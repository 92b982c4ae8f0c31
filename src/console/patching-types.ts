/** What the patching routes answer. */

import type { Severity } from '../core/records.ts';

export interface ActionRow {
  readonly id: string;
  readonly kind: 'update' | 'contain' | 'replace' | 'restart' | 'ask';
  readonly title: string;
  readonly how: string;
  readonly why: string;
  readonly findings: number;
  readonly assets: number;
  readonly exploited: number;
  readonly worst: Severity;
  readonly due: string | null;
  readonly overdue: number;
  readonly reboot: boolean;
  readonly rollback: string;
  readonly example: string;
}

export interface WindowRow {
  readonly id: string;
  readonly name: string;
  readonly starts: string;
  readonly ends: string;
  readonly repeat_days: number | null;
  readonly scope: {
    readonly departments: readonly string[];
    readonly classes: readonly string[];
    readonly assets: readonly string[];
  };
}

export interface PlanRow {
  readonly id: string;
  readonly name: string;
  readonly state: 'draft' | 'approved' | 'closed';
  readonly created: string;
  readonly by: string;
  readonly tasks: number;
  readonly unplaced: number;
}

export type ProofState = 'open' | 'claimed' | 'proven' | 'claimed, not proven';
export interface TaskRow {
  readonly id: string;
  readonly asset: { readonly id: string | null; readonly name: string; readonly department: string | null };
  readonly window_name: string;
  readonly starts: string;
  readonly ends: string;
  readonly reboot: boolean;
  readonly actions: readonly { readonly id: string; readonly title: string; readonly rollback: string }[];
  readonly due: string | null;
  readonly late_days: number;
  readonly approval: string | null;
  readonly status: 'planned' | 'done' | 'failed' | 'skipped';
  readonly status_by: string | null;
  readonly proof: {
    readonly state: ProofState;
    readonly signals: readonly { readonly signal: string; readonly agrees: boolean | null; readonly what: string }[];
  };
}
export interface PlanAnswer extends Omit<PlanRow, 'tasks' | 'unplaced'> {
  readonly tasks: readonly TaskRow[];
  readonly unplaced: readonly {
    readonly asset: string;
    readonly actions: readonly string[];
    readonly reason: string;
  }[];
  readonly sentence: string;
}
