/** The room's routes: actions, windows, plans, feeds, reach, questions about devices, exceptions. */

import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import {
  AsepsisError,
  AssetIdSchema,
  audited,
  closed,
  type FindingId,
  FindingIdSchema,
  FindingSchema,
  found,
  listOf,
  oneOf,
  type RoomServices,
  rfc3339,
  type TypedApp,
} from '../core/index.ts';
import { BLACKOUTS, type PatchingDesk, readDocs, WINDOWS } from './patching-desk.ts';
import type { FeedJobs } from './patching-jobs.ts';
import { readAssetSummary, readPolicy, writeAnswer, writePolicy } from './patching-records.ts';
import { ActionSchema, type BlackoutDoc, BlackoutSchema, type WindowDoc, WindowSchema } from './patching-schema.ts';
import type { ThreadedWorkbench } from './patching-thread.ts';
import { DEFAULT_POLICY, type Policy, PolicySchema, policyOf } from './policy/index.ts';

export interface PatchingDeps {
  readonly services: RoomServices;
  readonly bench: ThreadedWorkbench;
  readonly jobs: FeedJobs;
  readonly desk: PatchingDesk;
}
const tags = ['patching'];
const id = Type.String({ minLength: 1, maxLength: 250 });
const ACTIONS_MAX = 500;
const DAY_MS = 86_400_000;

export function actionRoutes(app: TypedApp, { desk, services }: PatchingDeps): void {
  app.get(
    '/v1/patching/actions',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'What to do first: actions by the risk that they take away',
        tags,
        response: { 200: listOf(ActionSchema) },
      },
    },
    async () => ({
      items: (await desk.actions()).slice(0, ACTIONS_MAX).map(({ findings, assets, ...one }) => ({
        ...one,
        findings: findings.length,
        assets: assets.length,
        example: assets
          .slice(0, 5)
          .map((asset) => asset.name)
          .join(', '),
      })),
      next: null,
    }),
  );
  app.get(
    '/v1/patching/times',
    { config: { access: 'viewer' }, schema: { summary: 'Time to remediate, its trend, and deadlines kept', tags } },
    async () => desk.times(),
  );
  app.get(
    '/v1/patching/reach',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Where a vulnerability or package is open',
        tags,
        querystring: Type.Object({ name: Type.String({ minLength: 2, maxLength: 128 }) }, closed),
        response: {
          200: Type.Object({
            name: Type.String(),
            assets: Type.Integer(),
            fixed: Type.Integer(),
            open: Type.Array(FindingSchema),
          }),
        },
      },
    },
    async ({ query }) => {
      const reach = await desk.reach(query.name);
      return { ...reach, open: reach.open.slice(0, 500) };
    },
  );
  app.get(
    '/v1/patching/assets/:id',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Where the inventory of an asset comes from, and what could not be judged',
        tags,
        params: Type.Object({ id: AssetIdSchema }),
      },
    },
    async ({ params }) => found(await readAssetSummary(services.store, params.id), 'inventory'),
  );
}

export function policyRoutes(app: TypedApp, { services, bench, desk }: PatchingDeps): void {
  app.get(
    '/v1/patching/policy',
    {
      config: { access: 'viewer' },
      schema: { summary: 'By when what has to be done', tags, response: { 200: PolicySchema } },
    },
    async () => (await readPolicy(services.store)) ?? DEFAULT_POLICY,
  );
  app.post(
    '/v1/patching/policy',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Replaces the local policy; deadlines are made anew',
        tags,
        body: PolicySchema,
        response: { 200: PolicySchema },
      },
    },
    async (request) => {
      const policy: Policy = policyOf(request.body);
      await writePolicy(services.store, policy);
      await audited(services, request, { action: 'patching.policy', detail: policy.name });
      desk.forget();
      void bench
        .judgeAll({})
        .catch((error: unknown) => services.log.warn({ error: String(error) }, 'assets could not be judged anew'))
        .finally(() => desk.forget());
      return policy;
    },
  );
}

