/** Commands of an installation: `patch import`, `patch judge`, and the feeds that it keeps. */

import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Command, Option } from 'commander';
import { AsepsisError, type Config, EXIT, rfc3339, type Store, systemClock, type Terminal } from '../core/index.ts';
import { INVENTORY_FORMATS, type InventoryFormat, type InventoryOptions, readInventory } from './inventories/index.ts';
import { bundleKey, exportBundle, fingerprint, importBundle, publicKeyOf, publicTextOf } from './patching-bundle.ts';
import { columnPairs } from './patching-columns.ts';
import { createPatchingDesk } from './patching-desk.ts';
import { feedSources } from './patching-feed-list.ts';
import { type Generation, openLibrary } from './patching-library.ts';
import { ownInventory } from './patching-own.ts';
import { trustedKeys, trustKey } from './patching-records.ts';
import { createPatchingService } from './patching-service.ts';
import { updateFeeds } from './patching-update.ts';
import { planCalendar, planCsv } from './plan/index.ts';

export type OpenInstallation = (o: {
  data: string;
  config?: string;
}) => Promise<{ dataDir: string; config: Config; store: Store }>;

interface Where {
  readonly data: string;
  readonly config?: string;
  readonly json?: boolean;
}
type ImportOptions = Where & InventoryOptions & { source?: string; format?: InventoryFormat; thisMachine?: boolean };
const DATA = ['-d, --data <folder>', 'the folder that holds everything', './data'] as const;
const CONFIG = ['-c, --config <file>', 'the configuration (otherwise asepsis.yaml in the data folder)'] as const;

export function deskCommands(patch: Command, terminal: Terminal, open: OpenInstallation): void {
  const within = async <T>(o: Where, work: (at: Awaited<ReturnType<OpenInstallation>>) => Promise<T>): Promise<T> => {
    const at = await open({ data: o.data, ...(o.config === undefined ? {} : { config: o.config }) });
    try {
      return await work(at);
    } finally {
      await at.store.close();
    }
  };
  patch
    .command('import')
    .description('inventories into the installation: assets, software, and findings with their life')
    .argument('[files...]', 'as of patch match, asset registers and Excel workbooks too')
    .option(...DATA)
    .option(...CONFIG)
    .option('--this-machine', 'the packages of this machine')
    .option('--source <name>', 'who says it; otherwise the kind of the file')
    .option('--asset <name>', 'whose software it is, where an inventory does not say')
    .option('--release <name>', 'the distribution where an inventory does not say, such as "Debian:12"')
    .addOption(new Option('--format <name>', 'where it cannot be told').choices([...INVENTORY_FORMATS]))
    .option('--columns <pairs>', 'headings of a table: host=Computer,name=Product,version=Version', columnPairs)
    .option('--json', 'what became of each file, one object a line')
    .action(async (files: string[], o: ImportOptions) => {
      process.exitCode = await within(o, (at) => importFiles(files, o, at, terminal));
    });
  patch
    .command('judge')
    .description('judges all assets of the installation anew with the feeds that are there')
    .option(...DATA)
    .option(...CONFIG)
    .option('--json', 'as one JSON object')
    .action(async (o: Where) => {
      await within(o, async ({ dataDir, store }) => {
        const service = createPatchingService({ store, clock: systemClock, dataDir });
        const result = await service.judgeAll((done, all) => terminal.progress(`${done} of ${all} assets`));
        terminal.progress('');
        if (o.json) terminal.out(`${JSON.stringify(result)}\n`);
        else terminal.say(`${result.assets} assets judged: ${result.opened} findings opened, ${result.fixed} fixed.`);
      });
    });
  patch
    .command('plan')
    .description('what to do first, and why; with --make, a plan into the maintenance windows that the desk knows')
    .option(...DATA)
    .option(...CONFIG)
    .option('--make <name>', 'packs all actions into windows and keeps it as a draft')
    .option('--ical', 'the plan as iCalendar')
    .option('--csv', 'the plan as CSV')
    .option('--json', 'one action, or the plan, as JSON')
    .action(async (o: Where & { make?: string; ical?: boolean; csv?: boolean }) => {
      process.exitCode = await within(o, ({ store }) => plan(o, store, terminal));
    });
  feedCommands(patch.command('feeds').description('the feeds that the installation keeps'), terminal, within);
}

