/** The audit log for administrators, newest first, and whether its chain is whole. */

import { Type } from 'typebox';
import {
  AuditEntrySchema,
  closed,
  LIMITS,
  nullable,
  PageQuery,
  type Rfc3339,
  TimeSchema,
  type TypedApp,
} from '../core/index.ts';
import type { Api } from './api-context.ts';

const tags = ['audit'];
const config = { access: 'administrator' } as const;

export function registerAudit(app: TypedApp, api: Api): void {
  app.get(
    '/v1/audit',
    {
      config,
      schema: {
        tags,
        summary: 'Who did what',
        querystring: Type.Object(
          {
            ...PageQuery.properties,
            actor: Type.Optional(Type.String({ maxLength: LIMITS.nameCharsMax })),
            action: Type.Optional(Type.String({ maxLength: 64 })),
            since: Type.Optional(TimeSchema),
          },
          closed,
        ),
        response: { 200: Type.Object({ items: Type.Array(AuditEntrySchema), next: nullable(Type.String()) }) },
      },
    },
    async (request) => {
      const { limit, after, actor, action, since } = request.query;
      const page = await api.store.audit.list(
        {
          ...(actor === undefined ? {} : { actor }),
          ...(action === undefined ? {} : { action }),
          ...(since === undefined ? {} : { since: since as Rfc3339 }),
        },
        { limit, ...(after === undefined ? {} : { after }) },
      );
      return { items: [...page.items], next: page.next };
    },
  );

  app.get(
    '/v1/audit/verify',
    {
      config,
      schema: {
        tags,
        summary: 'Reads the whole chain and says whether it is unbroken',
        response: {
          200: Type.Object({
            ok: Type.Boolean(),
            entries: Type.Integer(),
            first_bad: nullable(Type.Integer()),
            reason: nullable(Type.String()),
          }),
        },
      },
    },
    async () => {
      const { ok, entries, firstBad, reason } = await api.store.audit.verify();
      return { ok, entries, first_bad: firstBad, reason };
    },
  );
}
