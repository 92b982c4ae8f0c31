import { describe, expect, test } from 'vitest';
import { parseRange } from './response-address.ts';
import { ALWAYS_PROTECTED, gateways4, gateways6, nameservers, protectedOf, whyProtected } from './response-allow.ts';

const LISTS = [
  ...ALWAYS_PROTECTED,
  ...protectedOf(['10.0.0.0/8'], 'a network of your own'),
  ...protectedOf(['203.0.113.80', 'no address'], 'the medical device pump-3'),
];
const why = (text: string) => whyProtected(parseRange(text) as NonNullable<ReturnType<typeof parseRange>>, LISTS);

describe('what is never blocked', () => {
  test.each([
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['fe80::1', 'link-local'],
    ['255.255.255.255', 'reserved'],
    ['10.1.2.3', 'your own'],
    ['203.0.113.80', 'pump-3'],
    ['::ffff:10.1.2.3', 'your own'],
    // As it is blocked: the /64 holds all of IPv4, the pump too.
    ['64:ff9b::203.0.113.99', 'NAT64'],
    ['64:ff9b::/64', 'NAT64'],
    ['64:ff9b:1:2::1', 'NAT64'],
    // A range that holds a protected address would block it too.
    ['203.0.113.0/24', 'pump-3'],
    ['0.0.0.0/0', 'at most /16'],
    ['2001:db8::/16', 'at most /32'],
  ])('%s: %s', (text, part) => expect(why(text)).toContain(part));
  test.each(['203.0.113.81', '198.51.100.0/24', '2001:db8:1:2::/64'])('%s may be blocked', (text) =>
    expect(why(text)).toBeNull(),
  );
});

test('name servers and gateways are read as the system writes them', () => {
  expect(nameservers('# x\nnameserver 10.0.0.53\n nameserver fd00::53 \nsearch a\nnameserver\n')).toEqual([
    '10.0.0.53',
    'fd00::53',
  ]);
  const route = 'Iface\tDestination\tGateway\neth0\t00000000\t0102000A\t0003\neth0\t0000000A\t00000000\t0001\n';
  expect(gateways4(route)).toEqual(['10.0.2.1']);
  const zero = '0'.repeat(32);
  const route6 = `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000000 00000000 00000003 eth0\n`;
  expect(gateways6(route6)).toEqual(['fe80:0000:0000:0000:0000:0000:0000:0001']);
});
