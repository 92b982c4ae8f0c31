/** Follows the systemd journal through `journalctl -o json` (systemd.journal-fields(7)); its cursor is the checkpoint. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Stream } from '../../core/index.ts';
import { createBucket } from '../ingest-bucket.ts';
import { createGather, GATHER_BYTES } from '../ingest-gather.ts';
import { appendPatiently } from '../ingest-intake.ts';
import { shortKey } from '../ingest-key.ts';
import type { Sources } from '../ingest-sources.ts';
import { splitLines } from '../ingest-split.ts';
import { readCheckpoint, writeCheckpoint } from './file-checkpoint.ts';

export interface JournalOptions {
  readonly checkpointPath: string;
  readonly stream: Stream;
  readonly clock: Clock;
  readonly sources: Sources;
  readonly exercise: boolean;
  readonly eventsPerSecMax: number;
  readonly log: (o: object, msg: string) => void;
  readonly command?: string;
}

/** What a new installation reads of the past: enough to show the last night, not years. */
const PAST = '-24h';
const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_LAST_MS = 60_000;
/** Records held before reading pauses. */
const HELD_BYTES_MAX = 2 * 1024 * 1024;
const GATHER_MS = 10;
const SAVE_MS = 500;
const CURSOR = Buffer.from('"__CURSOR":"');
const CURSOR_CHARS_MAX = 512;

/** The entry's cursor. Inside a JSON text a quote is always escaped, so the first hit is the field itself. */
export function cursorOf(record: Buffer): string | null {
  const at = record.indexOf(CURSOR);
  if (at < 0) {
    // Some versions put a space behind the colon.
    const match = /"__CURSOR" ?: ?"([^"\\]{1,512})"/.exec(record.toString('latin1', 0, 4096));
    return match?.[1] ?? null;
  }
  const start = at + CURSOR.length;
  const end = record.indexOf(34, start);
  return end < 0 || end - start > CURSOR_CHARS_MAX ? null : record.toString('latin1', start, end);
}

interface Reading {
  readonly o: JournalOptions;
  readonly signal: AbortSignal;
  readonly bucket: ReturnType<typeof createBucket>;
  /** Records that an earlier run wrote already after its last checkpoint. */
  skip: number;
  cursor: string | null;
  saved: string | null;
  savedMs: number;
}

async function save(r: Reading): Promise<void> {
  if (r.cursor === r.saved) return;
  r.saved = r.cursor;
  r.savedMs = Date.now();
  await writeCheckpoint(r.o.checkpointPath, { version: 1, cursor: r.cursor });
}

/**
 * Appends records; the first one's cursor is the block's key. A block that was there already (a kill came before the
 * checkpoint) says how many of them it had, perhaps more than are here yet.
 */
async function appendRecords(r: Reading, all: readonly Buffer[]): Promise<void> {
  const source = await r.o.sources.ensure('journal', 'journal of this machine', { address: 'journalctl' });
  const skipped = Math.min(r.skip, all.length);
  r.skip -= skipped;
  let records = all.slice(skipped);
  while (records.length > 0) {
    let count = 0;
    let block: { data: Uint8Array; ends: Uint32Array } | null = null;
    const gather = createGather(GATHER_BYTES, (data, ends) => {
      block = { data, ends };
    });
    for (const record of records) {
      gather.add(record, 0, record.length);
      count++;
      if (block) break;
    }
    if (!block) gather.flush();
    const first = records[0] as Buffer;
    const { seq, duplicate } = await appendPatiently(
      r.o.stream,
      {
        source,
        receivedMs: r.o.clock.now(),
        hint: 'journal',
        peer: 'journalctl',
        exercise: r.o.exercise,
        ...(block as unknown as { data: Uint8Array; ends: Uint32Array }),
        dedupe: `journal@${shortKey(cursorOf(first) ?? first)}`,
      },
      r.signal,
    );
    if (duplicate) count = (await r.o.stream.read(seq))?.ends.length ?? count;
    r.skip += Math.max(0, count - records.length);
    records = records.slice(count);
    r.bucket.take(count, r.o.clock.now());
  }
  // In the middle of an earlier block there is no key to meet again: the checkpoint waits for its end.
  if (r.skip === 0) r.cursor = cursorOf(all.at(-1) as Buffer) ?? r.cursor;
  if (Date.now() - r.savedMs >= SAVE_MS) await save(r);
}

