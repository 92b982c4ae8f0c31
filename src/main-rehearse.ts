/** `asepsis rehearse`: a desk on a data folder of its own, and a generated hospital that is attacked through the real listeners. */

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { takeAccessExports } from './access/index.ts';
import { createToken } from './api/index.ts';
import { AsepsisError, type Store, systemClock, type Terminal } from './core/index.ts';
import {
  announce,
  EXERCISE_CAPTURES,
  prepareDataDir,
  type ServeOptions,
  startDesk,
  untilSignal,
} from './main-serve.ts';
import { takeFeedText } from './patching/index.ts';
import {
  accessExports,
  createHospital,
  createRandom,
  exerciseAdvisories,
  night,
  sendEvidence,
  sendRehearsal,
} from './rehearsal/index.ts';

export interface RehearseOptions extends ServeOptions {
  readonly seed: number;
  readonly speed: number;
  readonly rate: number;
  /** Seconds of the night after which it ends by itself; 0: until stopped. */
  readonly seconds: number;
}

const ATTACK_AT_MS = 8_000;
const ATTACK_EVERY_MS = 900_000;

export async function rehearse(o: RehearseOptions, terminal: Terminal): Promise<void> {
  const dataDir = await prepareDataDir(o.data);
  const captureFolder = join(dataDir, EXERCISE_CAPTURES);
  await mkdir(captureFolder, { recursive: true, mode: 0o700 });
  const advisories = JSON.stringify(exerciseAdvisories(systemClock.now()));
  await takeFeedText({ dataDir, id: 'exercise', text: advisories, clock: systemClock });
  const running = await startDesk({ ...o, exercise: true }, terminal);
  const stop = new AbortController();
  try {
    announce(running, o, terminal);
    terminal.say('This is an exercise: a generated hospital, and an attack that begins in a few seconds.');
    const tcp = running.listeners.find((listener) => listener.name === 'syslog-tcp');
    if (!tcp) throw new AsepsisError('CONFIG_INVALID', 'The rehearsal needs syslog.tcp to be enabled.');
    const colon = tcp.address.lastIndexOf(':');
    const { store } = running;
    const tokenFor = async (name: string, scope: 'ingest' | 'write') => {
      const role = scope === 'write' ? 'analyst' : null;
      const made = await createToken(
        { store, clock: systemClock, random: (n) => randomBytes(n) },
        { name: `rehearsal: ${name}`, scope, role, source: null, createdBy: 'rehearsal', expiresDays: 1 },
      );
      return made.secret;
    };
    const secret = await tokenFor('Windows events and inventories', 'ingest');
    const scanToken = await tokenFor('scans of the perimeter', 'write');
    const random = createRandom(o.seed);
    const hospital = createHospital(random);
    // The desk is of use without it: what cannot be handed over is said, and the night goes on.
    sendEvidence(hospital, createRandom(o.seed), {
      origin: running.origin,
      token: secret,
      scanToken,
      captureFolder,
      nowMs: systemClock.now(),
      signal: stop.signal,
    }).catch((error: unknown) => {
      if (!stop.signal.aborted) terminal.say(error instanceof Error ? error.message : String(error));
    });
    handOverAccounts(dataDir, running.store, accessExports(hospital, createRandom(o.seed), systemClock.now())).catch(
      (error: unknown) => {
        if (!stop.signal.aborted) terminal.say(`The exercise’s accounts were not read: ${String(error)}`);
      },
    );
    const sending = sendRehearsal(
      night(hospital, random, { perSec: o.rate, attackAtMs: ATTACK_AT_MS, attackEveryMs: ATTACK_EVERY_MS }),
      {
        syslog: {
          host: tcp.address.slice(0, colon).replace(/^\[|\]$/g, ''),
          port: Number(tcp.address.slice(colon + 1)),
        },
        http: { origin: running.origin, token: secret },
        speed: o.speed,
        ...(o.seconds > 0 ? { untilMs: o.seconds * 1000 } : {}),
        signal: stop.signal,
        onSent: (lines) => terminal.progress(`${lines} records sent`),
      },
    ).catch((error: unknown) => {
      if (!stop.signal.aborted)
        terminal.say(`The exercise stopped sending: ${error instanceof Error ? error.message : String(error)}`);
      return 0;
    });
    const ended = o.seconds > 0 ? sending : new Promise<never>(() => {});
    await Promise.race([untilSignal(), ended]);
  } finally {
    stop.abort();
    await running.close();
  }
}

/** The exports are files, as for everybody who runs the audit, and stay where they can be looked at. */
async function handOverAccounts(dataDir: string, store: Store, files: ReadonlyMap<string, string>): Promise<void> {
  const folder = join(dataDir, 'exercise-access');
  for (const [name, text] of files) {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, text, { mode: 0o600 });
  }
  await takeAccessExports(store, [folder], { nowMs: systemClock.now(), exercise: true });
}
