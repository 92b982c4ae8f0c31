/** `asepsis detect` and `asepsis rules`: files in, alerts out, one JSON object a line with --json. */

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { type Alert, AsepsisError, type DecodedEvent, EXIT, type Terminal, toEventRecord } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import { loadRules } from './detection-load.ts';
import type { Refusal, Rule } from './detection-rule.ts';
import { testRules } from './detection-selftest.ts';

export interface DetectionDeps {
  /** Reads one file of any known form, compressed or not, as decoded events in order. */
  readonly decodeFile: (
    path: string,
    o?: { carve?: boolean; say?: (sentence: string) => void },
  ) => AsyncIterable<DecodedEvent>;
  /** The rules that come with the program; used when no folder is named. */
  readonly ownRules: string;
}

const STREAM_ID = 'detect00';
/** Events between two updates of the progress line. */
const PROGRESS_EVERY = 20_000;

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

function recordOf(event: DecodedEvent, n: number): string {
  const number = event.fields.EventRecordID ?? event.fields.RecordNumber;
  return typeof number === 'number' || typeof number === 'string' ? String(number) : String(n);
}

function line(alert: Alert, event: DecodedEvent, file: string, record: string): string {
  const { rule, title, time, entities, event_count } = alert;
  return `${JSON.stringify({
    rule: { id: rule.id, title: rule.title, level: rule.level, tags: rule.tags },
    title,
    time,
    source: { file, record },
    entities,
    event_count,
    // Ids and receipt belong to an installation, not to a file that was read once.
    event: { ...toEventRecord(STREAM_ID, event), id: undefined, source: undefined, received: undefined },
  })}\n`;
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

function sentence(alert: Alert, file: string, record: string, colour: boolean): string {
  const level = colour ? MARKS[alert.rule.level] : ` ${alert.rule.level.padEnd(9)}`;
  return `${alert.time} ${level} ${alert.title.replace(CONTROL, '?')}  (${alert.rule.id}, ${basename(file)}:${record})\n`;
}

function sayRefused(terminal: Terminal, refused: readonly Refusal[], most: number): void {
  for (const { file, line: at, column, reason } of refused.slice(0, most))
    terminal.say(`${file}:${at}:${column}: ${reason}`);
  if (refused.length > most) terminal.say(`… and ${refused.length - most} more; \`asepsis rules lint\` lists them all`);
}

async function rulesFrom(terminal: Terminal, folders: readonly string[]): Promise<Rule[]> {
  const { rules, refused } = await loadRules(folders);
  sayRefused(terminal, refused, 10);
  if (rules.length === 0) throw new AsepsisError('RULE_INVALID', `No rule could be loaded from ${folders.join(', ')}.`);
  return rules;
}

/** Folders become the files in them and below, by name; hidden ones are left out. */
async function filesIn(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory()) {
      files.push(path);
      continue;
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const inside = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
    files.push(...inside.map((entry) => join(entry.parentPath, entry.name)).sort());
  }
  return files;
}

async function detect(
  paths: readonly string[],
  options: { rules: string[]; json?: boolean; carve?: boolean },
  terminal: Terminal,
  deps: DetectionDeps,
) {
  const rules = await rulesFrom(terminal, options.rules.length > 0 ? options.rules : [deps.ownRules]);
  const engine = createEngine(rules, { streamId: STREAM_ID });
  const files = await filesIn(paths);
  const say = (sentence: string): void => terminal.say(sentence.replace(CONTROL, '?'));
  let alerts = 0;
  let events = 0;
  const read = async (file: string, i: number): Promise<void> => {
    let record = 0;
    for await (const event of deps.decodeFile(file, { carve: options.carve === true, say })) {
      record++;
      events++;
      // A file's own numbering starts again with each file: its place in the list keeps ids apart.
      event.seq = i * 2 ** 32 + record;
      event.index = 0;
      for (const alert of engine.feed(event)) {
        alerts++;
        const where = recordOf(event, record);
        terminal.out(options.json ? line(alert, event, file, where) : sentence(alert, file, where, terminal.colour));
      }
      if (events % PROGRESS_EVERY === 0)
        terminal.progress(`${i + 1} of ${files.length}, ${file}: ${events} events, ${alerts} alerts`);
    }
  };
  for (const [i, file] of files.entries()) {
    try {
      await read(file, i);
    } catch (error) {
      // One bad file of a folder must not hide what is in the others; a file that was named must be readable.
      if (paths.includes(file)) throw error;
      say(`${file}: ${(error as Error).message}`);
    }
  }
  for (const { rule, reason } of engine.stats().quarantined)
    terminal.say(`The rule ${rule} failed and was set aside: ${reason}`);
  terminal.say(`${events} events, ${engine.ruleCount} rules, ${alerts} alerts.`);
  process.exitCode = alerts > 0 ? EXIT.findings : EXIT.clean;
}

async function lint(folders: readonly string[], json: boolean, terminal: Terminal): Promise<void> {
  const { rules, refused } = await loadRules(folders);
  if (json) for (const one of refused) terminal.out(`${JSON.stringify(one)}\n`);
  else for (const { file, line: at, column, reason } of refused) terminal.out(`${file}:${at}:${column}: ${reason}\n`);
  terminal.say(`${rules.length} rules are good, ${refused.length} are not.`);
  process.exitCode = refused.length > 0 ? EXIT.findings : EXIT.clean;
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

/** Adds `detect` and `rules lint|test` to the program. */
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
    .action((files: string[], options: { rules: string[]; json?: boolean; carve?: boolean }) =>
      detect(files, options, terminal, deps),
    );
  const rules = program.command('rules').description('check rules before they are used');
  rules
    .command('lint')
    .description('say which rules cannot be used, with line and column')
    .argument('[dirs...]', 'rule folders')
    .option('--json', 'one JSON object a line')
    .action((dirs: string[], options: { json?: boolean }) =>
      lint(dirs.length > 0 ? dirs : [deps.ownRules], options.json === true, terminal),
    );
  rules
    .command('test')
    .description('run the test events beside the rules')
    .argument('[dirs...]', 'rule folders')
    .option('--json', 'one JSON object a line')
    .action((dirs: string[], options: { json?: boolean }) =>
      test(dirs.length > 0 ? dirs : [deps.ownRules], options.json === true, terminal),
    );
}
