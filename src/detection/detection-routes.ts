/** Rules on the desk: their volume and precision, on and off, suppressions, explain, backtest, tune, ATT&CK, the engine's state. */

import { createHash, randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import {
  type Alert,
  AlertIdSchema,
  AsepsisError,
  allRecords,
  audited,
  closed,
  Done,
  EventIdSchema,
  found,
  IncidentIdSchema,
  LIMITS,
  listOf,
  nullable,
  type RoomServices,
  rfc3339,
  SeveritySchema,
  TimeSchema,
  type TypedApp,
} from '../core/index.ts';
import { ConditionSchema, type Suppression, SuppressionSchema } from './detection-control.ts';
import {
  attackMatrix,
  countVerdict,
  mergeTimeline,
  precisionOf,
  type RuleVerdicts,
  type TimelineItem,
} from './detection-desk.ts';
import { decodedOf } from './detection-hunt-plan.ts';
import { huntRules } from './detection-hunt-run.ts';
import { rulesFromText } from './detection-hunt-service.ts';
import { NO_CONTROL, readControl, writeControl } from './detection-live.ts';
import type { LoadedRules } from './detection-load.ts';
import type { LiveBridge } from './detection-room.ts';
import type { Rule } from './detection-rule.ts';
import { type JudgedAlert, proposeFilters } from './detection-tune.ts';
import { whyRule } from './detection-why.ts';

const DAY_MS = 86_400_000;
/** Alerts looked through for verdicts: a year of a busy hospital. */
const ALERTS_COUNTED_MAX = 50_000;
const TUNED_MAX = 500;
const SUPPRESS_DAYS_MAX = 366;
const BACKTEST_MS_MAX = 30_000;
const BACKTEST_ALERTS_MAX = 5000;
const TIMELINE_MAX = 1000;
const RULE_TEXT_CHARS_MAX = 128 * 1024;

interface RouteParts {
  readonly engine: LiveBridge;
  readonly streamId: () => Promise<string>;
  /** The rules in force, read from the folders; kept while their files are unchanged. */
  readonly rules: () => Promise<LoadedRules>;
}

const RuleRow = Type.Object({
  id: Type.String(),
  title: Type.String(),
  level: SeveritySchema,
  kind: Type.String(),
  tags: Type.Array(Type.String()),
  file: Type.String(),
  enabled: Type.Boolean(),
  matches: Type.Integer({ description: 'Since the engine started' }),
  alerts: Type.Integer({ description: 'In the store, in the last 90 days' }),
  suppressed: Type.Integer({ description: 'Since the engine started' }),
  real: Type.Integer(),
  harmless: Type.Integer(),
  precision: nullable(Type.Number({ description: 'Real of real and harmless; null while nobody judged' })),
  quarantined: nullable(Type.String({ description: 'Why it was set aside' })),
});

/** Changes of what is switched off, one after the other. */
let changing: Promise<unknown> = Promise.resolve();
function changed<T>(work: () => Promise<T>): Promise<T> {
  const run = changing.then(work, work);
  changing = run.catch(() => {});
  return run;
}

async function verdicts(services: RoomServices): Promise<Map<string, RuleVerdicts>> {
  const since = rfc3339(services.clock.now() - 90 * DAY_MS);
  const out = new Map<string, RuleVerdicts>();
  let left = ALERTS_COUNTED_MAX;
  for await (const alert of allRecords((page) => services.store.alerts.list({ since }, page))) {
    countVerdict(out, alert);
    if (--left <= 0) break;
  }
  return out;
}

export function ruleRoutes(app: TypedApp, services: RoomServices, parts: RouteParts): void {
  const { dataDir } = services;
  app.get(
    '/v1/detection/rules',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Rules with their volume and how often analysts found them right',
        tags: ['detection'],
        response: { 200: listOf(RuleRow) },
      },
    },
    async () => {
      const [{ rules }, counted, control] = await Promise.all([
        parts.rules(),
        verdicts(services),
        readControl(dataDir).catch(() => NO_CONTROL),
      ]);
      const stats = parts.engine.stats();
      const off = new Set(control.disabled);
      const byRule = new Map(stats?.rules.map((one) => [one.rule, one]));
      const broken = new Map(stats?.quarantined.map(({ rule, reason }) => [rule, reason]));
      const row = (rule: Rule) => {
        const seen = counted.get(rule.id) ?? { alerts: 0, real: 0, harmless: 0, unjudged: 0 };
        const live = byRule.get(rule.id);
        return {
          id: rule.id,
          title: rule.title,
          level: rule.level,
          kind: rule.kind === 'correlation' ? rule.type : 'detection',
          tags: [...rule.tags],
          file: rule.file,
          enabled: !off.has(rule.id),
          matches: live?.matches ?? 0,
          alerts: seen.alerts,
          suppressed: live?.suppressed ?? 0,
          real: seen.real,
          harmless: seen.harmless,
          precision: precisionOf(seen),
          quarantined: broken.get(rule.id) ?? null,
        };
      };
      return { items: rules.map(row), next: null };
    },
  );
  app.post(
    '/v1/detection/rules/:id/enabled',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Switch a rule on or off; it takes effect at once and survives a restart',
        tags: ['detection'],
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax }) }),
        body: Type.Object(
          { enabled: Type.Boolean(), reason: Type.String({ minLength: 1, maxLength: LIMITS.textCharsMax }) },
          closed,
        ),
        response: { 200: Done },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { enabled, reason } = request.body;
      found((await parts.rules()).rules.find((rule) => rule.id === id) ?? null, 'rule');
      await changed(async () => {
        const control = await readControl(dataDir);
        const others = control.disabled.filter((one) => one !== id);
        await writeControl(dataDir, { ...control, disabled: enabled ? others : [...others, id] });
      });
      parts.engine.look();
      await audited(services, request, {
        action: enabled ? 'rule.enable' : 'rule.disable',
        target: id,
        detail: reason,
      });
      return { ok: true as const };
    },
  );
  app.post(
    '/v1/detection/rules/reload',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Read the rule folders again; what is counted goes on',
        tags: ['detection'],
        response: { 200: Done },
      },
    },
    async (request) => {
      await changed(async () => {
        const control = await readControl(dataDir);
        await writeControl(dataDir, { ...control, rules: control.rules + 1 });
      });
      parts.engine.look();
      await audited(services, request, { action: 'rule.reload' });
      return { ok: true as const };
    },
  );
  app.get(
    '/v1/detection/attack',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Techniques of ATT&CK that rules look for, with their alerts of the last 90 days',
        tags: ['detection'],
        response: {
          200: listOf(
            Type.Object({
              technique: Type.String(),
              tactics: Type.Array(Type.String()),
              rules: Type.Array(Type.String()),
              alerts: Type.Integer(),
            }),
          ),
        },
      },
    },
    async () => {
      const [{ rules }, counted] = await Promise.all([parts.rules(), verdicts(services)]);
      const alerts = new Map([...counted].map(([id, one]) => [id, one.alerts]));
      return {
        items: attackMatrix(rules, alerts).map((cell) => ({
          ...cell,
          tactics: [...cell.tactics],
          rules: [...cell.rules],
        })),
        next: null,
      };
    },
  );
  app.get(
    '/v1/detection/state',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'What the rules’ engine remembers, what had to be forgotten, and who is at risk',
        tags: ['detection'],
        response: {
          200: Type.Object({
            running: Type.Boolean(),
            groups: Type.Integer(),
            bytes: Type.Integer(),
            evicted: Type.Integer(),
            late: Type.Integer(),
            watermark: nullable(Type.String()),
            fault: nullable(Type.String()),
            suppressed: Type.Integer(),
            indicators: nullable(Type.Object({ loaded: Type.Integer(), hits: Type.Integer(), alerts: Type.Integer() })),
            risk: Type.Array(
              Type.Object({
                type: Type.String(),
                value: Type.String(),
                points: Type.Number(),
                rules: Type.Array(Type.String()),
              }),
            ),
          }),
        },
      },
    },
    async () => {
      const stats = parts.engine.stats();
      return {
        running: stats !== null,
        groups: stats?.groups ?? 0,
        bytes: stats?.bytes ?? 0,
        evicted: stats?.evicted ?? 0,
        late: stats?.late ?? 0,
        watermark: stats?.watermarkMs == null ? null : rfc3339(stats.watermarkMs),
        fault: stats?.lookFault ?? stats?.restoreFault ?? null,
        suppressed: stats?.suppressed.reduce((sum, { count }) => sum + count, 0) ?? 0,
        indicators: stats?.indicators
          ? { loaded: stats.indicators.loaded, hits: stats.indicators.hits, alerts: stats.indicators.alerts }
          : null,
        risk: (stats?.risk ?? [])
          .filter(({ exercise }) => exercise === services.exercise)
          .map(({ type, value, points, rules }) => ({ type, value, points, rules: [...rules] })),
      };
    },
  );
  suppressionRoutes(app, services, parts);
  questionRoutes(app, services, parts);
  timelineRoute(app, services);
}

