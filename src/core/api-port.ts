/** What every HTTP route says about itself: who may call it. The server refuses to start with a route that does not say. */

import type {} from 'fastify';
import type { SourceId } from './ids.ts';
import type { Role } from './store-port.ts';

export interface RouteAccess {
  /**
   * `public`: anybody. `ingest`: an ingest token. A role: a signed-in person or an API token of at least that role
   * (viewer < analyst < lead < administrator). Changes (not GET/HEAD) by a session also need the CSRF header.
   */
  readonly access: 'public' | 'ingest' | Role;
}

/** Who is calling, set by the server on every request that is not public. */
export interface Caller {
  readonly kind: 'person' | 'token';
  readonly id: string;
  readonly name: string;
  readonly role: Role | null;
  readonly sessionId: string | null;
  /** The source that an ingest token speaks for; null for everybody else. */
  readonly source: SourceId | null;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess['access'];
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
}
