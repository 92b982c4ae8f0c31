/** One route of a relay: its listener, who may connect, the other end, and joining the two. */

import {
  type AddressInfo,
  type BlockList,
  connect as connectTcp,
  createServer,
  type Server,
  type Socket,
} from 'node:net';
import {
  connect as connectTls,
  createServer as createTlsServer,
  type PeerCertificate,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { AsepsisError } from '../../core/index.ts';
import { isWithin, networks, type RelayMaterial, type RelayRoute } from './relay-config.ts';
import type { Refusal, RelayCounts } from './relay-counts.ts';
import { abort, joinSockets, over } from './relay-join.ts';

const KEEPALIVE_MS = 30_000;
const HANDSHAKE_MS = 10_000;
/** Between sites only what is current: TLS 1.3, which also hides the certificates (RFC 8446). */
const TLS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

export interface RunningRoute {
  readonly route: RelayRoute;
  readonly port: number;
  /** New connections use these from now on; those that are there go on as they are. */
  change(route: RelayRoute, material: RelayMaterial): void;
  /** Takes no more connections; those that are there go on. */
  retire(): void;
  /** Ends everything. */
  close(): Promise<void>;
}

/** @throws PORT_TAKEN, PORT_FORBIDDEN, CONFIG_INVALID when the address cannot be listened on */
export async function startRoute(
  first: RelayRoute,
  firstMaterial: RelayMaterial,
  counts: RelayCounts,
): Promise<RunningRoute> {
  let route = first;
  let material = firstMaterial;
  let from: BlockList | null = allowed(route);
  const inbound = new Set<Socket>();
  const outbound = new Set<Socket>();

  const refuse = (socket: Socket, why: Refusal, detail: string) => {
    counts.refused(route.name, why, detail);
    abort(socket);
  };
  const raw = (socket: Socket): boolean => {
    socket.on('error', () => {});
    if (from !== null && !isWithin(from, socket.remoteAddress ?? '')) {
      refuse(socket, 'address', 'an address that is not allowed');
      return false;
    }
    if (inbound.size >= route.connections_max) {
      refuse(socket, 'full', `${route.connections_max} connections are open already`);
      return false;
    }
    inbound.add(socket);
    socket.once('close', () => inbound.delete(socket));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    return true;
  };
  const bridge = async (inside: Socket) => {
    const { name } = route;
    const startedMs = performance.now();
    counts.opened(name);
    let outside: Socket;
    try {
      outside = await (route.side === 'near' ? openTls(route, material) : openClear(route));
    } catch (error) {
      counts.refused(name, 'unreachable', (error as Error).message);
      counts.closed(name, 'unreachable');
      abort(inside);
      return;
    }
    if (inside.destroyed) {
      counts.closed(name, 'broken');
      abort(outside);
      return;
    }
    outside.setNoDelay(true);
    outside.setKeepAlive(true, KEEPALIVE_MS);
    counts.ready(name, (performance.now() - startedMs) / 1000);
    outbound.add(outside);
    joinSockets(inside, outside, {
      idleMs: route.idle_sec * 1000,
      onBytes: (fromInside, bytes) => counts.bytes(name, fromInside, bytes),
      onClosed: (why) => {
        outbound.delete(outside);
        counts.closed(name, why);
      },
    });
  };

  const server: Server = route.side === 'near' ? clearServer() : tlsServer();
  function clearServer(): Server {
    const made = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      if (raw(socket)) void bridge(socket);
    });
    return made;
  }
  function tlsServer(): TlsServer {
    const made = createTlsServer({
      ...TLS,
      ...material,
      requestCert: true,
      rejectUnauthorized: true,
      allowHalfOpen: true,
      pauseOnConnect: true,
      handshakeTimeout: HANDSHAKE_MS,
    });
    // Before the handshake: strangers cost no cryptography.
    const waiting = new Map<string, Socket>();
    made.prependListener('connection', (socket: Socket) => {
      if (!raw(socket)) return;
      const peer = peerOf(socket);
      waiting.set(peer, socket);
      socket.once('close', () => waiting.delete(peer));
    });
    made.on('tlsClientError', (error: Error) => counts.refused(route.name, 'handshake', plainFault(error)));
    made.on('secureConnection', (socket: TLSSocket) => {
      socket.on('error', () => {});
      const tcp = waiting.get(peerOf(socket));
      if (tcp) over(socket, tcp);
      const names = namesOf(socket.getPeerCertificate());
      if (!names.some((name) => route.peers.includes(name)))
        return refuse(socket, 'name', `a certificate for ${names.slice(0, 3).join(', ') || 'nobody'}`);
      void bridge(socket);
    });
    return made;
  }

  await listen(server, route);
  counts.listening(route.name, true);
  return {
    get route() {
      return route;
    },
    port: (server.address() as AddressInfo).port,
    change: (next, nextMaterial) => {
      route = next;
      material = nextMaterial;
      from = allowed(next);
      if (next.side === 'far') (server as TlsServer).setSecureContext({ ...TLS, ...nextMaterial });
    },
    retire: () => {
      counts.listening(route.name, false);
      server.close();
    },
    close: async () => {
      counts.listening(route.name, false);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of [...inbound, ...outbound]) abort(socket);
      await closed;
    },
  };
}

const peerOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

function allowed(route: RelayRoute): BlockList | null {
  if (route.from.length === 0) return null;
  return networks(route.from, (entry) => new AsepsisError('CONFIG_INVALID', `${route.name}: ${entry} is no network.`));
}

function listen(server: Server, route: RelayRoute): Promise<void> {
  const where = `${route.listen.host} port ${route.listen.port} (route ${route.name})`;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code =
        error.code === 'EADDRINUSE' ? 'PORT_TAKEN' : error.code === 'EACCES' ? 'PORT_FORBIDDEN' : 'CONFIG_INVALID';
      reject(new AsepsisError(code, `${where}: ${error.message}.`, { cause: error }));
    });
    server.listen({ host: route.listen.host, port: route.listen.port, exclusive: true }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {});
      resolve();
    });
  });
}

/** The names that a certificate carries: DNS names, or its common name where it has none. */
export function namesOf(certificate: PeerCertificate): string[] {
  const listed = (certificate.subjectaltname ?? '')
    .split(', ')
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice(4));
  const common = certificate.subject?.CN;
  return listed.length > 0 ? listed : typeof common === 'string' ? [common] : [];
}

/** OpenSSL's own words name the fault; the rest of its message is of no use to whoever reads it. */
function plainFault(error: Error): string {
  const reason = (error as { reason?: string }).reason ?? error.message;
  return reason.slice(0, 200);
}

/** The TLS connection to the far relay, whose certificate must carry one of the peers' names. */
export function openTls(route: RelayRoute, material: RelayMaterial): Promise<TLSSocket> {
  return opening(route, (fail) => {
    const tcp = connectTcp({ host: route.to.host, port: route.to.port, allowHalfOpen: true });
    tcp.once('error', (error) => fail(error.message));
    const socket = connectTls({
      ...TLS,
      ...material,
      socket: tcp,
      servername: route.peers[0] as string,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
        const names = namesOf(certificate);
        if (names.some((name) => route.peers.includes(name))) return undefined;
        return new Error(`the certificate there is for ${names.slice(0, 3).join(', ') || 'nobody'}`);
      },
    });
    over(socket, tcp);
    socket.once('error', (error) => fail(plainFault(error)));
    return { socket, ready: 'secureConnect' };
  });
}

function openClear(route: RelayRoute): Promise<Socket> {
  return opening(route, (fail) => {
    const socket = connectTcp({ host: route.to.host, port: route.to.port, allowHalfOpen: true });
    socket.once('error', (error) => fail(error.message));
    return { socket, ready: 'connect' };
  });
}

function opening<S extends Socket>(
  route: RelayRoute,
  open: (fail: (why: string) => void) => { socket: S; ready: string },
): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${route.to.host} port ${route.to.port}: ${why}`));
    const { socket, ready } = open(fail);
    const timer = setTimeout(() => {
      fail(`no answer within ${route.connect_sec} s`);
      socket.destroy();
    }, route.connect_sec * 1000);
    socket.once(ready, () => {
      clearTimeout(timer);
      socket.pause();
      resolve(socket);
    });
    socket.once('close', () => {
      clearTimeout(timer);
      fail('it was closed at once');
    });
  });
}
