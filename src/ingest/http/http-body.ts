/** Reads a request's body, decompressing on the way, within a size and within what all requests together may hold. */

import { Readable, type Transform } from 'node:stream';
import { createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { AsepsisError, LIMITS } from '../../core/index.ts';
import type { Budget } from '../ingest-intake.ts';

/** Window that a zstd frame may ask for: 8 MiB is what RFC 8878 section 3.1.1.1.2 tells decoders to support. */
const ZSTD_WINDOW_LOG_MAX = 23;
const ZSTD_WINDOW_LOG_PARAMETER = 100;

function inflaterFor(encoding: string | undefined): Transform | null {
  switch ((encoding ?? 'identity').trim().toLowerCase()) {
    case '':
    case 'identity':
      return null;
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'zstd':
      return createZstdDecompress({ params: { [ZSTD_WINDOW_LOG_PARAMETER]: ZSTD_WINDOW_LOG_MAX } });
    default:
      throw new AsepsisError('UNSUPPORTED_MEDIA', 'The content encoding is not gzip, zstd, deflate or identity.');
  }
}

const tooLarge = () =>
  new AsepsisError(
    'TOO_LARGE',
    `A request may have ${LIMITS.ingestBodyBytesMax / 1024 / 1024} MiB after decompression.`,
  );

/** How the body's promise of its end was broken: a fault of the sender, not ours. */
function unreadable(error: unknown): AsepsisError {
  if (error instanceof AsepsisError) return error;
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  const compressed = code.startsWith('Z_') || code.startsWith('ZSTD') || code === 'ERR_ZLIB_INITIALIZATION_FAILED';
  return new AsepsisError(
    'BAD_REQUEST',
    compressed ? 'The body is not what its content encoding says.' : 'The body ended too early.',
    { cause: error },
  );
}

/** The body through the inflater. A fault of one side must not close the connection: the answer still goes out on it. */
function inflated(body: Readable, inflater: Transform): Readable {
  body.on('error', (error) => inflater.destroy(error));
  body.on('close', () => {
    if (!body.readableEnded) inflater.destroy(new Error('closed'));
  });
  return body.pipe(inflater);
}

/**
 * @param work gets the whole body; what it holds counts against the budget until `work` is done
 * @throws AsepsisError `TOO_LARGE`, `UNSUPPORTED_MEDIA`, `BAD_REQUEST`, or `BUSY` when other requests hold too much
 */
export async function withBody<T>(
  o: {
    body: Readable | null | undefined;
    encoding: string | undefined;
    contentLength: string | undefined;
    budget: Budget;
  },
  work: (bytes: Buffer) => Promise<T>,
): Promise<T> {
  const inflater = inflaterFor(o.encoding);
  if (Number(o.contentLength ?? 0) > LIMITS.ingestBodyBytesMax) throw tooLarge();
  const body = o.body ?? Readable.from([]);
  const source = inflater ? inflated(body, inflater) : body;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    try {
      for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        // One request alone always passes, so that the largest allowed one is never refused for ever.
        const others = o.budget.used - length;
        if (others > 0 && o.budget.used + chunk.length > LIMITS.inFlightBytesMax) {
          throw new AsepsisError('BUSY', 'Other requests hold all the memory for requests.', { retryAfterSec: 1 });
        }
        o.budget.take(chunk.length);
        length += chunk.length;
        if (length > LIMITS.ingestBodyBytesMax) throw tooLarge();
        chunks.push(chunk);
      }
    } catch (error) {
      body.unpipe();
      inflater?.destroy();
      throw unreadable(error);
    }
    const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
    chunks.length = 0;
    return await work(bytes);
  } finally {
    o.budget.give(length);
  }
}
