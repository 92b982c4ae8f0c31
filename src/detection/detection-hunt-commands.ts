/** `asepsis hunt --rule FILE | --indicators FILE` and `asepsis indicators import|list|remove`. */

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { type Alert, type ArchiveReader, AsepsisError, EXIT, type Terminal } from '../core/index.ts';
import { huntIndicators } from './detection-hunt-indicators.ts';
import { type HuntProgress, huntRules } from './detection-hunt-run.ts';
import { loadRules } from './detection-load.ts';
import { type ImportOptions, importIndicators } from './indicators/indicator-import.ts';
import { buildIndicators, openIndicators } from './indicators/indicator-set.ts';
import { importList, listIndicators, removeIndicators } from './indicators/indicator-store.ts';
import { INDICATOR_TYPES, type IndicatorType } from './indicators/indicator-value.ts';
import { PATTERNS_LOOKED_AT_MAX } from './indicators/indicator-watch.ts';

export interface RetroHuntOptions {
  readonly rule?: string;
  readonly indicators?: string;
  readonly deep?: boolean;
  readonly json?: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly data: string;
  readonly streamId: string;
}

/** What a hunt that was broken off has done: named after what is hunted, so that the same command goes on. */
interface Saved {
  readonly done: readonly string[];
  readonly state: string | null;
}

const LIST: ImportOptions = { source: 'list', confidence: 60, untilMs: null };

/** Runs a hunt in the archive of a data folder; alerts go to stdout, one a line. */
export async function retroHunt(archive: ArchiveReader, o: RetroHuntOptions, terminal: Terminal): Promise<number> {
  const file = o.rule ?? o.indicators;
  if (file === undefined || (o.rule !== undefined && o.indicators !== undefined))
    throw new AsepsisError('BAD_REQUEST', 'Either --rule or --indicators, with a file.');
  const content = await readFile(file, 'utf8').catch((error: Error) => {
    throw new AsepsisError('INPUT_UNREADABLE', `${file}: ${error.message}.`, { cause: error });
  });
  const name = createHash('sha256')
    .update(`${content}\0${o.fromMs}\0${o.toMs}\0${o.deep === true}`)
    .digest('hex')
    .slice(0, 24);
  const folder = join(o.data, 'detection', 'hunts');
  const savedFile = join(folder, `${name}.json`);
  const saved = await readSaved(savedFile);
  if (saved !== null)
    terminal.say(`Going on where an earlier run was broken off: ${saved.done.length} parts are done.`);
  const done = new Set(saved?.done ?? []);
  const stop = new AbortController();
  const interrupt = () =>
    stop.abort(new AsepsisError('BAD_REQUEST', 'Broken off; the same command goes on from here.'));
  process.once('SIGINT', interrupt);
  let alerts = 0;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const options = {
    fromMs: o.fromMs,
    toMs: o.toMs,
    deep: o.deep === true,
    streamId: o.streamId,
    done: new Set(done),
    signal: stop.signal,
    onAlerts: async (raised: readonly Alert[]) => {
      alerts += raised.length;
      for (const alert of raised) terminal.out(o.json ? `${JSON.stringify(alert)}\n` : line(alert));
    },
    onParts: async (ids: readonly string[], progress: Readonly<HuntProgress>, state: Uint8Array | null) => {
      for (const id of ids) done.add(id);
      terminal.progress(
        `${progress.partsDone} of ${progress.parts} parts, ${progress.valuesTested} values, ${alerts} alerts`,
      );
      const text = JSON.stringify({
        done: [...done],
        state: state === null ? null : Buffer.from(state).toString('base64'),
      } satisfies Saved);
      await writeFile(`${savedFile}.partial`, text, { mode: 0o600 });
      await rename(`${savedFile}.partial`, savedFile);
    },
  };
  const started = performance.now();
  try {
    const progress =
      o.rule === undefined
        ? await huntIndicators(archive.parts, listed(content, terminal), options)
        : await huntRules(archive.parts, await rulesOf(file), {
            ...options,
            state: saved?.state ? Buffer.from(saved.state, 'base64') : null,
          });
    await rm(savedFile, { force: true });
    const sec = Math.round((performance.now() - started) / 100) / 10;
    terminal.say(
      `${progress.rows} events in ${progress.parts} parts, ${progress.partsSkipped} of them not opened; ${progress.valuesTested} distinct values tested, ${progress.eventsRead} events read, ${alerts} alerts, ${sec} s.`,
    );
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
  return alerts > 0 ? EXIT.findings : EXIT.clean;
}

const line = (alert: Alert): string =>
  `${alert.time}  ${alert.rule.level.padEnd(11)} ${alert.title.replaceAll(/\p{Cc}/gu, '?')}\n`;

async function readSaved(file: string): Promise<Saved | null> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Saved;
    return Array.isArray(value.done) ? value : null;
  } catch {
    return null;
  }
}

function listed(content: string, terminal: Terminal) {
  const { records, patterns, refused, refusedCount } = importIndicators(content, LIST);
  for (const { where, reason } of refused.slice(0, 5)) terminal.say(`${where}: ${reason}`);
  if (refusedCount > 5) terminal.say(`… and ${refusedCount - 5} more entries that are no indicators`);
  if (records.length + patterns.length === 0)
    throw new AsepsisError('BAD_REQUEST', 'The list holds neither an indicator nor a pattern.');
  const left = patterns.length - PATTERNS_LOOKED_AT_MAX;
  if (left > 0) terminal.say(`${left} of ${patterns.length} patterns are beyond the limit and are not hunted for.`);
  return { set: openIndicators(buildIndicators(records)), patterns };
}

