/** Questions about rules: why one fires, what a change would have said, which filters the verdicts propose, an incident in order. */

import { readFile } from 'node:fs/promises';
import { Type } from 'typebox';
import {
  type Alert,
  AlertIdSchema,
  allRecords,
  closed,
  EventIdSchema,
  found,
  IncidentIdSchema,
  LIMITS,
  listOf,
  nullable,
  type RoomServices,
  SeveritySchema,
  TimeSchema,
  type TypedApp,
} from '../core/index.ts';
import { ConditionSchema } from './detection-control.ts';
import { mergeTimeline, type TimelineItem } from './detection-desk.ts';
import { decodedOf } from './detection-hunt-plan.ts';
import { huntRules } from './detection-hunt-run.ts';
import { rulesFromText } from './detection-hunt-service.ts';
import { evaluatePlain } from './detection-plain.ts';
import type { RouteParts } from './detection-routes.ts';
import type { Rule } from './detection-rule.ts';
import { readsNormalisedFirst } from './detection-taxonomy.ts';
import { type JudgedAlert, proposeFilters } from './detection-tune.ts';
import { whyRule } from './detection-why.ts';

const DAY_MS = 86_400_000;
const TUNED_MAX = 500;
const BACKTEST_MS_MAX = 30_000;
const BACKTEST_ALERTS_MAX = 5000;
const TIMELINE_MAX = 1000;
const RULE_TEXT_CHARS_MAX = 128 * 1024;
/** Events on which a rule's cost is measured, and how often. */
const COST_EVENTS = 200;
const COST_ROUNDS = 20;

const RuleText = Type.String({ minLength: 1, maxLength: RULE_TEXT_CHARS_MAX, description: 'A rule as YAML' });

