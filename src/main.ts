/** The composition root: the only file that knows every part. Each command loads what it needs when it is called. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { openTerminal } from './cli/terminal.ts';
import {
  EXIT,
  errorLine,
  type Finding,
  publicFinding,
  SEVERITY_SHAPE,
  type Store,
  severityRank,
  systemClock,
} from './core/index.ts';

const terminal = openTerminal();
const program = new Command('asepsis')
  .description('Self-hosted cyber-security for healthcare organisations')
  .version('0.1.0')
  .showHelpAfterError('(asepsis --help shows what there is)')
  .exitOverride();

const DATA = ['-d, --data <folder>', 'the folder that holds everything', './data'] as const;
const CONFIG = ['-c, --config <file>', 'the configuration (otherwise asepsis.yaml in the data folder)'] as const;
/** The database of an installation, as its configuration names it. */
async function openStoreOf(o: { data: string; config?: string }): Promise<Store> {
  const { loadConfig } = await import('./cli/config-load.ts');
  const { openStore } = await import('./store/index.ts');
  const { store } = await loadConfig(o.config, o.data);
  return openStore({ dataDir: o.data, clock: systemClock, ...(store.url === undefined ? {} : { url: store.url }) });
}
/** The archive of an installation, to read. */
async function openArchiveOf(data: string) {
  const { openArchiveReader } = await import('./archive/index.ts');
  const { readIdentity } = await import('./stream/index.ts');
  const streamId = (await readIdentity(join(data, 'stream')))?.streamId ?? 'none0000';
  return openArchiveReader({ dir: join(data, 'archive'), streamId, clock: systemClock });
}
/** What responses look things up in: the database, the archive, the configuration. */
async function openForResponses(o: { data: string; config?: string }) {
  const { loadConfig } = await import('./cli/config-load.ts');
  const store = await openStoreOf(o);
  try {
    const config = await loadConfig(o.config, o.data);
    const archive = await openArchiveOf(o.data);
    const close = async () => {
      await archive.close();
      await store.close();
    };
    return { store, archive, config, close };
  } catch (error) {
    await store.close();
    throw error;
  }
}
const positive = (text: string) => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('A number above 0 is needed.');
  return value;
};

program
  .command('serve')
  .description('the desk, the API, the listeners, the workers')
  .option(...DATA)
  .option('-c, --config <file>', 'the configuration (otherwise asepsis.yaml in the data folder)')
  .option('--json', 'one JSON line when ready, logs as JSON')
  .action(async (o: { data: string; config?: string; json?: boolean }) => {
    const { serve } = await import('./main-serve.ts');
    await serve(o, terminal);
  });

program
  .command('rehearse')
  .description('a generated hospital under attack, on a data folder of its own, to look and to practise')
  .option('-d, --data <folder>', 'the folder of the exercise', './data-rehearsal')
  .option('-c, --config <file>', 'the configuration')
  .option('--json', 'one JSON line when ready')
  .option('--seed <number>', 'the same seed is the same night', positive, 1)
  .option('--speed <factor>', '1 as it would happen, 10 ten times as fast', positive, 1)
  .option('--rate <records>', 'ordinary records a second at speed 1', positive, 40)
  .option('--for <seconds>', 'ends after so much of the night', positive)
  .action(
    async (o: {
      data: string;
      config?: string;
      json?: boolean;
      seed: number;
      speed: number;
      rate: number;
      for?: number;
    }) => {
      const { rehearse } = await import('./main-rehearse.ts');
      await rehearse({ ...o, seconds: o.for ?? 0 }, terminal);
    },
  );

program
  .command('check')
  .description('a first round of this machine: findings in every room that can judge it')
  .option(...DATA)
  .option(...CONFIG)
  .option('--json', 'one finding a line')
  .action(async (o: { data: string; config?: string; json?: boolean }) => {
    const { openRooms, prepareDataDir } = await import('./main-serve.ts');
    const { checkThisMachine, measureCoverage } = await import('./main-check.ts');
    await prepareDataDir(o.data);
    const store = await openStoreOf(o);
    try {
      const rooms = openRooms(store);
      const result = await checkThisMachine({
        store,
        rooms,
        clock: systemClock,
        signal: new AbortController().signal,
        onProgress: terminal.progress,
      });
      await measureCoverage(store, rooms);
      terminal.progress('');
      if (o.json)
        for (const finding of bySeverity(result.findings)) terminal.out(`${JSON.stringify(publicFinding(finding))}\n`);
      else terminal.out(actionLines(result.findings));
      for (const sentence of [
        ...result.notSeen.map((text) => `Not seen: ${text}`),
        ...result.failed.map((text) => `Failed: ${text}`),
      ])
        terminal.say(sentence);
      if (!o.json)
        terminal.say(
          `${result.findings.length} findings on ${result.asset.name}; ${result.fixed.length} fixed since the last round.`,
        );
      const open = result.findings.some((finding) => finding.state === 'open');
      process.exitCode = result.failed.length > 0 ? EXIT.failure : open ? EXIT.findings : EXIT.clean;
    } finally {
      await store.close();
    }
  });

