/** API tokens: for shippers that send (bound to a source) and for programs that read or write with a role. */

import { Type } from 'typebox';
import {
  type ApiToken,
  AsepsisError,
  audited,
  closed,
  Done,
  LIMITS,
  listOf,
  nullable,
  oneOf,
  ROLES,
  type TokenId,
  type TypedApp,
} from '../core/index.ts';
import { callerOf } from './api-caller.ts';
import { type Api, now } from './api-context.ts';
import { DisplayName, RoleSchema } from './api-routes.ts';
import { createToken } from './api-token.ts';

const tags = ['tokens'];
const config = { access: 'administrator', personOnly: true } as const;
const Scope = oneOf(['ingest', 'read', 'write']);
const EXPIRES_DAYS = { read: 90, write: 90, ingest: null } as const;
const TOKENS_MAX = 10_000;

function answer(token: ApiToken) {
  const { id, name, scope, role, source, created_by, created, expires, last_used, revoked } = token;
  return { id, name, scope, role, source, created_by, created, expires, last_used, revoked };
}

export function registerTokens(app: TypedApp, api: Api): void {
  app.get(
    '/v1/tokens',
    {
      config,
      schema: {
        tags,
        summary: 'Every token, without its secret',
        response: {
          200: listOf(
            Type.Object({
              id: Type.String(),
              name: Type.String(),
              scope: Scope,
              role: nullable(RoleSchema),
              source: nullable(Type.String()),
              created_by: Type.String(),
              created: Type.String(),
              expires: nullable(Type.String()),
              last_used: nullable(Type.String()),
              revoked: Type.Boolean(),
            }),
          ),
        },
      },
    },
    async () => ({ items: (await api.store.people.tokens()).map(answer), next: null }),
  );

  app.post(
    '/v1/tokens',
    {
      config,
      schema: {
        tags,
        summary: 'Makes a token; its text is shown this once',
        body: Type.Object(
          {
            name: DisplayName,
            scope: Scope,
            role: Type.Optional(RoleSchema),
            source: Type.Optional(
              Type.String({
                minLength: 1,
                maxLength: LIMITS.nameCharsMax,
                description: 'Ingest: name of the source that it speaks for; the token’s name when absent',
              }),
            ),
            expires_days: Type.Optional(
              Type.Integer({
                minimum: 1,
                maximum: 3650,
                description: '90 by default; ingest tokens have no end by default',
              }),
            ),
          },
          closed,
        ),
        response: { 200: Type.Object({ id: Type.String(), token: Type.String(), expires: nullable(Type.String()) }) },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { name, scope, expires_days } = request.body;
      const role = scope === 'ingest' ? null : (request.body.role ?? 'viewer');
      if (role !== null && caller.role !== null && ROLES.indexOf(role) > ROLES.indexOf(caller.role)) {
        throw new AsepsisError('FORBIDDEN', 'A token cannot reach further than you.');
      }
      if ((await api.store.people.tokens()).filter((token) => !token.revoked).length >= TOKENS_MAX) {
        throw new AsepsisError('CONFLICT', `${TOKENS_MAX} tokens are the most; revoke what is not used.`);
      }
      const source =
        scope === 'ingest'
          ? (await api.store.sources.ensure({ name: request.body.source ?? name, kind: 'http' }, now(api))).id
          : null;
      const { token, secret } = await createToken(api, {
        name,
        scope,
        role,
        source,
        createdBy: caller.id,
        expiresDays: expires_days ?? EXPIRES_DAYS[scope],
      });
      const detail = `scope ${scope}${role === null ? '' : `, role ${role}`}, until ${token.expires ?? 'revoked'}`;
      await audited(api, request, { action: 'token.create', target: `${token.id} ${name}`, detail });
      return { id: token.id, token: secret, expires: token.expires };
    },
  );

  app.delete(
    '/v1/tokens/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Revokes a token at once',
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }, closed),
        response: { 200: Done },
      },
    },
    async (request) => {
      if (!(await api.store.people.revokeToken(request.params.id as TokenId))) {
        throw new AsepsisError('NOT_FOUND', 'There is no such token, or it is revoked already.');
      }
      await audited(api, request, { action: 'token.revoke', target: request.params.id });
      return { ok: true as const };
    },
  );
}
