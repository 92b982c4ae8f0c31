/** Sensors in `serve`: folders that captures are dropped into, and live interfaces; each a source with its health. */

import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, type Config, type RoomServices, rfc3339, type SourceId } from '../core/index.ts';
import { middleAlerts } from './network-alert.ts';
import { assessInspection } from './network-assess.ts';
import { assetDrafts } from './network-asset-records.ts';
import { captureLabel, type Hash, keyedHash } from './network-hash.ts';
import { readCapture } from './network-input.ts';
import { createInspector, type Inspection, type Inspector } from './network-inspect.ts';
import { hashKey } from './network-key.ts';
import { captureLive } from './network-live.ts';
import { lossFinding } from './network-loss.ts';
import { judgeRouters } from './network-routers.ts';
import { recordInspection, routerOverrides } from './network-service.ts';
import { assessOptions, settingsOf } from './network-settings.ts';

type SensorConfig = Config['network']['sensors'][number];

const LOOK_MS = 5000;
/** A live sensor tells what it saw so often. */
const TELL_MS = 30_000;
const AGAIN_MS_MAX = 60_000;
/** A file that did not change for this long is finished. */
const QUIET_MS = 4000;
const FILES_AT_ONCE = 256;
const SILENCE_SEC = 3600;
const FORMAT = 'capture';

/** Starts every sensor of the configuration; answers how to end them. */
export async function startSensors(services: RoomServices): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  for (const sensor of services.config.network.sensors) stops.push(await startSensor(services, sensor));
  return async () => {
    await Promise.all(stops.map((stop) => stop()));
  };
}

async function startSensor(services: RoomServices, sensor: SensorConfig): Promise<() => Promise<void>> {
  const { store, clock, exercise } = services;
  const source = await store.sources.ensure(
    { kind: 'file', name: `sensor ${sensor.name}`, exercise, expected_silence_sec: SILENCE_SEC },
    rfc3339(clock.now()),
  );
  const hash = keyedHash(await hashKey(store));
  const keep = (seen: Inspection, lost: number, bytes: number) =>
    keepSeen(services, sensor, source.id, seen, lost, bytes);
  if (sensor.folder !== undefined) return watchFolder(services, sensor, sensor.folder, hash, keep);
  return watchInterface(services, sensor, sensor.interface ?? '', createInspector({ hash }), keep);
}

type Keep = (seen: Inspection, lost: number, bytes: number) => Promise<void>;

async function keepSeen(
  services: RoomServices,
  sensor: SensorConfig,
  id: SourceId,
  seen: Inspection,
  lost: number,
  bytes: number,
): Promise<void> {
  const { store, clock, exercise } = services;
  const options = { ...assessOptions(settingsOf(services.config), await routerOverrides(store)), exercise };
  const now = rfc3339(clock.now());
  const observations = [
    ...assessInspection(seen, options),
    ...lossFinding(sensor.name, seen, { lost, atMs: clock.now() }).map((one) => ({ ...one, exercise })),
  ];
  const findings = await recordInspection({
    store,
    clock,
    observations,
    pairs: seen.pairs,
    machines: assetDrafts(seen, options.isOurs),
    routers: judgeRouters(seen),
    exercise,
  });
  const { packets } = seen;
  await store.sources.count([
    {
      id,
      events: packets.packets,
      bytes,
      notUnderstood: packets.malformed + packets.unknownLink,
      dropped: lost,
      lastSeen: packets.packets > 0 ? now : null,
      formats: packets.packets > 0 ? { [FORMAT]: packets.packets } : {},
      faults: lost > 0 ? [{ what: 'packets lost by the capture', count: lost, last: now }] : [],
    },
  ]);
  const alerts = middleAlerts(findings, sensor.name, now);
  if (alerts.length > 0) await services.raise(alerts);
}

const ALARM = (sensor: SensorConfig) => `network-sensor-${sensor.name}`;

/** Runs `work` again and again, never twice at once; a fault is an alarm and not an end. */
function every(
  ms: number,
  services: RoomServices,
  sensor: SensorConfig,
  work: () => Promise<void>,
): () => Promise<void> {
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  const turn = async (): Promise<void> => {
    try {
      await work();
      services.alarm(ALARM(sensor), null);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      services.log.warn({ sensor: sensor.name, error: why }, 'a sensor could not be read');
      services.alarm(ALARM(sensor), `The sensor ${sensor.name} cannot be read: ${why}`);
    }
    if (!stopped) timer = setTimeout(start, ms);
  };
  const start = (): void => {
    running = turn();
  };
  let timer = setTimeout(start, 0);
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await running;
  };
}

