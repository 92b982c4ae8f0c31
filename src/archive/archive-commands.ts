/** `asepsis archive verify` and `asepsis hunt QUERY`. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type ArchiveReader,
  AsepsisError,
  type EventRecord,
  EXIT,
  LIMITS,
  systemClock,
  type Terminal,
} from '../core/index.ts';
import { createManifestReader } from './archive-manifest-file.ts';
import { openArchiveReader } from './archive-reader.ts';
import { verifyArchive } from './archive-verify.ts';

const DATA_DEFAULT = process.env.ASEPSIS_DATA ?? './data';
const archiveFolder = (data: string): string => join(data, 'archive');

/** Control characters of a record must not reach the terminal, which would obey them. */
const shown = (text: string): string => text.replaceAll(/\p{Cc}/gu, ' ');

interface HuntOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly json?: boolean;
  readonly data: string;
  readonly rule?: string;
  readonly indicators?: string;
  readonly deep?: boolean;
}

/** Looks for a rule or a list of indicators instead of a query; the detection room does that. */
export type RetroHunt = (
  archive: ArchiveReader,
  o: Pick<HuntOptions, 'rule' | 'indicators' | 'deep' | 'json' | 'data'> & {
    readonly fromMs: number;
    readonly toMs: number;
    readonly streamId: string;
  },
  terminal: Terminal,
) => Promise<number>;

function timeOption(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new AsepsisError('BAD_REQUEST', `--${name} is a time such as 2026-03-01T08:00:00Z.`);
  return ms;
}

function eventLine(event: EventRecord): string {
  return `${event.time}  ${event.format}  ${shown(event.raw)}\n`;
}

async function hunt(query: string, options: HuntOptions, terminal: Terminal, retro: RetroHunt): Promise<number> {
  const dir = archiveFolder(options.data);
  const manifest = createManifestReader(dir);
  await manifest.refresh();
  if (manifest.state.n === 0) throw new AsepsisError('NOT_FOUND', `There is no archive in ${options.data}.`);
  const fromMs = timeOption(options.from, 'from', -Infinity);
  const toMs = timeOption(options.to, 'to', Infinity);
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new AsepsisError('BAD_REQUEST', '--limit is a number from 1.');
  const reader = await openArchiveReader({ dir, streamId: manifest.state.stream, clock: systemClock });
  let count = 0;
  try {
    if (options.rule !== undefined || options.indicators !== undefined)
      return await retro(reader, { ...options, fromMs, toMs, streamId: manifest.state.stream }, terminal);
    let after: string | undefined;
    do {
      const ask = { query, fromMs, toMs, limit: Math.min(LIMITS.pageRowsMax, limit - count) };
      const page = await reader.search(after === undefined ? ask : { ...ask, after });
      for (const event of page.items) terminal.out(options.json ? `${JSON.stringify(event)}\n` : eventLine(event));
      count += page.items.length;
      after = page.next ?? undefined;
    } while (after !== undefined && count < limit);
    if (after !== undefined) terminal.say(`The first ${count} events; more with --limit.`);
    else if (count === 0) terminal.say('No event matches.');
  } finally {
    await reader.close();
  }
  return count > 0 ? EXIT.findings : EXIT.clean;
}

interface VerifyOptions {
  readonly data: string;
  readonly json?: boolean;
  readonly expect?: string;
}

async function verify(options: VerifyOptions, terminal: Terminal): Promise<number> {
  const dir = archiveFolder(options.data);
  // Who noted a last line expects an archive: then none at all is the fault that he looks for.
  if (options.expect === undefined && !existsSync(dir))
    throw new AsepsisError('NOT_FOUND', `There is no archive in ${options.data}.`);
  const onProgress = (done: number, all: number) => terminal.progress(`${done} of ${all} files`);
  const proof = await verifyArchive(dir, onProgress, options.expect);
  if (options.json) terminal.out(`${JSON.stringify(proof)}\n`);
  else {
    for (const fault of proof.faults) terminal.out(`${fault}\n`);
    const what = `${proof.files} files with ${proof.events} events, ${proof.lines} lines in the manifest`;
    terminal.out(
      proof.ok ? `Unchanged: ${what}.\n` : `Not as it was written: ${proof.faults.length} faults in ${what}.\n`,
    );
    terminal.out(`Last line: ${proof.head}\n`);
  }
  return proof.ok ? EXIT.clean : EXIT.findings;
}

/** Adds the archive's commands to the program. */
export function archiveCommands(program: Command, terminal: Terminal, retro: RetroHunt): void {
  const archive = program.command('archive').description('Look after the archive');
  archive
    .command('verify')
    .description('Recompute every hash of the archive and name what was changed, is missing or extra')
    .option('--data <folder>', 'data folder', DATA_DEFAULT)
    .option('--expect <line>', 'a last line that an earlier run printed: nothing before it may have been rewritten')
    .option('--json', 'print one JSON object')
    .action(async (options: VerifyOptions) => {
      process.exitCode = await verify(options, terminal);
    });
  program
    .command('hunt')
    .description('Search all archived events, newest first (docs/operate/search.md), or hunt for a rule or indicators')
    .argument('[query]', 'for example: user:alice AND outcome:failure', '')
    .option('--rule <file>', 'match a Sigma rule against what is archived; alerts are marked retrospective')
    .option('--indicators <file>', 'look for a list of addresses, names, URLs, digests')
    .option('--deep', 'with --indicators: read every record, not only columns')
    .option('--from <time>', 'first moment, RFC 3339')
    .option('--to <time>', 'moment after the last, RFC 3339')
    .option('--limit <number>', 'events to print', '100')
    .option('--data <folder>', 'data folder', DATA_DEFAULT)
    .option('--json', 'print one JSON object a line')
    .action(async (query: string, options: HuntOptions) => {
      process.exitCode = await hunt(query, options, terminal, retro);
    });
}
