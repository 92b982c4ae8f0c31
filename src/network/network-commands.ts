/** `asepsis inspect`: captures in, findings out, one JSON object a line with --json. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import {
  AsepsisError,
  type Clock,
  contentId,
  EXIT,
  type Finding,
  type FindingId,
  type FindingObservation,
  publicFinding,
  rfc3339,
  SEVERITY_SHAPE,
  type Store,
  type Terminal,
} from '../core/index.ts';
import { assessInspection } from './network-assess.ts';
import { type AssetDraft, assetDrafts } from './network-asset-records.ts';
import type { PacketSink, Pieces } from './network-capture.ts';
import { captureLabel, type Hash, keyedHash } from './network-hash.ts';
import { readCapture } from './network-input.ts';
import { createInspector, type Inspection } from './network-inspect.ts';
import { hashKey } from './network-key.ts';
import { captureLive } from './network-live.ts';
import { lossFinding } from './network-loss.ts';
import { judgeRouters } from './network-routers.ts';
import { recordInspection, routerOverrides } from './network-service.ts';
import { assessOptions } from './network-settings.ts';
import { createSpread } from './network-spread.ts';
import { safeMs } from './network-text.ts';

export interface NetworkDeps {
  /** Opens the store of a data folder; called only when one is named. */
  readonly openStore: (dataDir: string) => Promise<Store>;
  readonly clock: Clock;
}

interface Options {
  json?: boolean;
  data?: string;
  router: string[];
  shared: string[];
  site: string[];
  interface?: string;
  seconds?: string;
  threads?: number;
  assets?: boolean;
  tls?: boolean;
}

/** Below this much one thread is done within a second or two, and several cost more than they save. */
const THREADS_BYTES_MIN = 1024 * 1024 * 1024;
/** One thread finds the packets for so many that inspect them. */
const THREADS_USUAL_MAX = 4;
const PROGRESS_BYTES = 32 * 1024 * 1024;
const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];
/** What a capture brings must not steer the terminal. */
const clean = (text: string): string => text.replace(/\p{Cc}/gu, '?');

async function inspect(files: readonly string[], o: Options, terminal: Terminal, deps: NetworkDeps): Promise<void> {
  if (files.length === 0 && o.interface === undefined)
    throw new AsepsisError('BAD_REQUEST', 'Name a capture, - for standard input, or an interface with -i.');
  const options = assessOptions({ sites: o.site, routers: o.router, shared: o.shared }, undefined);
  const store = o.data === undefined ? null : await deps.openStore(o.data);
  try {
    // Ctrl+C ends the program that captures; what it sent until then is still judged. A second one ends this too.
    if (files.includes('-')) process.once('SIGINT', () => terminal.say('Reading what is left …'));
    const key = await hashKey(store);
    const hash = keyedHash(key);
    const watcher = await watcherOf(files, o, key, hash);
    let failed = 0;
    let lost = 0;
    for (const [i, file] of files.entries()) {
      // Findings name captures by a label; which is which is told by their place, not by a name that may say too much.
      if (files.length > 1) terminal.say(`${captureLabel(hash, file)}: capture ${i + 1} of ${files.length}.`);
      const end = await readOne(file, watcher, terminal);
      failed += end.read ? 0 : 1;
      lost += end.lost;
    }
    if (o.interface !== undefined) lost += await readLive(o.interface, o.seconds, watcher, terminal);
    const seen = await watcher.finish();
    const overrides = await routerOverrides(store);
    const lastMs = Math.max(0, ...seen.machines.map((machine) => machine.lastMs));
    const sensor = o.interface ?? 'capture';
    const observations = [
      ...assessInspection(seen, { ...options, overrides }),
      ...(lost > 0 ? lossFinding(sensor, seen, { lost, atMs: lastMs }) : []),
    ];
    const machines = store !== null || o.assets ? assetDrafts(seen, options.isOurs) : [];
    const kept = store
      ? await recordInspection({
          store,
          clock: deps.clock,
          observations,
          pairs: seen.pairs,
          machines,
          routers: judgeRouters(seen),
        })
      : observations.map(passing);
    terminal.progress('');
    if (o.assets || o.tls) listings(seen, machines, o, terminal);
    else
      for (const finding of kept) terminal.out(o.json ? `${JSON.stringify(publicFinding(finding))}\n` : lines(finding));
    summary(seen, kept.length, terminal);
    process.exitCode =
      failed > 0 ? EXIT.failure : kept.some((one) => one.state === 'open') ? EXIT.findings : EXIT.clean;
  } finally {
    await store?.close();
  }
}

