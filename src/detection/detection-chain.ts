/** Correlations and chains of them as one network: detections that match go in, windows that were reached come out. */

import type { DecodedEvent, SourceId } from '../core/index.ts';
import { type Correlator, createCorrelator, type Fired } from './detection-correlate.ts';
import { createFollowLogs, type FollowLogs } from './detection-follow.ts';
import type { HashKey } from './detection-hash.ts';
import type { KeyMakers } from './detection-key.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { CorrelationRule, DetectionRule, Rule } from './detection-rule.ts';
import { readsNormalisedFirst } from './detection-taxonomy.ts';
import { createWatermark, type Watermark } from './detection-watermark.ts';

interface Parent {
  readonly node: number;
  readonly member: number;
}

export interface Node {
  readonly rule: Rule;
  readonly correlator: Correlator | null;
  readonly parents: Parent[];
  readonly normFirst: boolean;
  /** Whether its matches become alerts, or only count in a correlation. */
  alerts: boolean;
}

export interface Chain {
  /** Detections first, in the matcher's order, then correlations. */
  readonly detections: readonly DetectionRule[];
  readonly nodes: readonly Node[];
  readonly correlators: readonly Correlator[];
  readonly watermark: Watermark;
  readonly followers: FollowLogs;
  /** Tells the time of an event that comes, whether or not a rule matches it; judges what is due then. */
  see(event: DecodedEvent): void;
  /** Counts an event that the detection at `index` matched. */
  count(index: number, event: DecodedEvent): void;
  /** Our clock's word. */
  tick(nowMs: number): void;
  /** Nothing more will come: everything open is judged. */
  finish(latestMs: number): void;
  /** After state was read. */
  reschedule(): void;
}

