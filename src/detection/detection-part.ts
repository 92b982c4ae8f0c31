/**
 * One piece of the evidence that `detect` reads: a file, or a range of a large one. Its events meet the rules that need no
 * memory here, in any thread; events that count in correlations are handed on, because those look across all files.
 */

import { type Alert, type DecodedEvent, toEventRecord } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import type { DetectionRule, Rule } from './detection-rule.ts';

export const STREAM_ID = 'detect00';
/** Number of the first record of a piece: a file's own numbering starts again with each file, so pieces are kept apart. */
export const PIECE_RECORDS = 2 ** 32;

export interface Piece {
  /** Place among all pieces; what pieces say comes out in this order. */
  readonly index: number;
  readonly file: string;
  /** Bytes of the file, when it is not the whole. */
  readonly range: { readonly from: number; readonly to: number } | null;
}

/** An alert as it is printed; the record's number goes between the halves. */
export interface Found {
  readonly head: string;
  readonly tail: string;
  /** Number that the record itself has; a count of records from the beginning of the piece else. */
  readonly record: string | number;
}

/**
 * An event that counts in correlations, as JSON: a hundred thousand of them wait to be brought in order, and as objects they
 * would take ten times the memory, and most of the time to collect the garbage between them.
 */
export interface Member {
  readonly timeMs: number;
  readonly seq: number;
  readonly text: string;
}

export const memberOf = (event: DecodedEvent): Member => ({
  timeMs: event.timeMs,
  seq: event.seq,
  text: JSON.stringify(event),
});

export interface PieceReport {
  readonly events: number;
  readonly found: readonly Found[];
  readonly members: readonly Member[];
  /** Latest time of all its events: what did not come until then did not come. */
  readonly latestMs: number;
}

export type DecodeFile = (
  path: string,
  o?: { carve?: boolean; say?: (sentence: string) => void; range?: { from: number; to: number } },
) => AsyncIterable<DecodedEvent>;

export interface PrintOptions {
  readonly json: boolean;
  readonly colour: boolean;
}

/** Rules that look at one event each, and correlations with all rules that they look at. */
export function splitRules(rules: readonly Rule[]): { single: Rule[]; stateful: Rule[]; members: DetectionRule[] } {
  const named = new Set(rules.flatMap((rule) => (rule.kind === 'detection' ? [] : rule.rules)));
  const counted = (rule: Rule): boolean => named.has(rule.id) || (rule.name !== null && named.has(rule.name));
  const stateful = rules.filter((rule) => rule.kind !== 'detection' || counted(rule));
  return {
    single: rules.filter((rule) => rule.kind === 'detection' && !counted(rule)),
    stateful,
    members: stateful.filter((rule) => rule.kind === 'detection'),
  };
}

const MARKS: Readonly<Record<Alert['rule']['level'], string>> = {
  critical: '\x1b[97;41m critical \x1b[0m',
  high: '\x1b[31m high     \x1b[0m',
  medium: '\x1b[33m medium   \x1b[0m',
  low: '\x1b[36m low      \x1b[0m',
  information: ' info     ',
};

/** What logs bring must not steer the terminal. */
const CONTROL = /\p{Cc}/gu;
export const harmless = (text: string): string => text.replace(CONTROL, '?');

export function foundOf(alert: Alert, event: DecodedEvent, file: string, count: number, print: PrintOptions): Found {
  const own = event.fields.EventRecordID ?? event.fields.RecordNumber;
  const record = typeof own === 'number' || typeof own === 'string' ? String(own) : count;
  const { rule, title, time, entities, event_count } = alert;
  if (!print.json) {
    const level = print.colour ? MARKS[rule.level] : ` ${rule.level.padEnd(9)}`;
    const name = file.split(/[/\\]/).at(-1) ?? file;
    return { head: `${time} ${level} ${harmless(title)}  (${rule.id}, ${name}:`, tail: ')\n', record };
  }
  const what = { rule: { id: rule.id, title: rule.title, level: rule.level, tags: rule.tags }, title, time };
  const rest = {
    entities,
    event_count,
    // Ids and receipt belong to an installation, not to a file that was read once.
    event: { ...toEventRecord(STREAM_ID, event), id: undefined, source: undefined, received: undefined },
  };
  return {
    head: `${JSON.stringify(what).slice(0, -1)},"source":{"file":${JSON.stringify(file)},"record":"`,
    tail: `"},${JSON.stringify(rest).slice(1)}\n`,
    record: typeof record === 'string' ? JSON.stringify(record).slice(1, -1) : record,
  };
}

/** Events after which a piece says what it found so far. */
const REPORT_EVERY = 4096;

export interface PieceReader {
  read(piece: Piece, report: (part: PieceReport) => void, say: (sentence: string) => void): Promise<void>;
  quarantined(): readonly { rule: string; reason: string }[];
}

export function createPieceReader(
  rules: readonly Rule[],
  o: { decodeFile: DecodeFile; carve: boolean; print: PrintOptions },
): PieceReader {
  const { single, members } = splitRules(rules);
  const counted = new Set<Rule>(members);
  let counts = false;
  const engine = createEngine([...single, ...members], {
    streamId: STREAM_ID,
    onMatch: (rule) => {
      if (!counted.has(rule)) return true;
      counts = true;
      return false;
    },
  });
  return {
    read: async (piece, report, say) => {
      let found: Found[] = [];
      let kept: Member[] = [];
      let events = 0;
      let count = 0;
      let latestMs = Number.NEGATIVE_INFINITY;
      const flush = (): void => {
        report({ events, found, members: kept, latestMs });
        events = 0;
        found = [];
        kept = [];
      };
      const range = piece.range === null ? {} : { range: piece.range };
      try {
        for await (const event of o.decodeFile(piece.file, { carve: o.carve, say, ...range })) {
          count++;
          events++;
          event.seq = piece.index * PIECE_RECORDS + count;
          event.index = 0;
          if (event.timeMs > latestMs) latestMs = event.timeMs;
          counts = false;
          for (const alert of engine.feed(event)) found.push(foundOf(alert, event, piece.file, count, o.print));
          if (counts) kept.push(memberOf(event));
          if (events >= REPORT_EVERY) flush();
        }
      } finally {
        flush();
      }
    },
    quarantined: () => engine.stats().quarantined,
  };
}
