import { BlockList, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baseText, blockedRange, contains, overlaps, parseRange, rangeText } from './response-address.ts';

const range = (text: string) => parseRange(text) as NonNullable<ReturnType<typeof parseRange>>;

describe('addresses', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7/24', '203.0.113.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
    ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
    ['2001:db8:1:2:3:4:5:6/64', '2001:db8:1:2::/64'],
    ['::', '::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s', (text, wanted) => expect(rangeText(range(text))).toBe(wanted));

  test.each([
    '',
    'a',
    '1.2.3',
    '1.2.3.4/33',
    '1.2.3.4/',
    '1.2.3.4/-1',
    'fe80::1%eth0',
    '::/129',
    '1.2.3.4 ',
    '01.2.3.4',
  ])('%j is none', (text) => expect(parseRange(text)).toBeNull());

  test('an IPv6 attacker is its /64', () => {
    expect(rangeText(blockedRange(range('2001:db8:1:2:3:4:5:6')))).toBe('2001:db8:1:2::/64');
    expect(rangeText(blockedRange(range('2001:db8::/48')))).toBe('2001:db8::/48');
    expect(rangeText(blockedRange(range('203.0.113.7')))).toBe('203.0.113.7');
  });

  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  test('containment is what Node’s own block list says', () => {
    fc.assert(
      fc.property(address, address, fc.nat(128), (a, b, n) => {
        const v6 = isIPv6(a);
        const prefix = n % (v6 ? 129 : 33);
        const list = new BlockList();
        list.addSubnet(a, prefix, v6 ? 'ipv6' : 'ipv4');
        const outer = parseRange(`${a}/${prefix}`);
        const inner = parseRange(b);
        // Mapped addresses are one family here and two there.
        fc.pre(outer !== null && inner !== null && outer.version === inner.version);
        fc.pre((outer.version === 6) === v6 && (inner.version === 6) === isIPv6(b));
        expect(contains(outer, inner)).toBe(list.check(b, isIPv6(b) ? 'ipv6' : 'ipv4'));
        expect(overlaps(inner, outer)).toBe(contains(outer, inner) || contains(inner, outer));
      }),
    );
  });
  test('what is written is read as the same', () => {
    fc.assert(
      fc.property(address, (text) => {
        const one = range(text);
        expect(parseRange(baseText(one))).toEqual(one);
      }),
    );
  });
});
