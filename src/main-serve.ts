/** `asepsis serve`: puts all parts together, prints where they are, and takes them apart again in an order that loses nothing. */

import { randomBytes } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAccess } from './access/index.ts';
import {
  createInvitation,
  createLiveBus,
  createLog,
  createServer,
  type PipelineStatus,
  registerDesk,
  tlsMaterial,
} from './api/index.ts';
import { openArchiveReader } from './archive/index.ts';
import { loadConfig } from './cli/config-load.ts';
import {
  type Alert,
  AsepsisError,
  type Config,
  ensureFolder,
  type Room,
  rfc3339,
  type SourceId,
  type Store,
  systemClock,
  type Terminal,
  type TypedApp,
} from './core/index.ts';
import { createDetection, type LiveBridge, type LiveStats } from './detection/index.ts';
import { registerIngestRoutes, startListeners } from './ingest/index.ts';
import { type Alarms, createAlarms } from './main-alarms.ts';
import { checkThisMachine, measureCoverage } from './main-check.ts';
import { createRoomServices, registerRooms, startRooms } from './main-room-services.ts';
import { recordSightings } from './main-sightings.ts';
import { createNetwork } from './network/index.ts';
import { createPatching } from './patching/index.ts';
import { createPerimeter, withoutOwnScans } from './perimeter/index.ts';
import { type PipelineHost, startPipeline } from './pipeline/pipeline-host.ts';
import type { PipelineProgress, RefusedRule, RuleSummary, Sighting } from './pipeline/pipeline-messages.ts';
import { openStore } from './store/index.ts';
import { openSegmentStream } from './stream/index.ts';
import { createNotifier, createTeam, createTeamRoom } from './team/index.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const COVERAGE_EVERY_MS = 5 * 60_000;
const EARLY_COVERAGE_MS = [5_000, 15_000, 30_000, 60_000, 120_000] as const;
const ZONES_EVERY_MS = 10_000;
const COUNTED_KEY = 'pipeline.counted-seq';
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Where a rehearsal's sensor drops its capture, in the data folder. */
export const EXERCISE_CAPTURES = 'captures';
/** The rules that come with Asepsis. */
const OWN_RULES = join(ROOT, 'rules');
const PATCHING_THREAD = new URL('./main-patching-worker.ts', import.meta.url);
const CONSOLE = join(ROOT, 'dist', 'console');

export interface ServeOptions {
  readonly data: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly exercise?: boolean;
}

export interface Running {
  readonly origin: string;
  readonly store: Store;
  readonly enrolLink: string | null;
  readonly listeners: readonly { name: string; address: string }[];
  close(): Promise<void>;
}

/** All rooms that can look or measure today. */
export function openRooms(
  store: Store,
  engine: LiveBridge = { stats: () => null, look: () => {}, streamId: async () => 'detect00' },
): Room[] {
  const clock = systemClock;
  return [
    createPatching({ store, clock, thread: PATCHING_THREAD }),
    createPerimeter({ store, clock }),
    createAccess({ store, clock }),
    createDetection({ store, clock, engine, ownRules: OWN_RULES }),
    createTeamRoom({ store, clock }),
    createNetwork({ store, clock }),
  ];
}

export async function prepareDataDir(path: string): Promise<string> {
  const dataDir = resolve(path);
  try {
    await ensureFolder(dataDir, 0o700);
    await access(dataDir, constants.W_OK | constants.X_OK);
    await ensureFolder(join(dataDir, 'rules'), 0o700);
  } catch (error) {
    throw new AsepsisError('DATA_READ_ONLY', `${dataDir}: ${(error as Error).message}.`, { cause: error });
  }
  return dataDir;
}

/** Starts everything; what was opened before a failure is closed again. */
export async function startDesk(o: ServeOptions, terminal: Terminal): Promise<Running> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    return { ...(await assemble(o, terminal, closers)), close };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

