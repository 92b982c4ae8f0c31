/** People: who has an account with which role, invitations, and who may no longer come in. */

import { Type } from 'typebox';
import {
  type ApiToken,
  AsepsisError,
  audited,
  closed,
  listOf,
  nullable,
  type Person,
  type PersonId,
  ROLES,
  type Role,
  type Store,
  type TypedApp,
} from '../core/index.ts';
import { callerOf } from './api-caller.ts';
import { type Api, createQueue } from './api-context.ts';
import { createInvitation } from './api-invitation.ts';
import { RoleSchema, Username } from './api-routes.ts';
import { nameKey } from './api-sign-in.ts';

const tags = ['people'];
const config = { access: 'administrator', personOnly: true } as const;
const PersonAnswer = Type.Object({
  id: Type.String(),
  username: Type.String(),
  display_name: Type.String(),
  role: RoleSchema,
  disabled: Type.Boolean(),
  created: Type.String(),
  last_sign_in: nullable(Type.String()),
});
const Invited = Type.Object({ link: Type.String(), expires: Type.String() });
const ById = Type.Object({ id: Type.String({ maxLength: 64 }) }, closed);

function answer({ id, username, display_name, role, disabled, created, last_sign_in }: Person) {
  return { id, username, display_name, role, disabled, created, last_sign_in };
}

/** What a person made who loses the role: tokens must not reach further than their maker. Shippers go on. */
const outreaches = (token: ApiToken, maker: Person) =>
  !token.revoked &&
  token.created_by === maker.id &&
  token.role !== null &&
  (maker.disabled || ROLES.indexOf(token.role) > ROLES.indexOf(maker.role));

async function changePerson(
  store: Store,
  id: PersonId,
  change: { role?: Role; disabled?: boolean },
): Promise<{ before: Person; after: Person }> {
  const before = await store.people.get(id);
  if (before === null) throw new AsepsisError('NOT_FOUND', 'There is no such person.');
  const after = await store.people.update(id, change);
  if (after === null) throw new AsepsisError('NOT_FOUND', 'There is no such person.');
  const administrators = (await store.people.list()).filter((one) => one.role === 'administrator' && !one.disabled);
  if (administrators.length === 0) {
    throw new AsepsisError('CONFLICT', 'This is the last administrator; make somebody else one first.');
  }
  if (before.role !== after.role || after.disabled) await store.people.deleteSessionsOf(id);
  for (const token of await store.people.tokens()) {
    if (outreaches(token, after)) await store.people.revokeToken(token.id);
  }
  return { before, after };
}

function describe(before: Person, after: Person): string {
  const parts: string[] = [];
  if (before.role !== after.role) parts.push(`role ${before.role} → ${after.role}`);
  if (before.disabled !== after.disabled) parts.push(after.disabled ? 'disabled' : 'enabled');
  return parts.join(', ') || 'nothing changed';
}

export function registerPeople(app: TypedApp, api: Api): void {
  const inOrder = createQueue();
  const link = (token: string) => `${api.origin()}/enrol/${token}`;

  app.get(
    '/v1/people',
    { config, schema: { tags, summary: 'Everybody with an account', response: { 200: listOf(PersonAnswer) } } },
    async () => ({ items: (await api.store.people.list()).map(answer), next: null }),
  );

  app.get(
    '/v1/people/names',
    {
      config: { access: 'viewer' },
      schema: {
        tags,
        summary: 'Names by id, for what people are assigned to or wrote',
        response: { 200: listOf(Type.Object({ id: Type.String(), display_name: Type.String() })) },
      },
    },
    async () => ({
      items: (await api.store.people.list()).map(({ id, display_name }) => ({ id, display_name })),
      next: null,
    }),
  );

  app.post(
    '/v1/people/invitations',
    {
      config,
      schema: {
        tags,
        summary: 'A one-time link with which somebody makes an account',
        body: Type.Object({ role: RoleSchema, username: Type.Optional(Username) }, closed),
        response: { 200: Invited },
      },
    },
    async (request) => {
      const { role } = request.body;
      const username = request.body.username === undefined ? undefined : nameKey(request.body.username);
      if (username !== undefined && (await api.store.people.byUsername(username)) !== null) {
        throw new AsepsisError('CONFLICT', 'Somebody has this name already.');
      }
      const { token, expires } = await createInvitation(api.store, api.clock, api.random, {
        role,
        createdBy: callerOf(request).id,
        ...(username === undefined ? {} : { username }),
      });
      await audited(api, request, { action: 'person.invite', target: username ?? 'anybody', detail: `role ${role}` });
      return { link: link(token), expires };
    },
  );

  app.post(
    '/v1/people/:id/reset',
    {
      config,
      schema: {
        tags,
        summary: 'A one-time link with which a person sets password and second factor anew',
        params: ById,
        response: { 200: Invited },
      },
    },
    async (request) => {
      const person = await api.store.people.get(request.params.id as PersonId);
      if (person === null || person.disabled) throw new AsepsisError('NOT_FOUND', 'There is no such enabled person.');
      const { token, expires } = await createInvitation(api.store, api.clock, api.random, {
        role: person.role,
        createdBy: callerOf(request).id,
        reset: person.id,
      });
      await audited(api, request, { action: 'person.invite-reset', target: person.username });
      return { link: link(token), expires };
    },
  );

  app.patch(
    '/v1/people/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Another role, or no access; ends the sessions of that person',
        params: ById,
        body: Type.Object(
          { role: Type.Optional(RoleSchema), disabled: Type.Optional(Type.Boolean()) },
          { ...closed, minProperties: 1 },
        ),
        response: { 200: PersonAnswer },
      },
    },
    async (request) => {
      const id = request.params.id as PersonId;
      const person = await inOrder(() =>
        api.store.transaction(async (store) => {
          const { before, after } = await changePerson(store, id, request.body);
          const act = { action: 'person.change', target: after.username, detail: describe(before, after) };
          await audited({ store, clock: api.clock }, request, act);
          return after;
        }),
      );
      return answer(person);
    },
  );

  app.get(
    '/v1/sessions',
    {
      config,
      schema: {
        tags,
        summary: 'Everybody who is signed in',
        response: {
          200: listOf(
            Type.Object({
              id: Type.String(),
              person: Type.String(),
              created: Type.String(),
              last_seen: Type.String(),
              expires: Type.String(),
              address: Type.String(),
              user_agent: Type.String(),
            }),
          ),
        },
      },
    },
    async () => ({
      items: (await api.store.people.sessions(null)).map(
        ({ id, person, created, last_seen, expires, address, user_agent }) => ({
          id,
          person,
          created,
          last_seen,
          expires,
          address,
          user_agent,
        }),
      ),
      next: null,
    }),
  );
}