/** What else was seen, in place of the findings: machines, or who agreed on TLS with which fingerprints. */
function listings(seen: Inspection, machines: readonly AssetDraft[], o: Options, terminal: Terminal): void {
  if (o.assets)
    for (const { firstMs, lastMs, ...machine } of machines) {
      const record = { ...machine, first_seen: rfc3339(safeMs(firstMs)), last_seen: rfc3339(safeMs(lastMs)) };
      terminal.out(
        o.json
          ? `${JSON.stringify(record)}\n`
          : clean(`${machine.name}  ${machine.class}  ${machine.macs.join(' ')}  ${machine.reasons.join('; ')}`).concat(
              '\n',
            ),
      );
    }
  if (o.tls)
    for (const one of seen.handshakes)
      terminal.out(
        o.json
          ? `${JSON.stringify(one)}\n`
          : clean(
              `${one.client} → ${one.server}:${one.port}  ${one.version}  ${one.name || '-'}  ${one.ja4}  ${one.ja4s}\n`.trim(),
            ).concat('\n'),
      );
}

/** What captures are read into: one inspector, or several in threads of their own. */
interface Watcher {
  file(name: string): void;
  readonly frame: PacketSink;
  readonly pieces?: Pieces;
  finish(): Inspection | Promise<Inspection>;
}

async function watcherOf(files: readonly string[], o: Options, key: Uint8Array, hash: Hash): Promise<Watcher> {
  const sizes = await Promise.all(files.map((file) => stat(file).catch(() => null)));
  const bytes = sizes.reduce((sum, one) => sum + (one?.size ?? 0), 0);
  // A pipe or an interface must never wait for threads: one keeps up with more than a gigabit a second.
  const many = o.interface === undefined && bytes >= THREADS_BYTES_MIN;
  const usual = many ? Math.min(availableParallelism(), THREADS_USUAL_MAX) : 1;
  const threads = o.threads ?? usual;
  return threads > 1 ? createSpread(key, threads) : createInspector({ hash });
}

/** Reads an interface until Ctrl+C or for some seconds; answers how many packets the capture lost. */
async function readLive(
  face: string,
  seconds: string | undefined,
  watcher: Watcher,
  terminal: Terminal,
): Promise<number> {
  const limit = seconds === undefined ? null : Number(seconds);
  if (limit !== null && !(limit > 0 && limit <= 86_400))
    throw new AsepsisError('BAD_REQUEST', '--seconds is a number from 1 to 86400.');
  watcher.file('-');
  const live = await captureLive(face, watcher.frame, watcher.pieces);
  terminal.say(`Reading ${face}; Ctrl+C ends it.`);
  process.once('SIGINT', live.stop);
  const timer = limit === null ? null : setTimeout(live.stop, limit * 1000);
  const end = await live.ended.finally(() => {
    if (timer !== null) clearTimeout(timer);
    process.removeListener('SIGINT', live.stop);
  });
  if (end.lost > 0) terminal.say(`${face}: the capture itself lost ${end.lost} packets.`);
  return end.lost + end.dropped;
}

