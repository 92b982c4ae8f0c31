/** Datagrams of a local network: DHCP, DNS and its local relatives, SSDP. Machines name themselves in them, and liars answer. */

import type { Assets } from './network-assets.ts';
import { be16, be32, latin1, startsWith } from './network-bytes.ts';
import { type DhcpServer, isDhcp, readDhcp, readDhcp6 } from './network-dhcp.ts';
import type { Flow } from './network-flow.ts';
import { createNames } from './network-names.ts';
import type { Moment } from './network-packet.ts';
import type { Signs } from './network-signs.ts';
import type { FlowTable } from './network-table.ts';

export type { DhcpServer } from './network-dhcp.ts';

export interface NeighbourDeps {
  readonly moment: Moment;
  readonly signs: Signs;
  readonly assets: Assets;
  readonly table: FlowTable;
}

export interface Neighbours {
  /** True when it was one of these, and nobody else needs to look. */
  read(flow: Flow, dir: number, b: Uint8Array, at: number, end: number): boolean;
  dhcpServers(): DhcpServer[];
}

const SERVERS_MAX = 512;

export function createNeighbours(deps: NeighbourDeps): Neighbours {
  const { moment, assets, table } = deps;
  const servers = new Map<string, DhcpServer>();
  const names = createNames(deps);

  const server = (
    version: 4 | 6,
    address: string,
    id: string,
    said: { readonly gateway: string; readonly resolvers: readonly string[] },
    client: string,
  ): void => {
    const key = `${version}|${moment.mac()}|${address}|${moment.vlan}`;
    let known = servers.get(key);
    if (!known) {
      if (servers.size >= SERVERS_MAX) return;
      const { timeMs, packet, file, vlan } = moment;
      known = {
        version,
        mac: moment.mac(),
        address,
        id,
        vlan,
        gateways: new Set(),
        resolvers: new Set(),
        clients: new Set(),
        count: 0,
        firstMs: timeMs,
        lastMs: timeMs,
        packet,
        file,
      };
      servers.set(key, known);
    }
    known.count++;
    known.lastMs = Math.max(known.lastMs, moment.timeMs);
    if (said.gateway !== '' && known.gateways.size < 8) known.gateways.add(said.gateway);
    for (const one of said.resolvers) if (one !== '' && known.resolvers.size < 8) known.resolvers.add(one);
    if (client !== '' && known.clients.size < 256) known.clients.add(client);
  };

  const dhcp = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void => {
    const said = readDhcp(b, at, end);
    if (!said) return;
    const from = table.address(flow, dir);
    // Through a relay agent it is the relay's frame; the server names itself in option 54.
    if (said.fromServer) server(4, said.relay === '' ? from : said.serverId, said.serverId, said, said.client);
    else if (said.client !== '') {
      assets.card(said.client, said.mac);
      assets.fact(said.client, 'dhcp-name', said.hostName);
      assets.fact(said.client, 'dhcp-class', said.vendorClass);
      assets.fact(said.client, 'system', said.system);
    }
  };

  const ssdp = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void => {
    const text = latin1(b, at, Math.min(end, at + 1500));
    if (!/\r\n(?:ST|NT): /i.test(text)) return;
    const value = /\r\nSERVER: {0,4}([^\r]{1,120})\r/i.exec(text)?.[1] ?? '';
    const from = table.address(flow, dir);
    assets.said(from, 'banner', value);
    if (/\r\n(?:ST|NT): {0,4}urn:schemas-upnp-org:device:InternetGatewayDevice/i.test(text))
      assets.fact(from, 'ssdp-server', 'InternetGatewayDevice');
  };

  return {
    dhcpServers: () => [...servers.values()],
    read(flow, dir, b, at, end) {
      const length = end - at;
      if (isDhcp(b, at, end)) {
        dhcp(flow, dir, b, at, end);
        return true;
      }
      const source = table.port(flow, dir);
      const target = table.port(flow, dir ^ 1);
      if (source === 547 && length > 4) {
        const resolvers = readDhcp6(b, at, end);
        if (resolvers !== null)
          server(6, table.address(flow, dir), '', { gateway: '', resolvers }, table.address(flow, dir ^ 1));
        return true;
      }
      if (source === 53 || target === 53 || source === 5353 || source === 5355 || target === 5355 || source === 137) {
        // Twelve bytes of header with few questions; anything else on these ports is not a name.
        if (length >= 12 && be16(b, at + 4) <= 16 && be32(b, at + 6) !== 0xffffffff)
          return names.read(flow, dir, source, target, b, at, end);
        return false;
      }
      if (startsWith(b, at, end, 'NOTIFY * ') || startsWith(b, at, end, 'HTTP/1.1 200 OK')) {
        ssdp(flow, dir, b, at, end);
        return true;
      }
      return false;
    },
  };
}