const made = (prefix: string, now: number) => `${prefix}-${now.toString(36)}-${randomBytes(4).toString('hex')}`;

export function windowRoutes(app: TypedApp, { services }: PatchingDeps): void {
  for (const [path, collection, schema, what] of [
    ['/v1/patching/windows', WINDOWS, WindowSchema, 'maintenance windows'],
    ['/v1/patching/blackouts', BLACKOUTS, BlackoutSchema, 'times when care must not be disturbed'],
  ] as const) {
    const Full = Type.Intersect([schema, Type.Object({ id })]);
    app.get(
      path,
      { config: { access: 'viewer' }, schema: { summary: `The ${what}`, tags, response: { 200: listOf(Full) } } },
      async () => ({ items: await readDocs<WindowDoc>(services.store, collection), next: null }),
    );
    app.post(
      path,
      {
        config: { access: 'analyst' },
        schema: { summary: `Adds to the ${what}`, tags, body: schema, response: { 200: Full } },
      },
      async (request) => {
        const body = request.body as Omit<WindowDoc, 'id'> | Omit<BlackoutDoc, 'id'>;
        const [starts, ends] = [Date.parse(body.starts), Date.parse(body.ends)];
        if (!(ends > starts) || ends - starts > 31 * DAY_MS)
          throw new AsepsisError('BAD_REQUEST', 'It ends after it starts, at most 31 days later.');
        const doc = { ...body, id: made(collection === WINDOWS ? 'win' : 'blk', services.clock.now()) };
        await services.store.records.put(collection, [{ id: doc.id, order: starts, doc }]);
        await audited(services, request, { action: 'patching.window', target: doc.id, detail: doc.name });
        return doc as WindowDoc;
      },
    );
    app.delete(
      `${path}/:id`,
      {
        config: { access: 'analyst' },
        schema: { summary: `Removes from the ${what}`, tags, params: Type.Object({ id }) },
      },
      async (request) => {
        const gone = await services.store.records.delete(collection, [request.params.id]);
        if (gone === 0) throw new AsepsisError('NOT_FOUND', 'There is no such window.');
        await audited(services, request, { action: 'patching.window-remove', target: request.params.id });
        return { ok: true };
      },
    );
  }
}

export function questionRoutes(app: TypedApp, { services, bench, desk }: PatchingDeps): void {
  app.post(
    '/v1/patching/questions/:id',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'What biomedical engineering answered to the question of an advisory about a device',
        tags,
        params: Type.Object({ id: FindingIdSchema }),
        body: Type.Object(
          {
            answer: oneOf(['affected', 'not affected', 'unknown'] as const),
            said_by: Type.String({ minLength: 2, maxLength: 200, description: 'Who said so' }),
            note: Type.String({ maxLength: 1000, default: '' }),
          },
          closed,
        ),
        response: { 200: FindingSchema },
      },
    },
    async (request) => {
      const finding = found(await services.store.findings.get(request.params.id as FindingId), 'question');
      const asset = finding.asset.id;
      if (finding.kind !== 'device-advisory-question' || !asset)
        throw new AsepsisError('BAD_REQUEST', 'That finding asks no question.');
      const { answer, said_by, note } = request.body;
      const by = request.caller?.name ?? 'unknown';
      const at = rfc3339(services.clock.now());
      await writeAnswer(services.store, asset, { advisory: finding.key, answer, said_by, note, by, at });
      await audited(services, request, {
        action: 'patching.answer',
        target: finding.id,
        detail: `${answer}, said ${said_by}`,
      });
      if (answer !== 'unknown') {
        const see = answer === 'affected' ? '; see the finding of the advisory' : '';
        const what = `${said_by} answered that the device is ${answer}${see}. ${note}`.trim().slice(0, 4000);
        await services.store.findings.fix(finding.id, { what, seen: at, data: { said_by, written_by: by } }, at);
      }
      await bench.judgeOne({ asset });
      desk.forget();
      return found(await services.store.findings.get(finding.id), 'question');
    },
  );
}
