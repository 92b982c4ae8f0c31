/** Enrolment by invitation: an account comes to be only together with a proven second factor, in one transaction. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  nullable,
  type PasskeyCredential,
  type Store,
  type TypedApp,
} from '../core/index.ts';
import { addressKey } from './api-address.ts';
import { type Api, makeId, now } from './api-context.ts';
import { newRecoveryCodes, newTotp, recoveryHash, totpStep } from './api-factors.ts';
import type { EnrolFlow } from './api-flow.ts';
import { type OpenInvitation, openInvitation } from './api-invitation.ts';
import { registeredPasskey, registrationOptions, relyingParty } from './api-passkey.ts';
import { judgePassword } from './api-password.ts';
import { DisplayName, Opaque, Password, RoleSchema, Username } from './api-routes.ts';
import { setDeviceCookie, setSessionCookie, startSession } from './api-session.ts';
import { nameKey } from './api-sign-in.ts';

const tags = ['enrolment'];
const Link = Type.Object({ token: Opaque }, closed);
const PRODUCT = 'asepsis';

async function invitationOf(api: Api, request: FastifyRequest, token: string): Promise<OpenInvitation> {
  const keys = [['enrol', addressKey(request.ip)]] as const;
  const wait = api.throttle.waitSec(keys);
  if (wait > 0) throw new AsepsisError('RATE_LIMITED', 'Too many tries.', { retryAfterSec: wait });
  const invitation = await openInvitation(api.store, api.clock, token);
  if (invitation !== null) return invitation;
  api.throttle.fail(keys);
  throw new AsepsisError('NOT_FOUND', 'This link was used already, is too old or never was one.');
}

/** What the account will be called: the invitation may already say. */
function nameFor(invitation: OpenInvitation, wished: string): string {
  const name = nameKey(wished);
  if (invitation.username !== null && nameKey(invitation.username) !== name) {
    throw new AsepsisError('BAD_REQUEST', 'body.username must be the name that the invitation is for.');
  }
  return name;
}

async function start(
  api: Api,
  request: FastifyRequest,
  invitation: OpenInvitation,
  body: { username: string; display_name: string; password: string },
) {
  const username = nameFor(invitation, body.username);
  if (invitation.kind === 'new' && (await api.store.people.byUsername(username)) !== null) {
    throw new AsepsisError('CONFLICT', 'Somebody has this name already.');
  }
  const verdict = judgePassword(body.password, [username, body.display_name, PRODUCT, new URL(api.origin()).hostname]);
  if (!verdict.ok) throw new AsepsisError('BAD_REQUEST', `body.password: ${verdict.reason}`);
  const person = invitation.kind === 'reset' ? invitation.person.id : makeId(api, 'person');
  const party = relyingParty(api, request);
  const options =
    party && (await registrationOptions(party, { id: person, username, displayName: body.display_name }, []));
  const totp = newTotp(username, api.random);
  const flow = api.flows.start({
    kind: 'enrol',
    invitation: invitation.hash,
    username,
    displayName: body.display_name,
    passwordHash: await api.passwords.hash(body.password),
    totp: totp.bytes,
    challenge: options?.challenge ?? '',
    person,
  });
  return { flow, totp: { secret: totp.secret, uri: totp.uri }, passkey_options: options };
}

interface Proven {
  readonly totpStep: number | null;
  readonly passkey: PasskeyCredential | null;
}

/** Every factor that is given must be right, and one must be given. */
async function proveFactors(
  api: Api,
  request: FastifyRequest,
  flow: EnrolFlow,
  body: { totp_code?: string; passkey_response?: object; passkey_name?: string },
): Promise<Proven | null> {
  let step: number | null = null;
  let passkey: PasskeyCredential | null = null;
  if (body.totp_code !== undefined) {
    step = totpStep(flow.totp, body.totp_code, api.clock.now());
    if (step === null) return null;
  }
  if (body.passkey_response !== undefined) {
    const party = relyingParty(api, request);
    if (party === null || flow.challenge === '') return null;
    const name = body.passkey_name ?? 'Passkey';
    const { person, challenge } = flow;
    passkey = await registeredPasskey(api, party, { person, name, challenge, response: body.passkey_response });
    if (passkey === null) return null;
  }
  return step === null && passkey === null ? null : { totpStep: step, passkey };
}

async function writePerson(api: Api, store: Store, invitation: OpenInvitation, flow: EnrolFlow): Promise<void> {
  const { people } = store;
  if (invitation.kind === 'new') {
    if ((await people.byUsername(flow.username)) !== null) {
      throw new AsepsisError('CONFLICT', 'Somebody has this name already.');
    }
    await people.insert({
      id: flow.person,
      username: flow.username,
      display_name: flow.displayName,
      email: null,
      role: invitation.role,
      disabled: false,
      password_hash: flow.passwordHash,
      created: now(api),
      last_sign_in: now(api),
    });
    return;
  }
  for (const key of await people.passkeys(flow.person)) await people.removePasskey(flow.person, key.id);
  await people.setTotp(flow.person, null);
  await people.deleteSessionsOf(flow.person);
  await people.update(flow.person, {
    display_name: flow.displayName,
    password_hash: flow.passwordHash,
    last_sign_in: now(api),
  });
}

