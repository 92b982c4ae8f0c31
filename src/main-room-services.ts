/** What rooms are given while `serve` runs: the ports, a way to emit events and to raise alerts, and the alarm. */

import {
  type Alert,
  AsepsisError,
  LIMITS,
  type Room,
  type RoomServices,
  rfc3339,
  type SourceId,
  type Stream,
  type TypedApp,
} from './core/index.ts';
import { appendPatiently } from './ingest/index.ts';
import type { Alarms } from './main-alarms.ts';

/** Asepsis speaks when something happens; its own sources are not silent because nothing did. */
const OWN_SILENCE_SEC = 366 * 86_400;

export function createRoomServices(
  o: Pick<RoomServices, 'store' | 'clock' | 'config' | 'dataDir' | 'exercise' | 'archive' | 'log'> & {
    stream: Stream;
    alarms: Alarms;
    storeAlerts: (alerts: readonly Alert[]) => Promise<void>;
    signal: AbortSignal;
  },
): RoomServices {
  const { store, clock, config, dataDir, exercise, archive, log, stream, alarms, signal } = o;
  const sources = new Map<string, Promise<SourceId>>();
  const sourceOf = (name: string): Promise<SourceId> => {
    const known = sources.get(name);
    if (known) return known;
    const made = store.sources
      .ensure({ kind: 'own', name, exercise, expected_silence_sec: OWN_SILENCE_SEC }, rfc3339(clock.now()))
      .then((source) => source.id);
    sources.set(name, made);
    // A store that did not answer is asked again with the next record.
    made.catch(() => sources.delete(name));
    return made;
  };
  return {
    store,
    clock,
    config,
    dataDir,
    exercise,
    archive,
    log,
    emit: async (sourceName, records) => {
      const source = await sourceOf(sourceName);
      for (const { data, ends } of inBlocks(records))
        await appendPatiently(
          stream,
          { source, receivedMs: clock.now(), hint: 'json', peer: sourceName, exercise, data, ends },
          signal,
        );
    },
    raise: (alerts) => o.storeAlerts(alerts),
    alarm: (what, sentence) => alarms.set(what, sentence),
  };
}

/** Records as JSON lines in blocks of the stream; one that is longer than a record may be is a fault of the room. */
function* inBlocks(records: readonly object[]): Generator<{ data: Uint8Array; ends: Uint32Array }> {
  let parts: Buffer[] = [];
  let ends: number[] = [];
  let used = 0;
  for (const record of records) {
    const bytes = Buffer.from(JSON.stringify(record));
    if (bytes.length > LIMITS.recordBytesMax)
      throw new AsepsisError('TOO_LARGE', `A record of ${bytes.length} bytes is over the limit of an event.`);
    if (used + bytes.length > LIMITS.blockBytesMax || ends.length === LIMITS.blockRecordsMax) {
      yield { data: Buffer.concat(parts), ends: Uint32Array.from(ends) };
      parts = [];
      ends = [];
      used = 0;
    }
    parts.push(bytes);
    used += bytes.length;
    ends.push(used);
  }
  if (ends.length > 0) yield { data: Buffer.concat(parts), ends: Uint32Array.from(ends) };
}

/** The routes of all rooms, each in a scope of its own. */
export async function registerRooms(app: TypedApp, rooms: readonly Room[], services: RoomServices): Promise<void> {
  for (const room of rooms) {
    if (room.routes) await app.register(async (scope) => room.routes?.(scope as unknown as TypedApp, services));
  }
}

/** Starts the rooms' work in the background. One that cannot start raises an alarm and leaves the others alone. */
export async function startRooms(rooms: readonly Room[], services: RoomServices): Promise<() => Promise<void>> {
  const stops: (() => Promise<void>)[] = [];
  for (const room of rooms) {
    if (!room.start) continue;
    try {
      stops.push(await room.start(services));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      services.log.warn({ room: room.name, error: why }, 'a room could not start its work');
      services.alarm(`room-${room.name}`, `The ${room.name} room could not start its work in the background: ${why}`);
    }
  }
  return async () => {
    for (const stop of stops.reverse()) await stop().catch(() => {});
  };
}
