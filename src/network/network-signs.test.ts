/** More signs of somebody in the middle: local names, IPv6, and certificates that only some see; with their harmless relatives. */

import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { ethernet, inspectBytes, ipv4, pcap, udp } from './network-testing.ts';

const link = (frames: readonly Uint8Array[]) => inspectBytes(pcap(frames, { link: 1 }));
const only = (frames: readonly Uint8Array[], kind: string) => link(frames).findings.filter((one) => one.kind === kind);

const CLIENT = [10, 1, 2, 3];
const LIAR = [10, 1, 2, 66];
const fe80 = (n: number) => `fe80${'0'.repeat(24)}${n.toString(16).padStart(4, '0')}`;
function ipv6(next: number, payload: Uint8Array, from: string, to: string, hops = 255): Buffer {
  const head = Buffer.from([0x60, 0, 0, 0, 0, 0, next, hops]);
  head.writeUInt16BE(payload.length, 4);
  return Buffer.concat([head, Buffer.from(from + to, 'hex'), payload]);
}

describe('NetBIOS names', () => {
  /** First-level encoding (RFC 1001 section 14.1). */
  const encoded = (name: string, kind = 0x20) =>
    Buffer.from(
      [...Buffer.from(name.toUpperCase().padEnd(15)), kind].flatMap((c) => [0x41 + (c >> 4), 0x41 + (c & 15)]),
    );
  const answer = (name: string, owner: readonly number[]) => {
    const body = Buffer.concat([
      Buffer.from([0, 9, 0x85, 0, 0, 0, 0, 1, 0, 0, 0, 0, 32]),
      encoded(name),
      Buffer.from([0, 0, 0x20, 0, 1, 0, 0, 0, 165, 0, 6, 0, 0, ...owner]),
    ]);
    return ethernet(0x0800, ipv4(17, udp(137, 137, body), owner, CLIENT), owner[3]);
  };
  test('a machine that answers for every name, one that answers for its own, and WPAD', () => {
    const lies = ['FILESRV', 'PRINTR', 'INTRANETT', 'SCANNER'].map((name) => answer(name, LIAR));
    expect(only(lies, 'name-poisoning')).toMatchObject([
      {
        severity: 'high',
        asset: { name: '10.1.2.66' },
        evidence: [{ data: { protocol: 'NetBIOS', names_answered: 4, suspect: '02:00:00:00:00:42' } }],
      },
    ]);
    expect(link(Array.from({ length: 9 }, () => answer('WARD-PC-7', LIAR))).findings).toEqual([]);
    expect(only([answer('WPAD', LIAR)], 'name-poisoning')).toHaveLength(1);
  });
});

describe('mDNS', () => {
  const labels = (name: string) =>
    Buffer.concat([
      ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
      Buffer.from([0]),
    ]);
  const answer = (name: string, owner: readonly number[]) => {
    const body = Buffer.concat([
      Buffer.from([0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
      labels(name),
      Buffer.from([0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, ...owner]),
    ]);
    return ethernet(0x0800, ipv4(17, udp(5353, 5353, body), owner, [224, 0, 0, 251]), owner[3]);
  };
  test('a machine that has every name, and one that tells its own again and again', () => {
    const lies = ['filesrv.local', 'printr.local', 'intranett.local', 'scanner.local'].map((name) =>
      answer(name, LIAR),
    );
    expect(only(lies, 'name-poisoning')).toMatchObject([{ evidence: [{ data: { protocol: 'mDNS' } }] }]);
    expect(link(Array.from({ length: 20 }, () => answer('printer-4.local', [10, 1, 2, 40]))).findings).toEqual([]);
  });
});

describe('IPv6', () => {
  const option = (code: number, value: Buffer) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(code, 0);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value]);
  };
  const dhcp = (server: number, resolver: string) =>
    ethernet(
      0x86dd,
      ipv6(
        17,
        udp(
          547,
          546,
          Buffer.concat([
            Buffer.from([7, 1, 2, 3]),
            option(1, Buffer.alloc(14, 5)),
            option(2, Buffer.alloc(14, server)),
            option(23, Buffer.from(resolver, 'hex')),
          ]),
        ),
        fe80(server),
        fe80(3),
      ),
      server,
    );
  const house = `fd00${'0'.repeat(27)}1`;

  test('a second DHCPv6 server that hands out another name server; a pair that agrees', () => {
    const rogue = only([dhcp(1, house), dhcp(66, fe80(66))], 'rogue-dhcp-server');
    expect(rogue.map((one) => [one.severity, one.asset.name])).toEqual([
      ['high', 'fe80::1'],
      ['high', 'fe80::42'],
    ]);
    expect(rogue[1]?.evidence[0]?.data).toMatchObject({ resolvers: 'fe80::42', mac: '02:00:00:00:00:42' });
    const pair = only([dhcp(1, house), dhcp(2, house)], 'rogue-dhcp-server');
    expect(pair.map((one) => one.severity)).toEqual(['low', 'low']);
    const { seen } = link([dhcp(1, house), dhcp(66, fe80(66))]);
    const known = assessInspection(seen, { routers: new Set(['02:00:00:00:00:01']) });
    expect(known.map((one) => one.asset.name)).toEqual(['fe80::42']);
  });
  test('the only DHCPv6 server names itself; one that is the router as well is no news', () => {
    expect(only([dhcp(66, fe80(66))], 'rogue-dhcp-server')).toMatchObject([{ severity: 'medium' }]);
    expect(link([dhcp(1, house)]).findings).toEqual([]);
    const advertisement = Buffer.from([134, 0, 0, 0, 64, 0, 7, 8, ...Buffer.alloc(8)]);
    const router = ethernet(0x86dd, ipv6(58, advertisement, fe80(66), `ff02${'0'.repeat(27)}1`), 66);
    expect(only([router, dhcp(66, fe80(66))], 'rogue-dhcp-server')).toEqual([]);
  });
  test('a redirect to another gateway; "it is on this link" is none', () => {
    const redirect = (target: string, destination: string) =>
      ethernet(
        0x86dd,
        ipv6(
          58,
          Buffer.concat([Buffer.from([137, 0, 0, 0, 0, 0, 0, 0]), Buffer.from(target + destination, 'hex')]),
          fe80(1),
          fe80(3),
        ),
        66,
      );
    expect(only([redirect(fe80(66), `20010db8${'0'.repeat(23)}5`)], 'icmp-redirect')).toMatchObject([
      { severity: 'medium', evidence: [{ data: { suspect: '02:00:00:00:00:42', new_gateway: 'fe80::42' } }] },
    ]);
    expect(link([redirect(fe80(7), fe80(7))]).findings).toEqual([]);
  });
});
