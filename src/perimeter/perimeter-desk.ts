/** One scan at a time for the desk: started by a person or by the day, watched live, stopped by a button. */

import { existsSync } from 'node:fs';
import { AsepsisError, type Rfc3339, type RoomServices, rfc3339 } from '../core/index.ts';
import { type PerimeterFiles, perimeterFiles } from './perimeter-files.ts';
import type { Gate } from './perimeter-gate.ts';
import { USUAL_PORTS } from './perimeter-ports.ts';
import { run } from './perimeter-run.ts';
import { decideTime, type Scope } from './perimeter-scope.ts';

export interface Running {
  readonly since: Rfc3339;
  readonly by: string;
  hosts_done: number;
  hosts: number;
  open_ports: number;
  /** The last services that were recognised, newest first. */
  latest: { host: string; port: number; service: string; grade: string | null }[];
}

export interface PerimeterDesk {
  readonly files: PerimeterFiles;
  /** The installed scope, or why there is none. */
  scope(): { scope: Scope | null; key: string | null; fault: string | null };
  readonly running: () => Running | null;
  start(by: string, ports?: readonly number[]): void;
  /** Ends the running scan; the kill switch is another thing. */
  halt(why: string): boolean;
  readonly idle: () => Promise<void>;
}

const LATEST_MAX = 50;

export function createPerimeterDesk(services: RoomServices): PerimeterDesk {
  const { store, clock, dataDir, exercise, log, alarm } = services;
  const files = perimeterFiles(dataDir);
  let running: Running | null = null;
  let gate: Gate | null = null;
  let work: Promise<void> = Promise.resolve();
  const scope: PerimeterDesk['scope'] = () => {
    if (!existsSync(files.scopeFile)) return { scope: null, key: null, fault: null };
    try {
      const opened = files.open(files.scopeFile);
      return { scope: opened.scope, key: opened.key, fault: null };
    } catch (error) {
      return { scope: null, key: null, fault: error instanceof Error ? error.message : String(error) };
    }
  };
  const scan = async (now: Running, opened: Scope, ports: readonly number[]) => {
    try {
      const result = await run({
        scope: opened,
        files,
        clock,
        store,
        ports,
        udp: true,
        names: true,
        from: 'inside',
        only: [],
        lookAlikes: [],
        exercise,
        onGate: (made) => {
          gate = made;
        },
        onEvent: (event) => {
          if (event.kind === 'host') now.hosts = event.of;
          else if (event.kind === 'port') now.open_ports++;
          else {
            now.hosts_done++;
            const seen = event.view.ports.map(({ port, service, grade }) => ({
              host: event.view.host,
              port,
              service,
              grade,
            }));
            now.latest = [...seen, ...now.latest].slice(0, LATEST_MAX);
          }
        },
      });
      await services.emit('perimeter scan', [
        {
          event: 'perimeter-scan-ended',
          hosts: result.views.length,
          probes: result.probes.sent,
          stopped: result.stopped ?? '',
        },
      ]);
      alarm('perimeter-scan', null);
    } catch (error) {
      log.warn({ error: String(error) }, 'a perimeter scan failed');
      alarm(
        'perimeter-scan',
        `The last perimeter scan failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    } finally {
      running = null;
      gate = null;
    }
  };
  return {
    files,
    scope,
    running: () => running,
    start: (by, ports = USUAL_PORTS) => {
      if (running) throw new AsepsisError('CONFLICT', 'A scan is running already.');
      const { scope: opened, fault } = scope();
      if (!opened) throw new AsepsisError('SCOPE_UNSIGNED', fault ?? 'There is no scope.');
      const killed = files.killed();
      if (killed !== null) throw new AsepsisError('CONFLICT', `The kill switch is on: ${killed}.`);
      const now = decideTime(opened, clock.now());
      if (!now.allowed) throw new AsepsisError('CONFLICT', `Not now: ${now.reason}.`);
      running = { since: rfc3339(clock.now()), by, hosts_done: 0, hosts: 0, open_ports: 0, latest: [] };
      work = scan(running, opened, ports);
    },
    halt: (why) => {
      gate?.stop(why);
      return gate !== null;
    },
    idle: () => work,
  };
}