function watchFolder(
  services: RoomServices,
  sensor: SensorConfig,
  folder: string,
  hash: Hash,
  keep: Keep,
): () => Promise<void> {
  /** Files that stay where they are, so that they are read once; size and change tell them apart. */
  const done = new Map<string, string>();
  const idOf = (name: string) => `${sensor.name}/${captureLabel(hash, name)}`;
  const known = async (name: string, mark: string): Promise<boolean> => {
    if (done.get(name) === mark) return true;
    const row = await services.store.records.get('network-captures', idOf(name));
    const same = (row?.doc as { mark?: string } | undefined)?.mark === mark;
    if (same) done.set(name, mark);
    return same;
  };
  const read = async (name: string, path: string, mark: string): Promise<void> => {
    const one = createInspector({ hash });
    one.file(path);
    const label = captureLabel(hash, name);
    const end = await readCapture(path, one.frame, { label });
    await keep(one.finish(), end.dropped, end.bytes);
    if (end.fault !== null) services.log.warn({ sensor: sensor.name, label, fault: end.fault }, 'a capture is damaged');
    if (sensor.after === 'delete')
      await rm(path, { force: true }).catch((error: { code?: string }) => {
        throw new AsepsisError('INPUT_UNREADABLE', `${label} cannot be deleted: ${error.code ?? 'a fault'}.`);
      });
    else {
      done.set(name, mark);
      await services.store.records.put('network-captures', [
        { id: idOf(name), order: services.clock.now(), doc: { mark } },
      ]);
    }
  };
  const look = async (): Promise<void> => {
    const names = (await readdir(folder)).filter((name) => /\.(?:pcap|pcapng|cap)(?:\.gz)?$/i.test(name)).toSorted();
    const there = new Set(names);
    for (const name of done.keys()) if (!there.has(name)) done.delete(name);
    let count = 0;
    let fault: unknown = null;
    for (const name of names) {
      const path = join(folder, name);
      // A link may lead out of the folder, and a pipe would keep the sensor waiting.
      const stats = await lstat(path).catch(() => null);
      if (!stats?.isFile()) continue;
      const mark = `${stats.size} ${stats.mtimeMs}`;
      if (Date.now() - stats.mtimeMs < QUIET_MS || (await known(name, mark))) continue;
      if (++count > FILES_AT_ONCE) break;
      // One capture that cannot be read must not hide the next.
      await read(name, path, mark).catch((error: unknown) => {
        fault ??= error;
      });
    }
    if (fault !== null) throw fault;
  };
  return every(LOOK_MS, services, sensor, look);
}

/** A live interface: what was seen is told twice a minute; a program that ended is started again, later each time. */
async function watchInterface(
  services: RoomServices,
  sensor: SensorConfig,
  face: string,
  inspector: Inspector,
  keep: Keep,
): Promise<() => Promise<void>> {
  let capture: Awaited<ReturnType<typeof captureLive>> | null = null;
  let bytes = 0;
  let before = { packets: 0, malformed: 0, unknownLink: 0, cut: 0, gaps: 0 };
  let waitMs = 1000;
  let againAt = 0;
  const tell = async (lost: number): Promise<void> => {
    const seen = inspector.snapshot();
    const { packets, streams } = seen;
    const since: Inspection = {
      ...seen,
      packets: {
        ...packets,
        packets: packets.packets - before.packets,
        malformed: packets.malformed - before.malformed,
        unknownLink: packets.unknownLink - before.unknownLink,
        cut: packets.cut - before.cut,
      },
      streams: { ...streams, gaps: streams.gaps - before.gaps },
    };
    before = { ...packets, gaps: streams.gaps };
    const told = bytes;
    bytes = 0;
    await keep(since, lost, told);
  };
  const open = async (): Promise<void> => {
    const opened = await captureLive(face, (b, start, end, original, timeMs, link) => {
      bytes += end - start;
      inspector.frame(b, start, end, original, timeMs, link);
    });
    capture = opened;
    opened.ended
      .then((end) => tell(end.lost))
      .catch((error: unknown) => services.log.warn({ sensor: sensor.name, error: String(error) }, 'a capture ended'))
      .finally(() => {
        capture = null;
        againAt = Date.now() + waitMs;
        waitMs = Math.min(AGAIN_MS_MAX, waitMs * 2);
      });
  };
  const stopTelling = every(TELL_MS, services, sensor, async () => {
    if (capture !== null) {
      waitMs = 1000;
      await tell(0);
    } else if (Date.now() >= againAt) await open();
  });
  return async () => {
    await stopTelling();
    const last = capture;
    last?.stop();
    await last?.ended.catch(() => undefined);
  };
}
