/** The live stream of the desk: alerts by serial (so that Last-Event-ID can be honoured), incidents and the event rate. */

import { fastifySSE } from '@fastify/sse';
import type { FastifyInstance } from 'fastify';
import { AsepsisError, type Incident, type Store } from '../core/index.ts';

/** Alerts that one reconnecting browser is given at most; older ones are on the page that it loads. */
const REPLAY_MAX = 500;
/** Browsers that may listen at once. */
const LISTENERS_MAX = 256;
const LATENCIES_KEPT = 512;
const RATE_SECONDS = 120;
const HEARTBEAT_MS = 15_000;
const SESSION_CHECK_MS = 1000;

export interface Rate {
  readonly per_sec: number;
  readonly alert_p99_ms: number | null;
}

interface Listener {
  readonly wake: () => void;
  readonly incidents: Map<string, Incident>;
  rate: Rate | null;
}

export interface LiveBus {
  /** New alerts are in the store; `receivedMs` of each, for the latency shown. */
  alertsStored(receivedMs: readonly number[], nowMs: number): void;
  incidentChanged(incident: Incident): void;
  rateMeasured(perSec: number): void;
  /** Events per second, one value a second, oldest first. */
  rates(): readonly number[];
  alertP99Ms(): number | null;
  /** Null when too many listen already. */
  listen(wake: () => void): { listener: Listener; close: () => void } | null;
}

export function createLiveBus(): LiveBus {
  const listeners = new Set<Listener>();
  const latencies: number[] = [];
  const rates: number[] = [];
  const p99 = () => {
    if (latencies.length === 0) return null;
    const sorted = latencies.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] as number;
  };
  const wakeAll = () => {
    for (const listener of listeners) listener.wake();
  };
  return {
    alertsStored: (receivedMs, nowMs) => {
      for (const received of receivedMs) latencies.push(Math.max(0, nowMs - received));
      if (latencies.length > LATENCIES_KEPT) latencies.splice(0, latencies.length - LATENCIES_KEPT);
      wakeAll();
    },
    incidentChanged: (incident) => {
      for (const listener of listeners) listener.incidents.set(incident.id, incident);
      wakeAll();
    },
    rateMeasured: (perSec) => {
      rates.push(perSec);
      if (rates.length > RATE_SECONDS) rates.shift();
      for (const listener of listeners) listener.rate = { per_sec: perSec, alert_p99_ms: p99() };
      wakeAll();
    },
    rates: () => rates,
    alertP99Ms: p99,
    listen: (wake) => {
      if (listeners.size >= LISTENERS_MAX) return null;
      const listener: Listener = { wake, incidents: new Map(), rate: null };
      listeners.add(listener);
      return { listener, close: () => void listeners.delete(listener) };
    },
  };
}

/** `GET /v1/live`. Each connection keeps its own place among the stored alerts, so none is skipped or sent twice. */
export async function registerLive(app: FastifyInstance, deps: { live: LiveBus; store: Store }): Promise<void> {
  await app.register(fastifySSE, { heartbeatInterval: HEARTBEAT_MS });
  app.get(
    '/v1/live',
    {
      sse: 'only',
      config: { access: 'viewer' },
      schema: {
        summary: 'Alerts, incidents and the event rate as they come (server-sent events)',
        description: 'Events `alert` (id: serial), `incident`, `rate`. `Last-Event-ID` continues after that alert.',
        tags: ['desk'],
        produces: ['text/event-stream'],
      },
    },
    async (request, reply) => {
      let wake = Promise.withResolvers<void>();
      const place = deps.live.listen(() => wake.resolve());
      if (!place) throw new AsepsisError('BUSY', `More than ${LISTENERS_MAX} browsers listen.`, { retryAfterSec: 30 });
      reply.sse.onClose(() => {
        place.close();
        wake.resolve();
      });
      const asked = Number(reply.sse.lastEventId ?? Number.NaN);
      const last = await deps.store.alerts.lastSerial();
      let serial =
        Number.isSafeInteger(asked) && asked >= 0 && asked <= last ? Math.max(asked, last - REPLAY_MAX) : last;
      reply.sse.keepAlive();
      reply.sse.sendHeaders();
      let checkedMs = performance.now();
      while (reply.sse.isConnected) {
        for (const { serial: next, alert } of await deps.store.alerts.since(serial, REPLAY_MAX)) {
          await reply.sse.send({ id: String(next), event: 'alert', data: alert });
          serial = next;
        }
        for (const [id, incident] of place.listener.incidents) {
          place.listener.incidents.delete(id);
          await reply.sse.send({ event: 'incident', data: incident });
        }
        if (place.listener.rate) {
          const data = place.listener.rate;
          place.listener.rate = null;
          await reply.sse.send({ event: 'rate', data });
        }
        await wake.promise;
        wake = Promise.withResolvers<void>();
        // A session that was ended must not go on listening.
        if (performance.now() - checkedMs > SESSION_CHECK_MS) {
          checkedMs = performance.now();
          if (request.caller === null || !(await app.callerStillGood(request.caller))) break;
        }
      }
      place.close();
      reply.sse.close();
    },
  );
}
