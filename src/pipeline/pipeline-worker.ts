/** The pipeline's thread: opens its own reader, decoder, rules and archive, and asks the main thread only for the store. */

import assert from 'node:assert';
import { parentPort, workerData } from 'node:worker_threads';
import { openArchiveWriter } from '../archive/index.ts';
import { systemClock } from '../core/index.ts';
import { type LoadedRules, loadRules, openLiveEngine, readSite } from '../detection/index.ts';
import { createDecoder } from '../ingest/decode/index.ts';
import { openSegmentReader } from '../stream/index.ts';
import type { FromPipeline, PipelineSetup, ToPipeline } from './pipeline-messages.ts';
import { runPipeline } from './pipeline-run.ts';
import { readState, writeState } from './pipeline-state.ts';

assert(parentPort, 'the pipeline runs as a worker thread');
const port = parentPort;
const setup = workerData as PipelineSetup;
const stop = new AbortController();
const say = (message: FromPipeline) => port.postMessage(message);

const calls = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
let lastCall = 0;
/** Sends and resolves when the main thread has said that it is done. */
function ask(message: (call: number) => FromPipeline): Promise<void> {
  const call = ++lastCall;
  return new Promise((resolve, reject) => {
    calls.set(call, { resolve, reject });
    say(message(call));
  });
}

/** Lists and switches can also be changed from the command line; and the desk wants to know how the engine is. */
const LOOK_EVERY_MS = 5000;

let zones = setup.zones;
port.on('message', (message: ToPipeline) => {
  if (message.type === 'stop') stop.abort();
  else if (message.type === 'zones') zones = message.zones;
  else if (message.type === 'look') void lookAgain();
  else if (message.type === 'done') {
    const waiting = calls.get(message.call);
    calls.delete(message.call);
    if (message.error === null) waiting?.resolve();
    else waiting?.reject(new Error(message.error));
  }
});

const reader = await openSegmentReader({
  dir: setup.streamDir,
  signal: setup.signal,
  onFault: (fault) => say({ type: 'alarm', what: 'log', sentence: fault.message }),
});
const consumer = await reader.consumer('pipeline');
const archive = await openArchiveWriter({
  dir: setup.archiveDir,
  streamId: reader.streamId,
  clock: systemClock,
  retentionDays: setup.retentionDays,
  onAlarm: (sentence) => say({ type: 'alarm', what: 'archive', sentence }),
});
/** Rules with what only the site knows; what of that cannot be read is refused by name, like a rule. */
async function load(): Promise<LoadedRules> {
  const site = readSite({ placeholders: setup.placeholders, pipelines: setup.rulePipelines });
  const loaded = await loadRules(setup.ruleFolders, { cacheDir: setup.ruleCacheDir, ...site.options });
  return { ...loaded, refused: [...site.refused, ...loaded.refused, ...loaded.waiting] };
}
const live = await openLiveEngine({
  streamId: reader.streamId,
  dataDir: setup.dataDir,
  load,
  latenessMs: setup.latenessMs,
  stateBytesMax: setup.stateBytesMax,
  ...(setup.risk === null ? {} : { risk: setup.risk }),
});
const { engine } = live;
const summaries = ({ rules }: LoadedRules) =>
  rules.map((rule) => ({
    id: rule.id,
    title: rule.title,
    level: rule.level,
    tags: rule.tags,
    description: rule.description ?? '',
    file: rule.file,
  }));
let looking: Promise<void> = Promise.resolve();
/** After what is under way: two looks at once could put the older engine in place. */
function lookAgain(): Promise<void> {
  looking = looking.then(async () => {
    const again = await live.look();
    if (again) say({ type: 'rules', rules: summaries(again), refused: again.refused });
    say({ type: 'engine', stats: live.stats() });
  });
  return looking;
}
const memory = await readState(setup.stateFile);
let note: string | null = null;
let engineSeq = 0;
if (memory && memory.seq >= consumer.ackedSeq) {
  engine.restore(memory.state);
  engineSeq = memory.seq;
} else if (consumer.ackedSeq > 0) {
  note = 'The rules’ memory of earlier events is missing or damaged: counting starts anew.';
}
const decoder = createDecoder({ zoneOf: (source) => zones[source] });
say({
  type: 'ready',
  rules: summaries(live.loaded),
  refused: live.loaded.refused,
  note,
});

const looks = setInterval(() => void lookAgain(), LOOK_EVERY_MS);
await runPipeline(
  {
    consumer,
    archive,
    decode: (block) => decoder.events(block),
    takeCounts: () => decoder.takeCounts(),
    engine,
    engineSeq,
    countedSeq: setup.countedSeq,
    writeState: (seq, pieces) => writeState(setup.stateFile, seq, pieces),
    storeAlerts: (alerts) => ask((call) => ({ type: 'alerts', call, alerts })),
    storeCounts: (seq, counts, sightings) => ask((call) => ({ type: 'counts', call, seq, counts, sightings })),
    onProgress: (progress) => say({ type: 'progress', progress }),
    clock: systemClock,
  },
  stop.signal,
);
clearInterval(looks);
await looking;
await archive.close();
await consumer.close();
await reader.close();
say({ type: 'stopped' });
port.close();