/** Detection rules first, in the matcher's order, then correlations; each knows which correlations look at it. */
function connect(rules: readonly Rule[], o: { latenessMs: number; hash: HashKey; followers: FollowLogs }) {
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
    const resolved = members.map((member) => ordered[member as number] as Rule);
    const complete = members.every((member) => member !== undefined);
    return {
      rule,
      correlator: rule.kind === 'correlation' && complete ? createCorrelator(rule, resolved, makers, o) : null,
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

/** An event that stands for a window: its group-by fields, so that a correlation of correlations can group by them. */
export function carrierOf(fired: Fired, last: DecodedEvent | null): DecodedEvent {
  const host = fired.hosts[0];
  const src_ip = fired.addresses[0];
  const user = fired.accounts[0];
  return {
    seq: last?.seq ?? 0,
    index: last?.index ?? 0,
    timeMs: fired.ms,
    receivedMs: Math.max(last?.receivedMs ?? 0, fired.ms),
    source: last?.source ?? ('src_00000000000000000000000000' as SourceId),
    format: 'correlation',
    logsource: {},
    norm: {
      ...(fired.hosts.length === 1 && host !== undefined ? { host } : {}),
      ...(fired.addresses.length === 1 && src_ip !== undefined ? { src_ip } : {}),
      ...(fired.accounts.length === 1 && user !== undefined ? { user } : {}),
    },
    fields: fired.group,
    raw: '',
    marks: [],
    exercise: fired.exercise,
  };
}

/** Events between two looks at the memory of all correlations. */
const LOOK_EVERY = 1024;

/**
 * @param onFired a window was reached; `last` is the event that completed it, or one that stands for it
 * @param skip correlations that are switched off or were set aside
 */
export function createChain(
  rules: readonly Rule[],
  o: {
    latenessMs: number;
    stateBytesMax: number;
    hash: HashKey;
    onFired: (node: number, fired: Fired, last: DecodedEvent) => void;
    onFault: (node: number, error: unknown) => void;
    skip: (node: number) => boolean;
  },
): Chain {
  const followers = createFollowLogs(o.hash, o.latenessMs);
  const { detections, nodes } = connect(rules, { ...o, followers });
  const order = nodes.flatMap(({ correlator }, node) => (correlator ? [{ node, correlator }] : []));
  const correlators = order.map(({ correlator }) => correlator);
  const watermark = createWatermark(o.latenessMs);
  let last: DecodedEvent | null = null;
  let looked = 0;
  let dueMs = Number.NEGATIVE_INFINITY;

  const raise = (at: number, fired: Fired, event: DecodedEvent, normFirst: boolean, depth: number): void => {
    const node = nodes[at] as Node;
    if (node.alerts) o.onFired(at, fired, event);
    if (node.parents.length > 0) deliver(node, event, fired.ms, normFirst, depth + 1);
  };

  const deliver = (from: Node, event: DecodedEvent, ms: number, normFirst: boolean, depth: number): void => {
    if (depth > LIMIT.chainDepthMax) return;
    for (let i = 0; i < from.parents.length; i++) {
      const { node: at, member } = from.parents[i] as Parent;
      const { correlator } = nodes[at] as Node;
      if (correlator === null || o.skip(at)) continue;
      try {
        const fired = correlator.take(event, ms, member, normFirst, watermark.ms);
        for (const one of fired)
          raise(at, one, one.ms === event.timeMs ? event : { ...event, timeMs: one.ms }, normFirst, depth);
        if (correlator.nextDueMs < dueMs) dueMs = correlator.nextDueMs;
      } catch (error) {
        o.onFault(at, error);
      }
    }
  };

  const judged = (node: number, work: () => readonly Fired[]): readonly Fired[] => {
    try {
      return work();
    } catch (error) {
      o.onFault(node, error);
      return [];
    }
  };

  const advance = (ms: number): void => {
    if (ms < dueMs) return;
    // What a correlation says late may be counted by those after it, which the rules' order puts behind or before it.
    for (let round = 0; round <= LIMIT.chainDepthMax; round++) {
      let worked = false;
      for (const { node, correlator } of order) {
        if (correlator.nextDueMs > ms || o.skip(node)) continue;
        for (const fired of judged(node, () => correlator.advance(ms))) {
          worked = true;
          raise(node, fired, carrierOf(fired, last), true, 0);
        }
      }
      if (!worked) break;
    }
    dueMs = order.reduce((least, { correlator }) => Math.min(least, correlator.nextDueMs), Number.POSITIVE_INFINITY);
  };

  /** The largest table gives way until all fit. */
  const shrink = (): void => {
    let bytes = correlators.reduce((sum, { table }) => sum + table.bytes, 0);
    while (bytes > o.stateBytesMax) {
      const largest = correlators.reduce((a, b) => (b.table.bytes > a.table.bytes ? b : a));
      const before = largest.table.bytes;
      if (!largest.table.evict()) return;
      bytes -= before - largest.table.bytes;
    }
  };

  let eventMs = 0;
  return {
    detections,
    nodes,
    correlators,
    watermark,
    followers,
    see: (event) => {
      last = event;
      eventMs = watermark.see(event);
      if (watermark.ms >= dueMs) advance(watermark.ms);
      if (++looked >= LOOK_EVERY) {
        looked = 0;
        shrink();
      }
    },
    count: (index, event) => {
      const node = nodes[index] as Node;
      if (node.parents.length > 0) deliver(node, event, eventMs, node.normFirst, 0);
    },
    tick: (nowMs) => {
      watermark.tick(nowMs);
      advance(watermark.ms);
      for (const correlator of correlators) correlator.sweep(nowMs);
      shrink();
    },
    finish: (latestMs) => {
      // Silence after the last event is not proof that nothing comes: only what has been waited for is judged.
      const endMs = Math.max(latestMs, watermark.ms, ...watermark.sources().map(({ ms }) => ms));
      dueMs = Number.NEGATIVE_INFINITY;
      advance(endMs);
      for (const { node, correlator } of order)
        for (const fired of judged(node, () => correlator.close())) raise(node, fired, carrierOf(fired, last), true, 0);
      dueMs = Number.POSITIVE_INFINITY;
    },
    reschedule: () => {
      for (const correlator of correlators) correlator.reschedule();
      dueMs = Number.NEGATIVE_INFINITY;
    },
  };
}