async function importFiles(
  files: readonly string[],
  o: ImportOptions,
  { dataDir, store }: { dataDir: string; store: Store },
  terminal: Terminal,
): Promise<number> {
  const service = createPatchingService({ store, clock: systemClock, dataDir });
  const { asset, release, format, columns } = o;
  const options = {
    ...(asset && { asset }),
    ...(release && { release }),
    ...(format && { format }),
    ...(columns && { columns }),
  };
  if (files.length === 0 && !o.thisMachine) throw new AsepsisError('BAD_REQUEST', 'Name files, or --this-machine.');
  let failed = 0;
  for (const path of [...(o.thisMachine ? ['this machine'] : []), ...files]) {
    terminal.progress(`Reading ${path}`);
    try {
      const inventory = path === 'this machine' ? await ownInventory() : await readInventory(path, options);
      const result = await service.take(inventory, o.source ?? (path === 'this machine' ? path : inventory.format));
      terminal.progress('');
      if (o.json) terminal.out(`${JSON.stringify({ file: basename(path), format: inventory.format, ...result })}\n`);
      else {
        terminal.say(
          `${path} (${inventory.format}): ${result.assets} assets, ${result.created} of them new; ${result.opened} findings opened, ${result.fixed} fixed; ${result.judged} packages judged.`,
        );
        for (const one of result.merged.slice(0, 20)) terminal.say(`  ${one.asset}: ${one.reason}`);
        for (const one of result.unjudged.slice(0, 20))
          terminal.say(`  Not judged on ${one.host}: ${one.count} packages ${one.reason}`);
        for (const [what, count] of Object.entries(result.faults)) terminal.say(`  Not read: ${what} (${count}×)`);
      }
    } catch (error) {
      if (!(error instanceof AsepsisError)) throw error;
      failed++;
      terminal.progress('');
      if (o.json)
        terminal.out(`${JSON.stringify({ file: basename(path), error: error.code, detail: error.message })}\n`);
      else terminal.say(`${path}: ${error.message} Nothing of it was taken.`);
    }
  }
  return failed > 0 ? EXIT.failure : EXIT.clean;
}

async function plan(
  o: { make?: string; ical?: boolean; csv?: boolean; json?: boolean },
  store: Store,
  terminal: Terminal,
): Promise<number> {
  const desk = createPatchingDesk({ store, clock: systemClock, exercise: false });
  if (o.make === undefined) {
    const actions = await desk.actions();
    for (const one of actions)
      terminal.out(
        o.json
          ? `${JSON.stringify(one)}\n`
          : `${one.worst.padEnd(11)} ${one.title} (${one.due === null ? 'no deadline' : `due ${one.due.slice(0, 10)}`})\n    ${one.why}\n`,
      );
    terminal.say(`${actions.length} actions.`);
    return actions.length > 0 ? EXIT.findings : EXIT.clean;
  }
  const made = await desk.makePlan({ name: o.make, by: 'command line', windows: [], actions: [] });
  const { plan: exported } = await desk.exported(made.id);
  if (o.ical) terminal.out(planCalendar(exported));
  else if (o.csv) terminal.out(planCsv(exported));
  else if (o.json) terminal.out(`${JSON.stringify(await desk.view(made))}\n`);
  else
    for (const task of made.tasks)
      terminal.out(
        `${task.starts.slice(0, 16).replace('T', ' ')}  ${task.asset.name}: ${task.actions.map((one) => one.title).join('; ')}${task.lateDays > 0 ? ` (${task.lateDays} days late)` : ''}\n`,
      );
  for (const one of made.unplaced) terminal.say(`${one.asset}: ${one.reason}.`);
  return EXIT.clean;
}

type Within = <T>(o: Where, work: (at: Awaited<ReturnType<OpenInstallation>>) => Promise<T>) => Promise<T>;

