/** `asepsis perimeter …`: the scope and its signature, scans, what changed, and the kill switch. */

import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import {
  AsepsisError,
  type Clock,
  EXIT,
  type Finding,
  type FindingObservation,
  publicFinding,
  SEVERITY_SHAPE,
  type Store,
  severityRank,
  type Terminal,
} from '../core/index.ts';
import { hardeningCommands } from './hardening/hardening-commands.ts';
import { type AssetOf, compareVantages, type Exposure, findingsOf, nameFindings } from './perimeter-assess.ts';
import { type PerimeterFiles, perimeterFiles } from './perimeter-files.ts';
import { createGate } from './perimeter-gate.ts';
import { passingFinding } from './perimeter-passing.ts';
import { readPorts } from './perimeter-ports.ts';
import { pushObservations } from './perimeter-push.ts';
import { type RunResult, run } from './perimeter-run.ts';
import { targetsOf } from './perimeter-scan.ts';
import { decideTime, parseScope, type Scope } from './perimeter-scope.ts';
import { newScopeKey, signScope, unsigned } from './perimeter-scope-file.ts';
import { COLLECTION, type DriftDoc, type ExposureDoc } from './perimeter-service.ts';

export interface PerimeterDeps {
  /** Opens the store of a data folder; called only when something is to be kept. */
  readonly openStore: (dataDir: string) => Promise<Store>;
  readonly clock: Clock;
}

interface ScanOptions {
  data: string;
  scope?: string;
  key: string[];
  ports: string;
  udp: boolean;
  names: boolean;
  from: 'inside' | 'outside';
  keep: boolean;
  lookAlikes?: string;
  push?: string;
  tokenFile?: string;
  report?: string;
  json?: boolean;
}

const DATA = ['-d, --data <folder>', 'the folder that holds everything', './data'] as const;
const LOOK_ALIKES_MAX = 2000;
const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];
const clean = (text: string): string => text.replace(/\p{Cc}/gu, '?');

const TEMPLATE = (owner: string, contact: string, expires: string) => `asepsis_scope: 1
name: our perimeter
owner: ${owner}
contact: ${contact}
expires: ${expires}
# A packet leaves only to these. Host bits of a range are zero.
addresses: []
# Names are looked up again at each connection, and have to lead into the addresses above.
names: []
# Names whose addresses belong to a provider: any public address that they lead to.
hosted_names: []
exclude: {addresses: [], names: [], ports: []}
# Medical devices that may be looked at, by address. All others never are.
medical: []
# Without hours a scan may run at any time.
hours: []
#  - {days: [mon, tue, wed, thu, fri], from: "22:00", to: "05:00", zone: Europe/Zurich}
rate: {per_sec: 100, per_host_per_sec: 20, per_host_connections: 8}
# heartbleed, ccs-injection, robot, ticketbleed: never sent unless they stand here.
active_checks: []
default_credentials: []
`;

function portsOf(text: string): number[] {
  const ports = readPorts(text);
  if (!ports) throw new InvalidArgumentError('Ports are `usual`, `all`, or a list such as 22,80,443,8000-8100.');
  return ports;
}

function openScopeFile(o: { scope?: string; key: string[] }, files: PerimeterFiles): Scope {
  return files.open(o.scope ?? files.scopeFile, o.key).scope;
}

