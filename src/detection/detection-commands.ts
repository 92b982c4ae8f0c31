/** `asepsis detect` and `asepsis rules`: files in, alerts out, one JSON object a line with --json. */

import { isAbsolute, join } from 'node:path';
import type { Command } from 'commander';
import { AsepsisError, EXIT, type Terminal } from '../core/index.ts';
import { detect } from './detection-detect.ts';
import { coverageOf, createSeen, navigatorLayer, needsOf } from './detection-inventory.ts';
import { type LoadOptions, loadRules } from './detection-load.ts';
import { type DecodeFile, harmless } from './detection-part.ts';
import { filesIn } from './detection-pieces.ts';
import type { Refusal, Rule } from './detection-rule.ts';
import { testRules } from './detection-selftest.ts';
import { readPipelines, readPlaceholders, shippedPipelines } from './detection-site.ts';

export interface DetectionDeps {
  /** Reads one file of any known form, compressed or not, as decoded events in order. */
  readonly decodeFile: DecodeFile;
  /** The rules that come with the program; used when no folder is named. */
  readonly ownRules: string;
  /** The script of a thread that reads files for `detect`; absent: there are none. */
  readonly threadScript?: URL;
}

interface SiteOptions {
  readonly placeholders?: string;
  readonly pipeline?: readonly string[];
}

interface CoverageOptions extends SiteOptions {
  readonly rules: string[];
  readonly navigator?: boolean;
  readonly needs?: boolean;
  readonly json?: boolean;
}

