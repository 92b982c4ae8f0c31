/** What each kind of response does to the world and how it is taken back; recorded, audited, told, and never twice. */

import { hostname } from 'node:os';
import { audited, type RoomServices, rfc3339 } from '../../core/index.ts';
import { commandFor, type Run } from '../detection-run.ts';
import { baseText, bitsOf, parseRange } from './response-address.ts';
import { type Pending, withDone } from './response-decide.ts';
import type { ResponseRecord } from './response-schema.ts';
import { replaceResponse } from './response-store.ts';

/** The access room reads here which sessions end: `doc` is a `Revocation`. */
export const REVOCATIONS = 'access-revocations';
const EVENT_SOURCE = 'responses';
/** OCSF class Remediation Activity. */
const REMEDIATION = 7001;

export interface Revocation {
  readonly account: string;
  readonly at: string;
  readonly by: string;
  readonly response: string;
}

type Step = (services: RoomServices, response: ResponseRecord, run: Run) => Promise<{ what: string; ok: boolean }>;

const accountCommand =
  (verb: 'disable' | 'enable'): Step =>
  async ({ config }, response, run) => {
    const command = config.responses[`${verb}_account`];
    if (command.length === 0) return { what: `No command is configured to ${verb} an account.`, ok: false };
    const ran = await run(commandFor(command, response.target), '', 60_000);
    const how = ran.code === null ? ran.stderr : `exit ${ran.code}`;
    return { what: `${command[0]} … ${response.target}: ${how}`, ok: ran.code === 0 };
  };

const revoke: Step = async ({ store, clock }, response) => {
  const at = clock.now();
  const doc: Revocation = {
    account: response.target,
    at: rfc3339(at),
    by: response.approved_by ?? 'system',
    response: response.id,
  };
  await store.records.put(REVOCATIONS, [{ id: response.id, order: at, tag: response.target.toLowerCase(), doc }]);
  return { what: `Sessions of ${response.target} that began before now end.`, ok: true };
};

const nothing =
  (what: string): Step =>
  async () => ({ what, ok: true });

const STEPS: Readonly<Record<ResponseRecord['kind'], Readonly<Record<'apply' | 'undo', Step>>>> = {
  block: {
    apply: nothing('Blocked: told to bouncers, and dropped by this host where nftables is enforced.'),
    undo: nothing('No longer blocked.'),
  },
  'disable-account': { apply: accountCommand('disable'), undo: accountCommand('enable') },
  'revoke-sessions': { apply: revoke, undo: nothing('Nothing to take back: a new session may be opened.') },
};

/** @param enforce false: everything is rehearsed only */
export function createCarrier(services: RoomServices, run: Run, enforce: boolean) {
  const { store, clock } = services;
  const tell = (response: ResponseRecord, what: string, ok: boolean) =>
    services.emit(EVENT_SOURCE, [eventOf(response, what, ok, clock.now())]).catch(() => {});

  return async (response: ResponseRecord, pending: Exclude<Pending, null>, version: number): Promise<void> => {
    // What was really done is really taken back, also after responses were set to be rehearsed only.
    const simulated = response.simulated || (pending === 'apply' && !enforce);
    const step = simulated ? nothing('Rehearsed only: nothing was changed.') : STEPS[response.kind][pending];
    const { what, ok } = await step(services, response, run);
    const failed = !ok && pending === 'apply';
    const next = withDone(
      {
        ...response,
        simulated: response.simulated || (pending === 'apply' && simulated),
        ...(failed ? { state: 'failed' as const } : {}),
      },
      what,
      ok,
      clock.now(),
    );
    // Somebody may have changed it meanwhile; then it is still pending and comes round again.
    if ((await replaceResponse(store, clock, version, { response: next, pending: null })) === null) return;
    await audited({ store, clock }, null, {
      action: `response.${pending === 'apply' ? 'done' : 'ended'}`,
      target: response.id,
      outcome: ok ? 'success' : 'failure',
      detail: `${response.kind} ${response.target}: ${what}`,
    });
    if (pending === 'undo')
      services.alarm(
        `response-${response.id}`,
        ok ? null : `${response.target} could not be given back (${what}). Do it by hand: care may depend on it.`,
      );
    // Not waited for: a log that is full must not hold up what stops an attack.
    void tell(next, what, ok);
  };
}

/** The response as an event of the log, in OCSF words, so that it stands beside the attack. */
function eventOf(response: ResponseRecord, what: string, ok: boolean, nowMs: number): object {
  const { kind, target, state } = response;
  const range = kind === 'block' ? parseRange(response.named ?? target) : null;
  return {
    class_uid: REMEDIATION,
    activity_name: kind,
    status: ok ? 'success' : 'failure',
    time: rfc3339(nowMs),
    device: { hostname: hostname() },
    ...(range !== null && range.prefix === bitsOf(range) ? { src_endpoint: { ip: baseText(range) } } : {}),
    ...(kind === 'block' ? {} : { user: { name: target } }),
    metadata: { product: { name: 'asepsis' }, event_code: `response-${state}` },
    message: `${kind} ${target}: ${what}`,
    response: { id: response.id, target, simulated: response.simulated, incident: response.incident ?? '' },
  };
}