async function finish(
  api: Api,
  request: FastifyRequest,
  reply: FastifyReply,
  invitation: OpenInvitation,
  flow: EnrolFlow,
  factors: Proven,
): Promise<string[]> {
  const codes = newRecoveryCodes(api.random);
  const secret = await api.store.transaction(async (store) => {
    const { people } = store;
    if (!(await people.useInvitation(invitation.hash, now(api)))) {
      throw new AsepsisError('NOT_FOUND', 'This link was used already, is too old or never was one.');
    }
    await writePerson(api, store, invitation, flow);
    if (factors.totpStep !== null) {
      await people.setTotp(flow.person, api.seal.seal(flow.totp, flow.person));
      // biome-ignore lint/correctness/useHookAtTopLevel: a method of the store, not a React hook
      await people.useTotpStep(flow.person, factors.totpStep);
    }
    if (factors.passkey !== null) await people.addPasskey(factors.passkey);
    await people.setRecoveryCodes(
      flow.person,
      codes.map((code) => recoveryHash(code) as string),
    );
    const used = [...(factors.totpStep === null ? [] : ['totp']), ...(factors.passkey === null ? [] : ['passkey'])];
    await audited({ store, clock: api.clock }, request, {
      action: invitation.kind === 'new' ? 'person.enrol' : 'person.reset',
      actor: flow.username,
      target: flow.username,
      detail: `role ${invitation.role}, second factor ${used.join(' and ')}`,
    });
    return startSession(api, store, request, flow.person, ['password', ...used]);
  });
  setSessionCookie(api, reply, secret);
  setDeviceCookie(api, reply, flow.username);
  return codes;
}

export function registerEnrol(app: TypedApp, api: Api): void {
  const config = { access: 'public' } as const;
  app.get(
    '/v1/enrol/:token',
    {
      config,
      schema: {
        tags,
        summary: 'What an invitation is for',
        params: Link,
        response: {
          200: Type.Object({ role: RoleSchema, username: nullable(Type.String()), expires: Type.String() }),
        },
      },
    },
    async (request) => {
      const { role, username, expires } = await invitationOf(api, request, request.params.token);
      return { role, username, expires };
    },
  );

  app.post(
    '/v1/enrol/:token/start',
    {
      config,
      schema: {
        tags,
        summary: 'Name and password; answers what an authenticator app or a passkey needs',
        params: Link,
        body: Type.Object({ username: Username, display_name: DisplayName, password: Password }, closed),
        response: {
          200: Type.Object({
            flow: Type.String(),
            totp: Type.Object({ secret: Type.String(), uri: Type.String() }),
            passkey_options: nullable(
              Type.Object({}, { additionalProperties: true, description: 'Null where the browser came by an address' }),
            ),
          }),
        },
      },
    },
    async (request) => start(api, request, await invitationOf(api, request, request.params.token), request.body),
  );

  app.post(
    '/v1/enrol/:token/finish',
    {
      config,
      schema: {
        tags,
        summary: 'A proven second factor: makes the account and signs in',
        params: Link,
        body: Type.Object(
          {
            flow: Opaque,
            totp_code: Type.Optional(Type.String({ maxLength: 16 })),
            passkey_response: Type.Optional(Type.Object({}, { additionalProperties: true })),
            passkey_name: Type.Optional(DisplayName),
          },
          closed,
        ),
        response: { 200: Type.Object({ recovery_codes: Type.Array(Type.String()) }) },
      },
    },
    async (request, reply) => {
      const invitation = await invitationOf(api, request, request.params.token);
      const flow = api.flows.get('enrol', request.body.flow);
      if (flow === null || flow.invitation !== invitation.hash) {
        throw new AsepsisError('UNAUTHENTICATED', 'This enrolment took too long; open the link again.');
      }
      const factors = await proveFactors(api, request, flow, request.body);
      if (factors === null) {
        api.flows.wrong(request.body.flow);
        const target = flow.username;
        await audited(api, request, { action: 'person.enrol', actor: 'nobody', target, outcome: 'failure' });
        throw new AsepsisError(
          'BAD_REQUEST',
          'The code or the passkey is not right: body.totp_code, body.passkey_response.',
        );
      }
      const recovery_codes = await finish(api, request, reply, invitation, flow, factors);
      api.flows.end(request.body.flow);
      return { recovery_codes };
    },
  );
}