/** False when nothing of the file could be read. */
async function readOne(file: string, watcher: Watcher, terminal: Terminal): Promise<{ read: boolean; lost: number }> {
  watcher.file(file);
  let told = 0;
  const end = await readCapture(file, watcher.frame, {
    ...(watcher.pieces === undefined ? {} : { pieces: watcher.pieces }),
    onProgress: (bytes) => {
      if (bytes - told < PROGRESS_BYTES) return;
      told = bytes;
      terminal.progress(`${file}: ${Math.round(bytes / 1e6)} MB`);
    },
  });
  if (end.fault !== null) terminal.say(clean(`${file} ${end.fault} (${end.packets} packets read).`));
  if (end.dropped > 0) terminal.say(clean(`${file}: the capture itself lost ${end.dropped} packets.`));
  return { read: end.fault === null || end.packets > 0, lost: end.dropped };
}

function summary(seen: Inspection, findings: number, terminal: Terminal): void {
  const { packets, streams, flows } = seen;
  terminal.say(`${packets.packets} packets, ${flows.opened} flows, ${findings} findings.`);
  const notes: (readonly [number, string])[] = [
    [packets.cut, 'packets were cut short by the capture'],
    [packets.malformed, 'packets were malformed'],
    [packets.unknownLink, 'packets are of a link type that is not known'],
    [packets.fragmentsLost, 'fragments could not be put together'],
    [streams.gaps, `gaps in connections (${streams.lostBytes} bytes not in the capture)`],
    [flows.evicted, 'flows were given up because too many were open'],
    [flows.givenUp, 'flows were read in part because too much was open in others'],
    [seen.memory.refused, 'messages were given up because too much was waiting'],
    [seen.leaksDropped, 'observations found no more room'],
  ];
  for (const [count, what] of notes) if (count > 0) terminal.say(`Not seen: ${count} ${what}.`);
}

/** Without a data folder a finding has no life: it is what this capture shows. */
function passing(observation: FindingObservation): Finding {
  const { room, kind, asset, key } = observation;
  const digest = createHash('sha256')
    .update(JSON.stringify([room, kind, asset.name, key]))
    .digest();
  const first = observation.evidence[0];
  const from = first?.data?.first;
  const last = first?.seen ?? ('1970-01-01T00:00:00.000Z' as Finding['last_seen']);
  return {
    ...observation,
    id: contentId<FindingId>('finding', digest),
    first_seen: typeof from === 'string' ? (from as Finding['first_seen']) : last,
    last_seen: last,
    state: 'open',
    reopened: 0,
  };
}

function lines(finding: Finding): string {
  const proof = finding.evidence[0];
  const fields = proof?.data?.fields ?? proof?.data?.kinds ?? '';
  return clean(`${SEVERITY_SHAPE[finding.severity]} ${finding.severity.padEnd(11)} ${finding.title}`).concat(
    proof ? `\n    ${clean(proof.what)}${fields === '' ? '' : clean(` [${fields}]`)}` : '',
    `\n    ${clean(finding.fix.title)}: ${finding.fix.how}\n`,
  );
}

/** Adds `inspect` to the program. */
export function networkCommands(program: Command, terminal: Terminal, deps: NetworkDeps): void {
  program
    .command('inspect')
    .description('captures (pcap, pcapng, also .gz; - is standard input): who sends patients and passwords in clear')
    .argument('[files...]', 'captures')
    .option('-i, --interface <name>', 'read a live interface (needs dumpcap or tcpdump, and the right to capture)')
    .option('--seconds <n>', 'end the live capture after so many seconds')
    .option('--threads <number>', 'threads to inspect with', (text) => Math.max(1, Math.trunc(Number(text)) || 1))
    .option('--assets', 'list the machines that were seen instead')
    .option('--tls', 'list TLS handshakes with JA4 and JA4S instead')
    .option('--json', 'one finding a line')
    .option('-d, --data <folder>', 'keep the findings in this data folder')
    .option('--router <mac>', 'a router that may announce itself; may be repeated', collect, [])
    .option('--shared <address>', 'an address or MAC that may move (fail-over); may be repeated', collect, [])
    .option('--site <range>', 'a range on site, such as 10.0.0.0/8; may be repeated', collect, [])
    .action((files: string[], o: Options) => inspect(files, o, terminal, deps));
}
