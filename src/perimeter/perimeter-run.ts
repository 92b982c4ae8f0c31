/** A whole scan as a person or the desk orders it: scope, kill switch, inventory, announcement, scan, names, records. */

import { networkInterfaces } from 'node:os';
import { type Clock, isPrivateAddress, rfc3339, type Store } from '../core/index.ts';
import { lookName } from './mail/mail-look.ts';
import { canonicalAddress } from './perimeter-cidr.ts';
import type { PerimeterFiles } from './perimeter-files.ts';
import { createGate, type Gate } from './perimeter-gate.ts';
import { runScan, type ScanEvent, targetsOf } from './perimeter-scan.ts';
import type { Scope } from './perimeter-scope.ts';
import { COLLECTION, medicalAddresses, type Recorded, recordScan, type SeenNames } from './perimeter-service.ts';
import type { HostView } from './perimeter-weakness.ts';

export interface RunOrder {
  readonly scope: Scope;
  readonly files: PerimeterFiles;
  readonly clock: Clock;
  /** Null on a host that only looks and pushes. */
  readonly store: Store | null;
  readonly ports: readonly number[];
  readonly udp: boolean;
  readonly names: boolean;
  readonly from: 'inside' | 'outside';
  readonly only: readonly string[];
  readonly lookAlikes: readonly string[];
  readonly exercise: boolean;
  readonly onGate?: (gate: Gate) => void;
  readonly onEvent?: (event: ScanEvent) => void;
}

export interface RunResult {
  readonly views: readonly HostView[];
  readonly names: readonly SeenNames[];
  readonly notSeen: readonly string[];
  readonly recorded: Recorded | null;
  readonly stopped: string | null;
  readonly probes: { readonly sent: number; readonly refused: number };
  readonly refusals: readonly string[];
}

export interface OwnScan {
  readonly addresses: readonly string[];
  readonly fromMs: number;
  /** Until when log lines of it may come; moved to the end once it is over. */
  readonly untilMs: number;
}

const LINGER_MS = 120_000;
const LONGEST_MS = 24 * 3_600_000;

const ownAddresses = () =>
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .map(({ address }) => canonicalAddress(address) ?? address);

export async function run(o: RunOrder): Promise<RunResult> {
  const { scope, files, clock, store } = o;
  const medical = store ? await medicalAddresses(store) : new Set<string>();
  const log = files.probeLog();
  const gate = createGate({
    scope,
    clock,
    medical: (address) => medical.has(canonicalAddress(address) ?? address),
    killed: () => files.killed(),
    log: (entry) => log.log(entry),
  });
  o.onGate?.(gate);
  const startMs = clock.now();
  const announce = (untilMs: number) =>
    store?.records.put(COLLECTION.own, [
      {
        id: `${startMs}`,
        order: startMs,
        doc: { addresses: ownAddresses(), fromMs: startMs, untilMs } satisfies OwnScan,
      },
    ]);
  try {
    await announce(startMs + LONGEST_MS);
    const { targets, notSeen } = await targetsOf(scope, gate, o.only);
    const { ports, udp, from } = o;
    const order = { gate, scope, clock, targets, ports, udp, from };
    const views = await runScan({ ...order, ...(o.onEvent ? { onEvent: o.onEvent } : {}) });
    const names: SeenNames[] = [];
    for (const name of o.names ? namesOf(o) : []) {
      if (gate.stopped() !== null) break;
      const outside =
        from === 'outside' || targets.some(({ host, address }) => host === name && !isPrivateAddress(address));
      names.push(await lookName({ gate, scope, name, nowMs: clock.now(), outside, lookAlikes: o.lookAlikes }));
    }
    const stopped = gate.stopped();
    const all = [...notSeen, ...views.flatMap((view) => view.notSeen), ...names.flatMap((one) => one.notSeen ?? [])];
    const recorded = store
      ? await recordScan({
          store,
          clock,
          from,
          views,
          names,
          ports: new Set([...ports, ...(udp ? [53, 123, 161, 500, 5060] : [])]),
          exercise: o.exercise,
        })
      : null;
    const refusals = [...gate.counts.refusals].map(([why, count]) => `${why}${count > 1 ? ` (${count} times)` : ''}`);
    await store?.records.put(COLLECTION.scan, [
      {
        id: `${startMs}`,
        order: startMs,
        tag: from,
        doc: {
          at: rfc3339(startMs),
          ended: rfc3339(clock.now()),
          from,
          hosts: views.length,
          targets: targets.length,
          probes: gate.counts.sent,
          refused: gate.counts.refused,
          stopped,
          not_seen: all.slice(0, 200),
          findings: recorded?.findings.length ?? 0,
          drift: recorded?.drift.length ?? 0,
        },
      },
    ]);
    return {
      views,
      names,
      notSeen: all,
      recorded,
      stopped,
      probes: { sent: gate.counts.sent, refused: gate.counts.refused },
      refusals,
    };
  } finally {
    gate.stop('the scan is over');
    log.close();
    await announce(clock.now() + LINGER_MS);
  }
}

function namesOf(o: RunOrder): string[] {
  const { file } = o.scope;
  const listed = [...file.names, ...file.hosted_names].map((name) => name.replace(/^\*\./, ''));
  const wanted = o.only.filter((text) => canonicalAddress(text) === null && !text.includes('/'));
  return [...new Set(o.only.length > 0 ? wanted : listed)];
}
