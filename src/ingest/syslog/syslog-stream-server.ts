/** Syslog over TCP and TLS (RFC 6587, RFC 5425): records in order from each connection, sockets paused instead of memory. */

import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { LIMITS } from '../../core/index.ts';
import { createGather, GATHER_BYTES } from '../ingest-gather.ts';
import { createFramer, type FrameFault } from './syslog-framing.ts';
import { type House, type Listener, listenError, peerAddress, shownAddress } from './syslog-house.ts';

/** One connection's bytes in flight: enough that the disk never waits for it. */
const CONNECTION_BYTES_MAX = 2 * 1024 * 1024;
/** Unfinished records over all connections; beyond it the one that holds much is closed. */
const PENDING_BYTES_MAX = 32 * 1024 * 1024;
const PENDING_SUSPECT_BYTES = 16 * 1024;
/** Connections of one address: a relay opens a few, an exhausting client thousands. */
const PER_ADDRESS_MAX = LIMITS.syslogConnectionsMax / 4;
const HANDSHAKE_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
const REFUSED_LOG_MS = 60_000;

const FAULTS: Record<FrameFault, string> = {
  cut: `records longer than ${LIMITS.recordBytesMax / 1024} KiB were cut`,
  'out-of-step': 'octet counts that do not fit (RFC 6587)',
  truncated: 'connections that ended in the middle of a record',
};

interface Connection {
  finish(): Promise<void>;
}

/** Reads one connection until it ends; `finish` stops reading and waits for what was read. */
async function readConnection(house: House, socket: Socket, peer: string): Promise<Connection> {
  const source = await house.sources.ensure('syslog', peer, { address: peer });
  const bucket = house.bucket(source);
  let held = false;
  let over = false;
  const lane = house.lane(source, () => release());
  const gather = createGather(GATHER_BYTES, (data, ends) => lane.push(house.block(source, peer, data, ends)));
  let taken = 0;
  const framer = createFramer({
    record(bytes, start, end) {
      taken++;
      gather.add(bytes, start, end);
    },
    fault: (what) => house.sources.fault(source, FAULTS[what], what === 'cut' ? 1 : 0),
  });
  const blocked = () => lane.bytes >= CONNECTION_BYTES_MAX || house.budget.full;
  const release = () => {
    if (!held || lane.bytes > CONNECTION_BYTES_MAX / 2) return;
    const debtMs = bucket.waitMs(house.clock.now());
    if (debtMs > 0) setTimeout(release, Math.min(debtMs, 1000));
    else if (house.budget.full) void house.budget.room().then(release);
    else {
      held = false;
      socket.resume();
    }
  };
  const hold = () => {
    held = true;
    socket.pause();
    // A lane with nothing in flight calls nobody back.
    if (lane.bytes === 0 || !blocked()) release();
  };
  socket.on('data', (chunk: Buffer) => {
    const before = framer.pending;
    taken = 0;
    framer.push(chunk);
    bucket.take(taken, house.clock.now());
    house.open.pendingBytes += framer.pending - before;
    if (gather.count > 0) house.soon(gather);
    if (house.open.pendingBytes > PENDING_BYTES_MAX && framer.pending > PENDING_SUSPECT_BYTES) {
      house.sources.fault(source, 'closed: too many unfinished records at once', 1);
      socket.destroy();
    } else if (blocked() || bucket.waitMs(house.clock.now()) > 0) hold();
  });
  const end = () => {
    if (over) return;
    over = true;
    house.open.pendingBytes -= framer.pending;
    framer.end();
    gather.flush();
  };
  socket.on('close', end);
  return {
    finish() {
      socket.destroy();
      end();
      return lane.drained();
    },
  };
}

/** Counts a new connection; false when there are too many. */
function admit(house: House, peer: string): boolean {
  const { open } = house;
  const mine = open.byAddress.get(peer) ?? 0;
  if (open.connections >= LIMITS.syslogConnectionsMax || mine >= PER_ADDRESS_MAX) return false;
  open.connections++;
  open.byAddress.set(peer, mine + 1);
  return true;
}

function dismiss(house: House, peer: string): void {
  const { open } = house;
  open.connections--;
  const mine = (open.byAddress.get(peer) ?? 1) - 1;
  if (mine > 0) open.byAddress.set(peer, mine);
  else open.byAddress.delete(peer);
}

function listen(server: Server, host: string, port: number, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, what)));
    server.listen({ host, port }, resolve);
  });
}

/** @param o.tls certificate and key: TLS 1.2 or newer (RFC 5425, RFC 9662); absent: plain TCP */
export async function listenSyslogStream(o: {
  name: string;
  host: string;
  port: number;
  house: House;
  tls?: Pick<TlsOptions, 'cert' | 'key' | 'ca' | 'requestCert' | 'rejectUnauthorized'>;
}): Promise<Listener> {
  const { house } = o;
  const connections = new Map<Socket, Promise<Connection | null>>();
  let refusedAtMs = Number.NEGATIVE_INFINITY;

  const refuse = (socket: Socket, peer: string) => {
    socket.destroy();
    const now = house.clock.now();
    if (now - refusedAtMs < REFUSED_LOG_MS) return;
    refusedAtMs = now;
    house.log({ listener: o.name, peer, open: house.open.connections }, 'too many syslog connections; one was refused');
  };
  const accept = (socket: Socket) => {
    const peer = peerAddress(socket.remoteAddress);
    socket.on('error', () => socket.destroy());
    const reading = readConnection(house, socket, peer).catch(() => {
      socket.destroy();
      return null;
    });
    connections.set(socket, reading);
    socket.on('close', () => connections.delete(socket));
  };
  const guard = (socket: Socket) => {
    const peer = peerAddress(socket.remoteAddress);
    if (!admit(house, peer)) return refuse(socket, peer);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => dismiss(house, peer));
    if (!o.tls) accept(socket);
  };
  const server = o.tls
    ? createTlsServer({ ...o.tls, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS }, accept)
    : createTcpServer();
  server.on('connection', guard);
  server.on('tlsClientError', (error: Error, socket: Socket) => {
    house.log(
      { listener: o.name, peer: peerAddress(socket.remoteAddress), reason: error.message },
      'TLS was not agreed',
    );
  });
  await listen(server, o.host, o.port, `${o.tls ? 'TLS' : 'TCP'} port ${o.host}:${o.port}`);
  server.on('error', (error) => house.log({ err: error, listener: o.name }, 'the listener reported an error'));
  return {
    name: o.name,
    address: shownAddress(server.address() as AddressInfo),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      const open = await Promise.all(connections.values());
      await Promise.all(open.map(async (connection) => connection?.finish()));
      await closed;
    },
  };
}
