/** The overview: one sentence, nine recommendations, the pulse of the events, and what to do next. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { type Static, Type } from 'typebox';
import {
  type Coverage,
  CoverageSchema,
  coverageOf,
  type Incident,
  IncidentSchema,
  ROOM_NAMES,
  RoomSchema,
  rfc3339,
  SeveritySchema,
  type Source,
  severityRank,
  TimeSchema,
} from '../core/index.ts';
import type { DeskDeps } from './desk-deps.ts';

const TREND_DAYS = 30;
const ATTACKERS_MAX = 5;
const ACTIONS_MAX = 8;
const WEEK_MS = 7 * 86_400_000;
const ATTACK_WINDOW_MS = 24 * 3_600_000;

const ActionSchema = Type.Object({
  room: RoomSchema,
  title: Type.String(),
  how: Type.String(),
  effort: Type.String(),
  disrupts: Type.Boolean(),
  findings: Type.Integer(),
  assets: Type.Integer(),
  worst: SeveritySchema,
  due: Type.Union([TimeSchema, Type.Null()]),
});

const OverviewSchema = Type.Object({
  sentence: Type.String(),
  incident: Type.Union([IncidentSchema, Type.Null()]),
  coverage: Type.Array(CoverageSchema),
  trend: Type.Array(
    Type.Object({
      day: Type.String(),
      room: RoomSchema,
      covered: Type.Integer(),
      in_scope: Type.Integer(),
      unknown: Type.Integer(),
    }),
  ),
  rate: Type.Object({
    per_sec: Type.Array(Type.Number()),
    now: Type.Number(),
    alert_p99_ms: Type.Union([Type.Number(), Type.Null()]),
    lag_ms: Type.Number(),
  }),
  sources: Type.Object({
    total: Type.Integer(),
    sending: Type.Integer(),
    silent: Type.Array(Type.Object({ id: Type.String(), name: Type.String(), silent_sec: Type.Number() })),
  }),
  attackers: Type.Array(
    Type.Object({ address: Type.String(), targets: Type.Array(Type.String()), tries: Type.Integer() }),
  ),
  due: Type.Object({ findings: Type.Integer(), exceptions: Type.Integer() }),
  counts: Type.Object({ incidents: Type.Integer(), alerts: Type.Integer(), findings: Type.Integer() }),
  actions: Type.Array(ActionSchema),
  alarm: Type.Union([Type.String(), Type.Null()]),
  exercise: Type.Boolean(),
});
type Overview = Static<typeof OverviewSchema>;

/** A source that has been silent for longer than it should be. Sources that only ever sent once are left out. */
export function silentSources(sources: readonly Source[], nowMs: number): Overview['sources']['silent'] {
  return sources
    .filter((source) => source.kind !== 'import' && source.kind !== 'check' && source.last_seen !== null)
    .map((source) => ({
      id: source.id,
      name: source.name,
      silent_sec: Math.max(0, Math.round((nowMs - Date.parse(source.last_seen as string)) / 1000)),
      allowed: source.expected_silence_sec,
    }))
    .filter((source) => source.silent_sec > source.allowed)
    .sort((a, b) => b.silent_sec - a.silent_sec)
    .map(({ id, name, silent_sec }) => ({ id, name, silent_sec }));
}

