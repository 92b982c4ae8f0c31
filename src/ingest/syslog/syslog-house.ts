/** What all syslog listeners share: the budget of bytes in flight, sources, rates, and the clock that hands blocks on. */

import type { AddressInfo } from 'node:net';
import { AsepsisError, type Block, type Clock, LIMITS, type SourceId, type Stream } from '../../core/index.ts';
import { type Bucket, createBucket } from '../ingest-bucket.ts';
import type { Gather } from '../ingest-gather.ts';
import { type Budget, createBudget, createLane, type Lane } from '../ingest-intake.ts';
import type { Sources } from '../ingest-sources.ts';

/** A record waits this long for company: it costs no one anything, and an fsync carries hundreds. */
const GATHER_MS = 5;
/** The listeners' half of what may be in flight; requests have the other half. */
const LISTENERS_BYTES_MAX = LIMITS.inFlightBytesMax / 2;
const LANE_DEPTH = 8;
const BUCKETS_MAX = 4096;

export interface House {
  readonly stream: Stream;
  readonly clock: Clock;
  readonly sources: Sources;
  readonly budget: Budget;
  readonly exercise: boolean;
  readonly log: (o: object, msg: string) => void;
  /** Aborts when the listeners close for good. */
  readonly signal: AbortSignal;
  /** Open connections over all listeners, and unfinished records they hold, in bytes. */
  readonly open: { connections: number; pendingBytes: number; readonly byAddress: Map<string, number> };
  bucket(source: SourceId): Bucket;
  lane(source: SourceId, onRoom?: () => void): Lane;
  block(source: SourceId, peer: string, data: Uint8Array, ends: Uint32Array): Block;
  /** Flushes this gatherer within some milliseconds. */
  soon(gather: Gather): void;
}

export interface Listener {
  readonly name: string;
  readonly address: string;
  close(): Promise<void>;
}

export function createHouse(o: {
  stream: Stream;
  clock: Clock;
  sources: Sources;
  exercise: boolean;
  eventsPerSecMax: number;
  signal: AbortSignal;
  log: (o: object, msg: string) => void;
}): House {
  const budget = createBudget(LISTENERS_BYTES_MAX);
  const buckets = new Map<SourceId, Bucket>();
  let waiting = new Set<Gather>();
  const flushAll = () => {
    const now = waiting;
    waiting = new Set();
    for (const gather of now) gather.flush();
  };
  return {
    ...o,
    budget,
    open: { connections: 0, pendingBytes: 0, byAddress: new Map() },
    bucket(source) {
      let bucket = buckets.get(source);
      if (!bucket) {
        if (buckets.size >= BUCKETS_MAX) buckets.clear();
        bucket = createBucket(o.eventsPerSecMax, o.clock.now());
        buckets.set(source, bucket);
      }
      return bucket;
    },
    lane(source, onRoom) {
      const lost = (block: Block, error: unknown) => {
        o.sources.fault(source, 'records could not be written', block.ends.length);
        if (!o.signal.aborted) o.log({ err: error, source }, 'a block could not be written');
      };
      return createLane({
        stream: o.stream,
        budget,
        depth: LANE_DEPTH,
        lost,
        signal: o.signal,
        ...(onRoom && { onRoom }),
      });
    },
    block: (source, peer, data, ends) => ({
      source,
      receivedMs: o.clock.now(),
      hint: 'syslog',
      peer,
      exercise: o.exercise,
      data,
      ends,
    }),
    soon(gather) {
      if (waiting.size === 0) setTimeout(flushAll, GATHER_MS);
      waiting.add(gather);
    },
  };
}

/** A peer's address as people write it: IPv4 without the wrapping of a dual-stack socket (RFC 4291 section 2.5.5.2). */
export function peerAddress(address: string | undefined): string {
  if (!address) return 'unknown';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

export function shownAddress(info: AddressInfo): string {
  return info.family === 'IPv6' ? `[${info.address}]:${info.port}` : `${info.address}:${info.port}`;
}

/** A failure to listen as one of ours, with the port's name. */
export function listenError(error: unknown, what: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE')
    return new AsepsisError('PORT_TAKEN', `${what} is used by another program.`, { cause: error });
  if (code === 'EACCES')
    return new AsepsisError('PORT_FORBIDDEN', `${what} may not be opened by this user.`, { cause: error });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new AsepsisError('CONFIG_INVALID', `${what} is not an address of this machine.`, { cause: error });
  }
  return error;
}
