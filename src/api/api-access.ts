/** Who may call a route: the decision over what the route declares and who is calling. Pure. */

import type { Caller, ErrorCode, RouteAccess } from '../core/index.ts';
import { ROLES } from '../core/index.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Only a signed-in person, never an API token: people, tokens, factors and sessions. */
    personOnly?: boolean;
    /** This machine itself may also call it without signing in (metrics). */
    loopback?: boolean;
    /** Any Host header: what does not depend on a browser's trust (health checks by address, shippers). */
    anyHost?: boolean;
  }
}

export const ACCESS_WORDS: ReadonlySet<string> = new Set(['public', 'ingest', ...ROLES]);

export interface AccessRule {
  readonly access: RouteAccess['access'];
  readonly personOnly?: boolean;
}

/** What a caller may be besides the record: the scope of a token. */
export interface KnownCaller extends Caller {
  readonly scope: 'session' | 'ingest' | 'read' | 'write';
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** True for methods that change nothing (RFC 9110 section 9.2.1). */
export function isReading(method: string): boolean {
  return READING.has(method);
}

/** Null when the call may go on, else the code of the refusal. */
export function refusal(rule: AccessRule, method: string, caller: KnownCaller | null): ErrorCode | null {
  if (rule.access === 'public') return null;
  if (caller === null) return 'UNAUTHENTICATED';
  if (rule.access === 'ingest') return caller.scope === 'ingest' ? null : 'FORBIDDEN';
  if (caller.scope === 'ingest' || caller.role === null) return 'FORBIDDEN';
  if (rule.personOnly === true && caller.kind !== 'person') return 'FORBIDDEN';
  if (caller.scope === 'read' && !isReading(method)) return 'FORBIDDEN';
  return ROLES.indexOf(caller.role) >= ROLES.indexOf(rule.access) ? null : 'FORBIDDEN';
}
