/** Routes of plans: made, approved, worked on, exported; tasks of approved plans wait as tickets. */

import { Type } from 'typebox';
import { audited, closed, listOf, oneOf, type RoomServices, type TypedApp } from '../core/index.ts';
import type { PlanDoc } from './patching-desk.ts';
import type { PatchingDeps } from './patching-routes.ts';
import { PLAN_STATES, PlanSchema, TASK_STATES } from './patching-schema.ts';
import { planAnsible, planCalendar, planCsv } from './plan/index.ts';

const tags = ['patching'];
const id = Type.String({ minLength: 1, maxLength: 250 });

export function planRoutes(app: TypedApp, { services, desk }: PatchingDeps): void {
  const params = Type.Object({ id });
  app.get(
    '/v1/patching/plans',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Plans, newest first',
        tags,
        response: {
          200: listOf(
            Type.Object({
              id: Type.String(),
              name: Type.String(),
              state: oneOf(PLAN_STATES),
              created: Type.String(),
              by: Type.String(),
              tasks: Type.Integer(),
              unplaced: Type.Integer(),
            }),
          ),
        },
      },
    },
    async () => ({
      items: (await desk.plans()).map(({ id: plan, name, state, created, by, tasks, unplaced }) => ({
        id: plan,
        name,
        state,
        created,
        by,
        tasks: tasks.length,
        unplaced: unplaced.length,
      })),
      next: null,
    }),
  );
  app.post(
    '/v1/patching/plans',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Packs actions into maintenance windows',
        tags,
        body: Type.Object(
          {
            name: Type.String({ minLength: 1, maxLength: 120 }),
            windows: Type.Array(id, { maxItems: 100, default: [], description: 'Empty: all' }),
            actions: Type.Array(id, { maxItems: 1000, default: [], description: 'Empty: all' }),
          },
          closed,
        ),
        response: { 200: PlanSchema },
      },
    },
    async (request) => {
      const plan = await desk.makePlan({ ...request.body, by: request.caller?.name ?? 'unknown' });
      await audited(services, request, {
        action: 'patching.plan',
        target: plan.id,
        detail: `${plan.tasks.length} tasks`,
      });
      return desk.view(plan);
    },
  );
  app.get(
    '/v1/patching/plans/:id',
    {
      config: { access: 'viewer' },
      schema: { summary: 'A plan with the proof of each task', tags, params, response: { 200: PlanSchema } },
    },
    async (request) => desk.view(await desk.plan(request.params.id)),
  );
  app.post(
    '/v1/patching/plans/:id/approve',
    {
      config: { access: 'lead' },
      schema: { summary: 'Approves a draft; its tasks go out as tickets', tags, params, response: { 200: PlanSchema } },
    },
    async (request) => {
      const plan = await desk.approve(request.params.id);
      await audited(services, request, { action: 'patching.plan-approve', target: plan.id });
      await queueTickets(services, plan);
      return desk.view(plan);
    },
  );
  app.post(
    '/v1/patching/plans/:id/tasks',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'The state of a task, from a person or a ticket system; "done" is a claim until it is proven',
        tags,
        params,
        body: Type.Object(
          { task: id, status: oneOf(TASK_STATES), note: Type.String({ maxLength: 1000, default: '' }) },
          closed,
        ),
        response: { 200: PlanSchema },
      },
    },
    async (request) => {
      const { task, status, note } = request.body;
      const plan = await desk.setTask(request.params.id, task, { status, note, by: request.caller?.name ?? 'unknown' });
      await audited(services, request, { action: 'patching.task', target: `${plan.id} ${task}`, detail: status });
      return desk.view(plan);
    },
  );
  app.get(
    '/v1/patching/plans/:id/export',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'A plan as iCalendar, CSV, JSON, or for Ansible',
        tags,
        params,
        querystring: Type.Object(
          { format: oneOf(['ical', 'csv', 'json', 'ansible-inventory', 'ansible-playbook'] as const) },
          closed,
        ),
      },
    },
    async (request, reply) => {
      const { plan, packages } = await desk.exported(request.params.id);
      const { format } = request.query;
      const send = (type: string, file: string, text: string) =>
        reply.header('content-type', type).header('content-disposition', `attachment; filename="${file}"`).send(text);
      if (format === 'ical') return send('text/calendar; charset=utf-8', 'plan.ics', planCalendar(plan));
      if (format === 'csv') return send('text/csv; charset=utf-8', 'plan.csv', planCsv(plan));
      if (format === 'json')
        return send(
          'application/json',
          'plan.json',
          JSON.stringify({ ...plan, status: Object.fromEntries(plan.status) }),
        );
      const { inventory, playbook } = planAnsible(plan, packages);
      return format === 'ansible-inventory'
        ? send('text/yaml', 'inventory.yaml', inventory)
        : send('text/yaml', 'playbook.yaml', playbook);
    },
  );
}

export const TICKETS = 'patching-tickets';

/** One ticket a task; sent by the work in the background, once and again until it arrives. */
async function queueTickets(services: RoomServices, plan: PlanDoc): Promise<void> {
  if (services.config.patching.tickets === undefined) return;
  for (const task of plan.tasks)
    await services.store.records.insert(TICKETS, {
      id: `${plan.id}/${task.id}`.slice(0, 250),
      order: services.clock.now(),
      tag: 'due',
      doc: { plan: plan.id, plan_name: plan.name, task, attempts: 0, last_error: null },
    });
}