export function questionRoutes(app: TypedApp, services: RoomServices, parts: RouteParts): void {
  const { archive, clock, store } = services;
  /** The rule of a request, by its id or as YAML, and the rules among which it finds its own. */
  const asked = async (o: { rule?: string; text?: string }): Promise<{ rule: Rule; all: readonly Rule[] }> => {
    const { rules } = await parts.rules();
    if (o.text !== undefined) {
      const all = rulesFromText(o.text, rules);
      return { rule: all.at(-1) as Rule, all };
    }
    return { rule: found(rules.find(({ id }) => id === o.rule) ?? null, 'rule'), all: rules };
  };
  app.get(
    '/v1/detection/rules/:id/cost',
    {
      config: { access: 'viewer' },
      schema: {
        summary:
          'What evaluating a rule costs on the newest events, in microseconds an event, without the index that spares most of it',
        tags: ['detection'],
        params: Type.Object({ id: Type.String({ maxLength: LIMITS.nameCharsMax }) }),
        response: { 200: Type.Object({ us_event: nullable(Type.Number()), events: Type.Integer() }) },
      },
    },
    async ({ params }) => {
      const { rule } = await asked({ rule: params.id });
      const page = await archive.search({ query: '', fromMs: 0, toMs: clock.now() + DAY_MS, limit: COST_EVENTS });
      const events = page.items.map(decodedOf);
      if (rule.kind !== 'detection' || events.length === 0) return { us_event: null, events: events.length };
      const normFirst = readsNormalisedFirst(rule.logsource);
      for (const event of events) evaluatePlain(rule.expr, event, normFirst);
      const started = performance.now();
      for (let round = 0; round < COST_ROUNDS; round++)
        for (const event of events) evaluatePlain(rule.expr, event, normFirst);
      const us = ((performance.now() - started) * 1000) / (COST_ROUNDS * events.length);
      return { us_event: Math.round(us * 100) / 100, events: events.length };
    },
  );
  app.get(
    '/v1/detection/rules/:id/source',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'The file of a rule as it stands on disk, to try a change of it',
        tags: ['detection'],
        params: Type.Object({ id: Type.String({ maxLength: LIMITS.nameCharsMax }) }),
        response: { 200: Type.Object({ text: Type.String() }) },
      },
    },
    async ({ params }) => {
      const { rule } = await asked({ rule: params.id });
      const text = await readFile(rule.file, 'utf8').catch(() => null);
      return { text: found(text === null || text.length > RULE_TEXT_CHARS_MAX ? null : text, 'rule file') };
    },
  );
  app.post(
    '/v1/detection/explain',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Why a rule fires on an event or does not, predicate by predicate',
        tags: ['detection'],
        body: Type.Object(
          {
            event: EventIdSchema,
            rule: Type.Optional(Type.String({ maxLength: LIMITS.nameCharsMax })),
            text: Type.Optional(RuleText),
          },
          closed,
        ),
        response: {
          200: Type.Unsafe<ReturnType<typeof whyRule>>({
            type: 'object',
            additionalProperties: true,
            description: 'The rule with its tree of predicates',
          }),
        },
      },
    },
    async ({ body }) => {
      const { rule, all } = await asked(body as { rule?: string; text?: string });
      return whyRule(rule, decodedOf(found(await archive.get(body.event), 'event')), all);
    },
  );
  app.post(
    '/v1/detection/backtest',
    {
      config: { access: 'analyst' },
      schema: {
        summary:
          'What a rule would have said in the past, before it is switched on; with `against`, what a change gains and loses',
        tags: ['detection'],
        body: Type.Object(
          {
            text: RuleText,
            against: Type.Optional(Type.String({ maxLength: LIMITS.nameCharsMax })),
            from: Type.Optional(TimeSchema),
            to: Type.Optional(TimeSchema),
          },
          closed,
        ),
        response: {
          200: Type.Object({
            alerts: Type.Integer(),
            complete: Type.Boolean({ description: 'False: the time was up, or there were too many' }),
            events: Type.Integer(),
            took_ms: Type.Integer(),
            days: Type.Array(Type.Object({ day: Type.String(), alerts: Type.Integer() })),
            gained: nullable(Type.Integer()),
            lost: nullable(Type.Integer()),
            sample: Type.Array(Type.Object({ time: TimeSchema, title: Type.String(), event: nullable(EventIdSchema) })),
            sentence: Type.String(),
          }),
        },
      },
    },
    async ({ body }) => {
      const range = {
        fromMs: body.from === undefined ? clock.now() - 30 * DAY_MS : Date.parse(body.from),
        toMs: body.to === undefined ? clock.now() : Date.parse(body.to),
      };
      const streamId = await parts.streamId();
      const started = performance.now();
      const tried = rulesFromText(body.text, (await parts.rules()).rules);
      // A file may hold several rules: a change of one is compared with that one.
      const changed = body.against !== undefined && tried.some(({ id }) => id === body.against) ? body.against : null;
      const fresh = await backtest(services, tried, range, streamId, changed);
      let before: Awaited<ReturnType<typeof backtest>> | null = null;
      if (body.against !== undefined) {
        const { rule, all } = await asked({ rule: body.against });
        before = await backtest(services, withMembers(rule, all), range, streamId, changed);
      }
      const days = new Map<string, number>();
      for (const { time } of fresh.alerts) days.set(time.slice(0, 10), (days.get(time.slice(0, 10)) ?? 0) + 1);
      const key = (alert: Alert) => alert.events.at(-1) ?? alert.id;
      const old = before === null ? null : new Set(before.alerts.map(key));
      const now = new Set(fresh.alerts.map(key));
      const gained = old === null ? null : [...now].filter((one) => !old.has(one)).length;
      const lost = old === null ? null : [...old].filter((one) => !now.has(one)).length;
      return {
        alerts: fresh.alerts.length,
        complete: fresh.complete && (before?.complete ?? true),
        events: fresh.rows,
        took_ms: Math.round(performance.now() - started),
        days: [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([day, alerts]) => ({ day, alerts })),
        gained,
        lost,
        sample: fresh.alerts.slice(0, 50).map(({ time, title, events }) => ({ time, title, event: events[0] ?? null })),
        sentence: `${fresh.alerts.length}${fresh.complete ? '' : ' or more'} alerts in ${fresh.rows} events${gained === null ? '' : `; ${gained} new, ${lost} gone`}.`,
      };
    },
  );
  app.post(
    '/v1/detection/tune',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Filters that would have silenced a rule’s harmless alerts and none of its real ones',
        tags: ['detection'],
        body: Type.Object({ rule: Type.String({ maxLength: LIMITS.nameCharsMax }) }, closed),
        response: {
          200: Type.Object({
            judged: Type.Integer(),
            proposals: Type.Array(
              Type.Object({
                conditions: Type.Array(ConditionSchema),
                harmless: Type.Integer(),
                real: Type.Integer(),
                unjudged: Type.Integer(),
                harmlessAll: Type.Integer(),
                sentence: Type.String(),
              }),
            ),
            sentence: Type.String(),
          }),
        },
      },
    },
    async ({ body }) => {
      const judged: JudgedAlert[] = [];
      for await (const alert of allRecords((page) => store.alerts.list({ rule: body.rule }, page))) {
        const [id] = alert.events;
        const record = id === undefined ? null : await archive.get(id);
        judged.push({ alert, event: record === null ? null : decodedOf(record) });
        if (judged.length >= TUNED_MAX) break;
      }
      const proposals = proposeFilters(judged);
      const harmless = judged.filter(({ alert }) => alert.verdict === 'harmless').length;
      return {
        judged: judged.length,
        proposals: proposals.map((one) => ({ ...one, conditions: [...one.conditions] })),
        sentence:
          harmless === 0
            ? 'No alert of this rule was found harmless yet: there is nothing to learn from.'
            : (proposals[0]?.sentence ?? `${harmless} harmless alerts share nothing that a real one lacks.`),
      };
    },
  );
}

