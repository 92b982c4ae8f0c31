/** Runs a desk under strace, cuts the power at many moments of what it did, and starts again from each disk that may be left. */

import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyOf, type ShownAlert } from './crash.ts';
import { type Desk, enrol, eventually, newDataDir, type Person, startDesk } from './desk.ts';
import { type Luck, writeState } from './power-states.ts';
import { type DiskOp, readTrace, TRACED } from './power-trace.ts';

export interface PowerResult {
  readonly states: number;
  readonly acknowledged: number;
  /** One sentence for each state that is not as it must be. */
  readonly faults: string[];
}

const CONFIG = `http: { port: 0 }\nsyslog: { udp: { port: 0 }, tcp: { port: 0 }, tls: { enabled: false } }\nthis_machine: { logs: off, check: off }\nstream: { segment_mb: 1 }\n`;
const BATCH = 17;
const HOST = 'power-1';
const LUCKS: readonly Luck[] = ['none', 'some', 'all'];

export const hasStrace = (): boolean => spawnSync('strace', ['-V'], { stdio: 'ignore' }).status === 0;

const lineOf = (batch: number, i: number): string =>
  `<86>1 ${new Date().toISOString()} ${HOST} sshd ${1000 + i} - - Failed password for invalid user u${batch}-${i} from 198.51.100.${1 + (batch % 200)} port ${1024 + i} ssh2`;

async function load(desk: Desk, token: string, batches: number): Promise<void> {
  // Long lines now and then, so that segments are sealed while it runs.
  const padding = 'x'.repeat(6000);
  for (let batch = 0; batch < batches; batch++) {
    const lines = Array.from({ length: BATCH }, (_, i) => lineOf(batch, i) + (i % 4 === 0 ? ` ${padding}` : ''));
    const response = await fetch(`${desk.origin}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain', 'idempotency-key': `p-${batch}` },
      body: lines.join('\n'),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }
}

/** Places in the trace at which the n-th batch was acknowledged. */
const acknowledgements = (ops: readonly DiskOp[]): number[] =>
  ops.flatMap((op, index) => (op.kind === 'sent' && op.data.includes(`"accepted":${BATCH},`) ? [index] : []));

async function get<T>(desk: Desk, person: Person, path: string): Promise<T> {
  const response = await fetch(`${desk.origin}${path}`, { headers: { cookie: person.cookie } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** What is wrong with a desk that starts from this disk; null when nothing is. */
async function judge(dataDir: string, person: Person, acknowledged: number): Promise<string | null> {
  let desk: Desk;
  try {
    desk = await startDesk(dataDir, { config: CONFIG });
  } catch (error) {
    return `does not start: ${error instanceof Error ? error.message : String(error)}`.slice(0, 1500);
  }
  try {
    await eventually('the pipeline', async () => {
      const now = await get<{ last_seq: number; durable_seq: number }>(desk, person, '/v1/pipeline');
      return now.durable_seq >= now.last_seq;
    });
    const seen = new Map<string, number>();
    let next: string | null = null;
    do {
      const after: string = next === null ? '' : `&after=${encodeURIComponent(next)}`;
      const page: { items: { raw: string }[]; next: string | null } = await get(
        desk,
        person,
        `/v1/events?query=host:${HOST}&limit=500${after}`,
      );
      for (const { raw } of page.items) {
        const id = /invalid user u(\S+) from/.exec(raw)?.[1] ?? raw.slice(0, 80);
        seen.set(id, (seen.get(id) ?? 0) + 1);
      }
      next = page.next;
    } while (next !== null);
    const missing: string[] = [];
    for (let batch = 0; batch < acknowledged; batch++)
      for (let i = 0; i < BATCH; i++) if (!seen.has(`${batch}-${i}`)) missing.push(`${batch}-${i}`);
    const twice = [...seen].filter(([, times]) => times > 1).map(([id]) => id);
    if (missing.length > 0)
      return `${missing.length} acknowledged records are missing: ${missing.slice(0, 3).join(', ')}`;
    if (twice.length > 0) return `${twice.length} records are there twice: ${twice.slice(0, 3).join(', ')}`;
    const { items } = await get<{ items: ShownAlert[] }>(desk, person, '/v1/alerts?limit=500');
    const keys = items.map(keyOf);
    if (new Set(keys).size !== keys.length) return 'an alert is there twice';
    return null;
  } catch (error) {
    return `does not answer: ${error instanceof Error ? error.message : String(error)}\n${desk.said().slice(-1000)}`;
  } finally {
    await desk.stop();
  }
}

/** @param random numbers in [0, 1): which moments, and what is left of the uncertain */
export async function powerCuts(o: {
  states: number;
  batches: number;
  random: () => number;
  onState: (done: number, fault: string | null) => void;
}): Promise<PowerResult> {
  const folder = await newDataDir();
  const trace = join(folder.path, 'trace');
  const data = join(folder.path, 'data');
  try {
    await mkdir(data);
    // The configuration is the person's own file and not part of what is cut.
    const desk = await startDesk(data, {
      config: CONFIG,
      wrap: [
        'strace',
        '-D',
        '-f',
        '-qq',
        '-y',
        '-xx',
        '-s',
        '16777216',
        '-o',
        trace,
        '-e',
        `trace=${TRACED}`,
        '-e',
        'signal=none',
      ],
    });
    const person = await enrol(desk);
    const { token } = await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'power', scope: 'ingest' });
    await load(desk, token, o.batches);
    // Sealing and the offsets that follow belong to it.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await desk.stop();
    const ops = await readTrace(trace, data);
    const acks = acknowledgements(ops);
    if (acks.length !== o.batches) throw new Error(`The trace has ${acks.length} of ${o.batches} acknowledgements.`);
    const faults: string[] = [];
    const first = acks[0] as number;
    for (let state = 0; state < o.states; state++) {
      const until = first + 1 + Math.floor(o.random() * (ops.length - first));
      const luck = LUCKS[state % LUCKS.length] as Luck;
      const target = join(folder.path, `state-${state}`);
      writeState(ops, until, luck, o.random, target);
      await writeFile(join(target, '.keep'), '');
      const acknowledged = acks.filter((at) => at < until).length;
      const fault = await judge(target, person, acknowledged);
      if (fault !== null) faults.push(`operation ${until} of ${ops.length}, ${luck} of the uncertain: ${fault}`);
      o.onState(state + 1, fault);
      if (fault === null || process.env.POWER_KEEP === undefined) await rm(target, { recursive: true, force: true });
    }
    return { states: o.states, acknowledged: acks.length * BATCH, faults };
  } finally {
    if (process.env.POWER_KEEP === undefined) await folder.remove();
  }
}
