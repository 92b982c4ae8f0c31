/** The engine behind the room's door: events in, alerts out; correlations and chains of them; state that survives. */

import type { Alert, DecodedEvent } from '../core/index.ts';
import { alertOfEvent, alertOfFired } from './detection-alert.ts';
import { createReader, createWriter } from './detection-bytes.ts';
import { createChain } from './detection-chain.ts';
import { createMatcher } from './detection-compile.ts';
import { type Control, createSwitchboard, type SuppressedCount } from './detection-control.ts';
import { hashKey } from './detection-hash.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { createRisk, type RiskLimits, type RiskView } from './detection-risk.ts';
import type { DetectionRule, Rule } from './detection-rule.ts';
import { beginSnapshot, readSnapshot, type Snapshot, writeSnapshot } from './detection-snapshot.ts';

export interface EngineStats {
  /** Rules that failed while matching and were set aside, with the reason. */
  readonly quarantined: readonly { rule: string; reason: string }[];
  /** Groups that correlations remember, their memory, and those forgotten for want of room. */
  readonly groups: number;
  readonly bytes: number;
  readonly evicted: number;
  /** Events that came too late to be counted. */
  readonly late: number;
  /** Event time up to which everything has come, and of each source; null before the first event. */
  readonly watermarkMs: number | null;
  readonly sources: readonly { source: string; ms: number }[];
  /** Matches and alerts of each rule that had any. */
  readonly rules: readonly { rule: string; matches: number; alerts: number; suppressed: number }[];
  readonly suppressed: readonly SuppressedCount[];
  readonly risk: readonly RiskView[];
  /** Why state of an earlier run could not be used completely; null when it could. */
  readonly restoreFault: string | null;
}

export interface EngineOptions {
  /** The first part of every event id. */
  readonly streamId: string;
  /** How late an event may come and still be counted at its own time; five minutes by default. */
  readonly latenessMs?: number;
  readonly stateBytesMax?: number;
  /** Points of entities; absent: none are counted. */
  readonly risk?: RiskLimits;
  /** Hears of every match of a rule with one event; answers whether it goes on to alerts and correlations. */
  readonly onMatch?: (rule: Rule) => boolean;
}

/** Something that looks at each event beside the rules: indicators. */
export interface Watcher {
  /** Alerts of one event; null when there are none. */
  look(event: DecodedEvent): readonly Alert[] | null;
}

export interface Engine {
  /** Alerts that the event raised; the shared empty array when none. */
  feed(event: DecodedEvent): readonly Alert[];
  /** Tells the time: what is over is judged and forgotten. */
  tick(nowMs: number): readonly Alert[];
  /**
   * No event will come any more: windows that are open are judged.
   *
   * @param latestMs how far time went, where events that no rule counts went further
   */
  finish(latestMs?: number): readonly Alert[];
  snapshot(): Uint8Array;
  /** The state as of now, to be written bit by bit while events come; one at a time. */
  beginSnapshot(): Snapshot;
  restore(bytes: Uint8Array): void;
  /** Switches rules off and alerts silent; holds from the next event on. */
  control(control: Control): void;
  watch(watcher: Watcher | null): void;
  readonly ruleCount: number;
  stats(): EngineStats;
}

const NONE: readonly Alert[] = Object.freeze([]);
const RISKS_SHOWN = 20;

