/** One scan: from the scope's targets to what each host offers. Everything that leaves passes the gate. */

import { type Clock, isPrivateAddress } from '../core/index.ts';
import { addressesOf, canonicalAddress, parseRange, rangeSize } from './perimeter-cidr.ts';
import type { Gate } from './perimeter-gate.ts';
import { identify } from './perimeter-identify.ts';
import { scanPorts } from './perimeter-ports.ts';
import type { ProbeContext } from './perimeter-probe.ts';
import type { Scope } from './perimeter-scope.ts';
import type { HostView, PortView } from './perimeter-weakness.ts';
import { CLINICAL_PORTS } from './services/service-clinical.ts';
import { UDP_PROBES } from './services/service-udp.ts';

export interface ScanTarget {
  readonly host: string;
  readonly address: string;
}

export type ScanEvent =
  | { readonly kind: 'host'; readonly host: string; readonly of: number; readonly done: number }
  | { readonly kind: 'port'; readonly host: string; readonly port: number }
  | { readonly kind: 'seen'; readonly view: HostView };

export interface ScanOrder {
  readonly gate: Gate;
  readonly scope: Scope;
  readonly clock: Clock;
  readonly targets: readonly ScanTarget[];
  readonly ports: readonly number[];
  readonly udp: boolean;
  readonly from: 'inside' | 'outside';
  readonly onEvent?: (event: ScanEvent) => void;
}

/** Addresses of one scan; beyond it the scope is to be cut into several. */
const ADDRESSES_MAX = 65_536;
/** Addresses of a range that are left out, by name, before "and more". */
const LEFT_NAMED = 8;
/** Silent ports of one host that are listened to for long. */
const PATIENCE = 24;
const HOSTS_AT_ONCE = 16;
const PORTS_AT_ONCE = 6;

/** Every address and every name of a scope, as far as it can be listed; what cannot is said. */
export async function targetsOf(
  scope: Scope,
  gate: Gate,
  only: readonly string[] = [],
): Promise<{ targets: ScanTarget[]; notSeen: string[] }> {
  const targets: ScanTarget[] = [];
  const notSeen: string[] = [];
  const seen = new Set<string>();
  const add = (host: string, address: string) => {
    const key = `${host} ${address}`;
    if (!seen.has(key)) targets.push({ host, address });
    seen.add(key);
  };
  const named = only.length > 0 ? only : [...scope.file.addresses, ...scope.file.names, ...scope.file.hosted_names];
  for (const text of named) {
    const range = parseRange(text);
    if (range) {
      if (rangeSize(range) > ADDRESSES_MAX || targets.length + rangeSize(range) > ADDRESSES_MAX) {
        notSeen.push(`${text} holds too many addresses to try each: name its hosts one by one`);
        continue;
      }
      const left = new Map<string, string[]>();
      for (const address of addressesOf(range)) {
        const [first] = await gate.preview(address, scope.ports?.[0]?.first ?? 443);
        if (first?.decision.allowed) add(address, address);
        else if (first && !first.decision.allowed)
          left.set(first.decision.reason, [...(left.get(first.decision.reason)?.slice(0, LEFT_NAMED) ?? []), address]);
      }
      for (const [reason, list] of left)
        notSeen.push(
          `${list.slice(0, LEFT_NAMED).join(', ')}${list.length > LEFT_NAMED ? ' and more' : ''}: ${reason}`,
        );
      continue;
    }
    if (text.startsWith('*.')) {
      notSeen.push(`${text} allows names but lists none: name them one by one`);
      continue;
    }
    const { allowed, refused } = await gate.addresses(text);
    for (const address of allowed) add(text, address);
    notSeen.push(...refused.map((reason) => `${text}: ${reason}`));
  }
  return { targets, notSeen };
}

async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) await work(items[next++] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

export async function runScan(order: ScanOrder): Promise<HostView[]> {
  const views: HostView[] = [];
  let done = 0;
  await each(order.targets, HOSTS_AT_ONCE, async (target) => {
    if (order.gate.stopped() !== null) return;
    order.onEvent?.({ kind: 'host', host: target.host, of: order.targets.length, done });
    const view = await scanHost(order, target);
    done++;
    if (order.gate.stopped() !== null || !view) return;
    views.push(view);
    order.onEvent?.({ kind: 'seen', view });
  });
  return views;
}

async function scanHost(order: ScanOrder, target: ScanTarget): Promise<HostView | null> {
  const { gate, scope, clock } = order;
  const found = await scanPorts(gate, target, order.ports, (port) =>
    order.onEvent?.({ kind: 'port', host: target.host, port }),
  );
  const outside = order.from === 'outside' || !isPrivateAddress(target.address);
  const mayGuess = (address: string) => scope.file.default_credentials.some((one) => canonicalAddress(one) === address);
  const gentle = found.open.some((port) => CLINICAL_PORTS.includes(port));
  const ports: PortView[] = [];
  const nowMs = clock.now();
  const patience = { left: PATIENCE };
  const active = scope.file.active_checks;
  await each(found.open, PORTS_AT_ONCE, async (port) => {
    if (gate.stopped() !== null) return;
    ports.push(await identify({ gate, ...target, port, nowMs, outside, gentle, active, mayGuess, patience }));
  });
  if (order.udp && !gentle)
    await each(UDP_PROBES, 2, async (probe) => {
      const context: ProbeContext = {
        gate,
        ...target,
        port: probe.port,
        tls: false,
        nowMs,
        outside,
        banner: null,
        mayGuess,
      };
      const view = await probe.look(context).catch(() => null);
      if (view)
        ports.push({ transport: 'udp', port: probe.port, profile: null, grade: null, certificate: null, ...view });
    });
  ports.sort((a, b) => a.port - b.port || a.transport.localeCompare(b.transport));
  const notSeen = ports.flatMap((port) => port.notSeen ?? []);
  if (gentle) notSeen.push(`${target.host} offers a clinical service: only what its ports suggest was asked`);
  if (found.refused > 0 && found.refused < order.ports.length)
    notSeen.push(`${found.refused} ports of ${target.host} are not in the scope`);
  return found.refused === order.ports.length && ports.length === 0
    ? null
    : { ...target, ports, closed: found.closed, silent: found.silent, notSeen };
}
