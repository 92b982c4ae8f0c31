import { describe, expect, test } from 'vitest';
import { addressKey, isLoopback, parseHost } from './api-address.ts';
import { createThrottle, delaySec, THROTTLE_RULES } from './api-throttle.ts';

describe('the throttle', () => {
  test('free failures, then a doubling wait up to the cap, forgotten in time, never for ever', () => {
    const clock = { ms: 1_000_000, now: () => clock.ms };
    const throttle = createThrottle(clock);
    const keys = [['code', 'per_1']] as const;
    for (let i = 0; i < 4; i++) throttle.fail(keys);
    expect(throttle.waitSec(keys)).toBe(0);
    throttle.fail(keys);
    expect(throttle.waitSec(keys)).toBe(5);
    throttle.fail(keys);
    expect(throttle.waitSec(keys)).toBe(10);
    for (let i = 0; i < 60; i++) throttle.fail(keys);
    expect(throttle.waitSec(keys)).toBe(900);
    clock.ms += 900_000;
    expect(throttle.waitSec(keys)).toBe(0);
    clock.ms += THROTTLE_RULES.code.forgetSec * 1000;
    throttle.fail(keys);
    expect(throttle.waitSec(keys)).toBe(0);
  });

  test('the longest wait of several keys counts, and clearing one leaves the others', () => {
    const clock = { now: () => 5_000_000 };
    const throttle = createThrottle(clock);
    for (let i = 0; i < 12; i++)
      throttle.fail([
        ['pair', 'a'],
        ['account', 'b'],
      ]);
    expect(throttle.waitSec([['account', 'b']])).toBe(8);
    expect(
      throttle.waitSec([
        ['pair', 'a'],
        ['account', 'b'],
      ]),
    ).toBe(256);
    throttle.clear([['pair', 'a']]);
    expect(
      throttle.waitSec([
        ['pair', 'a'],
        ['account', 'b'],
      ]),
    ).toBe(8);
  });

  test('no wait is longer than its cap', () => {
    for (const rule of Object.values(THROTTLE_RULES)) expect(delaySec(rule, 1e9)).toBe(rule.capSec);
  });

  test('names that nobody has cannot push out the counters of people', () => {
    const throttle = createThrottle({ now: () => 9_000_000 });
    for (let i = 0; i < 12; i++) throttle.fail([['account', 'marta']]);
    for (let i = 0; i < 25_000; i++) throttle.fail([['nobody', `name${i}`]]);
    expect(throttle.waitSec([['account', 'marta']])).toBeGreaterThan(0);
  });
});

describe('addresses', () => {
  test('IPv6 counts by /64, IPv4 whole, mapped as IPv4', () => {
    expect(addressKey('2001:db8:1:2:aaaa::1')).toBe('2001:db8:1:2::/64');
    expect(addressKey('2001:0DB8:1:2::ffff')).toBe('2001:db8:1:2::/64');
    expect(addressKey('2001:db8:1:3::1')).toBe('2001:db8:1:3::/64');
    expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(addressKey('::1')).toBe('0:0:0:0::/64');
    expect(addressKey('::ffff:192.0.2.7')).toBe('192.0.2.7');
    expect(addressKey('192.0.2.7')).toBe('192.0.2.7');
  });

  test('loopback is an address of this machine, not a name that looks like one', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'].every(isLoopback)).toBe(true);
    expect(['127.0.0.1.evil.example', '0.0.0.0', '10.0.0.1', 'localhost.evil.example'].some(isLoopback)).toBe(false);
  });

  test('Host headers', () => {
    expect(parseHost('Desk.Example:8420')).toEqual({ host: 'desk.example', port: '8420' });
    expect(parseHost('[::1]:8420')).toEqual({ host: '[::1]', port: '8420' });
    expect(parseHost('desk.example.')).toEqual({ host: 'desk.example', port: '' });
    expect(parseHost('')).toBeNull();
    expect(parseHost('[::1')).toBeNull();
  });
});
