/** Carries responses out while the desk runs: the firewall, commands for accounts, revoked sessions; and ends what is over. */

import { hostname } from 'node:os';
import { audited, type RoomServices, rfc3339 } from '../../core/index.ts';
import { commandFor, type Run, runProgram } from '../detection-run.ts';
import { type AddressRange, baseText, bitsOf, parseRange } from './response-address.ts';
import { type Protected, whyProtected } from './response-allow.ts';
import { expired, type Pending, withDone } from './response-decide.ts';
import { createFirewall, type Firewall, type TimedBlock } from './response-firewall.ts';
import { protectedOfMachine } from './response-machine.ts';
import { protectedNow } from './response-preview.ts';
import type { ResponseRecord } from './response-schema.ts';
import { replaceResponse, responsesInForce, responsesPending } from './response-store.ts';

/** Also how soon a response from the command line takes effect. */
const EVERY_MS = 1000;
/** The access room reads here which sessions end: `doc` is a `Revocation`. */
export const REVOCATIONS = 'access-revocations';
const EVENT_SOURCE = 'responses';
/** OCSF class Remediation Activity. */
const REMEDIATION = 7001;
/** New devices and sessions are protected this soon. */
const ALLOWED_KEPT_MS = 10_000;

export interface Revocation {
  readonly account: string;
  readonly at: string;
  readonly by: string;
  readonly response: string;
}

export interface ResponseWorker {
  /** Looks at everything now; resolves when it is done. */
  carryOut(): Promise<void>;
  readonly firewall: Firewall;
  /** Whether a range holds something that is never blocked. */
  isAllowed(range: AddressRange): Promise<boolean>;
  /** What is wrong with carrying out; null when nothing is. */
  fault(): string | null;
  stop(): Promise<void>;
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

export function startResponseWorker(services: RoomServices, run: Run = runProgram): ResponseWorker {
  const { store, clock, config } = services;
  const enforce = config.responses.mode === 'enforce' && !services.exercise;
  const nftables = enforce && config.responses.nftables.enabled;
  const firewall = createFirewall(config.responses.nftables.command, run);
  let fault: string | null = null;
  let stopped = false;

  const say = (sentence: string | null) => {
    fault = sentence;
    services.alarm('responses', sentence);
  };
  const tell = (response: ResponseRecord, what: string, ok: boolean) =>
    services.emit(EVENT_SOURCE, [eventOf(response, what, ok, clock.now())]).catch(() => {});

  const carry = async (response: ResponseRecord, pending: Exclude<Pending, null>, version: number) => {
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
    await tell(next, what, ok);
  };

  const expire = async () => {
    for (const { response, version } of await responsesInForce(store)) {
      const over = expired(response, clock.now());
      if (over !== null) await replaceResponse(store, clock, version, over);
    }
  };

  let allowed: readonly Protected[] = [];
  let allowedMs = -Infinity;
  const allowedCached = async (): Promise<readonly Protected[]> => {
    if (clock.now() - allowedMs < ALLOWED_KEPT_MS) return allowed;
    allowed = await allowedNow(services);
    allowedMs = clock.now();
    return allowed;
  };
  const hold = async () => {
    const blocks = (await responsesInForce(store)).flatMap(({ response }): TimedBlock[] => {
      const range = parseRange(response.target);
      if (response.kind !== 'block' || response.simulated || response.exercise || range === null) return [];
      return [{ range, expiresMs: Date.parse(response.expires ?? '') }];
    });
    const free = blocks.length === 0 ? [] : (await allowedCached()).map((one) => one.range);
    say(await firewall.hold(blocks, free, clock.now()));
  };

  const round = async (): Promise<void> => {
    await expire();
    for (const { response, pending, version } of await responsesPending(store))
      if (pending !== null) await carry(response, pending, version);
    if (nftables) await hold();
  };

  let running: Promise<void> = Promise.resolve();
  const carryOut = (): Promise<void> => {
    running = running.then(round).catch((error: unknown) => {
      services.log.warn({ error: String(error) }, 'responses could not be carried out; they are tried again');
      say(`Responses could not be carried out: ${error instanceof Error ? error.message : String(error)}`);
    });
    return running;
  };
  // Asked for at the start: what the table holds from before is put right, or taken away when nothing is enforced.
  if (!nftables && config.responses.nftables.enabled)
    running = firewall.remove().then(
      () => {},
      () => {},
    );
  void carryOut();
  const timer = setInterval(() => {
    if (!stopped) void carryOut();
  }, EVERY_MS);
  return {
    carryOut,
    firewall,
    isAllowed: async (range) => whyProtected(range, await allowedCached()) !== null,
    fault: () => fault,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

/** What must pass whatever a set holds. */
async function allowedNow({ store, archive, config, clock }: RoomServices): Promise<readonly Protected[]> {
  return protectedNow({
    store,
    archive,
    config,
    nowMs: clock.now(),
    machine: await protectedOfMachine(),
    caller: null,
    callerNames: [],
  });
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
