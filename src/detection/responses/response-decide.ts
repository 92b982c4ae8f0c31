/** The life of a response as pure steps: proposed, approved, refused, carried out, expired, undone. */

import { AsepsisError, type Config, LIMITS, ROLES, type Role, rfc3339 } from '../../core/index.ts';
import type { Preview, Proposal, ResponseRecord } from './response-schema.ts';

/** What still has to be done in the world for a record; the worker of the desk does it. */
export type Pending = 'apply' | 'undo' | null;

/** A response as it is stored. `changed` orders all changes of all responses; bouncers ask for what came after. */
export interface StoredResponse {
  readonly response: ResponseRecord;
  readonly pending: Pending;
  readonly changed: number;
}

export interface Actor {
  readonly name: string;
  readonly role: Role;
}

export const atLeast = (role: Role, wanted: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(wanted);

const HOUR_MS = 3_600_000;

/** Blocks that took force within the last hour. */
export function blocksLastHour(records: readonly ResponseRecord[], nowMs: number): number {
  return records.filter(
    ({ kind, approved_at }) =>
      kind === 'block' && approved_at !== undefined && nowMs - Date.parse(approved_at) < HOUR_MS,
  ).length;
}

export function durationSec(proposal: Proposal, config: Config['responses']): number {
  const minutes = proposal.duration_minutes ?? config.duration_minutes_default;
  if (minutes > config.duration_minutes_max)
    throw new AsepsisError('RESPONSE_REFUSED', `At most ${config.duration_minutes_max} minutes are allowed.`);
  return minutes * 60;
}

/** A new response: in force at once when nobody can be disturbed or a lead asks, otherwise waiting for a lead. */
export function proposed(o: {
  id: string;
  number: number;
  proposal: Proposal;
  target: string;
  named: string | null;
  preview: Preview;
  by: Actor;
  nowMs: number;
  config: Config['responses'];
  exercise: boolean;
}): { response: ResponseRecord; pending: Pending } {
  const { proposal, preview, by, nowMs } = o;
  const waiting: ResponseRecord = {
    id: o.id,
    number: o.number,
    kind: proposal.kind,
    target: o.target,
    ...(o.named === null ? {} : { named: o.named }),
    reason: proposal.reason.slice(0, LIMITS.textCharsMax),
    ...(proposal.incident === undefined ? {} : { incident: proposal.incident }),
    ...(proposal.alert === undefined ? {} : { alert: proposal.alert }),
    state: 'proposed',
    simulated: preview.simulated,
    duration_sec: durationSec(proposal, o.config),
    proposed_by: by.name,
    proposed_at: rfc3339(nowMs),
    preview,
    done: [],
    exercise: o.exercise,
  };
  return preview.disrupts && !atLeast(by.role, 'lead')
    ? { response: waiting, pending: null }
    : inForce(waiting, by.name, nowMs);
}

function inForce(response: ResponseRecord, by: string, nowMs: number): { response: ResponseRecord; pending: Pending } {
  return {
    response: {
      ...response,
      state: 'active',
      approved_by: by,
      approved_at: rfc3339(nowMs),
      expires: rfc3339(nowMs + response.duration_sec * 1000),
    },
    pending: 'apply',
  };
}

function must(response: ResponseRecord, state: ResponseRecord['state'], verb: string): void {
  if (response.state !== state)
    throw new AsepsisError('CONFLICT', `This response is ${response.state}; only what is ${state} can be ${verb}.`);
}

/** @param preview made anew: what was harmless when it was proposed may not be any more */
export function approved(response: ResponseRecord, preview: Preview, by: Actor, nowMs: number) {
  must(response, 'proposed', 'approved');
  if (preview.refused !== null) throw new AsepsisError('RESPONSE_REFUSED', preview.refused);
  return inForce({ ...response, preview, simulated: preview.simulated }, by.name, nowMs);
}

export function refused(
  response: ResponseRecord,
  by: Actor,
  nowMs: number,
): { response: ResponseRecord; pending: Pending } {
  must(response, 'proposed', 'refused');
  return { response: ended(response, 'refused', by.name, nowMs), pending: null };
}

/** Whoever may propose may take a block back: it gives access again. An account is given back by a lead. */
export function undone(
  response: ResponseRecord,
  by: Actor,
  nowMs: number,
): { response: ResponseRecord; pending: Pending } {
  if (response.state === 'proposed') return { response: ended(response, 'undone', by.name, nowMs), pending: null };
  must(response, 'active', 'undone');
  if (response.kind !== 'block' && !atLeast(by.role, 'lead'))
    throw new AsepsisError('FORBIDDEN', 'An account is given back by a lead.');
  return { response: ended(response, 'undone', by.name, nowMs), pending: 'undo' };
}

export function expired(
  response: ResponseRecord,
  nowMs: number,
): { response: ResponseRecord; pending: Pending } | null {
  if (response.state !== 'active' || response.expires === undefined || Date.parse(response.expires) > nowMs)
    return null;
  return { response: ended(response, 'expired', 'system', nowMs), pending: 'undo' };
}

function ended(response: ResponseRecord, state: ResponseRecord['state'], by: string, nowMs: number): ResponseRecord {
  return { ...response, state, ended_by: by, ended_at: rfc3339(nowMs) };
}

/** One more line of what was really done; the last ones are kept. */
export function withDone(response: ResponseRecord, what: string, ok: boolean, nowMs: number): ResponseRecord {
  return { ...response, done: [...response.done, { at: rfc3339(nowMs), what: what.slice(0, 512), ok }].slice(-32) };
}
