/** Many files changed at once: tells a ransomware's run from a copy, an unpacking or a clean-up. Pure, over a sliding window. */

export interface BurstEvent {
  readonly atMs: number;
  readonly path: string;
  readonly kind: 'created' | 'removed' | 'content';
  /** The content looks encrypted now. */
  readonly encrypted: boolean;
}

export interface Burst {
  readonly files: number;
  readonly encrypted: number;
  readonly replaced: number;
  /** The ending that most new files have in common, when it is a new one; empty otherwise. */
  readonly ending: string;
  readonly folder: string;
  readonly sentence: string;
}

const WINDOW_MS = 60_000;
/** Fewer files are a person's work. */
const FILES_MIN = 12;
const ENCRYPTED_SHARE = 0.5;
const ENDING_SHARE = 0.6;
const QUIET_MS = 60_000;
/** Events kept; ransomware makes hundreds a second, and the first thousand tell enough. */
const KEPT_MAX = 4000;

const USUAL_ENDINGS = new Set(
  'tmp temp part partial crdownload swp bak log gz zip zst xz bz2 7z rar jpg jpeg png gif pdf docx xlsx pptx doc xls ppt txt csv xml json html dcm hl7 db sqlite sql wal shm lock pyc o class so py js ts md yaml yml conf cfg ini deb rpm mp4 mov mp3'.split(
    ' ',
  ),
);

const endingOf = (path: string): string => /\.([A-Za-z0-9_-]{2,16})$/.exec(path)?.[1]?.toLowerCase() ?? '';

export function folderOf(paths: readonly string[]): string {
  const parts = paths.map((path) => path.split('/').slice(0, -1));
  const first = parts[0] ?? [];
  let shared = first.length;
  for (const other of parts) {
    let i = 0;
    while (i < shared && i < other.length && other[i] === first[i]) i++;
    shared = i;
  }
  return first.slice(0, shared).join('/') || '/';
}

export interface BurstWatch {
  /** Answers the burst that this event completes; then it is quiet for a minute. */
  take(event: BurstEvent): Burst | null;
}

/** Deleted `x`, made `x.ending`: the original is replaced. */
function replacedOf(gone: readonly BurstEvent[], there: readonly BurstEvent[]): number {
  const names = new Set(gone.map((event) => event.path));
  const found = new Set<string>();
  if (names.size === 0) return 0;
  for (const { path } of there)
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1))
      if (names.has(path.slice(0, dot))) found.add(path.slice(0, dot));
  return found.size;
}

function judge(events: readonly BurstEvent[]): Burst | null {
  const byPath = new Map<string, BurstEvent>();
  for (const event of events) byPath.set(event.path, event);
  const all = [...byPath.values()];
  const there = all.filter((event) => event.kind !== 'removed');
  const gone = all.filter((event) => event.kind === 'removed');
  if (all.length < FILES_MIN) return null;
  const encrypted = there.filter((event) => event.encrypted).length;
  const endings = Map.groupBy(
    there.filter((event) => endingOf(event.path) !== '' && !USUAL_ENDINGS.has(endingOf(event.path))),
    (event) => endingOf(event.path),
  );
  const [ending, named] = [...endings].sort((a, b) => b[1].length - a[1].length)[0] ?? ['', []];
  const sharesEnding = named.length >= FILES_MIN / 2 && named.length >= there.length * ENDING_SHARE;
  const replaced = replacedOf(gone, there);
  const enough = encrypted >= FILES_MIN / 2 && encrypted >= there.length * ENCRYPTED_SHARE;
  const renamed = sharesEnding && replaced >= FILES_MIN / 2;
  if (!enough && !renamed) return null;
  const folder = folderOf(all.map((event) => event.path));
  const words = [
    `${all.length} files under ${folder} changed within a minute`,
    ...(encrypted > 0 ? [`${encrypted} look encrypted now`] : []),
    ...(sharesEnding ? [`${named.length} have the new ending .${ending}`] : []),
  ];
  return {
    files: all.length,
    encrypted,
    replaced,
    ending: sharesEnding ? ending : '',
    folder,
    sentence: words.join(', '),
  };
}

export function createBurstWatch(): BurstWatch {
  let events: BurstEvent[] = [];
  let quietUntilMs = -Infinity;
  let judgedAt = 0;
  return {
    take: (event) => {
      events.push(event);
      const from = event.atMs - WINDOW_MS;
      if ((events[0] as BurstEvent).atMs < from) events = events.filter((one) => one.atMs >= from);
      if (events.length > KEPT_MAX) events = events.slice(-KEPT_MAX);
      if (event.atMs < quietUntilMs || events.length < FILES_MIN) return null;
      // Judged at once for the first dozen, then every tenth event: the cost stays linear.
      judgedAt++;
      if (events.length > 3 * FILES_MIN && judgedAt % 10 !== 0) return null;
      const burst = judge(events);
      if (burst) quietUntilMs = event.atMs + QUIET_MS;
      return burst;
    },
  };
}