/** The answer to "is something happening now, and what should I do next", in plain words. */
export function overviewSentence(facts: {
  incidents: readonly Incident[];
  alarm: string | null;
  total: number;
  silent: Overview['sources']['silent'];
}): string {
  const { incidents, silent, total } = facts;
  const parts: string[] = [];
  if (facts.alarm) parts.push(facts.alarm);
  const worst = incidents[0];
  if (worst && incidents.length === 1) parts.push(`One thing needs you: ${lowerFirst(worst.title)}.`);
  else if (worst) parts.push(`${incidents.length} incidents need you; the worst: ${lowerFirst(worst.title)}.`);
  else if (!facts.alarm) parts.push('Nothing needs you now.');
  if (total === 0) parts.push('No source has sent anything yet.');
  else if (silent.length === 0)
    parts.push(total === 1 ? 'The one source is sending.' : `All ${total} sources are sending.`);
  else {
    const first = silent[0] as (typeof silent)[number];
    const minutes = Math.max(1, Math.round(first.silent_sec / 60));
    const duration = minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`;
    parts.push(
      `${total - silent.length} of ${total} sources are sending; ${first.name} has been silent for ${duration}.`,
    );
  }
  return parts.join(' ');
}

/** Incident titles begin with a word, not a name, unless that word is written in capitals. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

/** Every room has a row: one without evidence says so, with the first step to get some. */
export function allCoverage(measured: readonly Coverage[]): Coverage[] {
  return ROOM_NAMES.map((room) => {
    const none = { unit: '', covered: 0, notCovered: 0, unknown: 0, measuredAt: null, sentence: '' };
    return measured.find((coverage) => coverage.room === room) ?? coverageOf(room, none);
  });
}

export function deskOverview(deps: DeskDeps): FastifyPluginAsyncTypebox {
  const { store, clock } = deps;
  const overview = async (): Promise<Overview> => {
    const now = clock.now();
    const since = rfc3339(now - ATTACK_WINDOW_MS);
    const [open, sources, coverage, trend, actions, stats, recent, openFindings, due, newAlerts] = await Promise.all([
      store.incidents.list({ state: 'open' }, { limit: 100 }),
      store.sources.list({}),
      store.coverage.latest(),
      store.coverage.trend(TREND_DAYS),
      store.findings.actions({}, ACTIONS_MAX),
      deps.stream.stats(),
      store.alerts.list({ since }, { limit: 200 }),
      store.findings.count({ state: 'open' }),
      dueThisWeek(deps, now),
      store.alerts.count({ state: 'new' }),
    ]);
    const incidents = open.items.toSorted(
      (a, b) => severityRank(a.severity) - severityRank(b.severity) || (a.last_event < b.last_event ? 1 : -1),
    );
    const silent = silentSources(sources, now);
    const alarm = deps.alarm() ?? (stats.stopped === null ? null : `Intake has stopped: ${stats.stopped}`);
    const pipeline = deps.pipeline();
    return {
      sentence: overviewSentence({ incidents, alarm, total: sources.length, silent }),
      incident: incidents[0] ?? null,
      coverage: allCoverage(coverage),
      trend: [...trend],
      rate: {
        per_sec: [...deps.live.rates()],
        now: pipeline.perSec,
        alert_p99_ms: deps.live.alertP99Ms(),
        lag_ms: pipeline.lagMs,
      },
      sources: { total: sources.length, sending: sources.length - silent.length, silent },
      attackers: attackersOf(recent.items),
      due,
      counts: { incidents: incidents.length, alerts: newAlerts, findings: openFindings },
      actions: [...actions],
      alarm,
      exercise: deps.exercise,
    };
  };
  return async (app) => {
    app.get(
      '/v1/overview',
      {
        config: { access: 'viewer' },
        schema: { summary: 'The desk’s first page', tags: ['desk'], response: { 200: OverviewSchema } },
      },
      overview,
    );
    app.get(
      '/v1/coverage',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'How far each of the nine recommendations is true, measured',
          tags: ['desk'],
          response: { 200: Type.Object({ items: Type.Array(CoverageSchema), next: Type.Null() }) },
        },
      },
      async () => ({ items: allCoverage(await store.coverage.latest()), next: null }),
    );
    app.post(
      '/v1/coverage/measure',
      {
        config: { access: 'analyst' },
        schema: { summary: 'Measures the nine recommendations anew', tags: ['desk'] },
      },
      async (_request, reply) => {
        await deps.measure();
        return reply.code(204).send();
      },
    );
  };
}

async function dueThisWeek(deps: DeskDeps, now: number): Promise<Overview['due']> {
  const week = rfc3339(now + WEEK_MS);
  const [findings, exceptions] = await Promise.all([
    deps.store.findings.count({ state: 'open', dueBefore: week }),
    deps.store.findings.count({ state: 'accepted', acceptedUntilBefore: week }),
  ]);
  return { findings, exceptions };
}

function attackersOf(
  alerts: readonly { entities: readonly { type: string; value: string; role?: string }[]; event_count: number }[],
): Overview['attackers'] {
  const byAddress = new Map<string, { targets: Set<string>; tries: number }>();
  for (const alert of alerts) {
    for (const entity of alert.entities) {
      if (entity.type !== 'address' || entity.role !== 'attacker') continue;
      const entry = byAddress.get(entity.value) ?? { targets: new Set(), tries: 0 };
      for (const other of alert.entities) if (other.type === 'host') entry.targets.add(other.value);
      entry.tries += alert.event_count;
      byAddress.set(entity.value, entry);
    }
  }
  return [...byAddress]
    .map(([address, { targets, tries }]) => ({ address, targets: [...targets].slice(0, 8), tries }))
    .sort((a, b) => b.tries - a.tries)
    .slice(0, ATTACKERS_MAX);
}
