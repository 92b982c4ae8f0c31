/** What a signed-in person does with the own account: factors, password, recovery codes, sessions. */

import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  Done,
  listOf,
  nullable,
  type Person,
  type PersonId,
  type SessionId,
  type TypedApp,
} from '../core/index.ts';
import { callerOf } from './api-caller.ts';
import { type Api, enabled } from './api-context.ts';
import { newRecoveryCodes, newTotp, recoveryHash, totpStep } from './api-factors.ts';
import { PASSKEYS_MAX, registeredPasskey, registrationOptions, relyingParty } from './api-passkey.ts';
import { judgePassword } from './api-password.ts';
import { DisplayName, Opaque, Password } from './api-routes.ts';
import { setSessionCookie, startSession } from './api-session.ts';
import { checkPassword } from './api-sign-in.ts';

const tags = ['my account'];
const config = { access: 'viewer', personOnly: true } as const;
const WithPassword = Type.Object({ password: Password }, closed);
const ok = { ok: true as const };

const myself = async (api: Api, request: FastifyRequest): Promise<Person> =>
  enabled(await api.store.people.get(callerOf(request).id as PersonId));

/** Asks for the password again before anything about factors changes (ASVS 5.0, 7.5.1); counted like a sign-in. */
async function passwordAgain(api: Api, request: FastifyRequest, password: string): Promise<Person> {
  const me = await myself(api, request);
  try {
    return await checkPassword(api, request, me.username, password);
  } catch (error) {
    if (!(error instanceof AsepsisError) || error.code !== 'UNAUTHENTICATED') throw error;
    // Not 401: the session is good, and the console would ask to sign in.
    throw new AsepsisError('BAD_REQUEST', 'body.password is not your password.');
  }
}