/** @param rules what `loadRules` answered */
export function createEngine(rules: readonly Rule[], o: EngineOptions): Engine {
  const broken = new Map<number, string>();
  let switches = createSwitchboard({ disabled: [], suppressions: [] });
  let off = new Set<number>();
  let watcher: Watcher | null = null;
  let restoreFault: string | null = null;
  let raised: Alert[] | null = null;

  const fault = (index: number, error: unknown): void => {
    // One rule's fault must not cost the others: it is set aside by name and shown in the stats.
    broken.set(index, error instanceof Error ? error.message : String(error));
  };
  const chain = createChain(rules, {
    latenessMs: o.latenessMs ?? LIMIT.latenessMs,
    stateBytesMax: o.stateBytesMax ?? LIMIT.stateBytesMax,
    hash: hashKey(o.streamId),
    onFired: (node, fired, last) => raise(node, alertOfFired(fired, last, o.streamId), last),
    onFault: fault,
    skip: (node) => broken.has(node) || off.has(node),
  });
  const { nodes } = chain;
  const matcher = createMatcher(chain.detections);
  const risk = o.risk ? createRisk(o.risk) : null;
  const matches = new Uint32Array(nodes.length);
  const alerts = new Uint32Array(nodes.length + 1);
  const silent = new Uint32Array(nodes.length + 1);

  const add = (alert: Alert): void => {
    raised ??= [];
    raised.push(alert);
  };
  const raise = (index: number, alert: Alert, event: DecodedEvent): void => {
    if (switches.covers(alert, event) !== null) {
      silent[index] = (silent[index] as number) + 1;
      return;
    }
    alerts[index] = (alerts[index] as number) + 1;
    add(alert);
    for (const one of risk?.add(alert) ?? NONE) if (switches.covers(one, event) === null) add(one);
  };
  const handle = (index: number, event: DecodedEvent): void => {
    const node = nodes[index] as (typeof nodes)[number];
    matches[index] = (matches[index] as number) + 1;
    if (o.onMatch?.(node.rule) === false) return;
    try {
      if (node.alerts) raise(index, alertOfEvent(node.rule as DetectionRule, event, o.streamId), event);
      if (node.parents.length > 0) chain.count(index, event);
    } catch (error) {
      fault(index, error);
    }
  };
  const taken = (): readonly Alert[] => {
    const out = raised ?? NONE;
    raised = null;
    return out;
  };

  /** State that is not of groups. */
  const besideGroups = (): Uint8Array => {
    const writer = createWriter();
    chain.watermark.write(writer);
    chain.followers.write(writer);
    if (risk) risk.write(writer);
    else writer.number(0);
    return writer.bytes();
  };

  return {
    ruleCount: rules.length,
    feed: (event) => {
      chain.see(event);
      const matched = matcher.match(event);
      for (let i = 0; i < matched.length; i++) {
        const index = matched[i] as number;
        if ((broken.size === 0 || !broken.has(index)) && (off.size === 0 || !off.has(index))) handle(index, event);
      }
      if (watcher !== null) {
        const hits = watcher.look(event);
        if (hits !== null)
          for (const alert of hits) if (!switches.isOff(alert.rule.id)) raise(nodes.length, alert, event);
      }
      return raised === null ? NONE : taken();
    },
    tick: (nowMs) => {
      chain.tick(nowMs);
      return taken();
    },
    finish: (latestMs) => {
      chain.finish(latestMs ?? Number.NEGATIVE_INFINITY);
      return taken();
    },
    snapshot: () => writeSnapshot(chain.correlators, besideGroups()),
    beginSnapshot: () => beginSnapshot(chain.correlators, besideGroups()),
    restore: (bytes) => {
      const read = readSnapshot(bytes, chain.correlators);
      restoreFault = read.fault;
      try {
        if (read.rest.length > 0) {
          const reader = createReader(read.rest);
          chain.watermark.read(reader);
          chain.followers.read(reader);
          risk?.read(reader);
        }
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        restoreFault ??= error.message;
      }
      chain.reschedule();
    },
    control: (control) => {
      switches = createSwitchboard(control, switches.counts());
      off = new Set(nodes.flatMap(({ rule }, i) => (switches.isOff(rule.id) ? [i] : [])));
    },
    watch: (next) => {
      watcher = next;
    },
    stats: () => {
      const total = (of: (one: (typeof chain.correlators)[number]) => number) =>
        chain.correlators.reduce((sum, one) => sum + of(one), 0);
      return {
        quarantined: [...matcher.quarantined, ...broken].map(([i, reason]) => ({
          rule: (nodes[i] as (typeof nodes)[number]).rule.id,
          reason,
        })),
        groups: total(({ table }) => table.size),
        bytes: total(({ table }) => table.bytes) + chain.followers.bytes,
        evicted: total(({ table }) => table.evicted) + chain.followers.evicted + (risk?.evicted ?? 0),
        late: total(({ late }) => late()),
        watermarkMs: Number.isFinite(chain.watermark.ms) ? chain.watermark.ms : null,
        sources: chain.watermark.sources(),
        rules: nodes.flatMap(({ rule }, i) => {
          const seen = matches[i] as number;
          const raisedBy = alerts[i] as number;
          const suppressed = silent[i] as number;
          return seen + raisedBy + suppressed === 0
            ? []
            : [{ rule: rule.id, matches: seen, alerts: raisedBy, suppressed }];
        }),
        suppressed: switches.counts(),
        risk: risk?.top(Math.max(chain.watermark.ms, 0), RISKS_SHOWN) ?? [],
        restoreFault,
      };
    },
  };
}