function feedCommands(feeds: Command, terminal: Terminal, within: Within): void {
  const libraryOf = (dataDir: string) => openLibrary(join(dataDir, 'patching', 'feeds'));
  const show = (generation: Generation | null, json: boolean | undefined) => {
    if (json) terminal.out(`${JSON.stringify(generation)}\n`);
    else if (generation === null) terminal.say('There are no feeds yet: asepsis patch feeds update, or feeds import.');
    else
      for (const one of generation.feeds)
        terminal.out(
          `${one.id.padEnd(20)} ${one.date.slice(0, 10)}  ${String(one.entries).padStart(8)} entries  ${one.feed}${one.failed ? `  (last try failed: ${one.failed})` : ''}\n`,
        );
  };
  const option = (command: Command) =>
    command
      .option(...DATA)
      .option(...CONFIG)
      .option('--json', 'as JSON');
  option(feeds.command('list').description('what is there, and how old it is')).action((o: Where) =>
    within(o, async ({ dataDir }) => show(await libraryOf(dataDir).current(), o.json)),
  );
  option(feeds.command('update').description('brings what changed from the feeds’ addresses')).action((o: Where) =>
    within(o, async ({ dataDir, config, store }) => {
      const library = libraryOf(dataDir);
      const result = await updateFeeds(library, feedSources(config), systemClock, terminal.progress);
      if (o.json) terminal.out(`${JSON.stringify(result)}\n`);
      else {
        show(result.generation, false);
        terminal.say(
          `${result.changed.length} changed, ${result.same.length} the same, ${result.failed.length} failed.`,
        );
        for (const { id, why } of result.failed) terminal.say(`  ${id}: ${why}`);
      }
      await judgeAfter(store, dataDir, terminal);
      process.exitCode = result.failed.length > 0 ? EXIT.failure : EXIT.clean;
    }),
  );
  option(feeds.command('export').description('one signed file with all feeds').argument('<file>')).action(
    (file: string, o: Where) =>
      within(o, async ({ dataDir }) => {
        const { privateKey, publicText } = await bundleKey(join(dataDir, 'patching'));
        const head = await exportBundle(libraryOf(dataDir), privateKey, file);
        if (o.json)
          terminal.out(`${JSON.stringify({ file, made: head.made, feeds: head.feeds.length, key: publicText })}\n`);
        else
          terminal.say(
            `${head.feeds.length} feeds of ${head.made.slice(0, 10)} in ${file}, signed with key ${fingerprint(publicText)}.`,
          );
      }),
  );
  option(feeds.command('key').description('the public key that signs bundles of this installation')).action(
    (o: Where) =>
      within(o, async ({ dataDir }) => {
        const { publicText } = await bundleKey(join(dataDir, 'patching'));
        terminal.out(
          o.json ? `${JSON.stringify({ key: publicText, fingerprint: fingerprint(publicText) })}\n` : `${publicText}\n`,
        );
      }),
  );
  option(feeds.command('import').description('takes a signed bundle in, whole or not at all').argument('<file>'))
    .option('--trust <key>', 'a public key (base64, or a PEM file) that is believed from now on')
    .option('--allow-older', 'takes a bundle that is older than what is there')
    .action((file: string, o: Where & { trust?: string; allowOlder?: boolean }) =>
      within(o, async ({ dataDir, store }) => {
        const told = o.trust === undefined ? null : await keyText(o.trust);
        const trusted = [...(await trustedKeys(store)), ...(told === null ? [] : [told])].map(publicKeyOf);
        const generation = await importBundle(
          libraryOf(dataDir),
          file,
          trusted,
          rfc3339(systemClock.now()),
          o.allowOlder === true,
        );
        if (told !== null) await trustKey(store, told);
        show(generation, o.json);
        await judgeAfter(store, dataDir, terminal);
      }),
    );
  option(feeds.command('rollback').description('goes back to the feeds before')).action((o: Where) =>
    within(o, async ({ dataDir, store }) => {
      show(await libraryOf(dataDir).rollBack(), o.json);
      await judgeAfter(store, dataDir, terminal);
    }),
  );
}

async function keyText(text: string): Promise<string> {
  const file = await readFile(text, 'utf8').catch(() => null);
  return publicTextOf(file ?? text);
}

async function judgeAfter(store: Store, dataDir: string, terminal: Terminal): Promise<void> {
  const service = createPatchingService({ store, clock: systemClock, dataDir });
  const result = await service.judgeAll((done, all) => terminal.progress(`Judging ${done} of ${all} assets`));
  terminal.progress('');
  if (result.assets > 0)
    terminal.say(`${result.assets} assets judged: ${result.opened} findings opened, ${result.fixed} fixed.`);
}
