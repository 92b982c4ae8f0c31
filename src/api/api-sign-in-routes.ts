/** Routes of signing in and out, and of who is signed in. */

import { Type } from 'typebox';
import { AsepsisError, audited, closed, Done, nullable, oneOf, type TypedApp } from '../core/index.ts';
import { personCalling } from './api-caller.ts';
import type { Api } from './api-context.ts';
import { relyingParty, signInOptions } from './api-passkey.ts';
import { Opaque, Password, RoleSchema } from './api-routes.ts';
import { csrfOf } from './api-secrets.ts';
import { clearSessionCookie } from './api-session.ts';
import { checkPassword, factorsOf, finishSignIn, passkeyChallenge } from './api-sign-in.ts';

const tags = ['sign-in'];
const publicRoute = { access: 'public' } as const;
const PersonBrief = Type.Object({
  id: Type.String(),
  username: Type.String(),
  display_name: Type.String(),
  role: RoleSchema,
});
const WithCode = Type.Object({ flow: Opaque, code: Type.String({ minLength: 1, maxLength: 64 }) }, closed);
const WithResponse = Type.Object({ flow: Opaque, response: Type.Object({}, { additionalProperties: true }) }, closed);
const WebAuthnOptions = Type.Object({}, { additionalProperties: true, description: 'WebAuthn options in JSON form' });

export function registerSignIn(app: TypedApp, api: Api): void {
  app.get(
    '/v1/session',
    {
      config: publicRoute,
      schema: {
        tags,
        summary: 'Who is signed in, and the CSRF value that changes must carry',
        response: {
          200: Type.Object({
            person: nullable(PersonBrief),
            csrf: Type.String(),
            needs_enrolment: Type.Boolean({ description: 'Nobody has an account yet' }),
          }),
        },
      },
    },
    async (request) => {
      const known = await personCalling(api, request);
      if (known === null || known.cookie === null) {
        return { person: null, csrf: '', needs_enrolment: (await api.store.people.count()) === 0 };
      }
      const person = await api.store.people.get(known.caller.id as never);
      if (person === null) throw new AsepsisError('UNAUTHENTICATED', 'This account is not there any more.');
      const { id, username, display_name, role } = person;
      return { person: { id, username, display_name, role }, csrf: csrfOf(known.cookie), needs_enrolment: false };
    },
  );

  app.post(
    '/v1/sign-in',
    {
      config: publicRoute,
      schema: {
        tags,
        summary: 'The first step: name and password',
        body: Type.Object({ username: Type.String({ minLength: 1, maxLength: 64 }), password: Password }, closed),
        response: {
          200: Type.Object({
            step: Type.Literal('second-factor'),
            methods: Type.Array(oneOf(['passkey', 'totp', 'recovery'])),
            flow: Type.String(),
          }),
        },
      },
    },
    async (request) => {
      const person = await checkPassword(api, request, request.body.username, request.body.password);
      const methods = await factorsOf(api, person, request);
      const flow = api.flows.start({ kind: 'sign-in', person: person.id, challenge: null });
      return { step: 'second-factor' as const, methods, flow };
    },
  );

  for (const factor of ['totp', 'recovery'] as const) {
    app.post(
      `/v1/sign-in/${factor}`,
      {
        config: publicRoute,
        schema: {
          tags,
          summary:
            factor === 'totp' ? 'The second step: a code of the authenticator app' : 'The second step: a recovery code',
          body: WithCode,
          response: { 200: Type.Object({ person: PersonBrief }) },
        },
      },
      async (request, reply) => {
        const { flow, code } = request.body;
        const { id, username, display_name, role } = await finishSignIn(api, request, reply, flow, { factor, code });
        return { person: { id, username, display_name, role } };
      },
    );
  }

  app.post(
    '/v1/sign-in/passkey/options',
    {
      config: publicRoute,
      schema: {
        tags,
        summary: 'A challenge for the passkey',
        body: Type.Object({ flow: Opaque }, closed),
        response: { 200: WebAuthnOptions },
      },
    },
    async (request) => {
      const party = relyingParty(api, request);
      if (party === null) throw new AsepsisError('BAD_REQUEST', `Passkeys work at ${api.origin()} only.`);
      const { flow, keys } = await passkeyChallenge(api, request.body.flow);
      const options = await signInOptions(party, keys);
      flow.challenge = options.challenge;
      return options;
    },
  );

  app.post(
    '/v1/sign-in/passkey',
    {
      config: publicRoute,
      schema: {
        tags,
        summary: "The second step: the passkey's answer",
        body: WithResponse,
        response: { 200: Type.Object({ person: PersonBrief }) },
      },
    },
    async (request, reply) => {
      const { flow, response } = request.body;
      const person = await finishSignIn(api, request, reply, flow, { factor: 'passkey', response });
      const { id, username, display_name, role } = person;
      return { person: { id, username, display_name, role } };
    },
  );

  app.post(
    '/v1/sign-out',
    {
      config: { access: 'viewer', personOnly: true },
      schema: { tags, summary: 'Ends this session', response: { 200: Done } },
    },
    async (request, reply) => {
      await api.store.people.deleteSession(request.caller?.sessionId as never);
      await audited(api, request, { action: 'sign-out' });
      clearSessionCookie(api, reply);
      reply.header('clear-site-data', '"cache"');
      return { ok: true as const };
    },
  );
}
