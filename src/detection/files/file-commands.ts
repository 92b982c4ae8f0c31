/** `asepsis files baseline|check|status`: the watched files of this machine by hand. */

import type { Command } from 'commander';
import { type Config, EXIT, type Store, systemClock, type Terminal } from '../../core/index.ts';
import { type Baseline, readBaseline, writeBaseline } from './file-baseline.ts';
import { knownCanaries } from './file-canary.ts';
import { createPackages } from './file-packages.ts';
import { lookAtAll, packagedAs, rootsOf } from './file-round.ts';

export interface FileCommandDeps {
  readonly open: (o: { data: string; config?: string }) => Promise<{
    store: Store;
    config: Config;
    close: () => Promise<void>;
  }>;
}

interface Options {
  readonly data: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds `files` and its verbs to the program. */
export function fileCommands(program: Command, terminal: Terminal, deps: FileCommandDeps): void {
  const files = program.command('files').description('watched files: what changed, and which of it is no upgrade');
  const verb = (
    name: string,
    description: string,
    work: (o: Options, parts: { store: Store; config: Config }) => Promise<void>,
  ) =>
    files
      .command(name)
      .description(description)
      .option('-d, --data <folder>', 'the folder that holds everything', './data')
      .option('-c, --config <file>', 'the configuration (otherwise asepsis.yaml in the data folder)')
      .option('--json', 'one JSON object a line')
      .action(async (o: Options) => {
        const { store, config, close } = await deps.open(o);
        try {
          if (rootsOf(config.file_integrity).length === 0)
            terminal.say('Nothing is watched: name paths under file_integrity in the configuration.');
          else await work(o, { store, config });
        } finally {
          await close();
        }
      });
  const looked = (o: Options, config: Config, known: Baseline) =>
    lookAtAll(
      { config: config.file_integrity, dataDir: o.data, onProgress: (n) => terminal.progress(`${n} files`) },
      known,
      true,
    );

  verb(
    'baseline',
    'take the files as they are now for right; stands in the audit log',
    async (o, { store, config }) => {
      const { entries } = await looked(o, config, new Map());
      const digest = await writeBaseline({ dataDir: o.data, store, clock: systemClock }, entries, 'Taken by hand.');
      terminal.out(
        o.json
          ? `${JSON.stringify({ files: entries.size, sha256: digest })}\n`
          : `${entries.size} files, sha256 ${digest}\n`,
      );
    },
  );
  verb(
    'check',
    'read every file again and compare with the baseline; changes nothing',
    async (o, { store, config }) => {
      const loaded = await readBaseline(o.data, store);
      if (loaded.state === 'none') return terminal.say('There is no baseline yet: `asepsis files baseline` makes one.');
      if (loaded.state === 'tampered')
        terminal.say('The baseline is NOT the one that was written. Compare with a backup.');
      const { changes } = await looked(o, config, loaded.entries);
      const packages = createPackages();
      let strange = loaded.state === 'tampered' ? 1 : 0;
      for (const change of changes) {
        const packaged = await packagedAs(packages, change);
        if (packaged !== 'same') strange++;
        const { path, kinds } = change;
        terminal.out(
          o.json
            ? `${JSON.stringify({ path, kinds, package: packaged, before: change.before, after: change.after })}\n`
            : `${packaged === 'same' ? 'upgrade' : 'CHANGED'}  ${kinds.join(' ').padEnd(16)} ${path}\n`,
        );
      }
      terminal.say(`${changes.length} files differ, ${strange} of them for no reason that the package manager knows.`);
      process.exitCode = strange > 0 ? EXIT.findings : EXIT.clean;
    },
  );
  verb('status', 'what is watched, and whether the baseline is whole', async (o, { store, config }) => {
    const loaded = await readBaseline(o.data, store);
    const status = {
      paths: config.file_integrity.paths,
      canaries: [...(await knownCanaries(store))],
      baseline: loaded.state,
      files: loaded.state === 'none' ? 0 : loaded.entries.size,
    };
    terminal.out(
      o.json
        ? `${JSON.stringify(status)}\n`
        : `watched   ${status.paths.join(', ')}\ncanaries  ${status.canaries.length}\nbaseline  ${status.baseline}, ${status.files} files\n`,
    );
    process.exitCode = loaded.state === 'tampered' ? EXIT.findings : EXIT.clean;
  });
}
