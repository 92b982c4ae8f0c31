/** What this machine itself must never lose: its own addresses, its gateways and its name servers. */

import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { gateways4, gateways6, nameservers, type Protected, protectedOf } from './response-allow.ts';

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

export async function protectedOfMachine(): Promise<Protected[]> {
  const own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address));
  const gateways = [...gateways4(await textOf('/proc/net/route')), ...gateways6(await textOf('/proc/net/ipv6_route'))];
  return [
    ...protectedOf(own, 'this machine'),
    ...protectedOf(gateways, 'the gateway'),
    ...protectedOf(nameservers(await textOf('/etc/resolv.conf')), 'a name server'),
  ];
}
