/** Carries responses out while the desk runs: the firewall, commands for accounts, revoked sessions; and ends what is over. */

import type { RoomServices } from '../../core/index.ts';
import { type Run, runProgram } from '../detection-run.ts';
import { type AddressRange, parseRange } from './response-address.ts';
import { type Protected, whyProtected } from './response-allow.ts';
import { createCarrier } from './response-carry.ts';
import { expired } from './response-decide.ts';
import { createFirewall, type Firewall, type TimedBlock } from './response-firewall.ts';
import { protectedOfMachine } from './response-machine.ts';
import { protectedNow } from './response-preview.ts';
import { replaceResponse, responsesInForce, responsesPending } from './response-store.ts';

/** Also how soon a response from the command line takes effect. */
const EVERY_MS = 1000;
/** New devices and sessions are protected this soon. */
const ALLOWED_KEPT_MS = 10_000;

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
  const carry = createCarrier(services, run, enforce);
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
