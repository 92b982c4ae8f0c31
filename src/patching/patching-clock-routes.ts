/** The clocks of a finding: which rules set which day, and the pauses that move our own ones, each with its reason. */

import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  type Finding,
  type FindingId,
  FindingIdSchema,
  found,
  nullable,
  rfc3339,
  type TypedApp,
} from '../core/index.ts';
import { detectedMsOf, pauseOf } from './patching-life.ts';
import { exposureOf, type PauseRecord, readPauses, readPolicy, writePause } from './patching-records.ts';
import type { PatchingDeps } from './patching-routes.ts';
import {
  type Clock,
  DEFAULT_POLICY,
  type Decision,
  decide,
  type Pause,
  pausedDue,
  UNKNOWN_CONTEXT,
} from './policy/index.ts';

const tags = ['patching'];
const ClockSchema = Type.Object({
  rule: Type.String(),
  from: Type.String(),
  starts: Type.String(),
  due: Type.String(),
  paused_due: Type.String({ description: 'After pauses; dates that others set do not move' }),
  why: Type.String(),
});
const PauseSchema = Type.Object({
  id: Type.String(),
  from: Type.String(),
  to: nullable(Type.String()),
  reason: Type.String(),
  by: Type.String(),
});
const Answer = Type.Object({
  clocks: Type.Array(ClockSchema),
  due: nullable(Type.String()),
  ssvc: Type.String(),
  assumed: Type.Array(Type.String()),
  pauses: Type.Array(PauseSchema),
});

export function clockRoutes(app: TypedApp, { services, bench, desk }: PatchingDeps): void {
  const { store, clock } = services;
  const params = Type.Object({ id: FindingIdSchema });
  const read = async (id: string) => {
    const finding = found(await store.findings.get(id as FindingId), 'finding');
    if (finding.room !== 'patching') throw new AsepsisError('BAD_REQUEST', 'That finding has no clocks of patching.');
    return finding;
  };
  const answer = async (finding: Finding) => {
    const asset = finding.asset.id ? await store.assets.get(finding.asset.id) : null;
    const context = asset ? { criticality: asset.criticality, ...(await exposureOf(store, asset)) } : UNKNOWN_CONTEXT;
    const policy = (await readPolicy(store)) ?? DEFAULT_POLICY;
    const decisions = finding.evidence
      .filter(({ data }) => typeof data?.vulnerability === 'string')
      .map(({ data }) => decide(factsOf(finding, data ?? {}), context, policy, detectedMsOf(finding, data)));
    const pauses = await readPauses(store, finding.id);
    const times = pauses.map(pauseOf);
    const all = decisions.length > 0 ? strictest(decisions) : ownClock(finding, times, clock.now());
    const clocks = all
      .map((one) => ({
        rule: one.rule,
        from: one.from,
        starts: rfc3339(one.startMs),
        due: rfc3339(one.dueMs),
        paused_due: rfc3339(pausedDue(one, times, clock.now())),
        why: one.why,
      }))
      .sort((a, b) => (a.paused_due < b.paused_due ? -1 : 1));
    return {
      clocks,
      due: clocks[0]?.paused_due ?? null,
      ssvc: ['act', 'attend', 'track*'].find((word) => decisions.some((one) => one.ssvc === word)) ?? 'track',
      assumed: [...new Set(decisions.flatMap((one) => one.assumed))],
      pauses: pauses.map(({ id, from, to, reason, by }) => ({ id, from, to, reason, by })),
    };
  };
  app.get(
    '/v1/patching/findings/:id/clocks',
    {
      config: { access: 'viewer' },
      schema: { summary: 'By when a finding has to be closed, by each rule', tags, params, response: { 200: Answer } },
    },
    async (request) => answer(await read(request.params.id)),
  );
  app.post(
    '/v1/patching/findings/:id/pauses',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Stops our own clocks of a finding, with a reason; or lets them run again',
        tags,
        params,
        body: Type.Union([
          Type.Object({ reason: Type.String({ minLength: 3, maxLength: 1000 }) }, closed),
          Type.Object({ end: Type.Literal(true) }, closed),
        ]),
        response: { 200: Answer },
      },
    },
    async (request) => {
      const finding = await read(request.params.id);
      const asset = finding.asset.id;
      if (!PAUSABLE.has(finding.kind) || !asset || finding.state === 'fixed')
        throw new AsepsisError('BAD_REQUEST', 'That finding has no clock of ours that could stand still.');
      const running = (await readPauses(store, finding.id)).find((one) => one.to === null);
      const now = rfc3339(clock.now());
      if ('end' in request.body) {
        if (!running) throw new AsepsisError('CONFLICT', 'Its clocks are running.');
        await writePause(store, { ...running, to: now });
      } else {
        if (running) throw new AsepsisError('CONFLICT', 'Its clocks are paused already.');
        const pause: PauseRecord = {
          id: `pause-${randomBytes(8).toString('hex')}`,
          finding: finding.id,
          from: now,
          to: null,
          reason: request.body.reason,
          by: request.caller?.name ?? 'unknown',
        };
        await writePause(store, pause);
      }
      await audited(services, request, {
        action: 'patching.pause',
        target: finding.id,
        detail: 'end' in request.body ? 'ended' : request.body.reason,
      });
      // The day that lists and plans go by moves with it.
      await bench.judgeOne({ asset });
      desk.forget();
      return answer(await read(finding.id));
    },
  );
}