async function scan(only: string[], o: ScanOptions, terminal: Terminal, deps: PerimeterDeps): Promise<void> {
  const files = perimeterFiles(o.data);
  const scope = openScopeFile(o, files);
  const ports = portsOf(o.ports);
  const store = o.keep && o.push === undefined ? await deps.openStore(o.data) : null;
  let open = 0;
  try {
    const lookAlikes =
      o.lookAlikes === undefined
        ? []
        : readFileSync(o.lookAlikes, 'utf8')
            .split(/\s+/)
            .filter((name) => name !== '')
            .slice(0, LOOK_ALIKES_MAX);
    const result = await run({
      scope,
      files,
      clock: deps.clock,
      store,
      ports,
      udp: o.udp,
      names: o.names,
      from: o.from,
      only,
      lookAlikes,
      exercise: false,
      onGate: (gate) => void process.once('SIGINT', () => gate.stop('stopped by hand')),
      onEvent: (event) => {
        if (event.kind === 'host') terminal.progress(`${event.host} (${event.done} of ${event.of} hosts)`);
        else if (event.kind === 'port') terminal.progress(`${event.host}: ${++open} open ports so far`);
      },
    });
    terminal.progress('');
    if (o.push !== undefined) await push(o, result, ports, terminal);
    if (o.report !== undefined)
      writeFileSync(o.report, `${JSON.stringify({ views: result.views, names: result.names }, null, 1)}\n`, {
        mode: 0o600,
      });
    tell(result, o, terminal, deps.clock);
  } finally {
    await store?.close();
  }
}

async function push(o: ScanOptions, result: RunResult, ports: readonly number[], terminal: Terminal): Promise<void> {
  if (o.tokenFile === undefined) throw new AsepsisError('BAD_REQUEST', '--push needs --token-file.');
  const token = readFileSync(o.tokenFile, 'utf8').trim();
  const answer = await pushObservations(o.push as string, token, {
    from: o.from,
    views: result.views,
    names: result.names,
    ports,
  });
  terminal.say(`Pushed to ${o.push}: ${answer.findings} findings, ${answer.drift} changes.`);
}

function tell(result: RunResult, o: ScanOptions, terminal: Terminal, clock: Clock): void {
  const assetOf: AssetOf = ({ host }) => ({ name: host });
  const context = { nowMs: clock.now(), from: o.from, assetOf, exercise: false };
  const passing: FindingObservation[] = result.recorded
    ? []
    : [
        ...result.views.flatMap((view) => findingsOf(view, context)),
        ...result.names.flatMap(({ name, weaknesses }) => nameFindings(name, weaknesses, context)),
      ];
  const findings: readonly Finding[] = (result.recorded?.findings ?? passing.map(passingFinding)).toSorted(
    (a, b) => severityRank(a.severity) - severityRank(b.severity),
  );
  for (const finding of findings) terminal.out(o.json ? `${JSON.stringify(publicFinding(finding))}\n` : lines(finding));
  for (const { sentence } of result.recorded?.drift ?? []) terminal.say(clean(`Changed: ${sentence}`));
  for (const sentence of result.notSeen.slice(0, 50)) terminal.say(clean(`Not seen: ${sentence}`));
  for (const why of result.refusals.slice(0, 20)) terminal.say(clean(`Not sent: ${why}`));
  const seen = result.views.filter(({ ports }) => ports.length > 0).length;
  terminal.say(
    `${seen} hosts answered, ${findings.length} findings, ${result.probes.sent} probes sent, ${result.probes.refused} refused by the scope.`,
  );
  if (result.stopped !== null) terminal.say(clean(`The scan was stopped: ${result.stopped}`));
  const worth = findings.some((finding) => finding.state === 'open' && finding.severity !== 'information');
  process.exitCode = result.stopped !== null ? EXIT.failure : worth ? EXIT.findings : EXIT.clean;
}

function lines(finding: Finding): string {
  const proof = finding.evidence.at(-1);
  return clean(`${SEVERITY_SHAPE[finding.severity]} ${finding.severity.padEnd(11)} ${finding.title}`).concat(
    proof ? `\n    ${clean(proof.what)}\n    $ ${clean(proof.command ?? '')}` : '',
    `\n    → ${finding.fix.title}: ${finding.fix.how.replaceAll('\n', '\n      ')}\n`,
  );
}

