/** A bounded conversation over one connection: so many bytes, so much time, whatever the other side does. */

import type { Socket } from 'node:net';

export interface Link {
  write(bytes: Buffer | string): void;
  /** Exactly n bytes; null when the connection ended before or a bound was reached. */
  read(n: number): Promise<Buffer | null>;
  /** What has arrived, at least one byte; null at the end. Waits at most `ms`. */
  some(ms?: number): Promise<Buffer | null>;
  /** Through the first line feed, without it; null at the end or when the line is too long. */
  line(): Promise<string | null>;
  close(): void;
  readonly bytes: number;
  /** Why nothing more comes: `closed`, `reset`, `time`, `size`; null while it is open. */
  readonly ended: string | null;
  readonly socket: Socket;
  /** Bytes that arrived and were not taken. */
  readonly waiting: Buffer;
  /** Stops reading, so that another may take the socket over. */
  detach(): void;
}

export interface LinkBounds {
  readonly timeMs: number;
  readonly bytesMax: number;
}

export const LINK_BOUNDS: LinkBounds = { timeMs: 5000, bytesMax: 256 * 1024 };
const LINE_BYTES_MAX = 8192;

export function createLink(socket: Socket, bounds: LinkBounds = LINK_BOUNDS): Link {
  let chunks: Buffer[] = [];
  let held = 0;
  let total = 0;
  let ended: string | null = null;
  let wake: (() => void) | null = null;
  const nudge = () => {
    const waiting = wake;
    wake = null;
    waiting?.();
  };
  const end = (why: string) => {
    ended ??= why;
    clearTimeout(timer);
    nudge();
  };
  const timer = setTimeout(() => {
    end('time');
    socket.destroy();
  }, bounds.timeMs);
  const onData = (chunk: Buffer) => {
    total += chunk.length;
    chunks.push(chunk);
    held += chunk.length;
    if (total > bounds.bytesMax) {
      end('size');
      socket.destroy();
    }
    nudge();
  };
  const onError = (error: NodeJS.ErrnoException) => end(error.code === 'ECONNRESET' ? 'reset' : 'closed');
  const onClose = () => end('closed');
  socket.on('data', onData);
  socket.on('error', onError);
  socket.on('end', onClose);
  socket.on('close', onClose);
  const more = (ms?: number) =>
    new Promise<void>((resolve) => {
      wake = resolve;
      if (ms !== undefined) setTimeout(resolve, ms).unref();
    });
  const gather = () => {
    if (chunks.length > 1) chunks = [Buffer.concat(chunks, held)];
    return chunks[0] ?? Buffer.alloc(0);
  };
  const take = (n: number): Buffer => {
    const all = gather();
    const taken = all.subarray(0, n);
    held = all.length - taken.length;
    chunks = held > 0 ? [all.subarray(n)] : [];
    return taken;
  };
  return {
    socket,
    write: (bytes) => {
      if (ended === null) socket.write(bytes);
    },
    read: async (n) => {
      if (n > bounds.bytesMax) return null;
      while (held < n) {
        if (ended !== null) return null;
        await more();
      }
      return take(n);
    },
    some: async (ms) => {
      if (held === 0 && ended === null) await more(ms);
      return held === 0 ? null : take(held);
    },
    line: async () => {
      for (;;) {
        const at = gather().indexOf(10);
        if (at >= 0) {
          const line = take(at + 1);
          return at > LINE_BYTES_MAX ? null : line.toString('latin1').replace(/\r?\n$/, '');
        }
        if (held > LINE_BYTES_MAX || ended !== null) return null;
        await more();
      }
    },
    close: () => {
      clearTimeout(timer);
      ended ??= 'closed';
      socket.destroy();
    },
    detach: () => {
      clearTimeout(timer);
      socket.off('data', onData);
      socket.off('end', onClose);
    },
    get bytes() {
      return total;
    },
    get ended() {
      return ended;
    },
    get waiting() {
      return gather();
    },
  };
}
