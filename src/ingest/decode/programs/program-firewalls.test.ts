/** Lines of pairs and firewalls with a format of their own: who talked to whom, and whether it was let through. */

import { expect, test } from 'vitest';
import { decodeOne } from '../decode-testing.ts';

const PACKETS: readonly [name: string, line: string, action: string][] = [
  [
    'FortiGate',
    '<189>date=2024-05-10 time=12:01:02 devname="FG100" type="traffic" level="notice" srcip=192.0.2.1 srcport=5000 dstip=198.51.100.2 dstport=443 proto=6 action="deny" policyid=3',
    'deny',
  ],
  [
    'Sophos',
    'May 10 12:01:02 fw device="SFW" date=2024-05-10 time=12:01:02 log_type="Firewall" log_subtype="Allowed" src_ip=192.0.2.1 dst_ip=198.51.100.2 protocol="TCP" src_port=5000 dst_port=443',
    'allow',
  ],
  [
    'Palo Alto',
    '<14>May 10 12:01:02 pa 1,2024/05/10 12:01:02,01,TRAFFIC,drop,2561,2024/05/10 12:01:02,192.0.2.1,198.51.100.2,0.0.0.0,0.0.0.0,Rule,,,web,v,U,D,i,o,l,2024/05/10 12:01:02,1,1,5000,443,0,0,0x0,tcp,deny,60',
    'deny',
  ],
  [
    'MikroTik',
    '2024-05-10T12:01:02+00:00 10.1.1.1 firewall,info drop-tcp input: in:ether1 out:(unknown 0), connection-state:new src-mac 00:17, proto TCP (SYN), 192.0.2.1:5000->198.51.100.2:443, len 40',
    'deny',
  ],
];

test.each(PACKETS)('%s', (_, line, action) => {
  const event = decodeOne(line);
  expect(event.norm).toMatchObject({
    class_uid: 4001,
    action,
    src_ip: '192.0.2.1',
    src_port: 5000,
    dst_ip: '198.51.100.2',
    dst_port: 443,
    protocol: 'tcp',
  });
  expect(event.logsource.category).toBe('firewall');
  expect(event.timeMs).toBe(Date.UTC(2024, 4, 10, 12, 1, 2));
});

test('a VPN log-in that a firewall tells of', () => {
  const line =
    'date=2024-05-10 time=12:01:02 devname="FG" type="event" subtype="vpn" logdesc="SSL VPN login fail" action="ssl-login-fail" remip=192.0.2.1 user="ada" msg="SSL user failed to logged in"';
  expect(decodeOne(line).norm).toMatchObject({ action: 'logon', outcome: 'failure', user: 'ada', src_ip: '192.0.2.1' });
});

test('logfmt: fields, level, message, time; escaped quotes stay inside', () => {
  const event = decodeOne('time="2024-01-15T18:43:09Z" level=warn msg="a \\"b\\" c=d" peer=192.0.2.1 n=5');
  expect(event).toMatchObject({
    format: 'text/pairs',
    timeMs: Date.UTC(2024, 0, 15, 18, 43, 9),
    norm: { message: 'a "b" c=d', severity_id: 3 },
    fields: { peer: '192.0.2.1', n: '5' },
  });
});

test('prose with equals signs is not a line of pairs; names of objects are not replaced', () => {
  expect(
    decodeOne('Jan  1 00:00:00 h app[1]: the sum is a=1 b=2 c=3 and there is much more to say about all of this')
      .format,
  ).toBe('syslog/other');
  const event = decodeOne('__proto__=1 constructor=2 toString=3 a=4');
  expect(event.format).toBe('text/pairs');
  expect(Object.getPrototypeOf(event.fields)).toBe(Object.prototype);
});

test('a threat is a finding', () => {
  const line =
    '<14>May 10 12:01:02 pa 1,2024/05/10 12:01:02,01,THREAT,vulnerability,2561,2024/05/10 12:01:02,192.0.2.1,198.51.100.2,,,Rule,,,ssh,v,U,D,i,o,l,2024/05/10 12:01:02,1,1,5000,22,0,0,0x0,tcp,reset-both,,"SSH ""Brute""(40015)",any';
  expect(decodeOne(line).norm).toMatchObject({ class_uid: 2001, message: 'SSH "Brute"(40015)', action: 'deny' });
});
