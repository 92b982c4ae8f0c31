/** The engine behind the room's door: events in, alerts out; correlations and chains of them; state that survives. */

import type { Alert, DecodedEvent } from '../core/index.ts';
import { alertOfEvent, alertOfFired } from './detection-alert.ts';
import { createMatcher } from './detection-compile.ts';
import { type Correlator, createCorrelator, type KeyMakers } from './detection-correlate.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { CorrelationRule, DetectionRule, Rule } from './detection-rule.ts';
import { readSnapshot, writeSnapshot } from './detection-snapshot.ts';
import { readsNormalisedFirst } from './detection-taxonomy.ts';

export interface EngineStats {
  /** Rules that failed while matching and were set aside, with the reason. */
  readonly quarantined: readonly { rule: string; reason: string }[];
  /** Groups that correlations remember, and those forgotten for want of room. */
  readonly groups: number;
  readonly evicted: number;
  /** Events that came too late to be counted. */
  readonly late: number;
  /** Why state of an earlier run could not be used completely; null when it could. */
  readonly restoreFault: string | null;
}

export interface Engine {
  /** Alerts that the event raised; the shared empty array when none. */
  feed(event: DecodedEvent): readonly Alert[];
  /** Tells the time, so that what is over is forgotten. */
  tick(nowMs: number): readonly Alert[];
  snapshot(): Uint8Array;
  restore(bytes: Uint8Array): void;
  readonly ruleCount: number;
  stats(): EngineStats;
}

interface Parent {
  readonly node: number;
  readonly member: number;
}

interface Node {
  readonly rule: Rule;
  readonly correlator: Correlator | null;
  readonly parents: Parent[];
  readonly normFirst: boolean;
  /** Whether its matches become alerts, or only count in a correlation. */
  alerts: boolean;
}

const NONE: readonly Alert[] = Object.freeze([]);

/** Detection rules first, in the matcher's order, then correlations; each knows which correlations look at it. */
function connect(rules: readonly Rule[]): { detections: DetectionRule[]; nodes: Node[] } {
  const detections = rules.filter((rule) => rule.kind === 'detection');
  const correlations = rules.filter((rule) => rule.kind === 'correlation');
  const ordered: Rule[] = [...detections, ...correlations];
  const byName = new Map<string, number>();
  ordered.forEach((rule, i) => {
    byName.set(rule.id, i);
    if (rule.name !== null) byName.set(rule.name, i);
  });
  const makers: KeyMakers = new Map();
  const nodes = ordered.map((rule): Node => {
    const members = rule.kind === 'correlation' ? rule.rules.map((name) => byName.get(name)) : [];
    const complete = members.every((member) => member !== undefined);
    return {
      rule,
      correlator:
        rule.kind === 'correlation' && complete
          ? createCorrelator(
              rule,
              members.map((member) => ordered[member as number] as Rule),
              makers,
            )
          : null,
      parents: [],
      normFirst: rule.kind === 'detection' && readsNormalisedFirst(rule.logsource),
      alerts: true,
    };
  });
  for (const [i, { rule, correlator }] of nodes.entries()) {
    if (!correlator) continue;
    const { rules: names, generate } = rule as CorrelationRule;
    names.forEach((name, member) => {
      const node = nodes[byName.get(name) as number] as Node;
      node.parents.push({ node: i, member });
      if (!generate) node.alerts = false;
    });
  }
  return { detections, nodes };
}

/**
 * @param rules what `loadRules` answered
 * @param o.streamId the first part of every event id
 */
export function createEngine(rules: readonly Rule[], o: { streamId: string }): Engine {
  const { detections, nodes } = connect(rules);
  const matcher = createMatcher(detections);
  const correlators = nodes.flatMap((node) => (node.correlator ? [node.correlator] : []));
  const parts = correlators.map(({ rule, table }) => ({ hash: `${rule.id}:${rule.hash}`, table }));
  const broken = new Map<number, string>();
  let restoreFault: string | null = null;
  let raised: Alert[] | null = null;

  const raise = (alert: Alert): void => {
    raised ??= [];
    raised.push(alert);
  };

  const deliver = (from: Node, event: DecodedEvent, normFirst: boolean, depth: number): void => {
    if (depth > LIMIT.chainDepthMax) return;
    for (let i = 0; i < from.parents.length; i++) {
      const { node: at, member } = from.parents[i] as Parent;
      const node = nodes[at] as Node;
      const fired = node.correlator?.take(event, member, normFirst) ?? null;
      if (!fired) continue;
      if (node.alerts) raise(alertOfFired(fired, event, o.streamId));
      if (node.parents.length > 0) deliver(node, event, normFirst, depth + 1);
    }
  };

  const handle = (index: number, event: DecodedEvent): void => {
    const node = nodes[index] as Node;
    try {
      if (node.alerts) raise(alertOfEvent(node.rule as DetectionRule, event, o.streamId));
      if (node.parents.length > 0) deliver(node, event, node.normFirst, 0);
    } catch (error) {
      // One rule's fault must not cost the others: it is set aside by name and shown in the stats.
      broken.set(index, error instanceof Error ? error.message : String(error));
    }
  };

  return {
    ruleCount: rules.length,
    feed: (event) => {
      const matched = matcher.match(event);
      if (matched.length === 0) return NONE;
      raised = null;
      for (let i = 0; i < matched.length; i++) {
        const index = matched[i] as number;
        if (broken.size === 0 || !broken.has(index)) handle(index, event);
      }
      return raised ?? NONE;
    },
    tick: (nowMs) => {
      for (const correlator of correlators) correlator.sweep(nowMs);
      return NONE;
    },
    snapshot: () => writeSnapshot(parts),
    restore: (bytes) => {
      restoreFault = readSnapshot(bytes, parts);
    },
    stats: () => ({
      quarantined: [...matcher.quarantined, ...broken].map(([i, reason]) => ({
        rule: (nodes[i] as Node).rule.id,
        reason,
      })),
      groups: correlators.reduce((sum, { table }) => sum + table.size, 0),
      evicted: correlators.reduce((sum, { table }) => sum + table.evicted, 0),
      late: correlators.reduce((sum, { late }) => sum + late(), 0),
      restoreFault,
    }),
  };
}
