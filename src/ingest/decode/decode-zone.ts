/** From wall-clock time in a zone to Unix time, with Intl asked once for each quarter of an hour. */

const QUARTER_MS = 900_000;
const CACHED_MAX = 4096;

export interface Zone {
  /** Unix milliseconds of a wall-clock time that is given as if it were UTC. */
  toUnix(wallMs: number): number;
  /** The wall-clock time, as if it were UTC, of a Unix time. */
  toWall(unixMs: number): number;
}

const UTC: Zone = { toUnix: (ms) => ms, toWall: (ms) => ms };

const ZONES_MAX = 512;
const zones = new Map<string, Zone | null>();

/** The zone of that IANA name; null when the name is not one. */
export function zoneNamed(name: string): Zone | null {
  if (name === 'UTC' || name === 'Etc/UTC' || name === 'GMT') return UTC;
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = createZone(name);
    if (zones.size < ZONES_MAX) zones.set(name, zone);
  }
  return zone;
}

function createZone(name: string): Zone | null {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    return null;
  }
  const offsets = new Map<number, number>();
  /** Offset at a Unix time; zones change at whole quarters, so one answer serves fifteen minutes. */
  const offsetAt = (unixMs: number): number => {
    const quarter = Math.floor(unixMs / QUARTER_MS);
    const known = offsets.get(quarter);
    if (known !== undefined) return known;
    const at = quarter * QUARTER_MS;
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at)) part[type] = Number(value);
    const wall = Date.UTC(
      part.year ?? 1970,
      (part.month ?? 1) - 1,
      part.day ?? 1,
      part.hour ?? 0,
      part.minute ?? 0,
      part.second ?? 0,
    );
    if (offsets.size >= CACHED_MAX) offsets.clear();
    offsets.set(quarter, wall - at);
    return wall - at;
  };
  return {
    toWall: (unixMs) => unixMs + offsetAt(unixMs),
    toUnix: (wallMs) => {
      const first = wallMs - offsetAt(wallMs);
      return wallMs - offsetAt(first);
    },
  };
}

let here: Zone | null = null;

/** The zone of this machine. */
export function zoneHere(): Zone {
  here ??= zoneNamed(Intl.DateTimeFormat().resolvedOptions().timeZone) ?? UTC;
  return here;
}
