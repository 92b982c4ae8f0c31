/** `asepsis detect`: evidence in, alerts out. Single events are judged in threads, correlations afterwards in event time. */

import { availableParallelism } from 'node:os';
import { AsepsisError, type DecodedEvent, EXIT, eventId, type LogSource, type Terminal } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import type { LoadOptions } from './detection-load.ts';
import {
  createPieceReader,
  type DecodeFile,
  type Found,
  foundOf,
  harmless,
  type Member,
  PIECE_RECORDS,
  type Piece,
  type PieceReport,
  STREAM_ID,
  splitRules,
} from './detection-part.ts';
import { filesIn, piecesOf } from './detection-pieces.ts';
import type { Rule } from './detection-rule.ts';
import { createOrder, inTime, runThreads } from './detection-threads.ts';

export interface DetectJob {
  readonly paths: readonly string[];
  readonly rules: readonly Rule[];
  readonly folders: readonly string[];
  readonly loading: LoadOptions;
  readonly json: boolean;
  readonly carve: boolean;
  /** Threads to read with; null: as many as there are cores, where that is worth it. */
  readonly threads: number | null;
  readonly decodeFile: DecodeFile;
  /** The script of a thread; null: all is read in this one. */
  readonly threadScript: URL | null;
}

/** Below this much evidence starting threads takes longer than reading it. */
const THREADS_BYTES_MIN = 4 * 1024 * 1024;
const PROGRESS_EVERY_MS = 200;
/** Events of correlations that are held back to bring them in order; beyond they are judged in runs of this many. */
const MEMBERS_MAX = 100_000;

/** Events from their text; their log sources are few and shared, because rules are chosen by them. */
function createReviver(): (member: Member) => DecodedEvent {
  const sources = new Map<string, LogSource>();
  return ({ text }) => {
    const event = JSON.parse(text) as DecodedEvent;
    const { product, category, service } = event.logsource;
    const key = [product, category, service].join('\0');
    const known = sources.get(key);
    if (known) event.logsource = known;
    else sources.set(key, event.logsource);
    return event;
  };
}

/** Collects events that count in correlations and judges them in the order in which they happened. */
function createCounting(rules: readonly Rule[], pieces: readonly Piece[], print: (found: Found, piece: Piece) => void) {
  const { stateful } = splitRules(rules);
  const engine = createEngine(stateful, { streamId: STREAM_ID });
  const revive = createReviver();
  let held: Member[] = [];
  let runs = 0;
  let alerts = 0;
  let latestMs = Number.NEGATIVE_INFINITY;
  const pieceOf = ({ seq }: DecodedEvent): Piece => pieces[Math.floor(seq / PIECE_RECORDS)] as Piece;
  const judge = (last: boolean, options: { json: boolean; colour: boolean }): void => {
    runs++;
    const members = inTime(held);
    held = [];
    const byId = new Map<string, Member>();
    const tell = (list: ReturnType<typeof engine.feed>, now: DecodedEvent | null): void => {
      for (const alert of list) {
        // What the passing of time brought out belongs to the last event that counted, not to the one that came now.
        if (byId.size === 0) for (const one of members) byId.set(eventId(STREAM_ID, one.seq, 0), one);
        const known = byId.get(alert.events.at(-1) ?? '');
        const event = known === undefined ? now : revive(known);
        if (event === null) continue;
        alerts++;
        const piece = pieceOf(event);
        print(foundOf(alert, event, piece.file, event.seq % PIECE_RECORDS, options), piece);
      }
    };
    for (const member of members) {
      const event = revive(member);
      tell(engine.feed(event), event);
    }
    const end = members.at(-1);
    if (last) tell(engine.finish(latestMs), end === undefined ? null : revive(end));
  };
  return {
    engine,
    reached: (ms: number): void => {
      latestMs = Math.max(latestMs, ms);
    },
    judge,
    alerts: () => alerts,
    runs: () => runs,
    take: (members: readonly Member[], options: { json: boolean; colour: boolean }): void => {
      for (const member of members) held.push(member);
      if (held.length >= MEMBERS_MAX) judge(false, options);
    },
  };
}

