import { expect, test } from 'vitest';
import { countFailures } from './detection-round.ts';

test('failures are counted by the address that sshd wrote, not by what a user name pretends', () => {
  const text = [
    'Nov 24 02:00:01 vpn-1 sshd[1]: Failed password for root from 203.0.113.9 port 4022 ssh2',
    'Nov 24 02:00:02 vpn-1 sshd[1]: Failed password for invalid user x from 10.0.0.1 from 203.0.113.9 port 4023 ssh2',
    'Nov 24 02:00:03 vpn-1 sshd[1]: Accepted password for ada from 192.0.2.4 port 4024 ssh2',
    'Nov 24 02:00:04 vpn-1 sshd[1]: Failed password for ada from 2001:db8::7 port 4025 ssh2',
    'Failed password for nobody from',
  ].join('\n');
  expect([...countFailures(text)]).toEqual([
    ['203.0.113.9', 2],
    ['2001:db8::7', 1],
  ]);
});