/** Kinds that are judged from inventories and have a deadline. */
const PAUSABLE = new Set<string>([
  'missing-update',
  'no-update-yet',
  'end-of-life',
  'device-advisory',
  'restart-needed',
]);

/** Where no vulnerability is named, one number of days counts, and the finding's date has it, pauses included. */
function ownClock(finding: Finding, pauses: readonly Pause[], nowMs: number): Clock[] {
  if (finding.due === null) return [];
  const startMs = Date.parse(finding.first_seen);
  const dueMs = Date.parse(finding.due);
  const stood = pausedDue({ rule: 'local', startMs, dueMs: Number.MAX_SAFE_INTEGER / 2 }, pauses, nowMs);
  return [
    {
      rule: 'local',
      from: 'detected',
      startMs,
      dueMs: dueMs - (stood - Number.MAX_SAFE_INTEGER / 2),
      why: 'counted from when it was first seen (local policy)',
      triage: false,
    },
  ];
}

type Data = Readonly<Record<string, string | number | boolean>>;
const text = (value: unknown) => (typeof value === 'string' ? value : null);

/** What the evidence of a finding says, as the decision takes it. */
function factsOf(finding: Finding, data: Data) {
  const feed = { name: '', version: '', date: '', dateOf: 'feed' } as const;
  const severity = text(data.severity);
  const kev = text(data.kev_added);
  const due = text(data.kev_due);
  const exploitation = text(data.ssvc_exploitation);
  return {
    severity: severity === null || severity === 'unknown' ? finding.severity : (severity as Finding['severity']),
    fixable: text(data.fixed) !== null,
    exploited:
      kev === null
        ? null
        : { added: kev, due: due === 'not given' ? null : due, ransomware: data.kev_ransomware === true, feed },
    points:
      exploitation === null
        ? null
        : {
            exploitation: exploitation as 'none',
            automatable: data.ssvc_automatable === true,
            total: data.ssvc_technical_impact === 'total',
            feed,
          },
    vector: text(data.vector),
    published: text(data.published),
  };
}

/** Of each rule the clock that ends first. */
function strictest(decisions: readonly Decision[]): Clock[] {
  const best = new Map<string, Clock>();
  for (const { clocks } of decisions)
    for (const one of clocks) {
      const known = best.get(one.rule);
      if (!known || one.dueMs < known.dueMs) best.set(one.rule, one);
    }
  return [...best.values()];
}
