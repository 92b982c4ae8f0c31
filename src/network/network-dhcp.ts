/** DHCP for IPv4 and IPv6 (RFC 2131, 2132, 8415): who hands out addresses and gateways, and what clients call themselves. */

import { systemOf } from './network-assets.ts';
import { address6, be16, be32, deviceName, hex, latin1 } from './network-bytes.ts';

const COOKIE = 0x63825363;
const OPTIONS_AT = 240;

export interface DhcpServer {
  readonly version: 4 | 6;
  readonly mac: string;
  readonly address: string;
  readonly id: string;
  readonly vlan: number;
  readonly gateways: Set<string>;
  /** Name servers that it hands out. */
  readonly resolvers: Set<string>;
  readonly clients: Set<string>;
  count: number;
  readonly firstMs: number;
  lastMs: number;
  readonly packet: number;
  readonly file: string;
}

export interface DhcpSaid {
  readonly fromServer: boolean;
  readonly mac: string;
  /** The address that the client has, asks for or gets. */
  readonly client: string;
  readonly relay: string;
  readonly serverId: string;
  readonly gateway: string;
  readonly resolvers: readonly string[];
  readonly hostName: string;
  readonly vendorClass: string;
  readonly system: string;
}

export const isDhcp = (b: Uint8Array, at: number, end: number): boolean =>
  end - at > OPTIONS_AT &&
  (b[at] === 1 || b[at] === 2) &&
  b[at + 1] === 1 &&
  b[at + 2] === 6 &&
  be32(b, at + 236) === COOKIE;

const address = (b: Uint8Array, at: number): string =>
  be32(b, at) === 0 ? '' : `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;

/** Null when the message type is missing. */
export function readDhcp(b: Uint8Array, at: number, end: number): DhcpSaid | null {
  let type = 0;
  let serverId = '';
  let gateway = '';
  const resolvers: string[] = [];
  let asked = '';
  let hostName = '';
  let vendorClass = '';
  for (let i = at + OPTIONS_AT; i < end && b[i] !== 255; ) {
    if (b[i] === 0) {
      i++;
      continue;
    }
    const length = b[i + 1] ?? 0;
    const value = i + 2;
    if (value + length > end) break;
    if (b[i] === 53) type = b[value]!;
    else if (b[i] === 54 && length === 4) serverId = address(b, value);
    else if (b[i] === 3 && length >= 4) gateway = address(b, value);
    else if (b[i] === 6) for (let j = 0; j + 4 <= length && j < 32; j += 4) resolvers.push(address(b, value + j));
    else if (b[i] === 50 && length === 4) asked = address(b, value);
    else if (b[i] === 12) hostName = latin1(b, value, value + length);
    else if (b[i] === 60) vendorClass = latin1(b, value, value + length);
    i = value + length;
  }
  if (type === 0) return null;
  const fromServer = b[at] === 2 && (type === 2 || type === 5);
  return {
    fromServer,
    mac: hex(b, at + 28, 6, ':'),
    client: fromServer ? address(b, at + 16) : address(b, at + 12) || asked,
    relay: address(b, at + 24),
    serverId,
    gateway,
    resolvers,
    hostName: deviceName(hostName, 64),
    vendorClass: deviceName(vendorClass, 64),
    system: vendorClass.startsWith('MSFT')
      ? 'Windows'
      : vendorClass.startsWith('android')
        ? 'Android'
        : systemOf(vendorClass),
  };
}

/** Name servers in an advertisement or a reply of a server that names itself (RFC 8415 section 7.3, RFC 3646); null otherwise. */
export function readDhcp6(b: Uint8Array, at: number, end: number): readonly string[] | null {
  if (b[at] !== 2 && b[at] !== 7) return null;
  const resolvers: string[] = [];
  let named = false;
  for (let i = at + 4; i + 4 <= end; i += 4 + be16(b, i + 2)) {
    const stop = Math.min(end, i + 4 + be16(b, i + 2));
    if (be16(b, i) === 2) named = true;
    else if (be16(b, i) === 23)
      for (let j = i + 4; j + 16 <= stop && resolvers.length < 8; j += 16) resolvers.push(address6(b, j));
  }
  return named ? resolvers : null;
}