/** A correlation with the rules that it counts, for an engine of its own. */
function withMembers(rule: Rule, all: readonly Rule[]): Rule[] {
  const out = new Set<Rule>();
  const visit = (one: Rule): void => {
    if (out.has(one)) return;
    if (one.kind === 'correlation')
      for (const name of one.rules) {
        const member = all.find(({ id, name: own }) => id === name || own === name);
        if (member) visit(member);
      }
    out.add(one);
  };
  visit(rule);
  return [...out];
}

async function backtest(
  services: RoomServices,
  rules: readonly Rule[],
  range: { fromMs: number; toMs: number },
  streamId: string,
  only: string | null,
) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), BACKTEST_MS_MAX);
  const alerts: Alert[] = [];
  let rows = 0;
  try {
    await huntRules(services.archive.parts, rules, {
      ...range,
      deep: false,
      streamId,
      done: new Set(),
      state: null,
      signal: stop.signal,
      onAlerts: async (raised) => {
        const some = only === null ? raised : raised.filter(({ rule }) => rule.id === only);
        alerts.push(...some.slice(0, BACKTEST_ALERTS_MAX - alerts.length));
        if (alerts.length >= BACKTEST_ALERTS_MAX) stop.abort();
      },
      onParts: async (_, progress) => {
        rows = progress.rows;
      },
    });
    return { alerts, rows, complete: true };
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return { alerts, rows, complete: false };
  } finally {
    clearTimeout(timer);
  }
}

export function timelineRoute(app: TypedApp, services: RoomServices): void {
  const { archive, store } = services;
  app.get(
    '/v1/incidents/:id/timeline',
    {
      config: { access: 'viewer' },
      schema: {
        summary:
          'An incident in order of time: its alerts, their events, and what happened to watched files of its hosts',
        tags: ['incidents'],
        params: Type.Object({ id: IncidentIdSchema }),
        response: {
          200: listOf(
            Type.Object({
              time: Type.String(),
              kind: Type.Unsafe<'alert' | 'event' | 'file'>({ type: 'string', enum: ['alert', 'event', 'file'] }),
              title: Type.String(),
              id: Type.Union([AlertIdSchema, EventIdSchema]),
              level: nullable(SeveritySchema),
            }),
          ),
        },
      },
    },
    async ({ params }) => {
      const incident = found(await store.incidents.get(params.id), 'incident');
      const items: TimelineItem[] = [];
      const events = new Set<string>();
      for await (const alert of allRecords((page) => store.alerts.list({ incident: incident.id }, page))) {
        items.push({ time: alert.time, kind: 'alert', title: alert.title, id: alert.id, level: alert.rule.level });
        for (const id of alert.events.slice(0, 10)) if (events.size < TIMELINE_MAX / 4) events.add(id);
        if (items.length >= TIMELINE_MAX / 2) break;
      }
      for (const id of events) {
        const event = await archive.get(id);
        if (event)
          items.push({
            time: event.time,
            kind: event.format.startsWith('asepsis/file') ? 'file' : 'event',
            title: event.raw.slice(0, 240),
            id: event.id,
            level: null,
          });
      }
      const hosts = incident.entities.filter(({ type }) => type === 'host').slice(0, 4);
      for (const { value } of hosts) {
        // Half an hour around it: what was changed just before and just after belongs to the story.
        const page = await archive.search({
          query: `class_uid:1001 AND host:"${value.replaceAll(/["\\]/g, '')}"`,
          fromMs: Date.parse(incident.first_event) - 1_800_000,
          toMs: Date.parse(incident.last_event) + 1_800_000,
          limit: 100,
        });
        for (const event of page.items)
          items.push({
            time: event.time,
            kind: 'file',
            title: `${event.ocsf.action ?? 'changed'} ${event.ocsf.file ?? event.raw.slice(0, 200)}`,
            id: event.id,
            level: null,
          });
      }
      return { items: mergeTimeline(items, TIMELINE_MAX) as never, next: null };
    },
  );
}
