/** A running relay: all routes, the status page on a port of its own, and its configuration taken up anew while it runs. */

import { unwatchFile, watchFile } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AsepsisError, type Clock, errorLine } from '../../core/index.ts';
import { loadRelayConfig, type RelayConfig, type RelayEnd } from './relay-config.ts';
import { createRelayCounts, type RelayCounts } from './relay-counts.ts';
import { type RunningRoute, startRoute } from './relay-route.ts';

const WATCH_MS = 2000;

export interface RunningRelay {
  readonly counts: RelayCounts;
  /** Port of each route by name, and of the status page. */
  ports(): Readonly<Record<string, number>>;
  readonly statusPort: number | null;
  /** Reads the configuration again; a faulty one changes nothing. Answers the fault, or null. */
  reload(): Promise<string | null>;
  close(): Promise<void>;
}

/** @throws whatever `loadRelayConfig` and `startRoute` throw; nothing is left listening then */
export async function startRelay(
  path: string,
  o: { clock: Clock; say: (line: string) => void; watch?: boolean },
): Promise<RunningRelay> {
  let config = await loadRelayConfig(path);
  const counts = createRelayCounts(o.clock);
  const routes = new Map<string, RunningRoute>();
  const stopAll = () => Promise.all([...routes.values()].map((route) => route.close()));
  const apply = async (next: RelayConfig) => {
    const wanted = new Map(next.routes.map((route) => [route.name, route]));
    for (const [name, running] of routes) {
      const { listen, side } = running.route;
      const same = wanted.get(name);
      if (same && same.side === side && same.listen.host === listen.host && same.listen.port === listen.port) {
        running.change(same, next.material);
        continue;
      }
      running.retire();
      routes.delete(name);
      if (!same) counts.forget(name);
    }
    for (const [name, route] of wanted)
      if (!routes.has(name)) routes.set(name, await startRoute(route, next.material, counts));
    counts.material(next.material);
    config = next;
  };
  let status: Server | null = null;
  try {
    await apply(config);
    if (config.status) status = await startStatus(config.status, counts);
  } catch (error) {
    await stopAll();
    throw error;
  }
  let last: Promise<unknown> = Promise.resolve();
  const reload = (): Promise<string | null> => {
    const turn = last.then(async () => {
      try {
        await apply(await loadRelayConfig(path));
        counts.reloaded(null);
        o.say('The configuration was read anew.');
        return null;
      } catch (error) {
        const fault = errorLine(error);
        counts.reloaded(fault);
        o.say(`The changed configuration is not in use: ${fault}`);
        return fault;
      }
    });
    last = turn;
    return turn;
  };
  const changed = () => void reload();
  const watched = o.watch === false ? [] : config.files;
  for (const file of watched) watchFile(file, { interval: WATCH_MS, persistent: false }, changed);
  return {
    counts,
    ports: () => Object.fromEntries([...routes].map(([name, route]) => [name, route.port])),
    statusPort: status === null ? null : (status.address() as AddressInfo).port,
    reload,
    close: async () => {
      for (const file of watched) unwatchFile(file, changed);
      await last.catch(() => {});
      status?.close();
      status?.closeAllConnections();
      await stopAll();
    },
  };
}

function startStatus(where: RelayEnd, counts: RelayCounts): Promise<Server> {
  const answer = (response: ServerResponse, code: number, type: string, body: string) =>
    response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    if (request.method !== 'GET') return void answer(response, 405, 'text/plain', 'GET only\n');
    if (request.url === '/healthz') {
      const health = counts.health();
      return void answer(response, health.ok ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
    }
    if (request.url === '/metrics') {
      counts.registry.metrics().then(
        (text) => answer(response, 200, counts.registry.contentType, text),
        () => answer(response, 500, 'text/plain', 'The metrics cannot be read.\n'),
      );
      return;
    }
    answer(response, 404, 'text/plain', 'There are /healthz and /metrics here.\n');
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new AsepsisError('PORT_TAKEN', `status ${where.host}:${where.port}: ${error.message}.`, { cause: error })),
    );
    server.listen(where.port, where.host, () => resolve(server));
  });
}