async function assemble(
  o: ServeOptions,
  terminal: Terminal,
  closers: (() => Promise<void>)[],
): Promise<Omit<Running, 'close'>> {
  const clock = systemClock;
  const random = (n: number) => randomBytes(n);
  const exercise = o.exercise === true;
  const dataDir = await prepareDataDir(o.data);
  const loaded = await loadConfig(o.config, dataDir);
  const config = exercise ? withExerciseSensor(loaded, dataDir) : loaded;
  const log = createLog(o.json ? {} : { level: 'warn' });
  const alarms = createAlarms((line) => terminal.say(line));
  const stream = await openSegmentStream({
    dir: join(dataDir, 'stream'),
    clock,
    segmentBytes: config.stream.segment_mb * 1024 * 1024,
    retentionMs: config.stream.retention_hours * HOUR_MS,
    retentionBytes: config.stream.retention_mb * 1024 * 1024,
    onAlarm: (sentence) => alarms.set('stream', sentence),
  });
  closers.push(() => stream.close());
  const store = await openStore({
    dataDir,
    ...(config.store.url === undefined ? {} : { url: config.store.url }),
    clock,
    onMigrate: (sentence) => terminal.say(sentence),
  });
  closers.push(() => store.close());
  const live = createLiveBus();
  const team = createTeam({
    store,
    clock,
    random,
    notify: config.notify,
    onChange: (incident) => live.incidentChanged(incident),
  });

  const notifier = createNotifier({
    store,
    config: config.notify,
    clock,
    log: (entry, message) => log.warn(entry, message),
  });
  notifier.start();
  closers.push(() => notifier.stop());
  const archive = await openArchiveReader({ dir: join(dataDir, 'archive'), streamId: stream.streamId, clock });
  closers.push(() => archive.close());
  let engineStats: LiveStats | null = null;
  let host: PipelineHost | null = null;
  const rooms = openRooms(store, {
    stats: () => engineStats,
    look: () => host?.look(),
    streamId: async () => stream.streamId,
  });
  const status = createStatus();
  const storeAlerts = async (raised: readonly Alert[]) => {
    const { alerts, own } = await withoutOwnScans(store.records, clock, raised);
    if (own > 0) log.info({ own }, 'alerts about our own announced scan were left out');
    const fresh = await team.take(alerts);
    live.alertsStored(
      fresh.map((alert) => Date.parse(alert.received)),
      clock.now(),
    );
  };
  const roomsEnd = new AbortController();
  const services = createRoomServices({
    store,
    clock,
    config,
    dataDir,
    exercise,
    archive,
    stream,
    alarms,
    storeAlerts,
    signal: roomsEnd.signal,
    log: {
      info: (entry, message) => log.info(entry, message),
      warn: (entry, message) => log.warn(entry, message),
    },
  });
  const pipeline = await startThread({
    dataDir,
    config,
    stream,
    store,
    status,
    live,
    terminal,
    alarms,
    storeAlerts,
    onEngine: (stats) => {
      engineStats = stats;
    },
  });
  host = pipeline;
  closers.push(() => pipeline.stop());

  let listening: readonly { name: string; address: string }[] = [];
  const server = await createServer({
    config,
    store,
    clock,
    dataDir,
    consoleDir: CONSOLE,
    log,
    probes: {
      stream: async () => (await stream.stats()).stopped,
      machinery: async () => alarms.current(),
    },
    register: async (app) => {
      registerIngestRoutes(app, {
        stream,
        store,
        clock,
        exercise,
        eventsPerSecMax: config.limits.source_events_per_sec,
      });
      await registerDesk(app, {
        config,
        store,
        stream,
        archive,
        clock,
        live,
        exercise,
        alarm: () => alarms.current(),
        pipeline: () => status.current,
        listeners: () => listening,
        measure: async () => void (await measureCoverage(store, rooms)),
        changeIncident: (id, change, by) => team.change(id, change, by),
        mergeIncidents: (id, version, other) => team.merge(id, version, other),
        splitIncident: (id, version) => team.split(id, version),
      });
      await registerRooms(app as unknown as TypedApp, rooms, services);
    },
  });
  const origin = await server.listen();
  closers.push(() => server.close());
  const tls = config.syslog.tls.enabled ? await tlsMaterial(config.syslog.tls.tls, dataDir) : null;
  const listeners = await startListeners({
    config,
    stream,
    store,
    clock,
    dataDir,
    exercise,
    ...(tls === null ? {} : { tlsMaterial: tls }),
    log: (entry, message) => log.info(entry, message),
  });
  closers.push(() => listeners.close());
  const silent = config.syslog.tls.enabled && tls === null;
  listening = [
    { name: 'desk and HTTP', address: origin },
    ...listeners.listeners,
    ...(silent ? [{ name: 'syslog-tls', address: 'off: it needs a certificate (bin/asepsis tls init)' }] : []),
  ];
  const stopRooms = await startRooms(rooms, services);
  closers.push(async () => {
    roomsEnd.abort();
    await stopRooms();
  });
  closers.push(startRounds({ config, store, rooms, log, exercise }));
  const enrolLink = await firstInvitation(store, origin);
  return { origin, store, enrolLink, listeners: listening };
}

