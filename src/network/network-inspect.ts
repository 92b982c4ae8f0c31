/** One inspection: frames in, what was seen out. Holds no payload beyond what a parser waits for. */

import { createAssets, type Machine } from './network-assets.ts';
import { createBudget } from './network-budget.ts';
import type { PacketSink } from './network-capture.ts';
import type { CertificateServer } from './network-certificates.ts';
import { readDatagram } from './network-datagrams.ts';
import { createDetect } from './network-detect.ts';
import { captureLabel, type Hash } from './network-hash.ts';
import { createNeighbours, type DhcpServer } from './network-neighbours.ts';
import { createPacketDecoder, type Moment, type PacketCounts } from './network-packet.ts';
import { createQuic } from './network-quic.ts';
import { createReport, type Handshake, type Leak, type PairSeen } from './network-report.ts';
import { createSigns, type Sign } from './network-signs.ts';
import { createStreams, type StreamCounts } from './network-stream.ts';
import { createFlowTable } from './network-table.ts';
import { type ArpConflict, createWatch, type Router } from './network-watch.ts';

/** Open flows; a hundred bytes each. */
export const FLOWS_MAX = 1 << 20;
/** Flows in which something is read at once: up to 3 KB each. */
export const HELD_MAX = 20_000;
/** Bytes that wait in all flows together. */
export const WAITING_BYTES_MAX = 128 * 1024 * 1024;

export interface Inspection {
  readonly packets: Readonly<PacketCounts>;
  readonly streams: Readonly<StreamCounts>;
  readonly flows: { readonly opened: number; readonly evicted: number; readonly givenUp: number };
  /** Bytes that waited at most, that still wait, and how often there was no room. */
  readonly memory: { readonly peak: number; readonly left: number; readonly refused: number };
  readonly leaks: readonly Leak[];
  readonly leaksDropped: number;
  readonly conflicts: readonly ArpConflict[];
  readonly routers: readonly Router[];
  readonly pairs: ReadonlyMap<string, PairSeen>;
  readonly signs: readonly Sign[];
  readonly handshakes: readonly Handshake[];
  readonly certificates: readonly CertificateServer[];
  readonly machines: readonly Machine[];
  readonly dhcpServers: readonly DhcpServer[];
}

export interface Inspector {
  /** A new capture begins: packet numbers start again. Its name may hold anything: a label stands for it. */
  file(name: string): void;
  readonly frame: PacketSink;
  /** The next frame is the one behind this number. */
  numbered(packets: number): void;
  /** What was seen since the last time; flows stay open. */
  snapshot(): Inspection;
  finish(): Inspection;
}

/** `hash` is keyed with the installation's own key; nothing else ever sees a value. */
export function createInspector(o: {
  hash: Hash;
  flowsMax?: number;
  heldMax?: number;
  waitingBytesMax?: number;
  machinesMax?: number;
}): Inspector {
  const moment: Moment = { timeMs: 0, packet: 0, file: '-', vlan: 0, mac: () => '' };
  const signs = createSigns(moment);
  const assets = createAssets(moment, o.machinesMax);
  const table = createFlowTable({
    flowsMax: o.flowsMax ?? FLOWS_MAX,
    heldMax: o.heldMax ?? HELD_MAX,
    onGone(flow) {
      streams.finish(flow);
      if (flow.talked) report.unknown(flow);
    },
    onRest: (flow) => streams.rest(flow),
  });
  const report = createReport({
    table,
    moment,
    hash: o.hash,
    said: (address, what, value) => assets.said(address, what, value),
    signs,
  });
  const budget = createBudget(o.waitingBytesMax ?? WAITING_BYTES_MAX);
  const streams = createStreams(createDetect(report, moment, budget), budget);
  const watch = createWatch(moment, signs);
  const neighbours = createNeighbours({ moment, signs, assets, table });
  const quic = createQuic(report, moment);
  const decoder = createPacketDecoder({
    table,
    streams,
    moment,
    watch,
    // The sender is the first half of what was just looked up.
    sighted: (slot, dir, hopLimit, card) =>
      assets.sighted(table.probe, 0, hopLimit, card, () => table.address({ slot }, dir)),
    datagram(flow, dir, b, start, end) {
      if (neighbours.read(flow, dir, b, start, end) || quic.read(flow, dir, b, start, end)) return;
      readDatagram(report, flow, dir, b, start, end);
    },
  });
  const gathered = (): Inspection => ({
    packets: { ...decoder.counts },
    streams: { ...streams.counts },
    flows: { opened: table.opened, evicted: table.evicted, givenUp: table.givenUp },
    memory: { peak: budget.peak, left: budget.used, refused: budget.refused },
    leaks: [...report.leaks.values()],
    leaksDropped: report.dropped(),
    conflicts: [...watch.conflicts.values()],
    routers: [...watch.routers.values()],
    pairs: new Map(report.pairs),
    signs: [...signs.all.values()],
    handshakes: [...report.handshakes.values()],
    certificates: report.certificates.servers(),
    machines: assets.machines(),
    dhcpServers: neighbours.dhcpServers(),
  });
  return {
    file(name) {
      // Sequence numbers of another capture have nothing to do with these.
      table.clear();
      moment.file = captureLabel(o.hash, name);
      moment.packet = 0;
    },
    frame: decoder.frame,
    numbered(packets) {
      moment.packet = packets;
    },
    snapshot() {
      const seen = gathered();
      report.nextRound();
      signs.all.clear();
      watch.conflicts.clear();
      return seen;
    },
    finish() {
      table.clear();
      return gathered();
    },
  };
}