function registerPasskeys(app: TypedApp, api: Api): void {
  app.get(
    '/v1/me/passkeys',
    {
      config,
      schema: {
        tags,
        summary: 'My second factors',
        response: {
          200: Type.Object({
            items: Type.Array(
              Type.Object({
                id: Type.String(),
                name: Type.String(),
                created: Type.String(),
                last_used: nullable(Type.String()),
                backed_up: Type.Boolean(),
              }),
            ),
            next: Type.Null(),
            totp: Type.Boolean(),
            recovery_codes_left: Type.Integer(),
          }),
        },
      },
    },
    async (request) => {
      const me = await myself(api, request);
      const { people } = api.store;
      const keys = await people.passkeys(me.id);
      return {
        items: keys.map(({ id, name, created, last_used, backed_up }) => ({ id, name, created, last_used, backed_up })),
        next: null,
        totp: (await people.totp(me.id)) !== null,
        recovery_codes_left: await people.recoveryCodesLeft(me.id),
      };
    },
  );

  app.post(
    '/v1/me/passkeys/options',
    {
      config,
      schema: {
        tags,
        summary: 'Starts adding a passkey, after the password again',
        body: WithPassword,
        response: {
          200: Type.Object({ flow: Type.String(), options: Type.Object({}, { additionalProperties: true }) }),
        },
      },
    },
    async (request) => {
      const me = await passwordAgain(api, request, request.body.password);
      const party = relyingParty(api, request);
      if (party === null) throw new AsepsisError('BAD_REQUEST', `Passkeys work at ${api.origin()} only.`);
      const known = await api.store.people.passkeys(me.id);
      if (known.length >= PASSKEYS_MAX) throw new AsepsisError('CONFLICT', `${PASSKEYS_MAX} passkeys are the most.`);
      const person = { id: me.id, username: me.username, displayName: me.display_name };
      const options = await registrationOptions(party, person, known);
      const flow = api.flows.start({ kind: 'factor', person: me.id, challenge: options.challenge, totp: null });
      return { flow, options };
    },
  );

  app.post(
    '/v1/me/passkeys',
    {
      config,
      schema: {
        tags,
        summary: 'Adds the passkey',
        body: Type.Object(
          { flow: Opaque, name: DisplayName, response: Type.Object({}, { additionalProperties: true }) },
          closed,
        ),
        response: { 200: Type.Object({ id: Type.String() }) },
      },
    },
    async (request) => {
      const me = await myself(api, request);
      const { flow: token, name, response } = request.body;
      const flow = api.flows.get('factor', token);
      const party = relyingParty(api, request);
      if (flow === null || flow.challenge === null || flow.person !== me.id || party === null) {
        throw new AsepsisError('BAD_REQUEST', 'body.flow is over; start again.');
      }
      api.flows.end(token);
      const input = { person: me.id, name, challenge: flow.challenge, response };
      const passkey = await registeredPasskey(api, party, input);
      if (passkey === null) throw new AsepsisError('BAD_REQUEST', 'body.response does not prove the passkey.');
      if ((await api.store.people.passkey(passkey.id)) !== null) {
        throw new AsepsisError('CONFLICT', 'This passkey is there already.');
      }
      await api.store.people.addPasskey(passkey);
      await audited(api, request, { action: 'factor.add', target: me.username, detail: `passkey “${name}”` });
      return { id: passkey.id };
    },
  );

  app.delete(
    '/v1/me/passkeys/:id',
    {
      config,
      schema: {
        tags,
        summary: 'Removes a passkey, after the password again; never the last second factor',
        params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 1400 }) }, closed),
        body: WithPassword,
        response: { 200: Done },
      },
    },
    async (request) => {
      const me = await passwordAgain(api, request, request.body.password);
      await api.store.transaction(async (store) => {
        const keys = await store.people.passkeys(me.id);
        if (!keys.some((key) => key.id === request.params.id)) {
          throw new AsepsisError('NOT_FOUND', 'There is no such passkey.');
        }
        if (keys.length === 1 && (await store.people.totp(me.id)) === null) {
          throw new AsepsisError('CONFLICT', 'This is the only second factor; add another one first.');
        }
        await store.people.removePasskey(me.id, request.params.id);
        const act = { action: 'factor.remove', target: me.username, detail: 'passkey' };
        await audited({ store, clock: api.clock }, request, act);
      });
      return ok;
    },
  );
}

function registerCodes(app: TypedApp, api: Api): void {
  app.post(
    '/v1/me/totp/start',
    {
      config,
      schema: {
        tags,
        summary: 'Starts a new authenticator app, after the password again',
        body: WithPassword,
        response: { 200: Type.Object({ flow: Type.String(), secret: Type.String(), uri: Type.String() }) },
      },
    },
    async (request) => {
      const me = await passwordAgain(api, request, request.body.password);
      const { bytes, secret, uri } = newTotp(me.username, api.random);
      return { flow: api.flows.start({ kind: 'factor', person: me.id, challenge: null, totp: bytes }), secret, uri };
    },
  );

  app.post(
    '/v1/me/totp/finish',
    {
      config,
      schema: {
        tags,
        summary: 'Proves the new authenticator app; the old one ends',
        body: Type.Object({ flow: Opaque, code: Type.String({ maxLength: 16 }) }, closed),
        response: { 200: Done },
      },
    },
    async (request) => {
      const me = await myself(api, request);
      const flow = api.flows.get('factor', request.body.flow);
      if (flow === null || flow.totp === null || flow.person !== me.id) {
        throw new AsepsisError('BAD_REQUEST', 'body.flow is over; start again.');
      }
      const { totp } = flow;
      const step = totpStep(totp, request.body.code, api.clock.now());
      if (step === null) {
        api.flows.wrong(request.body.flow);
        throw new AsepsisError('BAD_REQUEST', 'body.code is not right.');
      }
      api.flows.end(request.body.flow);
      await api.store.transaction(async (store) => {
        await store.people.setTotp(me.id, api.seal.seal(totp, me.id));
        await store.people.useTotpStep(me.id, step);
        const act = { action: 'factor.add', target: me.username, detail: 'authenticator app' };
        await audited({ store, clock: api.clock }, request, act);
      });
      return ok;
    },
  );

  app.post(
    '/v1/me/recovery-codes',
    {
      config,
      schema: {
        tags,
        summary: 'Ten new recovery codes, after the password again; the old ones end',
        body: WithPassword,
        response: { 200: Type.Object({ recovery_codes: Type.Array(Type.String()) }) },
      },
    },
    async (request) => {
      const me = await passwordAgain(api, request, request.body.password);
      const recovery_codes = newRecoveryCodes(api.random);
      const hashes = recovery_codes.map((code) => recoveryHash(code) as string);
      await api.store.people.setRecoveryCodes(me.id, hashes);
      await audited(api, request, { action: 'recovery-codes.renew', target: me.username });
      return { recovery_codes };
    },
  );
}