interface DetectOptions extends SiteOptions {
  readonly rules: string[];
  readonly json?: boolean;
  readonly carve?: boolean;
  readonly threads?: number;
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

function sayRefused(terminal: Terminal, refused: readonly Refusal[], most: number): void {
  for (const { file, line: at, column, reason } of refused.slice(0, most))
    terminal.say(`${file}:${at}:${column}: ${reason}`);
  if (refused.length > most) terminal.say(`… and ${refused.length - most} more; \`asepsis rules lint\` lists them all`);
}

/** Where rules that were read are kept; null when the place is not known. */
function cacheDir(env: NodeJS.ProcessEnv): string | undefined {
  const given = env.XDG_CACHE_HOME;
  if (given !== undefined && isAbsolute(given)) return join(given, 'asepsis');
  return env.HOME !== undefined && isAbsolute(env.HOME) ? join(env.HOME, '.cache', 'asepsis') : undefined;
}

function loadingOf(options: SiteOptions): LoadOptions {
  const dir = cacheDir(process.env);
  return {
    ...(dir === undefined ? {} : { cacheDir: dir }),
    ...(options.placeholders === undefined ? {} : { placeholders: readPlaceholders(options.placeholders) }),
    ...(options.pipeline === undefined || options.pipeline.length === 0
      ? {}
      : { pipelines: readPipelines(options.pipeline) }),
  };
}

async function rulesFrom(terminal: Terminal, folders: readonly string[], loading: LoadOptions = {}): Promise<Rule[]> {
  const { rules, refused, waiting } = await loadRules(folders, loading);
  sayRefused(terminal, refused, 10);
  if (waiting.length > 0)
    terminal.say(`${waiting.length} rules wait for values of placeholders; \`asepsis rules lint\` names them.`);
  if (rules.length === 0) throw new AsepsisError('RULE_INVALID', `No rule could be loaded from ${folders.join(', ')}.`);
  return rules;
}

async function lint(folders: readonly string[], json: boolean, terminal: Terminal, site: SiteOptions): Promise<void> {
  const { rules, refused, waiting } = await loadRules(folders, loadingOf(site));
  if (json) for (const one of refused) terminal.out(`${JSON.stringify(one)}\n`);
  else for (const { file, line: at, column, reason } of refused) terminal.out(`${file}:${at}:${column}: ${reason}\n`);
  if (json) for (const one of waiting) terminal.out(`${JSON.stringify({ ...one, waiting: true })}\n`);
  else for (const { file, line: at, column, reason } of waiting) terminal.out(`${file}:${at}:${column}: ${reason}\n`);
  const wait = waiting.length > 0 ? `, ${waiting.length} wait for values of placeholders` : '';
  terminal.say(`${rules.length} rules are good, ${refused.length} are not${wait}.`);
  process.exitCode = refused.length > 0 ? EXIT.findings : EXIT.clean;
}

async function coverage(
  paths: readonly string[],
  options: CoverageOptions,
  terminal: Terminal,
  deps: DetectionDeps,
): Promise<void> {
  const rules = await rulesFrom(
    terminal,
    options.rules.length > 0 ? options.rules : [deps.ownRules],
    loadingOf(options),
  );
  if (options.navigator) {
    terminal.out(`${JSON.stringify(navigatorLayer(rules), null, 2)}\n`);
    return;
  }
  if (options.needs) {
    for (const { id, title, logsource, fields } of needsOf(rules)) {
      const source = Object.values(logsource).join(' ');
      terminal.out(
        options.json
          ? `${JSON.stringify({ id, title, logsource, fields })}\n`
          : `${id}  ${title}\n    ${source}: ${fields.join(', ') || 'keywords'}\n`,
      );
    }
    return;
  }
  const seen = createSeen();
  for (const file of await filesIn(paths)) {
    try {
      for await (const event of deps.decodeFile(file, { say: (sentence) => terminal.say(harmless(sentence)) }))
        seen.take(event);
    } catch (error) {
      if (paths.includes(file)) throw error;
      terminal.say(harmless(`${file}: ${(error as Error).message}`));
    }
  }
  const report = coverageOf(rules, seen);
  if (options.json) {
    terminal.out(`${JSON.stringify(report)}\n`);
    return;
  }
  for (const { format, events, rules: count } of report.sources)
    terminal.out(`${format.padEnd(40)} ${String(events).padStart(9)} events ${String(count).padStart(5)} rules\n`);
  for (const { id, title, missing } of report.without_fields)
    terminal.out(`can never fire: ${title} (${id}): ${missing.join(', ')} never came\n`);
  terminal.out(`fields that no rule reads: ${report.unread_fields.map(harmless).join(', ') || 'none'}\n`);
  terminal.say(
    `${report.can_fire} rules can fire; ${report.without_fields.length} lack fields, ${report.without_source.length} lack their log source.`,
  );
}

async function test(folders: readonly string[], json: boolean, terminal: Terminal): Promise<void> {
  const rules = await rulesFrom(terminal, folders);
  const results = await testRules(rules, folders);
  const bad = results.filter((result) => !result.ok);
  if (json) for (const result of results) terminal.out(`${JSON.stringify(result)}\n`);
  else for (const { file, name, reason } of bad) terminal.out(`${file}: ${name}: ${reason}\n`);
  terminal.say(`${results.length - bad.length} of ${results.length} cases as expected, ${rules.length} rules.`);
  process.exitCode = bad.length > 0 ? EXIT.findings : EXIT.clean;
}

/** Adds `detect` and `rules lint|test|coverage` to the program. */
export function detectionCommands(program: Command, terminal: Terminal, deps: DetectionDeps): void {
  program
    .command('detect')
    .description('match files (Windows event logs, NDJSON, syslog, access logs, also .gz and .zip) against rules')
    .argument('<files...>', 'files to read, or folders of them')
    .option(
      '--rules <dir>',
      'a folder of Sigma rules instead of the ones that come along; may be repeated',
      collect,
      [],
    )
    .option('--json', 'one JSON object a line')
    .option('--carve', 'look for Windows event records in any bytes, such as a disk image')
    .option('--placeholders <file>', 'values that stand for %placeholders% in rules')
    .option(
      '--pipeline <name>',
      `a processing pipeline that rules go through: a file, or one of ${shippedPipelines().join(', ')}; may be repeated`,
      collect,
      [],
    )
    .option('--threads <number>', 'threads to read with', (text) => Math.max(1, Math.trunc(Number(text)) || 1))
    .action(async (files: string[], options: DetectOptions) => {
      const folders = options.rules.length > 0 ? options.rules : [deps.ownRules];
      const loading = loadingOf(options);
      const job = {
        paths: files,
        rules: await rulesFrom(terminal, folders, loading),
        folders,
        loading,
        json: options.json === true,
        carve: options.carve === true,
        threads: options.threads ?? null,
        decodeFile: deps.decodeFile,
        threadScript: deps.threadScript ?? null,
      };
      await detect(job, terminal);
    });
  const rules = program.command('rules').description('check rules before they are used');
  rules
    .command('lint')
    .description('say which rules cannot be used, with line and column')
    .argument('[dirs...]', 'rule folders')
    .option('--placeholders <file>', 'values that stand for %placeholders% in rules')
    .option(
      '--pipeline <name>',
      `a processing pipeline that rules go through: a file, or one of ${shippedPipelines().join(', ')}; may be repeated`,
      collect,
      [],
    )
    .option('--json', 'one JSON object a line')
    .action((dirs: string[], options: { json?: boolean } & SiteOptions) =>
      lint(dirs.length > 0 ? dirs : [deps.ownRules], options.json === true, terminal, options),
    );
  rules
    .command('coverage')
    .description(
      'say what rules need, and with evidence which of them can never fire and which fields none of them reads',
    )
    .argument('[files...]', 'events as they come in: files, or folders of them')
    .option(
      '--rules <dir>',
      'a folder of Sigma rules instead of the ones that come along; may be repeated',
      collect,
      [],
    )
    .option('--navigator', 'a layer for the MITRE ATT&CK Navigator')
    .option('--needs', 'log source and fields of every rule')
    .option('--placeholders <file>', 'values that stand for %placeholders% in rules')
    .option('--json', 'one JSON object')
    .action((files: string[], options: CoverageOptions) => coverage(files, options, terminal, deps));
  rules
    .command('test')
    .description('run the test events beside the rules')
    .argument('[dirs...]', 'rule folders')
    .option('--json', 'one JSON object a line')
    .action((dirs: string[], options: { json?: boolean }) =>
      test(dirs.length > 0 ? dirs : [deps.ownRules], options.json === true, terminal),
    );
}