/** An exercise has its own sensor, so that its captures come in like everybody's. */
function withExerciseSensor(config: Config, dataDir: string): Config {
  const sensor = { name: 'mirror-port', folder: join(dataDir, EXERCISE_CAPTURES), after: 'delete' as const };
  return { ...config, network: { ...config.network, sensors: [...config.network.sensors, sensor] } };
}

function createStatus(): { current: PipelineStatus } {
  return { current: { events: 0, seq: 0, durableSeq: 0, perSec: 0, lagMs: 0, rules: [], refused: [], note: null } };
}

async function startThread(o: {
  dataDir: string;
  config: Config;
  stream: { readonly signal: SharedArrayBuffer };
  store: Store;
  status: { current: PipelineStatus };
  live: ReturnType<typeof createLiveBus>;
  terminal: Terminal;
  alarms: Alarms;
  storeAlerts: (alerts: readonly Alert[]) => Promise<void>;
  onEngine: (stats: LiveStats) => void;
}): Promise<PipelineHost> {
  const { store, status, config, dataDir } = o;
  const zones = async () => {
    const sources = await store.sources.list({});
    return Object.fromEntries(
      sources.filter((source) => source.zone !== undefined).map((source) => [source.id, source.zone as string]),
    ) as Record<SourceId, string>;
  };
  const host = await startPipeline({
    setup: async () => ({
      streamDir: join(dataDir, 'stream'),
      signal: o.stream.signal,
      archiveDir: join(dataDir, 'archive'),
      stateFile: join(dataDir, 'engine.state'),
      retentionDays: config.archive.retention_days,
      dataDir,
      latenessMs: config.detection.lateness_sec * 1000,
      stateBytesMax: config.detection.state_mb * 1024 * 1024,
      risk: config.detection.risk.enabled
        ? { threshold: config.detection.risk.threshold, halfLifeMs: config.detection.risk.half_life_hours * HOUR_MS }
        : null,
      ruleFolders: [OWN_RULES, join(dataDir, 'rules'), ...config.rules.folders],
      ruleCacheDir: join(dataDir, 'detection', 'cache'),
      placeholders: config.rules.placeholders ?? null,
      rulePipelines: config.rules.pipelines,
      countedSeq: Number((await store.values.get(COUNTED_KEY)) ?? 0),
      zones: await zones(),
    }),
    storeAlerts: o.storeAlerts,
    storeCounts: async (seq, counts, sightings: readonly Sighting[]) => {
      await store.transaction(async (inside) => {
        const counted = Number((await inside.values.get(COUNTED_KEY)) ?? 0);
        if (seq <= counted) return;
        await inside.sources.count(counts);
        await inside.values.set(COUNTED_KEY, String(seq));
      });
      await recordSightings(store, systemClock, sightings);
    },
    onReady: (rules: readonly RuleSummary[], refused: readonly RefusedRule[], note) => {
      o.alarms.set('pipeline', null);
      status.current = { ...status.current, rules, refused, note };
      for (const { file, line, reason } of refused) o.terminal.say(`Rule refused: ${file}:${line}: ${reason}`);
      if (note) o.terminal.say(note);
    },
    onProgress: (progress: PipelineProgress) => {
      const { events, seq, durableSeq, perSec, lagMs } = progress;
      status.current = { ...status.current, events, seq, durableSeq, perSec, lagMs };
      o.live.rateMeasured(perSec);
    },
    onEngine: o.onEngine,
    onRules: (rules, refused) => {
      status.current = { ...status.current, rules, refused };
    },
    onAlarm: (what, sentence) => o.alarms.set(what, sentence),
    onFailure: (sentence) => o.alarms.set('pipeline', sentence),
  });
  const timer = setInterval(() => {
    zones().then(
      (current) => host.setZones(current),
      () => {},
    );
  }, ZONES_EVERY_MS);
  return {
    ...host,
    stop: async () => {
      clearInterval(timer);
      await host.stop();
    },
  };
}

