/** Rules on the desk: their volume and precision, on and off, suppressions, explain, backtest, tune, ATT&CK, the engine's state. */

import { createHash, randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import {
  AsepsisError,
  allRecords,
  audited,
  closed,
  Done,
  found,
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
import { attackMatrix, countVerdict, needsLead, precisionOf, type RuleVerdicts } from './detection-desk.ts';
import { NO_CONTROL, readControl, writeControl } from './detection-live.ts';
import type { LoadedRules } from './detection-load.ts';
import { questionRoutes, timelineRoute } from './detection-question-routes.ts';
import type { LiveBridge } from './detection-room.ts';
import type { Rule } from './detection-rule.ts';

const DAY_MS = 86_400_000;
/** Alerts looked through for verdicts: a year of a busy hospital. */
const ALERTS_COUNTED_MAX = 50_000;
const SUPPRESS_DAYS_MAX = 366;

export interface RouteParts {
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
      if (request.caller?.role === 'analyst' && needsLead(conditions.length, ms))
        throw new AsepsisError(
          'FORBIDDEN',
          'A whole rule is kept silent for longer than a day by a lead only; add a condition.',
        );
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