/** One life of journalctl; answers whether it gave anything. */
async function readOnce(r: Reading, child: ChildProcessByStdio<null, Readable, Readable>): Promise<boolean> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let any = false;
  let over = false;
  let wake = () => {};
  const splitter = splitLines({
    record(bytes, start, end) {
      held.push(Buffer.from(bytes.subarray(start, end)));
      heldBytes += end - start;
    },
    cut: () => {},
  });
  child.stdout.on('data', (chunk: Buffer) => {
    splitter.push(chunk);
    if (heldBytes > HELD_BYTES_MAX) child.stdout.pause();
    wake();
  });
  child.stdout.on('close', () => {
    over = true;
    wake();
  });
  while (!r.signal.aborted && !(over && held.length === 0)) {
    if (held.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = () => {};
      if (held.length > 0) await sleep(GATHER_MS);
      continue;
    }
    const records = held;
    held = [];
    heldBytes = 0;
    child.stdout.resume();
    any = true;
    await appendRecords(r, records);
    const waitMs = r.bucket.waitMs(r.o.clock.now());
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: r.signal }).catch(() => {});
  }
  return any;
}

/** Begins to follow the journal from the stored cursor; `close` stops journalctl and writes the checkpoint. */
export function followJournal(o: JournalOptions): { close(): Promise<void> } {
  const closing = new AbortController();
  const r: Reading = {
    o,
    signal: closing.signal,
    bucket: createBucket(o.eventsPerSecMax, o.clock.now()),
    skip: 0,
    cursor: null,
    saved: null,
    savedMs: 0,
  };
  const live = async (): Promise<boolean> => {
    // Reading begins at the cursor again, and what was written behind it is met again.
    r.skip = 0;
    const from = r.cursor === null ? [`--since=${PAST}`] : [`--after-cursor=${r.cursor}`];
    const args = ['-o', 'json', '--all', '--no-pager', '--quiet', '--follow', '--no-tail', ...from];
    const child = spawn(o.command ?? 'journalctl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = chunk.toString('utf8').trim().slice(0, 200);
    });
    const stop = () => child.kill();
    closing.signal.addEventListener('abort', stop, { once: true });
    const exited = once(child, 'close').catch((error: NodeJS.ErrnoException) => {
      complaint = error.code === 'ENOENT' ? 'journalctl is not installed' : error.message;
    });
    try {
      return await readOnce(r, child);
    } finally {
      child.kill();
      await exited;
      closing.signal.removeEventListener('abort', stop);
      if (!closing.signal.aborted) o.log({ reason: complaint }, 'journalctl ended; it is started again');
    }
  };
  const run = async () => {
    const stored = await readCheckpoint<{ cursor: string | null }>(o.checkpointPath);
    r.cursor = stored?.cursor ?? null;
    r.saved = r.cursor;
    let waitMs = BACK_OFF_FIRST_MS;
    while (!closing.signal.aborted) {
      const any = await live().catch((error) => {
        if (!closing.signal.aborted) o.log({ err: error }, 'following the journal failed; it is tried again');
        return false;
      });
      waitMs = any ? BACK_OFF_FIRST_MS : Math.min(waitMs * 2, BACK_OFF_LAST_MS);
      await sleep(waitMs, undefined, { signal: closing.signal }).catch(() => {});
    }
    await save(r).catch((error) => o.log({ err: error }, 'the checkpoint could not be written'));
  };
  const running = run();
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}
