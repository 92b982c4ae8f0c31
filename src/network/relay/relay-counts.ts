/** What a relay counts and how it is: for `/metrics` (Prometheus) and `/healthz`. */

import { X509Certificate } from 'node:crypto';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../../core/index.ts';
import type { RelayMaterial } from './relay-config.ts';

export type Refusal = 'address' | 'name' | 'handshake' | 'full' | 'unreachable';
const EXPIRY_WARNS_MS = 30 * 86_400_000;
/** A failure this recent makes a route unhealthy when nothing went well since. */
const RECENT_MS = 120_000;

interface RouteState {
  listening: boolean;
  lastGoodMs: number;
  lastBadMs: number;
  lastFault: string;
}

export interface RelayCounts {
  readonly registry: Registry;
  opened(route: string): void;
  ready(route: string, seconds: number): void;
  closed(route: string, why: string): void;
  refused(route: string, why: Refusal, detail: string): void;
  bytes(route: string, toServer: boolean, count: number): void;
  listening(route: string, yes: boolean): void;
  forget(route: string): void;
  reloaded(fault: string | null): void;
  material(material: RelayMaterial): void;
  health(): {
    ok: boolean;
    sentence: string;
    routes: Record<string, { ok: boolean; listening: boolean; fault: string }>;
  };
}

export function createRelayCounts(clock: Clock): RelayCounts {
  const registry = new Registry();
  const labelled = { registers: [registry], labelNames: ['route'] };
  const open = new Gauge({ name: 'asepsis_relay_connections', help: 'Connections open now', ...labelled });
  const total = new Counter({ name: 'asepsis_relay_connections_total', help: 'Connections taken', ...labelled });
  const ends = new Counter({
    name: 'asepsis_relay_ends_total',
    help: 'Connections that are over, by how they ended',
    registers: [registry],
    labelNames: ['route', 'how'],
  });
  const refusals = new Counter({
    name: 'asepsis_relay_refused_total',
    help: 'Connections refused, by reason',
    registers: [registry],
    labelNames: ['route', 'why'],
  });
  const moved = new Counter({
    name: 'asepsis_relay_bytes_total',
    help: 'Bytes carried',
    registers: [registry],
    labelNames: ['route', 'direction'],
  });
  const setUp = new Histogram({
    name: 'asepsis_relay_setup_seconds',
    help: 'From the connection taken to both ends joined',
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
    ...labelled,
  });
  const expiry = new Gauge({
    name: 'asepsis_relay_certificate_expiry_seconds',
    help: 'When the certificate ends, Unix seconds',
    registers: [registry],
  });
  const reloads = new Counter({
    name: 'asepsis_relay_reloads_total',
    help: 'Configuration read anew, by outcome',
    registers: [registry],
    labelNames: ['outcome'],
  });
  const routes = new Map<string, RouteState>();
  const stateOf = (route: string): RouteState => {
    const known = routes.get(route) ?? { listening: false, lastGoodMs: 0, lastBadMs: 0, lastFault: '' };
    routes.set(route, known);
    return known;
  };
  let reloadFault: string | null = null;
  let endsMs = Number.POSITIVE_INFINITY;
  return {
    registry,
    opened: (route) => {
      open.inc({ route });
      total.inc({ route });
    },
    ready: (route, seconds) => {
      setUp.observe({ route }, seconds);
      stateOf(route).lastGoodMs = clock.now();
    },
    closed: (route, how) => {
      open.dec({ route });
      ends.inc({ route, how });
    },
    refused: (route, why, detail) => {
      refusals.inc({ route, why });
      if (why === 'address') return;
      const state = stateOf(route);
      state.lastBadMs = clock.now();
      state.lastFault = detail;
    },
    bytes: (route, toServer, count) => moved.inc({ route, direction: toServer ? 'to-server' : 'to-device' }, count),
    listening: (route, yes) => {
      stateOf(route).listening = yes;
    },
    forget: (route) => routes.delete(route),
    reloaded: (fault) => {
      reloadFault = fault;
      reloads.inc({ outcome: fault === null ? 'success' : 'failure' });
    },
    material: (material) => {
      endsMs = Date.parse(new X509Certificate(material.cert).validTo);
      expiry.set(endsMs / 1000);
    },
    health: () => {
      const now = clock.now();
      const each = Object.fromEntries(
        [...routes].map(([name, state]) => {
          const failing = state.lastBadMs > state.lastGoodMs && now - state.lastBadMs < RECENT_MS;
          return [
            name,
            { ok: state.listening && !failing, listening: state.listening, fault: failing ? state.lastFault : '' },
          ];
        }),
      );
      const faults = Object.entries(each)
        .filter(([, route]) => !route.ok)
        .map(([name, route]) => `Route ${name}: ${route.listening ? route.fault : 'it does not listen'}.`);
      if (endsMs < now) faults.push('The certificate has expired: renew both ends with asepsis relay pair.');
      else if (endsMs - now < EXPIRY_WARNS_MS)
        faults.push(`The certificate expires on ${new Date(endsMs).toISOString().slice(0, 10)}: renew both ends.`);
      if (reloadFault !== null) faults.push(`The changed configuration is not in use: ${reloadFault}`);
      return { ok: faults.length === 0, sentence: faults.join(' ') || 'All routes are in order.', routes: each };
    },
  };
}
