/** Syslog over UDP (RFC 5426): one datagram, one record; what cannot be taken is counted, by the kernel or here. */

import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { SourceId } from '../../core/index.ts';
import type { Bucket } from '../ingest-bucket.ts';
import { createGather, GATHER_BYTES, type Gather } from '../ingest-gather.ts';
import type { Lane } from '../ingest-intake.ts';
import { type House, type Listener, listenError, peerAddress, shownAddress } from './syslog-house.ts';
import { udpDrops } from './syslog-udp-drops.ts';

/** The kernel gives what net.core.rmem_max allows: it carries us over a pause for garbage or a slow disk. */
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024;
const DROPS_MS = 5000;
/** Peers remembered at once; the one that was silent longest is looked up again when it comes back. */
const PEERS_MAX = 4096;
/** Held for a peer while its source is being looked up. */
const EARLY_BYTES_MAX = 256 * 1024;

const OVERLOAD = 'UDP records refused: more arrives than can be written';
const TOO_FAST = 'UDP records refused: the source is over its rate';

interface Peer {
  source: SourceId | null;
  gather: Gather;
  lane: Lane | null;
  bucket: Bucket | null;
  early: { data: Uint8Array; ends: Uint32Array }[];
  earlyBytes: number;
}

function createPeer(house: House, address: string): Peer {
  const peer: Peer = {
    source: null,
    lane: null,
    bucket: null,
    early: [],
    earlyBytes: 0,
    gather: createGather(GATHER_BYTES, (data, ends) => {
      if (peer.lane && peer.source) {
        peer.lane.push(house.block(peer.source, address, data, ends));
      } else {
        peer.early.push({ data, ends });
        peer.earlyBytes += data.length;
        house.budget.take(data.length);
      }
    }),
  };
  house.sources.ensure('syslog', address, { address }).then(
    (source) => {
      peer.source = source;
      peer.lane = house.lane(source);
      peer.bucket = house.bucket(source);
      house.budget.give(peer.earlyBytes);
      for (const { data, ends } of peer.early.splice(0)) peer.lane.push(house.block(source, address, data, ends));
      peer.earlyBytes = 0;
    },
    () => house.budget.give(peer.earlyBytes),
  );
  return peer;
}

/** Why this datagram cannot be taken now; null when it can. */
function refusal(house: House, peer: Peer): string | null {
  if (house.budget.full) return OVERLOAD;
  if (!peer.bucket) return peer.earlyBytes + peer.gather.bytes > EARLY_BYTES_MAX ? OVERLOAD : null;
  const now = house.clock.now();
  if (peer.bucket.waitMs(now) > 0) return TOO_FAST;
  peer.bucket.take(1, now);
  return null;
}

export async function listenSyslogUdp(o: { host: string; port: number; house: House }): Promise<Listener> {
  const { house } = o;
  const socket = createSocket({
    type: isIPv6(o.host) ? 'udp6' : 'udp4',
    recvBufferSize: RECEIVE_BUFFER_BYTES,
  });
  const peers = new Map<string, Peer>();
  const retired = new Set<Lane>();
  const peerOf = (address: string): Peer => {
    let peer = peers.get(address);
    if (peer) return peer;
    if (peers.size >= PEERS_MAX) {
      const [oldest, gone] = peers.entries().next().value as [string, Peer];
      gone.gather.flush();
      peers.delete(oldest);
      if (gone.lane && gone.lane.bytes > 0) {
        const lane = gone.lane;
        retired.add(lane);
        void lane.drained().then(() => retired.delete(lane));
      }
    }
    peer = createPeer(house, address);
    peers.set(address, peer);
    return peer;
  };
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const peer = peerOf(peerAddress(from.address));
    const reason = refusal(house, peer);
    if (reason !== null) {
      if (peer.source) house.sources.fault(peer.source, reason, 1);
      return;
    }
    let end = bytes.length;
    while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 13 || bytes[end - 1] === 0)) end--;
    if (end === 0) return;
    peer.gather.add(bytes, 0, end);
    house.soon(peer.gather);
  });
  const bound = once(socket, 'listening');
  socket.bind({ address: o.host, port: o.port });
  await bound.catch((error) => {
    socket.close();
    throw listenError(error, `UDP port ${o.host}:${o.port}`);
  });
  socket.on('error', (error) => house.log({ err: error }, 'the UDP listener reported an error'));
  const address = shownAddress(socket.address());
  const stopCounting = countDrops(house, socket.address().port, address);
  return {
    name: 'syslog-udp',
    address,
    async close() {
      stopCounting();
      await new Promise<void>((resolve) => socket.close(() => resolve()));
      for (const peer of peers.values()) peer.gather.flush();
      const lanes = [...retired, ...[...peers.values()].flatMap((peer) => (peer.lane ? [peer.lane] : []))];
      await Promise.all(lanes.map((lane) => lane.drained()));
    },
  };
}

/** Looks after the kernel's own count every few seconds; answers the function that stops it. */
function countDrops(house: House, port: number, address: string): () => void {
  let seen: number | null = null;
  const look = async () => {
    const tables = await Promise.all(
      ['/proc/net/udp', '/proc/net/udp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
    );
    const now = tables.reduce((sum, table) => sum + udpDrops(table, port), 0);
    const more = now - (seen ?? 0);
    seen = now;
    if (more <= 0) return;
    // The kernel does not say whose datagrams they were.
    const source = await house.sources.ensure('syslog', `UDP ${address}`, { address });
    house.sources.fault(source, 'UDP datagrams dropped by the kernel: its receive buffer was full', more);
  };
  const safeLook = () => void look().catch((error) => house.log({ err: error }, 'UDP drops cannot be read'));
  const timer = setInterval(safeLook, DROPS_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    safeLook();
  };
}
