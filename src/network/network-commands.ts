/** `asepsis inspect`: captures in, findings out, one JSON object a line with --json. */

import { createHash } from 'node:crypto';
import type { Command } from 'commander';
import {
  type Clock,
  contentId,
  EXIT,
  type Finding,
  type FindingId,
  type FindingObservation,
  publicFinding,
  SEVERITY_SHAPE,
  type Store,
  type Terminal,
} from '../core/index.ts';
import { assessInspection } from './network-assess.ts';
import { readCapture } from './network-input.ts';
import { createInspector, type Inspection } from './network-inspect.ts';
import { hashKey, keyedHash, recordInspection } from './network-service.ts';

export interface NetworkDeps {
  /** Opens the store of a data folder; called only when one is named. */
  readonly openStore: (dataDir: string) => Promise<Store>;
  readonly clock: Clock;
}

interface Options {
  json?: boolean;
  data?: string;
  router: string[];
}

const PROGRESS_BYTES = 32 * 1024 * 1024;
const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];
/** What a capture brings must not steer the terminal. */
const clean = (text: string): string => text.replace(/\p{Cc}/gu, '?');

async function inspect(files: readonly string[], o: Options, terminal: Terminal, deps: NetworkDeps): Promise<void> {
  const store = o.data === undefined ? null : await deps.openStore(o.data);
  try {
    // Ctrl+C ends the program that captures; what it sent until then is still judged. A second one ends this too.
    if (files.includes('-')) process.once('SIGINT', () => terminal.say('Reading what is left …'));
    const inspector = createInspector({ hash: keyedHash(await hashKey(store)) });
    let failed = 0;
    for (const file of files) failed += (await readOne(file, inspector, terminal)) ? 0 : 1;
    const seen = inspector.finish();
    const routers = new Set(o.router.map((mac) => mac.toLowerCase()));
    const observations = assessInspection(seen, { routers });
    const kept = store
      ? await recordInspection({ store, clock: deps.clock, observations, pairs: seen.pairs })
      : observations.map(passing);
    terminal.progress('');
    for (const finding of kept) terminal.out(o.json ? `${JSON.stringify(publicFinding(finding))}\n` : lines(finding));
    summary(seen, kept.length, terminal);
    process.exitCode =
      failed > 0 ? EXIT.failure : kept.some((one) => one.state === 'open') ? EXIT.findings : EXIT.clean;
  } finally {
    await store?.close();
  }
}

/** False when nothing of the file could be read. */
async function readOne(
  file: string,
  inspector: ReturnType<typeof createInspector>,
  terminal: Terminal,
): Promise<boolean> {
  inspector.file(file);
  let told = 0;
  const end = await readCapture(file, inspector.frame, {
    onProgress: (bytes) => {
      if (bytes - told < PROGRESS_BYTES) return;
      told = bytes;
      terminal.progress(`${file}: ${Math.round(bytes / 1e6)} MB`);
    },
  });
  if (end.fault !== null) terminal.say(clean(`${file} ${end.fault} (${end.packets} packets read).`));
  if (end.dropped > 0) terminal.say(clean(`${file}: the capture itself lost ${end.dropped} packets.`));
  return end.fault === null || end.packets > 0;
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
    .argument('<files...>', 'captures')
    .option('--json', 'one finding a line')
    .option('-d, --data <folder>', 'keep the findings in this data folder')
    .option('--router <mac>', 'a router that may announce itself; may be repeated', collect, [])
    .action((files: string[], o: Options) => inspect(files, o, terminal, deps));
}
