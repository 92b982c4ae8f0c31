/** What the pipeline's thread and the main thread say to each other; everything is plain data, so that it can be cloned. */

import type { Alert, SourceCount, SourceId } from '../core/index.ts';
import type { LiveStats } from '../detection/index.ts';

export interface PipelineSetup {
  readonly streamDir: string;
  readonly signal: SharedArrayBuffer;
  readonly archiveDir: string;
  readonly stateFile: string;
  readonly retentionDays: number;
  readonly ruleFolders: readonly string[];
  /** The data folder, below which the detection room keeps what people switched off and the indicators. */
  readonly dataDir: string;
  readonly latenessMs: number;
  readonly stateBytesMax: number;
  /** Points of entities; null: none are counted. */
  readonly risk: { readonly threshold: number; readonly halfLifeMs: number } | null;
  /** Where rules that were read are kept for the next start. */
  readonly ruleCacheDir: string;
  /** File with the values of placeholders, and processing pipelines by name or file. */
  readonly placeholders: string | null;
  readonly rulePipelines: readonly string[];
  /** Sources' counts are in the store up to this block: earlier ones of a replay are not counted again. */
  readonly countedSeq: number;
  readonly zones: Readonly<Record<SourceId, string>>;
}

/** A host that named itself in its logs. */
export interface Sighting {
  readonly host: string;
  readonly format: string;
  readonly product: string | null;
  readonly source: SourceId;
  readonly lastMs: number;
  readonly exercise: boolean;
}

export interface PipelineProgress {
  /** Since the thread started. */
  readonly events: number;
  readonly alerts: number;
  readonly seq: number;
  readonly durableSeq: number;
  readonly ackedSeq: number;
  readonly perSec: number;
  /** Age of the oldest block that waits, 0 when none does. */
  readonly lagMs: number;
  readonly rssBytes: number;
}

export interface RefusedRule {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

export interface RuleSummary {
  readonly id: string;
  readonly title: string;
  readonly level: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly file: string;
}

export type FromPipeline =
  | {
      readonly type: 'ready';
      readonly rules: readonly RuleSummary[];
      readonly refused: readonly RefusedRule[];
      readonly note: string | null;
    }
  | { readonly type: 'alerts'; readonly call: number; readonly alerts: readonly Alert[] }
  | {
      readonly type: 'counts';
      readonly call: number;
      readonly seq: number;
      readonly counts: readonly SourceCount[];
      readonly sightings: readonly Sighting[];
    }
  | { readonly type: 'progress'; readonly progress: PipelineProgress }
  /** What the rules' engine knows of itself, every few seconds. */
  | { readonly type: 'engine'; readonly stats: LiveStats }
  /** Rules were read again while it runs. */
  | { readonly type: 'rules'; readonly rules: readonly RuleSummary[]; readonly refused: readonly RefusedRule[] }
  /** Upkeep of the archive fails (null: no longer), or the log holds damage. */
  | { readonly type: 'alarm'; readonly what: 'archive' | 'log'; readonly sentence: string | null }
  | { readonly type: 'stopped' };

export type ToPipeline =
  | { readonly type: 'done'; readonly call: number; readonly error: string | null }
  | { readonly type: 'zones'; readonly zones: Readonly<Record<SourceId, string>> }
  /** People changed something: look at the files of the detection room. */
  | { readonly type: 'look' }
  | { readonly type: 'stop' };
