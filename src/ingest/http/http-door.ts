/** What all ingest routes share: the caller's source, its rate, making blocks, and answering only when they are durable. */

import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  type AppendResult,
  AsepsisError,
  type Block,
  type Clock,
  LIMITS,
  type RecordHint,
  type Source,
  type SourceId,
  type Store,
  type Stream,
} from '../../core/index.ts';
import { type Bucket, createBucket } from '../ingest-bucket.ts';
import { BULK_BYTES, createGather, type Gather } from '../ingest-gather.ts';
import { appendPatiently, type Budget, createBudget } from '../ingest-intake.ts';
import { shortKey } from '../ingest-key.ts';
import { createSources, type Sources } from '../ingest-sources.ts';
import { withBody } from './http-body.ts';

export interface IngestRouteOptions {
  readonly stream: Stream;
  readonly store: Store;
  readonly clock: Clock;
  readonly exercise: boolean;
  readonly eventsPerSecMax: number;
}

/** How long a request waits for a busy stream before its sender is told to come back. */
const PATIENCE_MS = 1000;
const RETRY_BUSY_SEC = 1;
const RETRY_DISK_SEC = 30;
const BUCKETS_MAX = 4096;
const KEY_CHARS_MAX = 256;

export interface Door {
  readonly stream: Stream;
  readonly sources: Sources;
  /** Reads the body and hands it to `work` with the caller's source. Refuses a source that is over its rate. */
  receive<T>(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: Source['kind'],
    work: (bytes: Buffer, from: Sender) => Promise<T>,
  ): Promise<T>;
  batch(from: Sender, hint: RecordHint): Batch;
  /** Appends the batch's blocks, once for each key; each has its result, or why it was refused. */
  deliver(batch: Batch, key?: string): Promise<readonly (AppendResult | AsepsisError)[]>;
}

export interface Sender {
  readonly source: SourceId;
  readonly name: string;
}

/** Records of one request on their way into blocks; the same request always makes the same blocks. */
export interface Batch {
  readonly from: Sender;
  readonly gather: Gather;
  readonly blocks: Block[];
  cut(): void;
}

/** The key that makes a repeated request one request; null when the header is absent. */
export function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined || key === '') return undefined;
  if (typeof key !== 'string' || key.length > KEY_CHARS_MAX) {
    throw new AsepsisError('BAD_REQUEST', `Idempotency-Key has at most ${KEY_CHARS_MAX} characters.`);
  }
  return key;
}

/** Names of any alphabet travel percent-encoded (RFC 3986 section 2.1). */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What was not read of a refused body is thrown away, so that its sender reads the answer; of a very large one it is not. */
function discard(request: FastifyRequest, reply: FastifyReply): void {
  const body = request.body as Readable | null | undefined;
  if (!body || body.readableEnded) return;
  if (Number(request.headers['content-length'] ?? 0) > 4 * LIMITS.ingestBodyBytesMax)
    reply.header('connection', 'close');
  else body.resume();
}

async function senderOf(request: FastifyRequest, sources: Sources, kind: Source['kind']): Promise<Sender> {
  const caller = request.caller;
  if (!caller) throw new AsepsisError('UNAUTHENTICATED', 'This needs a token with the scope `ingest`.');
  const named = request.headers['x-asepsis-source'];
  if (typeof named === 'string' && named !== '') {
    // Imported evidence is a source of its own kind: a token cannot pass for another live source.
    const name = decoded(named).slice(0, LIMITS.nameCharsMax);
    return { source: await sources.ensure('import', name, { address: caller.name }), name: caller.name };
  }
  return { source: caller.source ?? (await sources.ensure(kind, caller.name)), name: caller.name };
}

export function createDoor(o: IngestRouteOptions): Door {
  const budget: Budget = createBudget(LIMITS.inFlightBytesMax);
  const closing = new AbortController();
  const sources = createSources({ ...o, signal: closing.signal, log: () => {} });
  const buckets = new Map<SourceId, Bucket>();
  const bucketOf = (source: SourceId): Bucket => {
    let bucket = buckets.get(source);
    if (!bucket) {
      if (buckets.size >= BUCKETS_MAX) buckets.clear();
      bucket = createBucket(o.eventsPerSecMax, o.clock.now());
      buckets.set(source, bucket);
    }
    return bucket;
  };
  const append = async (block: Block): Promise<AppendResult | AsepsisError> => {
    try {
      return await appendPatiently(o.stream, block, AbortSignal.timeout(PATIENCE_MS), ['BUSY']);
    } catch (error) {
      if (!(error instanceof AsepsisError)) throw error;
      const retryAfterSec = error.retryAfterSec ?? (error.code === 'BUSY' ? RETRY_BUSY_SEC : RETRY_DISK_SEC);
      return new AsepsisError(error.code, error.message, { retryAfterSec, cause: error });
    }
  };
  return {
    stream: o.stream,
    sources,
    async receive(request, reply, kind, work) {
      const from = await senderOf(request, sources, kind);
      const waitMs = bucketOf(from.source).waitMs(o.clock.now());
      try {
        if (waitMs > 0) {
          throw new AsepsisError('RATE_LIMITED', `This source sends more than ${o.eventsPerSecMax} events a second.`, {
            retryAfterSec: Math.ceil(waitMs / 1000),
          });
        }
        return await withBody(
          {
            body: request.body as Readable | null | undefined,
            encoding: request.headers['content-encoding'],
            contentLength: request.headers['content-length'],
            budget,
          },
          (bytes) => work(bytes, from),
        );
      } catch (error) {
        discard(request, reply);
        throw error;
      }
    },
    async deliver(batch, key) {
      batch.gather.flush();
      const stem = key === undefined ? null : shortKey(batch.from.source, key);
      const count = batch.blocks.reduce((sum, block) => sum + block.ends.length, 0);
      bucketOf(batch.from.source).take(count, o.clock.now());
      return Promise.all(
        batch.blocks.map((block, i) => append(stem === null ? block : { ...block, dedupe: `${stem}#${i}` })),
      );
    },
    batch(from, hint) {
      const blocks: Block[] = [];
      const receivedMs = o.clock.now();
      const gather = createGather(BULK_BYTES, (data, ends) => {
        blocks.push({
          source: from.source,
          receivedMs,
          hint,
          peer: from.name,
          exercise: o.exercise,
          data,
          ends,
        });
      });
      return {
        from,
        gather,
        blocks,
        cut: () => sources.fault(from.source, `records longer than ${LIMITS.recordBytesMax / 1024} KiB were cut`, 1),
      };
    },
  };
}

/** The refusal that the whole request is answered with; null when everything was taken. */
export function firstRefusal(results: readonly (AppendResult | AsepsisError)[]): AsepsisError | null {
  return results.find((result) => result instanceof AsepsisError) ?? null;
}
