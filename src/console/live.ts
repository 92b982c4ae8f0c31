/** The live stream: one EventSource for the page. What arrives is counted and offered, never pushed under the cursor. */

import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import type { Alert, Incident } from '../core/records.ts';
import { patchLists } from './api-queries.ts';
import type { IncidentAnswer } from './api-types.ts';

const RATE_SECONDS = 120;
const RETRY_MS = 5000;
const COUNT_REFRESH_MS = 2000;

interface LiveState {
  readonly connected: boolean;
  /** When the stream was last heard; 0 before the first time. */
  readonly heardMs: number;
  readonly perSec: number | null;
  readonly alertP99Ms: number | null;
  readonly rates: readonly number[];
  readonly newAlerts: number;
  readonly newIncidents: number;
  /** The newest critical alert, for the polite live region. */
  readonly critical: { readonly id: string; readonly title: string } | null;
}

let state: LiveState = {
  connected: false,
  heardMs: 0,
  perSec: null,
  alertP99Ms: null,
  rates: [],
  newAlerts: 0,
  newIncidents: 0,
  critical: null,
};
const listeners = new Set<() => void>();

function set(change: Partial<LiveState>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useLive<T>(select: (state: LiveState) => T): T {
  return useSyncExternalStore(subscribe, () => select(state));
}

/** Incidents that the pill counts already. */
const offered = new Set<string>();

/** The list was read anew: what was offered has been taken in. */
export function takeIn(what: 'newAlerts' | 'newIncidents'): void {
  if (what === 'newIncidents') offered.clear();
  if (state[what] !== 0) set({ [what]: 0 });
}

/** A list of rates for the chart, oldest first; starts from what the overview knew. */
export function seedRates(rates: readonly number[]): void {
  if (state.rates.length === 0 && rates.length > 0) set({ rates: rates.slice(-RATE_SECONDS) });
}

function takeIncident(client: QueryClient, incident: Incident): void {
  const path = `/v1/incidents/${incident.id}`;
  const known = client.getQueryData<IncidentAnswer>(['answer', path]);
  if (known && known.incident.version < incident.version) {
    client.setQueryData<IncidentAnswer>(['answer', path], { ...known, incident });
    if (incident.alert_count !== known.incident.alert_count)
      void client.invalidateQueries({ queryKey: ['answer', path] });
  }
  // A burst arrives as its last version: new is what no list shows and what was not offered before.
  if (patchLists(client, '/v1/incidents', incident) || offered.has(incident.id) || incident.state !== 'open') return;
  offered.add(incident.id);
  set({ newIncidents: state.newIncidents + 1 });
}

/** Connects until the returned function is called. Reconnecting with Last-Event-ID is the browser's own work. */
export function startLive(client: QueryClient): () => void {
  let source: EventSource | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let counts: ReturnType<typeof setTimeout> | undefined;
  let ended = false;
  const refreshCounts = () => {
    counts ??= setTimeout(() => {
      counts = undefined;
      void client.invalidateQueries({ queryKey: ['overview'] });
    }, COUNT_REFRESH_MS);
  };
  const on = <T>(name: string, take: (data: T) => void) =>
    source?.addEventListener(name, (event) => {
      set({ connected: true, heardMs: Date.now() });
      take(JSON.parse((event as MessageEvent<string>).data) as T);
    });
  const connect = () => {
    source = new EventSource('/v1/live');
    source.onopen = () => set({ connected: true, heardMs: Date.now() });
    source.onerror = () => {
      set({ connected: false });
      // A refused stream (signed out, too many listeners) stays closed: the browser leaves trying again to us.
      if (source?.readyState === EventSource.CLOSED && !ended) retry = setTimeout(connect, RETRY_MS);
    };
    on<Alert>('alert', (alert) => {
      const critical = alert.rule.level === 'critical' ? { id: alert.id, title: alert.title } : state.critical;
      set({ newAlerts: state.newAlerts + 1, critical });
      refreshCounts();
    });
    on<Incident>('incident', (incident) => {
      takeIncident(client, incident);
      refreshCounts();
    });
    on<{ per_sec: number; alert_p99_ms: number | null }>('rate', (rate) =>
      set({
        perSec: rate.per_sec,
        alertP99Ms: rate.alert_p99_ms,
        rates: [...state.rates, rate.per_sec].slice(-RATE_SECONDS),
      }),
    );
  };
  connect();
  return () => {
    ended = true;
    source?.close();
    clearTimeout(retry);
    clearTimeout(counts);
    set({ connected: false });
  };
}
