import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RecordHint, SourceId, StoredBlock } from '../../../core/index.ts';
import { createDecoder } from '../index.ts';
import { logonOutcome as loginOutcome } from './program-logon.ts';

function decoded(line: string) {
  const data = Buffer.from(line);
  const block: StoredBlock = {
    seq: 1,
    source: 'src_00000000000000000000000000' as SourceId,
    receivedMs: Date.UTC(2026, 10, 25),
    hint: 'auto' as RecordHint,
    peer: 'test',
    exercise: false,
    data,
    ends: Uint32Array.of(data.length),
  };
  return createDecoder({}).decode(block)[0]?.norm;
}

describe('log-ins in the words of programs that nobody knows', () => {
  test.each([
    [
      '2026-11-25 08:00:00 WARN [AuthService] Failed login attempt for user ada@x.example from ip address 203.0.113.9',
      'ada@x.example',
      '203.0.113.9',
    ],
    [
      'portal | time=2026 level=WARN msg="Incorrect username or password" client_ip=2001:db8::9 username=ada',
      'ada',
      '2001:db8::9',
    ],
    ['[auth] Login failed for user "ada" IP-address: 203.0.113.9', 'ada', '203.0.113.9'],
    [
      '{"level":"error","msg":"invalid credentials","remote_addr":"203.0.113.9:5000","username":"ada"}',
      'ada',
      '203.0.113.9',
    ],
    ['Nov 25 08:00:00 gw CEF:0|Vendor|VPN|1|7|Authentication failed|5|src=203.0.113.9 suser=ada', 'ada', '203.0.113.9'],
    [
      'Nov 25 08:00:00 fw x: action="ssl-login-fail" remip=203.0.113.9 user="ada" server=192.0.2.1',
      'ada',
      '203.0.113.9',
    ],
    ["2026-11-25 [Warning] Access denied for user 'ada'@'203.0.113.9' (using password: YES)", 'ada', '203.0.113.9'],
    ['Authentication attempt from [203.0.113.9] for user "ada" failed.', 'ada', '203.0.113.9'],
    [
      'LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/UDP/203.0.113.9/5061",AccountID="ada",x="InvalidPassword"',
      'ada',
      '203.0.113.9',
    ],
  ])('%s', (line, user, src_ip) =>
    expect(decoded(line)).toMatchObject({ class_uid: 3002, action: 'logon', outcome: 'failure', user, src_ip }),
  );
  test('a success is one', () =>
    expect(decoded('app: user ada successfully logged in from 203.0.113.9')).toMatchObject({
      outcome: 'success',
      user: 'ada',
      src_ip: '203.0.113.9',
    }));
  test.each([
    'pump-3: self-test passed, battery 92 %',
    'backup: transfer failed after 3 tries, 203.0.113.9 did not answer',
    'job 17 was successful in 12 s',
    'certificate for portal is invalid: expired',
    'page not found: /favicon.ico',
    'HL7 message ACK AE: unknown segment',
  ])('%s is none', (line) => expect(loginOutcome(line)).toBeNull());
  test('whatever is written, it is quick', () => {
    const word = fc.constantFrom(
      'for user ',
      'login ',
      '::',
      '1.2.3.',
      'failed ',
      'user="',
      'invalid ',
      'from ',
      ' ',
      'a',
      '"',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 3000 }), (words) => {
        const line = `${words.join('')} login failed`;
        // Time of the processor: other programs on this machine do not count.
        const before = process.cpuUsage();
        decoded(line);
        expect(process.cpuUsage(before).user / 1000).toBeLessThan(100);
      }),
      { numRuns: 60 },
    );
  });
});
