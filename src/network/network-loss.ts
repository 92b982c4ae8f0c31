/** What a capture did not hold, as a finding: a sensor that loses packets cannot say that nothing leaked. Pure. */

import type { FindingObservation } from '../core/index.ts';
import { rfc3339 } from '../core/index.ts';
import type { Inspection } from './network-inspect.ts';
import { safeMs } from './network-text.ts';

/** One lost packet in so many is not worth a finding. */
const LOSS_SHARE_MIN = 0.0001;
const GAPS_SHARE_MIN = 0.001;

export function lossFinding(
  sensor: string,
  seen: Inspection,
  o: { readonly lost: number; readonly atMs: number },
): FindingObservation[] {
  const { packets, streams, memory, flows, leaksDropped } = seen;
  const all = packets.packets + o.lost;
  if (all === 0) return [];
  const reasons: string[] = [];
  if (o.lost / all > LOSS_SHARE_MIN) reasons.push(`the capture itself lost ${o.lost} of ${all} packets`);
  if (packets.cut / all > LOSS_SHARE_MIN) reasons.push(`${packets.cut} packets were cut short`);
  if (streams.gaps / all > GAPS_SHARE_MIN) reasons.push(`${streams.gaps} gaps in connections`);
  if (memory.refused + flows.evicted + flows.givenUp + leaksDropped > 0)
    reasons.push('more was open at once than there is room for');
  if (reasons.length === 0) return [];
  const seenAt = rfc3339(safeMs(o.atMs));
  return [
    {
      room: 'network',
      kind: 'capture-incomplete',
      key: sensor,
      severity: o.lost / all > 0.01 ? 'medium' : 'low',
      asset: { name: sensor },
      title: `The sensor ${sensor} does not see everything`,
      detail: `What it missed may hold patients: ${reasons.join('; ')}.`,
      evidence: [
        {
          what: reasons.join('; '),
          seen: seenAt,
          data: {
            packets: packets.packets,
            lost: o.lost,
            cut: packets.cut,
            gaps: streams.gaps,
            evicted: flows.evicted,
          },
        },
      ],
      fix: {
        title: `Let the sensor ${sensor} see everything`,
        how: 'Mirror fewer ports to it, capture whole packets (no snap length), give it a faster disk or a second core, and mirror both directions of a port.',
        effort: 'hours',
        disrupts: false,
      },
      due: null,
      exercise: false,
    },
  ];
}
