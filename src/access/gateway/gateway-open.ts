/** What is open: answers under way, streams, sockets. Each ends with its session, and when a changed policy no longer allows it. */

import type { Gateway } from './gateway-core.ts';
import { decide, type Question } from './gateway-decide.ts';
import type { App } from './gateway-policy.ts';
import type { GatewaySession } from './gateway-session-record.ts';

/** One connection or stream; it stays in the set, and says of itself what it carries at the moment. */
export interface Held {
  /** Null for what is open to everybody. */
  session: GatewaySession | null;
  /** What it was allowed for, and when. Null while it carries nothing. */
  question: Question | null;
  sinceMs: number;
  app: App | null;
  readonly close: () => void;
}

/** Keeps it until the answer is called. */
export function hold(gateway: Gateway, o: Omit<Held, 'sinceMs'>): () => void {
  const held: Held = { ...o, sinceMs: gateway.clock.now() };
  gateway.held.add(held);
  return () => {
    gateway.held.delete(held);
  };
}

/** Closes what is open of these sessions. */
export function closeHeld(gateway: Gateway, ids: ReadonlySet<string>): void {
  for (const held of gateway.held) if (held.session !== null && ids.has(held.session.id)) held.close();
}

/** Sessions with something open. */
export function openSessionsOf(gateway: Gateway): Set<GatewaySession> {
  const found = new Set<GatewaySession>();
  for (const held of gateway.held) if (held.session !== null) found.add(held.session);
  return found;
}

/** Asks again about everything that is open, or about one session's; what may no longer be is closed. Answers how many. */
export function rejudge(gateway: Gateway, session: GatewaySession | null): number {
  let closed = 0;
  for (const held of gateway.held) {
    if (held.question === null || (session !== null && held.session !== session)) continue;
    // By its own time: a second factor that was fresh when it opened is not asked for again while it stays open.
    const verdict = decide(gateway, { ...held.question, atMs: held.sinceMs });
    if (verdict.kind === 'allow' && verdict.app.upstream?.href === held.app?.upstream?.href) continue;
    held.close();
    closed++;
  }
  return closed;
}
