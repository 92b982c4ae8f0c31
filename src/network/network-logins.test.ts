/** Log-ins in clear on ports that say nothing, in any cut: found once each, and never repeated in what comes out. */

import { describe, expect, test } from 'vitest';
import { CANARY, inspectBytes, inspectTalk, ipv4, pcap, said, udp } from './network-testing.ts';
import { LOGINS } from './network-testing-logins.ts';

const { secret, account } = CANARY;

describe('log-ins in clear, on a port that says nothing', () => {
  for (const [app, what, talk] of LOGINS) {
    for (const size of [1400, 7, 1]) {
      test(`${app} ${what} in segments of ${size}`, () => {
        const found = inspectTalk(talk, size).filter((one) => one.kind === 'clear-text-credential');
        expect(found.map((one) => [one.evidence[0]?.data?.application, one.evidence[0]?.data?.kinds])).toEqual([
          [app, what],
        ]);
        expect(found[0]?.asset.name).toBe('10.1.9.9');
      });
    }
  }
  test('an SMTP session that switches to TLS keeps its secret', () => {
    const talk = [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250 STARTTLS\r\n'),
      said('client', 'STARTTLS\r\n'),
      said('server', '220 go\r\n'),
      said('client', `\x17\x03\x03\0\x40${'AUTH PLAIN abcdefgh\r\n'.padEnd(64, 'z')}`),
    ];
    expect(inspectTalk(talk)).toEqual([]);
  });
});

describe('datagrams', () => {
  const one = (bytes: Uint8Array) =>
    inspectBytes(pcap([ipv4(17, udp(40_000, 40_123, bytes))])).findings[0]?.evidence[0]?.data;
  test('SNMP community', () => {
    const bytes = Buffer.concat([
      Buffer.from([0x30, 7 + secret.length, 2, 1, 1, 4, secret.length]),
      Buffer.from(secret),
      Buffer.from([0xa0, 0]),
    ]);
    expect(one(bytes)).toMatchObject({ application: 'snmp', kinds: 'v2c community' });
  });
  test('TFTP, SIP, RADIUS', () => {
    expect(one(Buffer.from('\0\x02config\0octet\0'))).toMatchObject({ application: 'tftp' });
    const sip = `REGISTER sip:a SIP/2.0\r\nAuthorization: Digest username="${account}", response="x"\r\n\r\n`;
    expect(one(Buffer.from(sip))).toMatchObject({ application: 'sip', kinds: 'Digest' });
    const radius = Buffer.concat([
      Buffer.from([1, 1, 0, 42]),
      Buffer.alloc(16, 9),
      Buffer.from([1, 4, 65, 66, 2, 18]),
      Buffer.alloc(16, 3),
    ]);
    expect(one(radius)).toMatchObject({ application: 'radius', kinds: 'PAP' });
  });
});