/** The first round at the start, then daily; coverage is measured every few minutes; expired acceptances open again. */
function startRounds(o: {
  config: Config;
  store: Store;
  rooms: readonly Room[];
  log: { warn(entry: object, message: string): void };
  exercise: boolean;
}): () => Promise<void> {
  const { store, rooms } = o;
  const stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const queue = (work: () => Promise<unknown>) => {
    running = running.then(async () => {
      if (stop.signal.aborted) return;
      await work().catch((error: unknown) =>
        o.log.warn({ error: String(error) }, 'A round failed; it is tried again at the next one'),
      );
    });
  };
  const round = async () => {
    await store.findings.expireAccepted(rfc3339(systemClock.now()));
    const last = Number((await store.values.get('check.last-ms')) ?? 0);
    if (o.config.this_machine.check === 'daily' && !o.exercise && systemClock.now() - last > DAY_MS - HOUR_MS) {
      await checkThisMachine({ store, rooms, clock: systemClock, signal: stop.signal, onProgress: () => {} });
      await store.values.set('check.last-ms', String(systemClock.now()));
    }
    await measureCoverage(store, rooms);
  };
  queue(round);
  // Early on, evidence changes by the second: a newcomer should not wait minutes to see that it counts.
  const early = EARLY_COVERAGE_MS.map((ms) => setTimeout(() => queue(round), ms));
  const timer = setInterval(() => queue(round), COVERAGE_EVERY_MS);
  return async () => {
    for (const once of early) clearTimeout(once);
    clearInterval(timer);
    stop.abort();
    await running;
  };
}

/** While nobody is enrolled, each start makes a link that enrols the first administrator, once. */
async function firstInvitation(store: Store, origin: string): Promise<string | null> {
  if ((await store.people.count()) > 0) return null;
  const { token } = await createInvitation(store, systemClock, (n) => randomBytes(n), {
    role: 'administrator',
    createdBy: 'first start',
  });
  return `${origin}/enrol/${token}`;
}

/** Prints where everything is: lines for people, or one JSON line for programs. */
export function announce(running: Running, o: ServeOptions, terminal: Terminal): void {
  if (o.json) {
    terminal.out(
      `${JSON.stringify({ ready: true, origin: running.origin, enrol: running.enrolLink, listeners: running.listeners })}\n`,
    );
    return;
  }
  terminal.say(`Asepsis is at ${running.origin}`);
  for (const { name, address } of running.listeners.slice(1)) terminal.say(`  ${name.padEnd(16)} ${address}`);
  if (running.enrolLink) {
    terminal.say('');
    terminal.say('Enrol the first administrator with this link (it works once, and for 7 days):');
    terminal.say(`  ${running.enrolLink}`);
  }
  terminal.say('');
  terminal.say('Ctrl-C stops it; nothing that was acknowledged is lost.');
}

/** Resolves when the process is asked to end. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(signal));
  });
}

export async function serve(o: ServeOptions, terminal: Terminal): Promise<void> {
  const running = await startDesk(o, terminal);
  announce(running, o, terminal);
  await untilSignal();
  terminal.say('Stopping: finishing what is under way …');
  await running.close();
}
