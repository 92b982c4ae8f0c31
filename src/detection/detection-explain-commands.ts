/** `asepsis rules explain RULES EVENTS`: why a rule fires on events of a file or does not, predicate by predicate. */

import type { Command } from 'commander';
import { AsepsisError, EXIT, type Terminal } from '../core/index.ts';
import type { DetectionDeps } from './detection-commands.ts';
import { loadRules } from './detection-load.ts';
import { type RuleWhy, type Why, whyRule } from './detection-why.ts';

/** What logs bring must not steer the terminal. */
const shown = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?');

function tree(why: Why, depth: number): string {
  const mark = why.holds ? '✓' : '✗';
  const place = why.bytes === null ? '' : ` [bytes ${why.bytes[0]}–${why.bytes[1]}]`;
  const words = why.what === 'test' ? `${why.field} ${why.asked} — ${why.value ?? 'missing'}${place}` : why.what;
  return `${'  '.repeat(depth)}${mark} ${shown(words)}\n${why.of.map((one) => tree(one, depth + 1)).join('')}`;
}

function text(answer: RuleWhy, depth = 0): string {
  const head = `${'  '.repeat(depth)}${answer.rule}: ${shown(answer.sentence)}\n`;
  const own = answer.why === null ? '' : tree(answer.why, depth + 1);
  return head + own + answer.members.map((member) => text(member, depth + 1)).join('');
}

interface Options {
  readonly rule?: string;
  readonly limit: string;
  readonly json?: boolean;
}

async function explain(
  rulesPath: string,
  events: string,
  o: Options,
  terminal: Terminal,
  deps: DetectionDeps,
): Promise<number> {
  const { rules, refused } = await loadRules([rulesPath]);
  for (const { file, line, reason } of refused.slice(0, 5)) terminal.say(`${file}:${line}: ${reason}`);
  const chosen = o.rule === undefined ? rules : rules.filter(({ id, name }) => id === o.rule || name === o.rule);
  if (chosen.length === 0)
    throw new AsepsisError(
      'NOT_FOUND',
      o.rule === undefined ? `There is no rule in ${rulesPath}.` : `There is no rule ${o.rule} in ${rulesPath}.`,
    );
  const limit = Number(o.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new AsepsisError('BAD_REQUEST', '--limit is a number from 1.');
  let n = 0;
  let fired = 0;
  for await (const event of deps.decodeFile(events)) {
    if (++n > limit) break;
    for (const rule of chosen) {
      const answer = whyRule(rule, event, rules);
      if (answer.fires) fired++;
      if (o.json) terminal.out(`${JSON.stringify({ event: n, ...answer })}\n`);
      else terminal.out(`event ${n}, ${text(answer)}`);
    }
  }
  terminal.say(`${Math.min(n, limit)} events, ${chosen.length} rules, ${fired} times it fires.`);
  return fired > 0 ? EXIT.findings : EXIT.clean;
}

/** Adds `explain` to the command `rules`. */
export function explainCommands(program: Command, terminal: Terminal, deps: DetectionDeps): void {
  const rules = program.commands.find((command) => command.name() === 'rules') ?? program.command('rules');
  rules
    .command('explain')
    .description('why a rule fires on the events of a file or does not, predicate by predicate')
    .argument('<rules>', 'a rule file, or a folder of them')
    .argument('<events>', 'a file of events in any form that detect reads')
    .option('--rule <id>', 'only this rule')
    .option('--limit <number>', 'how many events', '10')
    .option('--json', 'one JSON object an event and rule')
    .action(async (path: string, events: string, o: Options) => {
      process.exitCode = await explain(path, events, o, terminal, deps);
    });
}
