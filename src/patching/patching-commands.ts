/** `asepsis patch match` and `asepsis patch versions`. */

import { type Command, Option } from 'commander';
import {
  AsepsisError,
  EXIT,
  type FindingObservation,
  severityRank,
  systemClock,
  type Terminal,
} from '../core/index.ts';
import { type DeviceColumns, matchDevices, readDeviceAdvisories, readDevices } from './devices/index.ts';
import { readFeed } from './feeds/index.ts';
import {
  INVENTORY_FORMATS,
  type Inventory,
  type InventoryFormat,
  type InventoryOptions,
  readInventory,
} from './inventories/index.ts';
import { emptyFeedSet, type FeedSet } from './patching-advisory.ts';
import { columnPairs } from './patching-columns.ts';
import { deskCommands, type OpenInstallation } from './patching-desk-commands.ts';
import { publicFinding } from './patching-evidence.ts';
import { Faults } from './patching-input.ts';
import { type MatchResult, matchInventories } from './patching-match.ts';
import { inRange } from './patching-range.ts';
import { parseNativeRange, parseVers } from './patching-range-text.ts';
import { compareVersions, schemeOf, VERSION_CHARS_MAX } from './versions/index.ts';

interface MatchOptions {
  readonly inventory: readonly string[];
  readonly feed: readonly string[];
  readonly release?: string;
  readonly asset?: string;
  readonly format?: InventoryFormat;
  readonly columns?: InventoryOptions['columns'];
  readonly json?: boolean;
}

interface DevicesOptions {
  readonly inventory: readonly string[];
  readonly feed: readonly string[];
  readonly columns?: DeviceColumns;
  readonly json?: boolean;
}

/** @param open an installation's store, for the commands that keep what they find */
export function patchingCommands(program: Command, terminal: Terminal, open?: OpenInstallation): void {
  const patch = program.command('patch').description('inventories and feeds: what waits for an update, and until when');
  if (open) deskCommands(patch, terminal, open);
  patch
    .command('match')
    .description('inventories against advisories: one finding for each package and asset')
    .requiredOption('-i, --inventory <files...>', 'CycloneDX, SPDX, osquery, dpkg, rpm -qa, apk, systeminfo, CSV, XLSX')
    .requiredOption(
      '-f, --feed <paths...>',
      'OSV, Debian tracker, CSAF, MSRC, NVD, VEX, KEV, EPSS, Vulnrichment, end of life',
    )
    .option('--release <name>', 'the distribution where an inventory does not say, such as "Debian:12"')
    .option('--asset <name>', 'whose software it is, where an inventory does not say')
    .addOption(
      new Option('--format <name>', 'the inventories’ format, where it cannot be told').choices([...INVENTORY_FORMATS]),
    )
    .option('--columns <pairs>', 'headings of a table: host=Computer,name=Product,version=Version', columnPairs)
    .option('--json', 'one finding a line')
    .action(async (o: MatchOptions) => {
      process.exitCode = await match(o, terminal);
    });
  patch
    .command('devices')
    .description(
      'medical devices against advisories in free text: affected, maybe or unknown, with the question to ask',
    )
    .requiredOption('-i, --inventory <files...>', 'tables with manufacturer, model and version')
    .requiredOption('-f, --feed <paths...>', 'CISA medical advisories (CSAF), files or folders')
    .option(
      '--columns <pairs>',
      'headings: name=Inventarnummer,vendor=Hersteller,model=Typ,version=Version',
      columnPairs,
    )
    .option('--json', 'one finding a line')
    .action(async (o: DevicesOptions) => {
      process.exitCode = await devices(o, terminal);
    });
  patch
    .command('versions')
    .description('which of two versions is newer, or whether one is in a range, by the rules of an ecosystem')
    .argument('<a>')
    .argument('[b]')
    .requiredOption('-e, --ecosystem <name>', 'deb, rpm, apk, npm, maven, pypi, nuget, gem, composer, …')
    .option('--in <range>', 'a vers URI ("vers:npm/>=1.0|<2.0") or the ecosystem’s own notation ("^1.2 || ~2.1")')
    .option('--json', 'as one JSON object')
    .action((a: string, b: string | undefined, o: VersionsOptions) => terminal.out(versions(a, b, o)));
}

interface VersionsOptions {
  readonly ecosystem: string;
  readonly in?: string;
  readonly json?: boolean;
}

function versions(a: string, b: string | undefined, o: VersionsOptions): string {
  const scheme = schemeOf(o.ecosystem);
  if (scheme === null)
    throw new AsepsisError('BAD_REQUEST', `The versions of "${o.ecosystem}" have no order that is known here.`);
  if (Math.max(a.length, b?.length ?? 0) > VERSION_CHARS_MAX)
    throw new AsepsisError('BAD_REQUEST', `A version has at most ${VERSION_CHARS_MAX} characters.`);
  if (o.in !== undefined) {
    const range = o.in.startsWith('vers:') ? parseVers(o.in) : parseNativeRange(scheme, o.in);
    if (range === null) throw new AsepsisError('BAD_REQUEST', `"${o.in}" is no range that can be read.`);
    const { affected } = inRange(range, a);
    const word = affected === true ? 'in' : affected === false ? 'not in' : 'perhaps in';
    return o.json
      ? `${JSON.stringify({ version: a, range: o.in, scheme: range.scheme, in: affected })}\n`
      : `${a} is ${word} ${o.in}\n`;
  }
  if (b === undefined) throw new AsepsisError('BAD_REQUEST', 'Give a second version, or a range with --in.');
  const order = compareVersions(scheme, a, b);
  const sign = order < 0 ? '<' : order > 0 ? '>' : '=';
  return o.json ? `${JSON.stringify({ a, b, ecosystem: o.ecosystem, scheme, order })}\n` : `${a} ${sign} ${b}\n`;
}

