/** Reads the kernel's tables of listening sockets and tells which of them face outside. */

import { isPrivateAddress } from '../core/index.ts';

export interface Listening {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  readonly inode: string;
  readonly uid: number;
}

const ROWS_MAX = 20_000;
const TCP_LISTEN = '0A';
/** An unconnected UDP socket (include/net/tcp_states.h: TCP_CLOSE). */
const UDP_OPEN = '07';

/**
 * Rows of /proc/net/tcp, tcp6, udp or udp6 that wait for clients (proc(5)). Addresses are hexadecimal, each 32-bit
 * word in the machine's byte order, which is little-endian on every platform that Node 24 ships for.
 */
export function parseProcNet(text: string, protocol: 'tcp' | 'udp'): Listening[] {
  const sockets: Listening[] = [];
  for (const line of text.split('\n').slice(1, ROWS_MAX)) {
    const columns = line.trim().split(/ +/);
    const [local, remote, state] = [columns[1], columns[2], columns[3]];
    if (!local || !remote || state !== (protocol === 'tcp' ? TCP_LISTEN : UDP_OPEN)) continue;
    if (protocol === 'udp' && !remote.endsWith(':0000')) continue;
    const [hex, portHex] = local.split(':');
    const address = hexAddress(hex ?? '');
    const port = Number.parseInt(portHex ?? '', 16);
    if (address === null || !(port > 0)) continue;
    sockets.push({ protocol, address, port, inode: columns[9] ?? '', uid: Number(columns[7] ?? -1) });
  }
  return sockets;
}

function hexAddress(hex: string): string | null {
  if (!/^([0-9A-F]{8}|[0-9A-F]{32})$/i.test(hex)) return null;
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8)
    for (let byte = 6; byte >= 0; byte -= 2) bytes.push(Number.parseInt(hex.slice(word + byte, word + byte + 2), 16));
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (mapped) return bytes.slice(12).join('.');
  const words = Array.from({ length: 8 }, (_, i) =>
    (((bytes[i * 2] as number) << 8) | (bytes[i * 2 + 1] as number)).toString(16),
  );
  const text = words.join(':');
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** Where clients may come from, as far as the bound address tells. */
export type Reach = 'this machine' | 'the local network' | 'everywhere the machine is reachable';

export function reachOf(address: string): Reach {
  if (address.startsWith('127.') || address === '::1') return 'this machine';
  if (address === '0.0.0.0' || address === '::') return 'everywhere the machine is reachable';
  return isPrivateAddress(address) ? 'the local network' : 'everywhere the machine is reachable';
}
