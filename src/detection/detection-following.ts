/** An ordered chain's part in what may only follow (`detection-follow.ts`): keeps it while no chain began, takes it back when one does. */

import type { DecodedEvent } from '../core/index.ts';
import type { FollowLog, FollowLogs } from './detection-follow.ts';
import { type Group, insertEvent, placeOf, witness } from './detection-group.ts';
import { aliased, type KeyMaker } from './detection-key.ts';
import type { CorrelationRule, Rule } from './detection-rule.ts';

interface Follower {
  readonly log: FollowLog;
  readonly column: number;
  readonly member: number;
}

export interface Following {
  /** Remembers an event of a rule other than the first, whose group has no chain. */
  keep(event: DecodedEvent, ms: number, member: number, normFirst: boolean): void;
  /** Puts into a group whose chain begins at `ms` what came already and may follow it. */
  recall(group: Group, key: string, ms: number): void;
}

/** @param makers key makers for both orders of names and each rule */
export function createFollowing(
  rule: CorrelationRule,
  members: readonly Rule[],
  makers: readonly (readonly KeyMaker[])[],
  o: { latenessMs: number; followers: FollowLogs },
): Following {
  const byOrder = [false, true].map((normFirst, n) =>
    members.map((one, member): Follower | null => {
      if (member === 0) return null;
      const log = o.followers.logOf(one, normFirst);
      const names = rule.groupBy.map((name) => aliased(rule, name, one));
      return { log, column: log.column(names.join('\0'), makers[n]?.[member] as KeyMaker), member };
    }),
  );
  const all = byOrder.flat().filter((one) => one !== null);
  const spanMs = rule.timespanMs + o.latenessMs;
  return {
    keep: (event, ms, member, normFirst) => byOrder[normFirst ? 1 : 0]?.[member]?.log.add(event, ms),
    recall: (group, key, ms) => {
      for (const { log, column, member } of all) {
        log.of(column, key, (event) => {
          if (event.ms <= ms - spanMs) return;
          insertEvent(group, event.ms, member, event.seq, placeOf(event.index, member));
          if (event.ms <= ms) return;
          for (const kind of ['a', 'u', 'h'] as const) witness(group, kind, event.names[kind]);
        });
      }
    },
  };
}