export async function detect(job: DetectJob, terminal: Terminal): Promise<void> {
  const print = { json: job.json, colour: terminal.colour };
  const files = await filesIn(job.paths);
  const threads = job.threads ?? availableParallelism();
  const { pieces, bytes } = await piecesOf(files, threads > 1 && job.threadScript !== null && !job.carve);
  const say = (sentence: string): void => terminal.say(harmless(sentence));
  /** Records of earlier ranges of a piece's file, known when the piece's turn comes. */
  const before = new Map<number, number>();
  let alerts = 0;
  let events = 0;
  const show = ({ head, tail, record }: Found, piece: Piece): void => {
    const number = typeof record === 'number' ? record + (before.get(piece.index) ?? 0) : record;
    terminal.out(`${head}${number}${tail}`);
  };
  const useThreads = job.threadScript !== null && threads > 1 && pieces.length > 1 && bytes >= THREADS_BYTES_MIN;
  const counting = createCounting(job.rules, pieces, show);
  const onReport = (piece: Piece, report: PieceReport): void => {
    const next = pieces[piece.index + 1];
    if (next?.file === piece.file && next.range !== null) {
      const sum = before.get(next.index) ?? before.get(piece.index) ?? 0;
      before.set(next.index, sum + report.events);
    }
    events += report.events;
    counting.reached(report.latestMs);
    alerts += report.found.length;
    for (const found of report.found) show(found, piece);
    counting.take(report.members, print);
  };
  const onFault = (piece: Piece, message: string): void => {
    // One bad file of a folder must not hide what is in the others; a file that was named must be readable.
    if (job.paths.includes(piece.file)) throw new AsepsisError('INPUT_UNREADABLE', message);
    say(`${piece.file}: ${message}`);
  };
  let toldMs = 0;
  const onProgress = (done: number, seen: number): void => {
    const now = performance.now();
    if (now - toldMs < PROGRESS_EVERY_MS) return;
    toldMs = now;
    terminal.progress(`${done} of ${pieces.length} files, ${seen} events, ${alerts} alerts`);
  };
  const quarantined = useThreads
    ? await runThreads(pieces, {
        script: job.threadScript as URL,
        threads,
        setup: { folders: job.folders, loading: job.loading, carve: job.carve, print },
        events: { onReport, onSay: say, onFault, onProgress },
      })
    : await readHere(job, pieces, print, { onReport, onSay: say, onFault, onProgress });
  counting.judge(true, print);
  if (counting.runs() > 1)
    say(
      `More than ${MEMBERS_MAX} events count in correlations: they were brought in order in ${counting.runs()} runs.`,
    );
  for (const { rule, reason } of [...quarantined, ...counting.engine.stats().quarantined])
    say(`The rule ${rule} failed and was set aside: ${reason}`);
  const all = alerts + counting.alerts();
  terminal.say(`${events} events, ${job.rules.length} rules, ${all} alerts.`);
  process.exitCode = all > 0 ? EXIT.findings : EXIT.clean;
}

async function readHere(
  job: DetectJob,
  pieces: readonly Piece[],
  print: { json: boolean; colour: boolean },
  on: Parameters<typeof runThreads>[1]['events'],
) {
  const reader = createPieceReader(job.rules, { decodeFile: job.decodeFile, carve: job.carve, print });
  const order = createOrder(pieces, on.onReport);
  let events = 0;
  for (const piece of pieces) {
    const report = (part: PieceReport): void => {
      events += part.events;
      order.report(piece.index, part);
      on.onProgress(piece.index, events);
    };
    try {
      await reader.read(piece, report, on.onSay);
    } catch (error) {
      on.onFault(piece, (error as Error).message);
    }
    order.finish(piece.index);
  }
  return reader.quarantined();
}