async function preview(
  path: string,
  o: { data: string; key: string[]; ports: string; json?: boolean },
  terminal: Terminal,
  deps: PerimeterDeps,
): Promise<void> {
  const scope = perimeterFiles(o.data).open(path, o.key).scope;
  const gate = createGate({ scope, clock: deps.clock });
  const { targets, notSeen } = await targetsOf(scope, gate);
  gate.stop('only a preview');
  const ports = portsOf(o.ports).length;
  const seconds = Math.ceil(
    (targets.length * ports) /
      Math.min(scope.file.rate.per_sec, scope.file.rate.per_host_per_sec * Math.max(1, targets.length)),
  );
  const now = decideTime(scope, deps.clock.now());
  if (o.json)
    terminal.out(
      `${JSON.stringify({ name: scope.file.name, owner: scope.file.owner, expires: scope.file.expires, may_now: now.allowed, targets, not_seen: notSeen, seconds_at_least: seconds })}\n`,
    );
  else {
    for (const { host, address } of targets.slice(0, 1000))
      terminal.out(host === address ? `${address}\n` : `${host} → ${address}\n`);
    for (const sentence of notSeen) terminal.say(clean(`Not touched: ${sentence}`));
    terminal.say(
      clean(
        `${scope.file.name}, of ${scope.file.owner}, until ${scope.file.expires}: ${targets.length} targets, ${ports} ports each, at least ${seconds} s. ${now.allowed ? 'A scan may begin now.' : `Not now: ${now.reason}.`}`,
      ),
    );
  }
}

async function drift(
  o: { data: string; json?: boolean; compare?: boolean },
  terminal: Terminal,
  deps: PerimeterDeps,
): Promise<void> {
  const store = await deps.openStore(o.data);
  try {
    if (o.compare) return await compare(store, o.json ?? false, terminal);
    const page = await store.records.list(COLLECTION.drift, {}, { limit: 200 }, true);
    for (const { doc } of page.items) {
      const { at, from, kind, severity, host, where, sentence } = doc as DriftDoc;
      terminal.out(
        o.json
          ? `${JSON.stringify({ at, from, kind, severity, host, where, sentence })}\n`
          : clean(`${SEVERITY_SHAPE[severity]} ${at}  ${sentence} (from ${from})\n`),
      );
    }
    if (page.items.length === 0) terminal.say('Nothing has changed between the scans so far.');
    process.exitCode = page.items.length > 0 ? EXIT.findings : EXIT.clean;
  } finally {
    await store.close();
  }
}

async function compare(store: Store, json: boolean, terminal: Terminal): Promise<void> {
  const seen = { inside: new Map<string, Exposure[]>(), outside: new Map<string, Exposure[]>() };
  const page = await store.records.list(COLLECTION.exposure, {}, { limit: 500 });
  for (const { doc } of page.items) {
    const { host, from, ports } = doc as ExposureDoc;
    seen[from].set(host, [...(seen[from].get(host) ?? []), ...ports]);
  }
  for (const row of compareVantages(seen.inside, seen.outside))
    terminal.out(
      json ? `${JSON.stringify(row)}\n` : clean(`${row.seen.padEnd(12)}  ${row.host}  ${row.where}  ${row.service}\n`),
    );
}

