/** Reads a request's body, decompressing on the way, within a size and within what all requests together may hold. */

import { pipeline, type Readable, type Transform } from 'node:stream';
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

/**
 * @param work gets the whole body; what it holds counts against the budget until `work` is done
 * @throws AsepsisError `TOO_LARGE`, `UNSUPPORTED_MEDIA`, `BAD_REQUEST`, or `BUSY` when other requests hold too much
 */
export async function withBody<T>(
  o: { body: Readable; encoding: string | undefined; contentLength: string | undefined; budget: Budget },
  work: (bytes: Buffer) => Promise<T>,
): Promise<T> {
  const inflater = inflaterFor(o.encoding);
  if (Number(o.contentLength ?? 0) > LIMITS.ingestBodyBytesMax) throw tooLarge();
  const source = inflater ? pipeline(o.body, inflater, () => {}) : o.body;
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      // One request alone always passes, so that the largest allowed one is never refused for ever.
      const others = o.budget.used - length;
      if (others > 0 && o.budget.used + chunk.length > LIMITS.inFlightBytesMax) {
        throw new AsepsisError('BUSY', 'Other requests hold all the memory there is for requests.', {
          retryAfterSec: 1,
        });
      }
      o.budget.take(chunk.length);
      length += chunk.length;
      if (length > LIMITS.ingestBodyBytesMax) throw tooLarge();
      chunks.push(chunk);
    }
    const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
    chunks.length = 0;
    return await work(bytes);
  } catch (error) {
    // Only faults of reading are the sender's; those of `work` are ours or already named.
    throw chunks.length > 0 || length === 0 ? unreadable(error) : error;
  } finally {
    o.budget.give(length);
  }
}
