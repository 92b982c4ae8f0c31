/** The gateway inside `serve`: started when its file is there; when it runs as a process of its own, the desk shares its data. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AsepsisError, type RoomServices, systemClock } from '../core/index.ts';
import { followRevocations } from './access-revocations.ts';
import {
  type Gateway,
  gatewayFile,
  listEmergencies,
  loadGatewayConfig,
  openGateway,
  startGateway,
} from './gateway/index.ts';

const SOURCE = 'access gateway';
/** How soon a use of break-glass stands on every page of the desk. */
const REVIEW_MS = 2000;

export interface HeldGateway {
  /** Null while there is no gateway. */
  current: { readonly gateway: Gateway; readonly listens: boolean } | null;
}

/** Starts what there is; answers how to end it. A gateway that cannot start is an alarm, never the end of the desk. */
export async function startAccess(services: RoomServices, held: HeldGateway): Promise<() => Promise<void>> {
  const file = gatewayFile(services.dataDir);
  if (services.config.access.gateway === 'off' || !existsSync(file)) return async () => {};
  const common = {
    folder: join(services.dataDir, 'access'),
    send: (records: readonly object[]) => services.emit(SOURCE, records),
    alarm: (what: string, sentence: string | null) => {
      // What a rule of detection tells as an incident is not a fault of the machinery.
      if (!what.startsWith('access-recovery') && !what.startsWith('access-break-glass')) services.alarm(what, sentence);
    },
  };
  let close: () => Promise<void>;
  try {
    const running = await startGateway({ ...common, file, say: (line) => services.log.warn({}, line) });
    held.current = { gateway: running.gateway, listens: true };
    close = running.close;
  } catch (error) {
    if (!(error instanceof AsepsisError && error.code === 'PORT_TAKEN')) {
      services.alarm('access-gateway', `The access gateway did not start: ${(error as Error).message}`);
      return async () => {};
    }
    // A gateway of its own holds the port: its decisions come in through the shared folder, and the desk still sees and ends sessions.
    const gateway = await openGateway({ ...common, config: await loadGatewayConfig(file), clock: systemClock });
    held.current = { gateway, listens: false };
    close = gateway.close;
  }
  const { gateway } = held.current;
  const review = () => {
    const open = listEmergencies(gateway).filter((one) => one.opened !== null && one.reviewed === null);
    const first = open[0];
    services.alarm(
      'access-break-glass',
      first === undefined
        ? null
        : `Break-glass was used ${open.length === 1 ? 'once' : `${open.length} times`} without a review, last by ${first.person} on ${first.app}. Review it on the Access page.`,
    );
  };
  review();
  const timer = setInterval(review, REVIEW_MS);
  const stopRevocations = followRevocations(services, held);
  return async () => {
    clearInterval(timer);
    await stopRevocations();
    held.current = null;
    await close();
  };
}