function scopeCommands(parent: Command, terminal: Terminal, deps: PerimeterDeps): void {
  const scope = parent.command('scope').description('the contract: what may be looked at, signed by its owner');
  scope
    .command('new')
    .description('prints an empty scope to fill in')
    .requiredOption('--owner <name>', 'who answers for it')
    .requiredOption('--contact <address>', 'who is called when something breaks')
    .option('--expires <date>', 'its last day', new Date(deps.clock.now() + 90 * 86_400_000).toISOString().slice(0, 10))
    .action((o: { owner: string; contact: string; expires: string }) =>
      terminal.out(TEMPLATE(JSON.stringify(o.owner), JSON.stringify(o.contact), o.expires)),
    );
  scope
    .command('key')
    .description('makes a key for signing; the private half goes into the file, the public one is printed')
    .argument('<file>')
    .action((file: string) => {
      const key = newScopeKey();
      writeFileSync(file, key.privatePem, { mode: 0o600, flag: 'wx' });
      chmodSync(file, 0o600);
      terminal.out(`${key.publicKey}\n`);
      terminal.say('Keep the private half with the owner of the scope, not on the machine that scans.');
    });
  scope
    .command('trust')
    .description('lets this installation believe scopes that this public key signed')
    .argument('<public key>')
    .option(...DATA)
    .action((key: string, o: { data: string }) => perimeterFiles(o.data).trust(key));
  scope
    .command('sign')
    .description('signs a scope file; the signature is written below it')
    .argument('<file>')
    .requiredOption('--key <file>', 'the private key')
    .option('--out <file>', 'where the signed scope goes (otherwise in place)')
    .action((file: string, o: { key: string; out?: string }) => {
      writeFileSync(o.out ?? file, signScope(unsigned(readFileSync(file, 'utf8')), readFileSync(o.key, 'utf8')));
    });
  scope
    .command('check')
    .description('verifies a scope and shows what a scan would touch; nothing is sent to it')
    .argument('<file>')
    .option(...DATA)
    .option('--key <public key>', 'a key to believe; may be repeated', collect, [])
    .option('--ports <list>', '`usual`, `all` or a list', 'usual')
    .option('--json', 'one JSON object')
    .action((file: string, o: { data: string; key: string[]; ports: string; json?: boolean }) =>
      preview(file, o, terminal, deps),
    );
  scope
    .command('install')
    .description('makes a signed scope the one of this installation')
    .argument('<file>')
    .option(...DATA)
    .action((file: string, o: { data: string }) => {
      const files = perimeterFiles(o.data);
      files.open(file);
      parseScope(unsigned(readFileSync(file, 'utf8')));
      files.writeScope(readFileSync(file, 'utf8'));
    });
}

/** Adds `perimeter` to the program. */
export function perimeterCommands(program: Command, terminal: Terminal, deps: PerimeterDeps): void {
  const perimeter = program.command('perimeter').description('own perimeter, inside a signed scope');
  perimeter
    .command('scan')
    .description('looks at what the scope names, or at these of it')
    .argument('[targets...]', 'addresses, ranges or names of the scope')
    .option(...DATA)
    .option('--scope <file>', 'a signed scope (otherwise the installed one)')
    .option('--key <public key>', 'a key to believe beside the trusted ones; may be repeated', collect, [])
    .option('--ports <list>', '`usual`, `all`, or such as 22,80,443,8000-8100', 'usual')
    .option('--no-udp', 'leaves DNS, SNMP, NTP, IKE and SIP over UDP out')
    .option('--no-names', 'leaves DNS and mail records out')
    .option('--look-alikes <file>', 'names to look for whether somebody registered them, one a line')
    .option('--from <place>', '`inside` or `outside`', 'inside')
    .option('--no-keep', 'keeps nothing in the data folder')
    .option('--push <origin>', 'sends what was seen to the desk there')
    .option('--token-file <file>', 'the token for --push')
    .option('--report <file>', 'everything that was seen, as JSON')
    .option('--json', 'one finding a line')
    .action(async (targets: string[], o: ScanOptions) => {
      if (o.from !== 'inside' && o.from !== 'outside')
        throw new InvalidArgumentError('--from is `inside` or `outside`.');
      await scan(targets, o, terminal, deps);
    });
  perimeter
    .command('drift')
    .description('what changed between scans, newest first')
    .option(...DATA)
    .option('--compare', 'what inside and outside see instead')
    .option('--json', 'one change a line')
    .action((o: { data: string; json?: boolean; compare?: boolean }) => drift(o, terminal, deps));
  perimeter
    .command('stop')
    .description('the kill switch: ends every scan of this installation and lets none begin')
    .argument('[why]', 'a sentence', 'stopped by hand')
    .option(...DATA)
    .action((why: string, o: { data: string }) => perimeterFiles(o.data).kill(why));
  perimeter
    .command('resume')
    .description('takes the kill switch back')
    .option(...DATA)
    .action((o: { data: string }) => perimeterFiles(o.data).revive());
  scopeCommands(perimeter, terminal, deps);
  hardeningCommands(perimeter, terminal);
}
