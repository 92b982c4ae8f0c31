/** Writes what somebody did into the audit log: who, from where, what, on what, and how it went. */

import type { Caller } from './api-port.ts';
import { LIMITS } from './limits.ts';
import type { AuditEntry } from './records.ts';
import type { Store } from './store-port.ts';
import { type Clock, rfc3339 } from './time.ts';

export interface Act {
  /** Dotted lower-case words: `finding.accept`. */
  readonly action: string;
  readonly target?: string;
  readonly outcome?: AuditEntry['outcome'];
  /** A sentence without secrets or patient data. */
  readonly detail?: string;
  /** Where nobody is signed in yet. */
  readonly actor?: string;
}

/** Control characters and direction marks out, bounded: what a stranger typed must not disturb who reads the log. */
function plain(text: string, chars: number): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD').slice(0, chars);
}

/** A token says that it is one, so that no token's name can pass for a person. */
function actorOf(request: { readonly caller: Caller | null } | null): string {
  if (request === null) return 'system';
  if (request.caller === null) return 'unknown';
  return request.caller.kind === 'token' ? `token ${request.caller.name}` : request.caller.name;
}

/**
 * Appends an entry. Inside a transaction pass its store, so that the act and its entry are one change.
 *
 * @param request anything with the caller and the client's address; null for commands
 */
export async function audited(
  deps: { readonly store: Store; readonly clock: Clock },
  request: { readonly caller: Caller | null; readonly ip: string } | null,
  act: Act,
): Promise<void> {
  await deps.store.audit.append({
    at: rfc3339(deps.clock.now()),
    actor: plain(act.actor ?? actorOf(request), LIMITS.nameCharsMax),
    action: act.action,
    outcome: act.outcome ?? 'success',
    ...(request === null ? {} : { address: request.ip.slice(0, 64) }),
    ...(act.target === undefined ? {} : { target: plain(act.target, LIMITS.nameCharsMax) }),
    ...(act.detail === undefined ? {} : { detail: plain(act.detail, LIMITS.textCharsMax) }),
  });
}