program
  .command('doctor')
  .description('configuration, disk, ports, clock, permissions, database: what is wrong and what to do')
  .option(...DATA)
  .option('-c, --config <file>', 'the configuration')
  .option('--json', 'one JSON object a line')
  .action(async (o: { data: string; config?: string; json?: boolean }) => {
    const { diagnose } = await import('./cli/doctor.ts');
    const { openMachine } = await import('./cli/machine.ts');
    const found = await diagnose({
      dataDir: o.data,
      ...(o.config === undefined ? {} : { configPath: o.config }),
      machine: openMachine(),
      openStore: () => openStoreOf(o),
    });
    const mark = { good: 'ok  ', look: 'look', bad: 'BAD ', unknown: '?   ' } as const;
    for (const item of found)
      terminal.out(
        o.json
          ? `${JSON.stringify(item)}\n`
          : `${mark[item.state]}  ${item.what}: ${item.detail}${item.advice ? `\n      → ${item.advice}` : ''}\n`,
      );
    process.exitCode = found.some((item) => item.state === 'bad') ? EXIT.findings : EXIT.clean;
  });

program
  .command('backup')
  .description('copies everything into a new folder; works while it serves')
  .argument('<folder>')
  .option(...DATA)
  .option(...CONFIG)
  .action(async (target: string, o: { data: string; config?: string }) => {
    const { backup } = await import('./cli/backup.ts');
    const store = await openStoreOf(o);
    try {
      const index = await backup({ dataDir: o.data, target, store, clock: systemClock, onProgress: terminal.progress });
      terminal.say(`${index.files.length} files in ${target}. ${index.note}`);
    } finally {
      await store.close();
    }
  });

program
  .command('restore')
  .description('brings a backup back into an empty data folder, after checking every file')
  .argument('<folder>')
  .option(...DATA)
  .action(async (source: string, o: { data: string }) => {
    const { restore } = await import('./cli/backup.ts');
    const index = await restore({ source, dataDir: o.data, onProgress: terminal.progress });
    terminal.say(
      `Restored ${index.files.length} files of ${index.made} into ${o.data}. ${index.store === 'postgres' ? index.note : ''}`,
    );
  });

program
  .command('bench')
  .description('benchmarks, one word each; bench/README.md says what each measures')
  .argument('<name>')
  .argument('[options...]', 'passed on to the benchmark')
  .option('--json', 'the figures as one JSON object (they always are)')
  .allowUnknownOption()
  .action(async (name: string, rest: string[]) => {
    if (!/^[a-z]{2,20}$/.test(name)) throw new InvalidArgumentError('A benchmark is one word, such as ingest.');
    const file = join(import.meta.dirname, '..', 'bench', `bench-${name}.ts`);
    const child = spawn(process.execPath, [file, ...rest], { stdio: 'inherit' });
    process.exitCode = await new Promise<number>((resolve) =>
      child.on('close', (code) => resolve(code ?? EXIT.failure)),
    );
  });

const bySeverity = (findings: readonly Finding[]) =>
  findings.toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity));

const TITLES_SHOWN = 6;

/** Fixes, not lists: one paragraph an action, the worst first, with the findings that it closes. */
function actionLines(findings: readonly Finding[]): string {
  const byAction = Map.groupBy(bySeverity(findings), (finding) => finding.fix.title);
  let text = '';
  for (const [title, closed] of byAction) {
    const { severity, fix } = closed[0] as Finding;
    const more = closed.length - TITLES_SHOWN;
    text += `${SEVERITY_SHAPE[severity]} ${severity}: ${title}${closed.length > 1 ? ` (closes ${closed.length} findings)` : ''}\n`;
    for (const finding of closed.slice(0, TITLES_SHOWN)) text += `    ${finding.title}\n`;
    if (more > 0) text += `    … and ${more} more (--json shows all)\n`;
    text += `  → ${fix.how}\n\n`;
  }
  return text;
}

