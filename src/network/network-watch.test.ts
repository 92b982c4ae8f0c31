/** Signs of somebody in the middle: each is seen, names what was readable meanwhile, and its harmless relative is not taken for it. */

import { describe, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { hidesOthers } from './network-routers.ts';
import { connection, ethernet, inspectBytes, ipv4, MLLP, pcap, said, tcp, udp } from './network-testing.ts';

const link = (frames: readonly Uint8Array[]) => inspectBytes(pcap(frames, { link: 1 }));
const kinds = (frames: readonly Uint8Array[]) =>
  link(frames).findings.map((one) => [one.kind, one.severity, one.asset.name]);
const only = (frames: readonly Uint8Array[], kind: string) => link(frames).findings.filter((one) => one.kind === kind);

const arp = (operation: number, mac: number, from: number, to: number, frameMac = mac) =>
  ethernet(
    0x0806,
    Buffer.from([0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, mac, 10, 1, 2, from, 2, 0, 0, 0, 0, 9, 10, 1, 2, to]),
    frameMac,
  );

describe('ARP', () => {
  test('answers that nobody asked for, with the clear text that passed meanwhile', () => {
    const lies = Array.from({ length: 6 }, () => arp(2, 66, 3, 9));
    const clear = connection([said('client', MLLP)]).map((packet) => ethernet(0x0800, packet));
    const [finding] = only([...lies, ...clear], 'arp-spoofing');
    expect(finding).toMatchObject({ severity: 'high', asset: { name: '10.1.2.3' } });
    expect(finding?.evidence[0]?.data).toMatchObject({
      suspect: '02:00:00:00:00:42',
      clear_flows: 1,
      flows: '10.1.2.3 → 10.1.9.9:40001 hl7',
    });
    // Asked and answered, again and again, is how it should be.
    const honest = Array.from({ length: 6 }, () => [arp(1, 9, 9, 3), arp(2, 66, 3, 9)]).flat();
    expect(kinds(honest)).toEqual([]);
  });
  test('an answer that another machine sent', () => {
    expect(only([arp(1, 9, 9, 3), arp(2, 3, 3, 9, 66)], 'arp-spoofing')).toHaveLength(1);
  });
  test('fail-over is allowed by name, and virtual routers by their MAC', () => {
    const moved = [arp(1, 1, 5, 8), arp(1, 2, 5, 8), arp(1, 1, 5, 8)];
    const { seen } = link(moved);
    expect(assessInspection(seen, { routers: new Set() })).toHaveLength(1);
    expect(assessInspection(seen, { routers: new Set(), shared: new Set(['10.1.2.5']) })).toEqual([]);
    const virtual = Buffer.from(arp(1, 1, 5, 8));
    virtual.set([0, 0, 0x5e, 0, 1, 7], 22);
    expect(kinds([arp(1, 1, 5, 8), virtual])).toEqual([]);
  });
});

describe('who hands out addresses', () => {
  const dhcp = (mac: number, server: number, gateway: number) => {
    const body = Buffer.alloc(260);
    body.set([2, 1, 6, 0], 0);
    body.set([10, 1, 2, 50], 16);
    body.set([0x63, 0x82, 0x53, 0x63, 53, 1, 5, 54, 4, 10, 1, 2, server, 3, 4, 10, 1, 2, gateway, 255], 236);
    return ethernet(0x0800, ipv4(17, udp(67, 68, body), [10, 1, 2, server], [10, 1, 2, 50]), mac);
  };
  test('a second server with another gateway; a pair that agrees', () => {
    expect(kinds([dhcp(1, 1, 1)])).toEqual([]);
    expect(only([dhcp(1, 1, 1), dhcp(6, 66, 66)], 'rogue-dhcp-server').map((one) => one.severity)).toEqual([
      'high',
      'high',
    ]);
    expect(only([dhcp(1, 1, 1), dhcp(6, 2, 1)], 'rogue-dhcp-server').map((one) => one.severity)).toEqual([
      'low',
      'low',
    ]);
    const { seen } = link([dhcp(1, 1, 1), dhcp(6, 66, 66)]);
    const known = assessInspection(seen, { routers: new Set(), shared: new Set(['10.1.2.1']) });
    expect(known.map((one) => one.asset.name)).toEqual(['10.1.2.66']);
  });
});

/** A question or an answer for one name (RFC 1035 section 4). */
function dns(name: string, address: readonly number[] | null, id = 7): Buffer {
  const labels = Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
  const head = Buffer.from([0, id, address ? 0x84 : 1, 0, 0, 1, 0, address ? 1 : 0, 0, 0, 0, 0]);
  const question = Buffer.concat([labels, Buffer.from([0, 1, 0, 1])]);
  const answer = address ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...address]) : Buffer.alloc(0);
  return Buffer.concat([head, question, answer]);
}

