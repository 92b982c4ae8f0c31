/**
 * Joins two connections: bytes of one to the other, no faster than the other takes them. An end is passed on as an end
 * (half-close), a break as a break, so that nobody takes half a message for a whole one.
 */

import type { Socket } from 'node:net';

export interface JoinOptions {
  readonly idleMs: number;
  readonly onBytes: (fromFirst: boolean, bytes: number) => void;
  /** Once, when both are closed. */
  readonly onClosed: (why: 'ended' | 'idle' | 'broken', error: Error | null) => void;
}

export function joinSockets(first: Socket, second: Socket, o: JoinOptions): void {
  let open = 2;
  let why: 'ended' | 'idle' | 'broken' = 'ended';
  let fault: Error | null = null;
  const breakBoth = (reason: 'idle' | 'broken', error: Error | null) => {
    if (why === 'ended') {
      why = reason;
      fault = error;
    }
    for (const socket of [first, second]) abort(socket);
  };
  const carry = (from: Socket, to: Socket, fromFirst: boolean) => {
    let ended = false;
    from.on('data', (chunk: Buffer) => {
      o.onBytes(fromFirst, chunk.length);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => {
      ended = true;
      to.end();
    });
    from.on('error', (error) => breakBoth('broken', error));
    from.on('close', () => {
      // Closed without an end: what was said may not have been all of it.
      if (!ended && why === 'ended' && !to.destroyed) breakBoth('broken', fault);
      if (--open === 0) o.onClosed(why, fault);
    });
  };
  carry(first, second, true);
  carry(second, first, false);
  // Either direction counts as life: a sender of images hears nothing for a while.
  let lastMs = performance.now();
  const alive = () => {
    lastMs = performance.now();
  };
  for (const socket of [first, second]) {
    socket.on('data', alive);
    socket.setTimeout(o.idleMs, () => {
      if (performance.now() - lastMs >= o.idleMs - 1) breakBoth('idle', null);
    });
    socket.resume();
  }
}

const below = new WeakMap<Socket, Socket>();

/** Remembers the TCP connection below a TLS one: only that can be reset. */
export function over(tls: Socket, tcp: Socket): void {
  below.set(tls, tcp);
}

/**
 * Ends a connection so that the other end sees a break, not an end: by a reset, because Node shows a TLS connection that
 * was cut the same as one that ended. A TLS socket closes the TCP one below it, which must not be destroyed under it;
 * `resetAndClosing` is what `resetAndDestroy` sets before it destroys.
 */
export function abort(socket: Socket): void {
  if (socket.destroyed) return;
  const tcp = below.get(socket) as (Socket & { resetAndClosing?: boolean }) | undefined;
  if (tcp === undefined) {
    socket.resetAndDestroy();
    return;
  }
  tcp.resetAndClosing = true;
  socket.destroy();
}
