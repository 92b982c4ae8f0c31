/** `asepsis respond …`: preview, block, disable, approve, undo, list, and bouncers' keys; the running desk carries out. */

import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type ArchiveReader,
  AsepsisError,
  audited,
  type Config,
  EXIT,
  type Store,
  systemClock,
  type Terminal,
} from '../../core/index.ts';
import { addBouncer, listBouncers, removeBouncer } from './response-bouncers.ts';
import { protectedOfMachine } from './response-machine.ts';
import { type Preview, RESPONSE_KINDS, type ResponseKind, type ResponseRecord } from './response-schema.ts';
import { type Asking, createResponses, type ResponseService } from './response-service.ts';
import { listResponses } from './response-store.ts';

export interface ResponseCommandDeps {
  /** Opens what an installation has; the caller closes it. */
  readonly open: (o: { data: string; config?: string }) => Promise<{
    store: Store;
    archive: ArchiveReader;
    config: Config;
    close: () => Promise<void>;
  }>;
}

interface Options {
  readonly data: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Whoever may open the data folder could change the database too: the command line acts as a lead, under its own name. */
const asking = (): Asking => ({ request: null, name: `${userInfo().username} (command line)`, role: 'lead' });

const minutes = (text: string): number => {
  const found = /^(\d{1,6})(m|h|d)?$/.exec(text);
  if (!found) throw new InvalidArgumentError('Such as 30m, 4h or 7d.');
  return Number(found[1]) * ({ m: 1, h: 60, d: 1440 }[found[2] ?? 'm'] as number);
};
const kindOf = (text: string): ResponseKind => {
  const kind = RESPONSE_KINDS.find((one) => one === text);
  if (!kind) throw new InvalidArgumentError(`One of ${RESPONSE_KINDS.join(', ')}.`);
  return kind;
};

function previewText(preview: Preview): string {
  const lines = [
    ...preview.touches.map((text) => `touches   ${text}`),
    ...preview.affected.map(({ what, count }) => `affected  ${count} × ${what}`),
    ...preview.reasons.map((text) => `careful   ${text}`),
    `undo      ${preview.undo}`,
    ...(preview.refused === null ? [] : [`REFUSED   ${preview.refused}`]),
    ...(preview.simulated ? ['rehearsed only: responses.mode is simulate'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

const line = (one: ResponseRecord): string =>
  `${one.id}  ${one.state.padEnd(8)} ${one.kind.padEnd(15)} ${one.target.padEnd(24)} ${one.expires ?? one.proposed_at}${one.simulated ? '  simulated' : ''}\n`;

/** Adds `respond` and its verbs to the program. */
export function responseCommands(program: Command, terminal: Terminal, deps: ResponseCommandDeps): void {
  const respond = program.command('respond').description('stop an attacker: previewed, limited in time, undone');
  const withOptions = (command: Command): Command =>
    command
      .option('-d, --data <folder>', 'the folder that holds everything', './data')
      .option('-c, --config <file>', 'the configuration (otherwise asepsis.yaml in the data folder)')
      .option('--json', 'one JSON object a line');
  const opened = async <T>(
    o: Options,
    work: (parts: { store: Store; service: ResponseService }) => Promise<T>,
  ): Promise<T> => {
    const { store, archive, config, close } = await deps.open(o);
    try {
      const service = createResponses({
        store,
        archive,
        config,
        clock: systemClock,
        random: randomBytes,
        exercise: false,
        machine: protectedOfMachine,
        carryOut: async () => {},
      });
      return await work({ store, service });
    } finally {
      await close();
    }
  };
  const say = (one: ResponseRecord, o: Options) => terminal.out(o.json ? `${JSON.stringify(one)}\n` : line(one));

  withOptions(respond.command('preview'))
    .description('what it would touch and whom it would affect; changes nothing')
    .argument('<kind>', RESPONSE_KINDS.join(', '), kindOf)
    .argument('<target>', 'an address, a range or an account')
    .action(async (kind: ResponseKind, target: string, o: Options) =>
      opened(o, async ({ service }) => {
        const preview = await service.preview({ kind, target }, asking());
        terminal.out(o.json ? `${JSON.stringify(preview)}\n` : previewText(preview));
        process.exitCode = preview.refused === null ? EXIT.clean : EXIT.findings;
      }),
    );
  withOptions(respond.command('start'))
    .description('put a response in force; the running desk carries it out within a second')
    .argument('<kind>', RESPONSE_KINDS.join(', '), kindOf)
    .argument('<target>', 'an address, a range or an account')
    .requiredOption('--reason <text>', 'why; stands in the audit log')
    .option('--for <time>', 'how long: 30m, 4h, 7d', minutes)
    .option('--dry-run', 'only show what it would do')
    .action(
      async (kind: ResponseKind, target: string, o: Options & { reason: string; for?: number; dryRun?: boolean }) =>
        opened(o, async ({ service }) => {
          const preview = await service.preview({ kind, target }, asking());
          if (!o.json) terminal.out(previewText(preview));
          else if (o.dryRun) terminal.out(`${JSON.stringify(preview)}\n`);
          if (o.dryRun) return;
          const proposal = { kind, target, reason: o.reason };
          say(
            await service.propose(o.for === undefined ? proposal : { ...proposal, duration_minutes: o.for }, asking()),
            o,
          );
        }),
    );
  for (const [verb, description] of [
    ['approve', 'put a proposed response in force'],
    ['refuse', 'say no to a proposed response'],
    ['undo', 'take a response back'],
  ] as const)
    withOptions(respond.command(verb))
      .description(description)
      .argument('<id>')
      .action(async (id: string, o: Options) =>
        opened(o, async ({ service }) => say(await service[verb](id, asking()), o)),
      );
  withOptions(respond.command('list'))
    .description('responses, the last changed first')
    .option('--state <state>', 'only those: proposed, active, expired, undone, refused, failed')
    .action(async (o: Options & { state?: string }) =>
      opened(o, async ({ store }) => {
        const { items } = await listResponses(store, o.state === undefined ? {} : { state: o.state }, { limit: 500 });
        for (const one of items) say(one, o);
      }),
    );
  bouncerCommands(respond, terminal, withOptions, opened);
}

function bouncerCommands(
  respond: Command,
  terminal: Terminal,
  withOptions: (command: Command) => Command,
  opened: <T>(o: Options, work: (parts: { store: Store }) => Promise<T>) => Promise<T>,
): void {
  const bouncer = respond
    .command('bouncer')
    .description('keys for programs that enforce our decisions (CrowdSec bouncers)');
  const clock = systemClock;
  withOptions(bouncer.command('add'))
    .description('make a key; it is shown once')
    .argument('<name>')
    .action(async (name: string, o: Options) =>
      opened(o, async ({ store }) => {
        const actor = asking().name;
        const made = await addBouncer(store, clock, randomBytes, { name, by: actor });
        await audited({ store, clock }, null, { action: 'bouncer.add', target: made.bouncer.id, actor });
        terminal.out(o.json ? `${JSON.stringify(made)}\n` : `${made.key}\n`);
        terminal.say('Put it into the bouncer’s api_key; it is shown only now.');
      }),
    );
  withOptions(bouncer.command('list')).action(async (o: Options) =>
    opened(o, async ({ store }) => {
      for (const one of await listBouncers(store))
        terminal.out(
          o.json
            ? `${JSON.stringify(one)}\n`
            : `${one.name.padEnd(24)} ${one.last_pull ?? 'never asked'}  ${one.pulls} pulls  ${one.dropped_packets} packets dropped\n`,
        );
    }),
  );
  withOptions(bouncer.command('remove'))
    .argument('<name>')
    .action(async (name: string, o: Options) =>
      opened(o, async ({ store }) => {
        if (!(await removeBouncer(store, name))) throw new AsepsisError('NOT_FOUND', `There is no bouncer ${name}.`);
        await audited({ store, clock }, null, { action: 'bouncer.remove', target: name, actor: asking().name });
      }),
    );
}
