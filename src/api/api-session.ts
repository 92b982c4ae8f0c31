/** Server-side sessions: a random cookie, stored as its hash, over after 12 hours or an hour of silence. */

import type {} from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Person, PersonId, Session, SessionId, Store } from '../core/index.ts';
import { rfc3339 } from '../core/index.ts';
import { type Api, makeId, now } from './api-context.ts';
import { sameSecret } from './api-guard.ts';
import { newSecret, secretHash } from './api-secrets.ts';

const LIFE_MS = 12 * 3600 * 1000;
const IDLE_MS = 3600 * 1000;
/** `last_seen` is written at most this often. */
const TOUCH_MS = 60 * 1000;
/** Sessions of one person; the oldest ends when another begins. */
const SESSIONS_MAX = 20;
const DEVICE_LIFE_SEC = 365 * 24 * 3600;
const DEVICE_COOKIE = 'asepsis-device';

export function sessionCookie(secure: boolean): string {
  return secure ? '__Host-asepsis' : 'asepsis';
}

const deviceCookie = (secure: boolean) => (secure ? `__Host-${DEVICE_COOKIE}` : DEVICE_COOKIE);
const flags = (secure: boolean) => ({ path: '/', httpOnly: true, sameSite: 'strict', secure }) as const;

/** Starts a session in `store` (of the running transaction) and answers the cookie's value. */
export async function startSession(
  api: Api,
  store: Store,
  request: FastifyRequest,
  person: PersonId,
  factors: readonly string[],
): Promise<string> {
  const secret = newSecret(api.random);
  const at = api.clock.now();
  const mine = [...(await store.people.sessions(person))].sort((a, b) => a.created.localeCompare(b.created));
  for (const old of mine.slice(0, Math.max(0, mine.length - SESSIONS_MAX + 1)))
    await store.people.deleteSession(old.id);
  await store.people.insertSession({
    id: makeId(api, 'session'),
    person,
    token_hash: secretHash(secret),
    created: rfc3339(at),
    last_seen: rfc3339(at),
    expires: rfc3339(at + LIFE_MS),
    address: request.ip.slice(0, 64),
    user_agent: String(request.headers['user-agent'] ?? '').slice(0, 256),
    factors: [...factors],
  });
  return secret;
}

export function setSessionCookie(api: Api, reply: FastifyReply, secret: string): void {
  reply.setCookie(sessionCookie(api.secure), secret, flags(api.secure));
}

export function clearSessionCookie(api: Api, reply: FastifyReply): void {
  reply.clearCookie(sessionCookie(api.secure), flags(api.secure));
}

/** Marks this browser as one in which the person has signed in; it says nothing about who that is. */
export function setDeviceCookie(api: Api, reply: FastifyReply, username: string): void {
  const nonce = Buffer.from(api.random(12)).toString('base64url');
  const value = `${nonce}.${api.seal.mac(`device:${username}:${nonce}`)}`;
  reply.setCookie(deviceCookie(api.secure), value, { ...flags(api.secure), maxAge: DEVICE_LIFE_SEC });
}

/** The device's own counter key when this browser has signed in to the account before; null otherwise. */
export function knownDevice(api: Api, request: FastifyRequest, username: string): string | null {
  const value = request.cookies[deviceCookie(api.secure)] ?? '';
  const [nonce = '', mac = ''] = value.length > 200 ? [] : value.split('.');
  if (nonce === '' || !sameSecret(mac, api.seal.mac(`device:${username}:${nonce}`))) return null;
  return nonce;
}

/** True while neither the session's life nor its silence is over. */
function sessionAlive(session: Session, nowMs: number): boolean {
  return nowMs < Date.parse(session.expires) && nowMs - Date.parse(session.last_seen) < IDLE_MS;
}

/** The session and person of a cookie; an ended one is removed. */
export async function sessionOf(api: Api, secret: string): Promise<{ session: Session; person: Person } | null> {
  if (secret.length !== 43) return null;
  const session = await api.store.people.session(secretHash(secret));
  if (session === null) return null;
  const nowMs = api.clock.now();
  const person = sessionAlive(session, nowMs) ? await api.store.people.get(session.person) : null;
  if (person === null || person.disabled) {
    await api.store.people.deleteSession(session.id);
    return null;
  }
  if (nowMs - Date.parse(session.last_seen) >= TOUCH_MS) await api.store.people.touchSession(session.id, now(api));
  return { session, person };
}

/** Whether a session that started a long answer (a live stream) is still good, without keeping it alive. */
export async function sessionStillGood(api: Api, person: PersonId, id: SessionId): Promise<boolean> {
  const session = (await api.store.people.sessions(person)).find((one) => one.id === id);
  return session !== undefined && sessionAlive(session, api.clock.now());
}