function suppressionRoutes(app: TypedApp, services: RoomServices, parts: RouteParts): void {
  const { clock, dataDir } = services;
  const Row = Type.Object({
    ...SuppressionSchema.properties,
    ended: Type.Boolean(),
    count: Type.Integer({ description: 'Alerts it kept silent since the engine started' }),
    last: nullable(TimeSchema),
  });
  const rowOf = (one: Suppression) => {
    const counted = parts.engine.stats()?.suppressed.find(({ id }) => id === one.id);
    return {
      ...one,
      conditions: [...one.conditions],
      ended: Date.parse(one.until) <= clock.now(),
      count: counted?.count ?? 0,
      last: counted ? rfc3339(counted.lastMs) : null,
    };
  };
  app.get(
    '/v1/detection/suppressions',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Alerts that are kept silent, by whom, why and until when',
        tags: ['detection'],
        response: { 200: listOf(Row) },
      },
    },
    async () => ({ items: (await readControl(dataDir)).suppressions.map(rowOf), next: null }),
  );
  app.post(
    '/v1/detection/suppressions',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Keep alerts silent until a day; they stay counted',
        tags: ['detection'],
        body: Type.Object(
          {
            rule: nullable(Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax })),
            conditions: Type.Array(ConditionSchema, { maxItems: 16 }),
            until: TimeSchema,
            reason: Type.String({ minLength: 1, maxLength: LIMITS.textCharsMax }),
          },
          closed,
        ),
        response: { 200: Row },
      },
    },
    async (request) => {
      const { rule, conditions, until, reason } = request.body;
      if (rule === null && conditions.length === 0)
        throw new AsepsisError('BAD_REQUEST', 'Without rule and condition every alert would be silent.');
      const ms = Date.parse(until) - clock.now();
      if (ms <= 0 || ms > SUPPRESS_DAYS_MAX * DAY_MS)
        throw new AsepsisError('BAD_REQUEST', 'It must end within a year.');
      const one: Suppression = {
        id: `sup_${createHash('sha256').update(randomBytes(16)).digest('hex').slice(0, 24)}`,
        rule,
        conditions,
        until,
        owner: request.caller?.name ?? 'unknown',
        reason,
      };
      await changed(async () => {
        const control = await readControl(dataDir);
        // What ended long ago makes room; the audit log keeps it.
        const kept = control.suppressions.filter((old) => Date.parse(old.until) > clock.now() - 30 * DAY_MS);
        await writeControl(dataDir, { ...control, suppressions: [...kept, one] });
      });
      parts.engine.look();
      await audited(services, request, {
        action: 'suppression.add',
        target: one.id,
        detail: JSON.stringify({ rule, conditions, until, reason }),
      });
      return rowOf(one);
    },
  );
  app.delete(
    '/v1/detection/suppressions/:id',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Undo a suppression: alerts are raised again from the next event on',
        tags: ['detection'],
        params: Type.Object({ id: Type.String({ pattern: '^sup_[0-9a-f]{24}$' }) }),
        response: { 200: Done },
      },
    },
    async (request) => {
      const { id } = request.params;
      const gone = await changed(async () => {
        const control = await readControl(dataDir);
        const one = control.suppressions.find((known) => known.id === id) ?? null;
        if (one)
          await writeControl(dataDir, {
            ...control,
            suppressions: control.suppressions.filter((known) => known.id !== id),
          });
        return one;
      });
      found(gone, 'suppression');
      parts.engine.look();
      await audited(services, request, { action: 'suppression.remove', target: id, detail: JSON.stringify(gone) });
      return { ok: true as const };
    },
  );
}