/** Commands that rooms and adapters bring themselves; loaded only when one of their words is asked for. */
async function lateCommands(verb: string | undefined): Promise<void> {
  const wants = (...verbs: string[]) =>
    verb === undefined || verb === 'help' || verb === '--help' || verb === '-h' || verbs.includes(verb);
  if (wants('archive', 'hunt'))
    (await import('./archive/index.ts')).archiveCommands(program, terminal, async (...asked) =>
      (await import('./detection/index.ts')).retroHunt(...asked),
    );
  if (wants('indicators')) {
    const { loadConfig } = await import('./cli/config-load.ts');
    const ownRanges = async (data: string) => (await loadConfig(undefined, data)).responses.own_ranges;
    (await import('./detection/index.ts')).indicatorCommands(program, terminal, { ownRanges });
  }
  if (wants('audit')) (await import('./store/index.ts')).auditCommands(program, terminal);
  if (wants('inspect', 'relay')) {
    const openStore = async (dir: string) => {
      const { prepareDataDir } = await import('./main-serve.ts');
      return (await import('./store/index.ts')).openStore({ dataDir: await prepareDataDir(dir), clock: systemClock });
    };
    const { networkCommands, relayCommands } = await import('./network/index.ts');
    if (wants('inspect')) networkCommands(program, terminal, { openStore, clock: systemClock });
    if (wants('relay')) await relayCommands(program, terminal, { openStore, clock: systemClock });
  }
  if (wants('perimeter')) {
    const openStore = async (dir: string) => {
      const { prepareDataDir } = await import('./main-serve.ts');
      return (await import('./store/index.ts')).openStore({ dataDir: await prepareDataDir(dir), clock: systemClock });
    };
    (await import('./perimeter/index.ts')).perimeterCommands(program, terminal, { openStore, clock: systemClock });
  }
  if (wants('tls', 'people', 'token')) (await import('./api/index.ts')).apiCommands(program, terminal);
  if (wants('import')) (await import('./ingest/index.ts')).ingestCommands(program, terminal);
  if (wants('patch')) {
    const open = async (o: { data: string; config?: string }) => {
      const { prepareDataDir } = await import('./main-serve.ts');
      const { loadConfig } = await import('./cli/config-load.ts');
      const dataDir = await prepareDataDir(o.data);
      return { dataDir, config: await loadConfig(o.config, dataDir), store: await openStoreOf(o) };
    };
    (await import('./patching/index.ts')).patchingCommands(program, terminal, open);
  }
  if (wants('files'))
    (await import('./detection/index.ts')).fileCommands(program, terminal, { open: openForResponses });
  if (wants('respond'))
    (await import('./detection/index.ts')).responseCommands(program, terminal, { open: openForResponses });
  if (wants('access')) {
    const openStore = async (dir: string) => {
      const { prepareDataDir } = await import('./main-serve.ts');
      return openStoreOf({ data: await prepareDataDir(dir) });
    };
    const openArchive = async (dir: string) => (existsSync(join(dir, 'archive')) ? openArchiveOf(dir) : null);
    (await import('./access/index.ts')).accessCommands(program, terminal, {
      openStore,
      openArchive,
      clock: systemClock,
    });
  }
  if (wants('detect', 'rules')) {
    const { decodeFile } = await import('./main-decode-file.ts');
    const ownRules = join(import.meta.dirname, '..', 'rules');
    const { detectionCommands, explainCommands } = await import('./detection/index.ts');
    const threadScript = new URL('./main-detect-worker.ts', import.meta.url);
    detectionCommands(program, terminal, { decodeFile, ownRules, threadScript });
    explainCommands(program, terminal, { decodeFile, ownRules });
  }
}

try {
  await lateCommands(process.argv[2]);
  await program.parseAsync(process.argv);
} catch (error) {
  const code = (error as { code?: string }).code ?? '';
  if (code.startsWith('commander.'))
    process.exitCode = (error as { exitCode: number }).exitCode === 0 ? EXIT.clean : EXIT.failure;
  else {
    terminal.say(`asepsis: ${errorLine(error)}`);
    process.exitCode = EXIT.failure;
  }
}
