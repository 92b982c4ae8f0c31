/** A TLS client over a socket that the gate opened: for what is asked inside TLS, never for judging TLS itself. */

import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

const HANDSHAKE_MS = 4000;

/** Null when no handshake comes about. The other side is looked at, not trusted: no secret of ours is ever sent. */
export function secure(
  socket: Socket,
  name: string | undefined,
  o: { alpn?: readonly string[]; maxVersion?: 'TLSv1.2' } = {},
): Promise<TLSSocket | null> {
  return new Promise((resolve) => {
    const wrapped = connect({
      socket,
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      ciphers: 'ALL:@SECLEVEL=0',
      ...(name === undefined ? {} : { servername: name }),
      ...(o.maxVersion === undefined ? {} : { maxVersion: o.maxVersion }),
      ...(o.alpn === undefined ? {} : { ALPNProtocols: [...o.alpn] }),
    });
    const timer = setTimeout(() => {
      wrapped.destroy();
      socket.destroy();
      resolve(null);
    }, HANDSHAKE_MS);
    wrapped.once('secureConnect', () => {
      clearTimeout(timer);
      resolve(wrapped);
    });
    wrapped.on('error', () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(null);
    });
    wrapped.on('close', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}
