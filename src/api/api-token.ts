/** API tokens: how they are made, and how they arrive (Bearer, Elasticsearch's ApiKey, Basic with the token as password). */

import type { ApiToken, Role, SourceId, TokenId } from '../core/index.ts';
import { rfc3339 } from '../core/index.ts';
import { type Api, makeId, now } from './api-context.ts';
import { newSecret, secretHash } from './api-secrets.ts';

const PREFIX = 'asp_';
const TOUCH_MS = 60 * 1000;
const DAY_MS = 24 * 3600 * 1000;

interface TokenOrder {
  readonly name: string;
  readonly scope: ApiToken['scope'];
  readonly role: Role | null;
  readonly source: SourceId | null;
  readonly expiresDays: number | null;
  readonly createdBy: string;
}

/** Makes a token; its text is in the answer and nowhere else. */
export async function createToken(api: Pick<Api, 'store' | 'clock' | 'random'>, order: TokenOrder) {
  const secret = newSecret(api.random, PREFIX);
  const token: ApiToken = {
    id: makeId(api, 'token'),
    name: order.name,
    token_hash: secretHash(secret),
    scope: order.scope,
    role: order.scope === 'ingest' ? null : order.role,
    source: order.source,
    created_by: order.createdBy,
    created: now(api),
    expires: order.expiresDays === null ? null : rfc3339(api.clock.now() + order.expiresDays * DAY_MS),
    last_used: null,
    revoked: false,
  };
  await api.store.people.insertToken(token);
  return { token, secret };
}

/** The token in an Authorization header, with the id that ApiKey names; null when there is none that could be ours. */
export function tokenInHeader(header: string): { secret: string; id: string | null } | null {
  if (header.length > 1024) return null;
  const space = header.indexOf(' ');
  const scheme = header.slice(0, space).toLowerCase();
  const value = header.slice(space + 1).trim();
  if (scheme === 'bearer') return value.startsWith(PREFIX) ? { secret: value, id: null } : null;
  if (scheme !== 'apikey' && scheme !== 'basic') return null;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return scheme === 'apikey' && value.startsWith(PREFIX) ? { secret: value, id: null } : null;
  const secret = text.slice(colon + 1);
  if (!secret.startsWith(PREFIX)) return null;
  return { secret, id: scheme === 'apikey' ? text.slice(0, colon) : null };
}

const over = (token: ApiToken, nowMs: number) =>
  token.revoked || (token.expires !== null && nowMs >= Date.parse(token.expires));

/** Whether the token that started a long answer (a live stream) is still good. */
export async function tokenStillGood(api: Api, id: TokenId): Promise<boolean> {
  const token = (await api.store.people.tokens()).find((one) => one.id === id);
  return token !== undefined && !over(token, api.clock.now());
}

/** The stored token, when it is not revoked or over and the id fits. It is looked up by hash: nothing is compared. */
export async function tokenOf(api: Api, presented: { secret: string; id: string | null }): Promise<ApiToken | null> {
  const token = await api.store.people.token(secretHash(presented.secret));
  if (token === null || over(token, api.clock.now())) return null;
  if (presented.id !== null && presented.id !== token.id) return null;
  if (token.last_used === null || api.clock.now() - Date.parse(token.last_used) >= TOUCH_MS) {
    await api.store.people.touchToken(token.id, now(api));
  }
  return token;
}