async function match(o: MatchOptions, terminal: Terminal): Promise<number> {
  const feeds: FeedSet = emptyFeedSet();
  for (const path of o.feed) {
    terminal.progress(`Reading ${path}`);
    const report = await readFeed(path, feeds);
    terminal.say(
      `${report.feed.name} (${report.feed.dateOf} ${report.feed.date.slice(0, 10)}, version ${report.feed.version}): ${report.entries} entries from ${path}`,
    );
    sayFaults(report.faults, path, terminal);
  }
  const inventories: Inventory[] = [];
  const { release, asset, format, columns } = o;
  const options = {
    ...(release && { release }),
    ...(asset && { asset }),
    ...(format && { format }),
    ...(columns && { columns }),
  };
  for (const path of o.inventory) {
    terminal.progress(`Reading ${path}`);
    const inventory = await readInventory(path, options);
    sayFaults(inventory.faults, path, terminal);
    inventories.push(inventory);
  }
  const now = systemClock.now();
  const result = matchInventories(inventories, feeds, now);
  print(result.findings, o.json === true, now, terminal);
  saySummary(result, terminal);
  const advisories = feeds.advisories.reduce((sum, feed) => sum + feed.items.length, 0);
  if (result.judged === 0 || advisories === 0)
    throw new AsepsisError(
      'INPUT_UNREADABLE',
      advisories === 0 ? 'The feeds hold no advisory, so nothing was judged.' : 'No package could be judged.',
    );
  return result.findings.length > 0 ? EXIT.findings : EXIT.clean;
}

async function devices(o: DevicesOptions, terminal: Terminal): Promise<number> {
  const advisories = [];
  for (const path of o.feed) {
    const faults = new Faults();
    advisories.push(...(await readDeviceAdvisories(path, faults)));
    sayFaults(faults, path, terminal);
  }
  const listed = [];
  for (const path of o.inventory) {
    const faults = new Faults();
    listed.push(...(await readDevices(path, o.columns ?? {}, faults)));
    sayFaults(faults, path, terminal);
  }
  if (listed.length === 0 || advisories.length === 0)
    throw new AsepsisError(
      'INPUT_UNREADABLE',
      listed.length === 0 ? 'The tables hold no device.' : 'The feeds hold no advisory.',
    );
  const now = systemClock.now();
  const findings = matchDevices(listed, advisories, now);
  print(findings, o.json === true, now, terminal);
  const affected = findings.filter((finding) => finding.kind === 'device-advisory').length;
  terminal.say(
    `${listed.length} devices against ${advisories.length} advisories: ${affected} affected, ${findings.length - affected} questions to ask. Advisories that name a device in other words are not found.`,
  );
  return findings.length > 0 ? EXIT.findings : EXIT.clean;
}

function print(findings: readonly FindingObservation[], json: boolean, now: number, terminal: Terminal): void {
  for (const finding of findings.toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity)))
    terminal.out(json ? `${JSON.stringify(publicFinding(finding, now))}\n` : lines(finding));
}

function lines(finding: FindingObservation): string {
  const due = finding.due === null ? 'no deadline' : `due ${finding.due.slice(0, 10)}`;
  const first = finding.evidence[0]?.what ?? '';
  return `${finding.severity.padEnd(11)} ${finding.asset.name}: ${finding.title} (${due})\n    ${finding.fix.title}. ${first}\n`;
}

function sayFaults(faults: ReadonlyMap<string, number>, path: string, terminal: Terminal): void {
  for (const [what, count] of faults) terminal.say(`Not read in ${path}: ${what} (${count}×)`);
}

function saySummary(result: MatchResult, terminal: Terminal): void {
  const HOSTS_SHOWN_MAX = 20;
  for (const { host, reason, count } of result.unjudged.slice(0, HOSTS_SHOWN_MAX))
    terminal.say(`Not judged on ${host}: ${count} packages ${reason}`);
  if (result.unjudged.length > HOSTS_SHOWN_MAX)
    terminal.say(`Not judged on ${result.unjudged.length - HOSTS_SHOWN_MAX} more assets.`);
  if (result.cleared > 0) terminal.say(`Taken off by what makers say (VEX): ${result.cleared} vulnerabilities.`);
  if (result.unknown > 0)
    terminal.say(`Unknown: what feeds say of ${result.unknown} packages cannot be judged for their version.`);
  terminal.say(
    `${result.findings.length} findings; ${result.judged} packages judged on ${result.hosts} assets (${result.unique} different ones, ${result.installed} listed).`,
  );
}