function registerPasswordAndSessions(app: TypedApp, api: Api): void {
  app.post(
    '/v1/me/password',
    {
      config,
      schema: {
        tags,
        summary: 'A new password; every other session ends',
        body: Type.Object({ password: Password, new_password: Password }, closed),
        response: { 200: Done },
      },
    },
    async (request, reply) => {
      const { password, new_password } = request.body;
      const me = await passwordAgain(api, request, password);
      const own = [me.username, me.display_name, 'asepsis', new URL(api.origin()).hostname];
      const verdict = judgePassword(new_password, own);
      if (!verdict.ok) throw new AsepsisError('BAD_REQUEST', `body.new_password: ${verdict.reason}`);
      const password_hash = await api.passwords.hash(new_password);
      const secret = await api.store.transaction(async (store) => {
        const session = (await store.people.sessions(me.id)).find((one) => one.id === request.caller?.sessionId);
        await store.people.update(me.id, { password_hash });
        await store.people.deleteSessionsOf(me.id);
        await audited({ store, clock: api.clock }, request, { action: 'password.change', target: me.username });
        return startSession(api, store, request, me.id, session?.factors ?? ['password']);
      });
      setSessionCookie(api, reply, secret);
      return ok;
    },
  );

  app.get(
    '/v1/me/sessions',
    {
      config,
      schema: {
        tags,
        summary: 'Where I am signed in',
        response: {
          200: listOf(
            Type.Object({
              id: Type.String(),
              current: Type.Boolean(),
              created: Type.String(),
              last_seen: Type.String(),
              expires: Type.String(),
              address: Type.String(),
              user_agent: Type.String(),
              factors: Type.Array(Type.String()),
            }),
          ),
        },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const sessions = await api.store.people.sessions(caller.id as PersonId);
      const items = sessions.map(({ id, created, last_seen, expires, address, user_agent, factors }) => ({
        id,
        current: id === caller.sessionId,
        created,
        last_seen,
        expires,
        address,
        user_agent,
        factors: [...factors],
      }));
      return { items, next: null };
    },
  );

  app.delete(
    '/v1/sessions/:id',
    {
      config,
      schema: {
        tags,
        summary: "Ends a session: one's own, or anybody's for an administrator",
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }, closed),
        response: { 200: Done },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const whose = caller.role === 'administrator' ? null : (caller.id as PersonId);
      const session = (await api.store.people.sessions(whose)).find((one) => one.id === request.params.id);
      if (session === undefined || !(await api.store.people.deleteSession(request.params.id as SessionId))) {
        throw new AsepsisError('NOT_FOUND', 'There is no such session.');
      }
      const owner = await api.store.people.get(session.person);
      await audited(api, request, { action: 'session.end', target: owner?.username ?? session.person });
      return ok;
    },
  );
}

export function registerMe(app: TypedApp, api: Api): void {
  registerPasskeys(app, api);
  registerCodes(app, api);
  registerPasswordAndSessions(app, api);
}
