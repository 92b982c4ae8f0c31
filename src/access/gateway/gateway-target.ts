/** Where a sign-in leads to: signed here when it starts, so that no link from outside decides it (no open redirect). */

import type { Gateway } from './gateway-core.ts';
import type { Need, Strength } from './gateway-policy.ts';
import type { GatewaySession } from './gateway-session-record.ts';

const TARGET_MS = 3_600_000;
const TICKET_MS = 60_000;

export type Goal =
  /** An application: host, path with query, and the hash of the browser's state cookie on that host. */
  | { readonly kind: 'app'; readonly host: string; readonly path: string; readonly state: string; readonly need: Need }
  /** An application's OpenID request, as it came. */
  | { readonly kind: 'oidc'; readonly query: string; readonly need: Need; readonly fresh: number | null };

export const signGoal = (gateway: Gateway, goal: Goal): string =>
  gateway.seal.sign('goal', goal, gateway.clock.now() + TARGET_MS);

export function readGoal(gateway: Gateway, signed: string | null | undefined): Goal | null {
  return signed ? gateway.seal.verify<Goal>('goal', signed, gateway.clock.now()) : null;
}

export interface Ticket {
  readonly session: string;
  readonly host: string;
  readonly path: string;
  readonly state: string;
}

/** Whether the session is strong and fresh enough for where it goes. */
export function meets(session: { strength: Strength; factorMs: number }, need: Need, nowMs: number): boolean {
  return session.strength >= need.strength && (need.withinMs === null || nowMs - session.factorMs <= need.withinMs);
}

export function goalOrigin(gateway: Gateway, goal: Goal | null): string | null {
  if (goal?.kind === 'app') return `${gateway.settings().secure ? 'https' : 'http'}://${goal.host}`;
  if (goal?.kind !== 'oidc') return null;
  const query = new URLSearchParams(goal.query);
  const to = query.get('redirect_uri') ?? '';
  const client = gateway.settings().config.clients.find((one) => one.client_id === query.get('client_id'));
  return client?.redirect_uris.includes(to) ? (URL.parse(to)?.origin ?? null) : null;
}

/** The address that a signed-in browser is sent to: a ticket for the application's host, taken once within a minute. */
export function onward(gateway: Gateway, session: GatewaySession, goal: Goal | null): string {
  if (goal === null) return '/';
  if (goal.kind === 'oidc') return `/oidc/authorize?${goal.query}`;
  const ticket: Ticket = { session: session.id, host: goal.host, path: goal.path, state: goal.state };
  return `${goalOrigin(gateway, goal)}/.asepsis/callback?ticket=${gateway.once.put('ticket', ticket, TICKET_MS)}`;
}

export function appTitle(gateway: Gateway, goal: Goal | null): string | null {
  if (goal?.kind === 'app') return gateway.settings().policy.get(goal.host)?.title ?? null;
  if (goal?.kind !== 'oidc') return null;
  const id = new URLSearchParams(goal.query).get('client_id');
  return gateway.settings().config.clients.find((client) => client.client_id === id)?.title ?? id;
}