async function rulesOf(file: string) {
  const { rules, refused } = await loadRules([file]);
  const [first] = refused;
  if (rules.length === 0)
    throw new AsepsisError(
      'RULE_INVALID',
      first ? `${first.file}:${first.line}: ${first.reason}.` : 'There is no rule in it.',
    );
  return rules;
}

const percent = (text: string): number => {
  const value = Number(text);
  if (!(value >= 0 && value <= 100)) throw new AsepsisError('BAD_REQUEST', '--confidence is a number from 0 to 100.');
  return value;
};

/** Adds `indicators` to the program. */
export function indicatorCommands(
  program: Command,
  terminal: Terminal,
  deps: { ownRanges: (data: string) => Promise<readonly string[]> },
): void {
  const indicators = program
    .command('indicators')
    .description('addresses, names, URLs, digests that are known from attacks');
  const data = ['-d, --data <folder>', 'the folder that holds everything', './data'] as const;
  indicators
    .command('import')
    .description('take in a list: plain, CSV, STIX 2.1 or MISP JSON; a running installation reads it within seconds')
    .argument('<files...>')
    .option(...data)
    .option('--source <name>', 'whose list it is (otherwise the name of the file)')
    .option('--confidence <percent>', 'where the list says none', '60')
    .option('--days <number>', 'how long they hold where the list says nothing; 0 for ever', '90')
    .option('--json', 'one JSON object a file')
    .action(
      async (
        files: string[],
        o: { data: string; source?: string; confidence: string; days: string; json?: boolean },
      ) => {
        const nowMs = Date.now();
        const days = Number(o.days);
        for (const file of files) {
          const content = await readFile(file, 'utf8').catch((error: Error) => {
            throw new AsepsisError('INPUT_UNREADABLE', `${file}: ${error.message}.`, { cause: error });
          });
          const untilMs = days > 0 ? nowMs + days * 86_400_000 : null;
          const options = { source: o.source ?? basename(file), confidence: percent(o.confidence), untilMs };
          const summary = await importList(
            { dataDir: o.data, own: await deps.ownRanges(o.data), nowMs },
            content,
            options,
          );
          if (o.json) terminal.out(`${JSON.stringify(summary)}\n`);
          else {
            terminal.say(
              `${file}: ${summary.added} new, ${summary.renewed} renewed, ${summary.allowedCount} left out as common or own, ${summary.refusedCount} not understood; ${summary.total} in all.`,
            );
            for (const { where, reason } of summary.refused.slice(0, 5)) terminal.say(`  ${where}: ${reason}`);
            for (const { value, reason } of summary.allowed.slice(0, 5)) terminal.say(`  left out ${value}: ${reason}`);
          }
          if (summary.refusedCount > 0) process.exitCode = EXIT.findings;
        }
      },
    );
  indicators
    .command('list')
    .option(...data)
    .option('--type <type>', INDICATOR_TYPES.join(', '))
    .option('--source <name>')
    .option('--text <text>', 'part of the value')
    .option('--limit <number>', 'how many', '100')
    .option('--json', 'one JSON object a line')
    .action(
      async (o: { data: string; type?: string; source?: string; text?: string; limit: string; json?: boolean }) => {
        const type = o.type as IndicatorType | undefined;
        if (type !== undefined && !INDICATOR_TYPES.includes(type))
          throw new AsepsisError('BAD_REQUEST', `--type is one of ${INDICATOR_TYPES.join(', ')}.`);
        const filter = {
          ...(type === undefined ? {} : { type }),
          ...(o.source === undefined ? {} : { source: o.source }),
          ...(o.text === undefined ? {} : { text: o.text }),
        };
        const page = await listIndicators(o.data, filter, { limit: Math.max(1, Number(o.limit) || 100) });
        for (const one of page.items)
          terminal.out(
            o.json
              ? `${JSON.stringify(one)}\n`
              : `${one.type.padEnd(8)} ${one.value}  ${one.source}  ${one.confidence} %${one.untilMs === null ? '' : `  until ${new Date(one.untilMs).toISOString()}`}\n`,
          );
        terminal.say(
          `${page.total} in all; ${page.sources.map(({ source, count, patterns }) => `${source} ${count + patterns}`).join(', ') || 'no list yet'}.`,
        );
      },
    );
  indicators
    .command('remove')
    .description('a value, or everything of a list')
    .option(...data)
    .option('--value <value>')
    .option('--source <name>')
    .action(async (o: { data: string; value?: string; source?: string }) => {
      if (o.value === undefined && o.source === undefined)
        throw new AsepsisError('BAD_REQUEST', 'Name a --value or a --source.');
      const gone = await removeIndicators(o.data, {
        ...(o.value === undefined ? {} : { value: o.value }),
        ...(o.source === undefined ? {} : { source: o.source }),
      });
      terminal.say(`${gone} removed.`);
      process.exitCode = gone > 0 ? EXIT.clean : EXIT.findings;
    });
}