describe('names', () => {
  const client = [10, 1, 2, 3];
  const liar = [10, 1, 2, 66];
  const answer = (name: string, from: readonly number[], port: number) =>
    ethernet(0x0800, ipv4(17, udp(port, 50_000, dns(name, from)), from, client), from[3]);
  test('a machine that answers for everything, and one that answers for itself', () => {
    const names = ['printr', 'fileshare', 'intranett', 'scanner'];
    expect(
      only(
        names.map((name) => answer(name, liar, 5355)),
        'name-poisoning',
      ),
    ).toMatchObject([{ severity: 'high', asset: { name: '10.1.2.66' } }]);
    expect(kinds(Array.from({ length: 9 }, () => answer('ward-pc-7', liar, 5355)))).toEqual([]);
    expect(only([answer('wpad', liar, 5355)], 'name-poisoning')).toHaveLength(1);
  });
  test('two answers to one DNS question', () => {
    const ask = ethernet(0x0800, ipv4(17, udp(50_000, 53, dns('his.example', null)), client, [10, 1, 2, 1]), 3);
    const reply = (value: readonly number[], mac: number) =>
      ethernet(0x0800, ipv4(17, udp(53, 50_000, dns('his.example', value)), [10, 1, 2, 1], client), mac);
    expect(only([ask, reply([10, 1, 5, 5], 66), reply([10, 1, 7, 7], 1)], 'dns-conflicting-answers')).toMatchObject([
      { severity: 'high', evidence: [{ data: { other_machine: '02:00:00:00:00:42' } }] },
    ]);
    expect(kinds([ask, reply([10, 1, 5, 5], 1), reply([10, 1, 5, 5], 1)])).toEqual([]);
    // Asked twice, answered twice: what a farm does.
    expect(kinds([ask, ask, reply([10, 1, 5, 5], 1), reply([10, 1, 7, 7], 1)])).toEqual([]);
  });
});

test('redirects', () => {
  const inner = ipv4(17, udp(1, 2, Buffer.alloc(8)), [10, 1, 2, 3], [10, 9, 9, 9]);
  const icmp = Buffer.concat([Buffer.from([5, 1, 0, 0, 10, 1, 2, 66]), inner]);
  const [finding] = only([ethernet(0x0800, ipv4(1, icmp, [10, 1, 2, 1], [10, 1, 2, 3]), 66)], 'icmp-redirect');
  expect(finding).toMatchObject({ severity: 'medium', evidence: [{ data: { new_gateway: '10.1.2.66' } }] });
});

test('a packet that goes on under another name', () => {
  const hop = (from: number, to: number, seq: number) => {
    const frame = ethernet(0x0800, ipv4(6, tcp(51_000, 2575, seq, 0, 24, Buffer.from('hello there'))), from);
    frame[5] = to;
    return frame;
  };
  const twice = [hop(3, 66, 1), hop(66, 9, 1)];
  const [finding] = only(twice, 'relayed-traffic');
  expect(finding).toMatchObject({ severity: 'medium', evidence: [{ data: { first_sender: '02:00:00:00:00:03' } }] });
  expect(kinds([hop(3, 9, 1), hop(3, 9, 1), hop(3, 9, 12)])).toEqual([]);
  const { seen } = link(twice);
  expect(assessInspection(seen, { routers: new Set(['02:00:00:00:00:42']) })).toEqual([]);
});

test('an offer to encrypt that arrives overwritten', () => {
  const talk = (offer: string) =>
    connection([
      said('server', '220 mx ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', `250-mx\r\n250-${offer}\r\n250 AUTH PLAIN\r\n`),
      said('client', 'AUTH PLAIN AGEAYg==\r\n'),
    ]).map((packet) => ethernet(0x0800, packet));
  expect(only(talk('XXXXXXXX'), 'starttls-stripped')).toHaveLength(1);
  expect(only(talk('SIZE 1000'), 'starttls-stripped')).toEqual([]);
});

describe('routers made for homes', () => {
  const page = (text: string) =>
    connection([
      said('client', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      said('server', `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${text.length}\r\n\r\n${text}`),
    ]).map((packet, i) => ethernet(0x0800, packet, i % 2 === 0 ? 3 : 9));
  test('several hop limits behind one address', () => {
    expect(hidesOthers([64, 63])).toBe(true);
    expect(hidesOthers([127, 63])).toBe(true);
    expect(hidesOthers([64, 255, 1])).toBe(false);
    expect(hidesOthers([63])).toBe(false);
  });
  test('a UPnP gateway calls itself one', () => {
    const notify = Buffer.from(
      'NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nSERVER: Linux UPnP/1.0 FRITZ!Box 7490\r\n\r\n',
    );
    const frame = ethernet(0x0800, ipv4(17, udp(1900, 1900, notify), [10, 1, 2, 1], [239, 255, 255, 250]), 1);
    const { findings, seen } = link([frame]);
    expect(findings).toMatchObject([{ kind: 'consumer-router' }]);
    const overrides = new Map([['02:00:00:00:00:01', { verdict: 'professional' as const, owner: 'per_x' }]]);
    expect(assessInspection(seen, { routers: new Set(), overrides })).toEqual([]);
  });
  test('a page that only has the name in its title is no router', () => {
    expect(kinds(page('<html><title>Netgear switches in stock</title></html>'))).toEqual([]);
  });
});
