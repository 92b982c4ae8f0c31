/** For tests: a folder, a real store, a stream, and waiting for what arrives. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Value } from 'typebox/value';
import { type Config, ConfigSchema, type Store, systemClock } from '../../core/index.ts';
import { openStore } from '../../store/index.ts';
import { openTestStream, recordsOf, type TestStream } from './ingest-test-stream.ts';

export interface Harness {
  readonly dir: string;
  readonly store: Store;
  readonly stream: TestStream;
  readonly clock: typeof systemClock;
  readonly logged: { o: object; msg: string }[];
  readonly log: (o: object, msg: string) => void;
  records(): string[];
  /** Waits until there are so many records, and answers them; what does not come in time fails the test. */
  arrived(count: number): Promise<string[]>;
  stop(): Promise<void>;
}

export async function openHarness(): Promise<Harness> {
  const dir = await mkdtemp(join(tmpdir(), 'asepsis-ingest-'));
  const store = await openStore({ dataDir: dir, clock: systemClock });
  const stream = await openTestStream(join(dir, 'stream'), systemClock);
  const logged: Harness['logged'] = [];
  const records = () => recordsOf(stream.blocks);
  return {
    dir,
    store,
    stream,
    clock: systemClock,
    logged,
    log: (o, msg) => logged.push({ o, msg }),
    records,
    async arrived(count) {
      await until(
        () => records().length >= count,
        () => `${records().length} of ${count} records arrived`,
      );
      return records();
    },
    async stop() {
      await stream.close();
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Waits for a condition; the limit is far above what it should take and only says that it will not come. */
export async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 2000) throw new Error(what());
    await sleep(10);
  }
}

/** The configuration that an empty file makes, with every listener on a free port and nothing of this machine. */
export function testConfig(change: (config: Config) => void = () => {}): Config {
  const config = Value.Default(ConfigSchema, {}) as Config;
  config.syslog.udp.port = 0;
  config.syslog.tcp.port = 0;
  config.syslog.tls.port = 0;
  config.this_machine.logs = 'off';
  change(config);
  return config;
}