const RuleText = Type.String({ minLength: 1, maxLength: RULE_TEXT_CHARS_MAX, description: 'A rule as YAML' });

function questionRoutes(app: TypedApp, services: RoomServices, parts: RouteParts): void {
  const { archive, clock, store } = services;
  /** The rule of a request, by its id or as YAML, and the rules among which it finds its own. */
  const asked = async (o: { rule?: string; text?: string }): Promise<{ rule: Rule; all: readonly Rule[] }> => {
    if (o.text !== undefined) {
      const all = rulesFromText(o.text);
      return { rule: all.at(-1) as Rule, all };
    }
    const { rules } = await parts.rules();
    return { rule: found(rules.find(({ id }) => id === o.rule) ?? null, 'rule'), all: rules };
  };
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
      const fresh = await backtest(services, rulesFromText(body.text), range, streamId);
      let before: Awaited<ReturnType<typeof backtest>> | null = null;
      if (body.against !== undefined) {
        const { rule, all } = await asked({ rule: body.against });
        before = await backtest(services, withMembers(rule, all), range, streamId);
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
        days: [...days].sort().map(([day, alerts]) => ({ day, alerts })),
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
        alerts.push(...raised.slice(0, BACKTEST_ALERTS_MAX - alerts.length));
        if (alerts.length >= BACKTEST_ALERTS_MAX) stop.abort();
      },
      onPart: async (_, progress) => {
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

function timelineRoute(app: TypedApp, services: RoomServices): void {
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
