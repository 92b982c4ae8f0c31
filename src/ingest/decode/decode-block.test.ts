/** The decoder as a whole: framing of blocks, counts, marks, and hostile records of every kind. */

import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LIMITS, type RecordHint } from '../../core/index.ts';
import { createDecoder } from './decode-block.ts';
import { blockOf, decodeAll, decodeOne, RECEIVED_MS } from './decode-testing.ts';

const GOOD = '<86>May 20 09:14:03 gw sshd[9]: Failed password for root from 45.9.1.1 port 4711 ssh2';

test('empty records make no event and keep the index of the others', () => {
  const events = decodeAll(['', GOOD, '\r\n', GOOD]);
  expect(events.map((event) => event.index)).toEqual([1, 3]);
  expect(events[0]).toMatchObject({ seq: 7, receivedMs: RECEIVED_MS, raw: GOOD });
});

test('counts by source since the last call', () => {
  const decoder = createDecoder({ zoneOf: () => 'UTC' });
  decoder.decode(blockOf([GOOD, GOOD, 'nobody knows this', '']));
  decoder.decode(blockOf([GOOD], { source: 'src_b' }));
  const [first, second] = decoder.takeCounts();
  expect(first).toMatchObject({
    id: 'src_test',
    events: 3,
    notUnderstood: 1,
    dropped: 1,
    formats: { 'syslog/sshd': 2, raw: 1 },
    faults: [{ what: 'not-understood', count: 1 }],
  });
  expect(second).toMatchObject({
    id: 'src_b',
    events: 1,
    notUnderstood: 0,
    lastSeen: new Date(RECEIVED_MS).toISOString(),
  });
  expect(decoder.takeCounts()).toEqual([]);
});

test('bytes that are no UTF-8 are marked, characters that are stay whole', () => {
  const [bad, good, plain] = decodeAll([
    Buffer.concat([Buffer.from(GOOD), Buffer.from([0xff, 0xfe])]),
    GOOD.replace('root', 'Zoë'),
    GOOD,
  ]);
  expect(bad?.marks).toContain('invalid-utf8');
  expect(good?.norm.user).toBe('Zoë');
  expect(good?.marks).not.toContain('invalid-utf8');
  expect(plain?.norm.user).toBe('root');
});

test('a record beyond the limit is cut and marked', () => {
  const event = decodeOne(`${GOOD} ${'é'.repeat(LIMITS.recordBytesMax)}`);
  expect(event.marks).toContain('cut');
  expect(event.marks).not.toContain('invalid-utf8');
  expect(event.raw.length).toBeLessThan(LIMITS.recordBytesMax);
});

const HINTS: readonly RecordHint[] = ['syslog', 'json', 'journal', 'otlp', 'line', 'windows-xml'];

describe('hostile records', () => {
  const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
  test.each([
    ['deep objects', deep],
    ['deep arrays', `{"a":${'['.repeat(100_000)}`],
    ['deep XML', `<Event>${'<a>'.repeat(20_000)}`],
    ['XML entities', '<!DOCTYPE x [<!ENTITY a "aaaa">]><Event>&a;</Event>'],
    ['torn XML', '<Event xmlns="x"><System><EventID>46'],
    ['open quotes', `1.2.3.4 - - [04/Jan/2026:08:41:43 +0000] "${'\\"'.repeat(50_000)}`],
    ['NUL', '\0\0\0<34>\0'],
    ['brackets', `<34>1 2026-01-01T00:00:00Z h a - - ${'[x y="'.repeat(20_000)}`],
    ['no spaces', 'a'.repeat(200_000)],
    ['many spaces', `<34>May 20 09:14:03 ${' '.repeat(100_000)}x`],
    ['many pairs', `CEF:0|a|b|c|d|e|5|${'k=v '.repeat(50_000)}`],
    ['many froms', `${GOOD.slice(0, 40)}Failed password for ${' from '.repeat(30_000)}`],
    ['prototype', '{"__proto__":{"x":1},"constructor":{"prototype":1},"EventID":1,"Channel":"System"}'],
    ['year 0000', '<34>1 0000-01-01T00:00:00Z h a - - - x'],
    ['month 99', '<34>1 2026-99-99T99:99:99Z h a - - - x'],
    ['day 31 February', 'Feb 31 10:00:00 h sshd[1]: x'],
    ['far future', '<34>1 9999-12-31T23:59:59.999999999+14:00 h a - - - x'],
    ['year-less leap day', 'Feb 29 10:00:00 h sshd[1]: x'],
    ['audit time', `type=SYSCALL msg=audit(${'9'.repeat(30)}.1:1): a=1`],
  ])('%s does not throw, and the next record is decoded', (_name, record) => {
    for (const hint of HINTS) {
      const events = decodeAll([record, GOOD], 'Europe/Berlin', { hint });
      expect(events.at(-1)).toMatchObject({ format: 'syslog/sshd', index: 1 });
      for (const event of events) {
        expect(event.timeMs).toBeGreaterThan(Date.UTC(1990, 0, 1) - 1);
        expect(event.timeMs).toBeLessThanOrEqual(RECEIVED_MS + LIMITS.futureSkewMsMax);
      }
    }
  });

  test('too deep JSON is a named fault', () => {
    const decoder = createDecoder({});
    expect(decoder.decode(blockOf([deep]))[0]?.format).toBe('raw');
    expect(decoder.takeCounts()[0]?.faults[0]?.what).toBe('json-too-deep');
  });
});

/** Starts of every format that we know: what follows is random, so that each decoder is reached. */
const SEEDS = [
  GOOD,
  '<34>1 2026-05-20T10:00:00.123456+02:00 host sudo 12 ID47 [a@1 b="c"] alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh',
  'May 20 09:14:03 h su[1]: FAILED SU (to root) alice on pts/0',
  'May 20 09:14:03 h sshd[1]: pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=1.2.3.4  user=root',
  'May 20 09:14:03 h CRON[1]: (root) CMD (run)',
  'May 20 09:14:03 h systemd[1]: Started a.service - A.',
  'May 20 09:14:03 h systemd-logind[1]: New session 5 of user root.',
  'May 20 09:14:03 h useradd[1]: new user: name=bob, UID=1, GID=1, home=/h, shell=/s',
  'May 20 09:14:03 h postfix/smtpd[1]: warning: unknown[1.2.3.4]: SASL LOGIN authentication failed: x, sasl_username=u',
  'May 20 09:14:03 h dovecot: imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<x>, method=PLAIN, rip=1.1.1.1, lip=2.2.2.2',
  'Mon Jun  8 12:08:53 2020 [pid 7] [user] FAIL LOGIN: Client "1.2.3.4"',
  "19-Oct-2022 05:34:02.425 client @0x7f 192.168.1.1#3076 (e.com): query (cache) 'e.com/ANY/IN' denied",
  'May 20 09:14:03 h slapd[1]: conn=1000 op=0 RESULT tag=97 err=49 text=',
  'May 20 09:14:03 h kernel: [1.2] [UFW BLOCK] IN=eth0 OUT= SRC=1.2.3.4 DST=5.6.7.8 PROTO=TCP SPT=1 DPT=2',
  '2024-12-15 14:11:27 192.168.1.30:1194 TLS Error: tls-crypt unwrapping failed',
  '1.2.3.4:1 [14/Jan/2015:12:48:57.127] fe be/s 1/0/0/3/4 200 7 - - ---- 0/0/0/0/0 0/0 "GET / HTTP/1.1"',
  '1.2.3.4 - - [04/Jan/2026:08:41:43 +0000] "GET /a?b HTTP/1.1" 200 5 "-" "x"',
  '2021/12/01 13:53:33 [error] 31#31: *46 "/x" is not found, client: 1.2.3.4, server: l, request: "GET /m HTTP/1.1"',
  '[Fri Oct 08 17:08:41.203277 2021] [core:error] [pid 7:tid 1] [client 8.1.2.8:145] AH00126: Invalid URI in request GET / HTTP/1.1',
  '#Fields: date time c-ip',
  '2026-05-20 10:00:00 10.0.0.1 GET /a b=c 443 - 1.2.3.4 UA - 200 0 0 12',
  'type=EXECVE msg=audit(1684329817.579:2995): argc=2 a0="sh" a1=2D6320',
  'CEF:0|V|P|1|9|n|5|src=1.2.3.4 msg=a b c=d',
  'LEEF:2.0|V|P|1|9|^|src=1.2.3.4^usrName=x',
  '<189>29: R1: *Mar  1 00:00:01.123: %SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: a] [Source: 1.2.3.4]',
  '<Event xmlns="x"><System><Provider Name="P"/><EventID>4625</EventID><Channel>Security</Channel></System><EventData><Data Name="a">b</Data></EventData></Event>',
  '{"MESSAGE":"Failed password for root from 1.2.3.4 port 5 ssh2","_HOSTNAME":"h","SYSLOG_IDENTIFIER":"sshd","__REALTIME_TIMESTAMP":"1700000000000000"}',
  '{"@timestamp":"2026-05-20T10:00:00Z","message":"May 20 09:14:03 h sshd[1]: x","ecs":{"version":"8"}}',
  '{"EventID":4625,"Channel":"Security","TargetUserName":"a","TimeCreated":"2026-05-20T10:00:00Z"}',
  '{"winlog":{"event_id":1,"channel":"Microsoft-Windows-Sysmon/Operational","event_data":{"Image":"a"}},"@timestamp":"2026"}',
  '{"Event":{"System":{"EventID":1,"Channel":"System"},"EventData":{"Data":[{"#attributes":{"Name":"a"},"#text":"b"}]}}}',
  '{"class_uid":3002,"time":1700000000000,"status":"Failure"}',
  '{"time_unix_nano":"1700000000000000000","body":"x","attributes":{},"resource":{}}',
  '{"ID":"1688048710.843:30826","SYSCALL":{"pid":1},"EXECVE":{"ARGV":["a"]}}',
  '{"timestamp":"2026-05-20T10:00:00Z","flow_id":1,"event_type":"alert","alert":{"severity":1}}',
  'Jan  7 14:19:31 f pure-ftpd: (?@192.0.2.1) [WARNING] Authentication failed for user [ada]',
  '@400000004c91b044077a9e94 imap-login: Info: Aborted login (auth failed, 1 attempts): user=<a>, method=PLAIN, rip=192.0.2.1, lip=10.0.0.1',
  'srv sshd[31602]: Failed password for invalid user ROOT from 192.0.2.1 port 50273 ssh2',
  '<189>date=2024-05-10 time=12:01:02 devname="FG100" type="traffic" srcip=10.0.0.5 srcport=5000 dstip=203.0.113.1 dstport=443 proto=6 action="deny"',
  'time="2024-01-15T18:43:09Z" level=debug msg="Handling \\"UDP\\" stream" peer=192.0.2.1',
  '2023-07-06T08:11:40+02:00 pa 1,2023/07/06 08:11:40,01,THREAT,vulnerability,2561,2023/07/06 08:11:40,192.0.2.1,192.0.2.2,,,Rule,,,ssh,v,U,D,i,o,l,2023/07/06 08:11:40,1,1,4111,22,0,0,0x80,tcp,reset-both,,"SSH ""Brute"""',
  '2023-03-18T20:36:59+01:00 10.1.1.1 firewall,info drop input: in:ether1 out:(unknown 0), proto TCP (SYN), 192.0.2.1:59388->192.0.2.2:23, len 40',
  'Sep  8 08:32:20 gw CEF: 0|Vendor|Product|9.4|201|Threat|9|proto=TCP src=192.0.2.1 spt=65020 dst=192.0.2.2 dpt=80',
];

describe('random records', () => {
  const decoder = createDecoder({ zoneOf: () => 'America/New_York' });
  const survives = (record: string | Uint8Array, hint: RecordHint): void => {
    const events = decoder.decode(blockOf([record, GOOD, record], { hint }));
    expect(decoder.takeCounts()[0]?.faults.map((fault) => fault.what)).not.toContain('decoder-failed');
    expect(events.some((event) => event.index === 1 && event.format === 'syslog/sshd')).toBe(true);
    for (const event of events) {
      expect(Number.isFinite(event.timeMs)).toBe(true);
      for (const value of Object.values(event.norm)) expect(value).toBeDefined();
      expect(Object.keys(event.fields).length).toBeLessThanOrEqual(LIMITS.eventFieldsMax + 64);
    }
  };

  test('bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...HINTS), (bytes, hint) => survives(bytes, hint)),
      { numRuns: 600 },
    );
  });

  test.each(SEEDS)('mutations of: %s', (seed) => {
    fc.assert(
      fc.property(
        fc.nat(seed.length),
        fc.nat(40),
        fc.oneof(
          fc.string({ unit: 'grapheme', maxLength: 12 }),
          fc.constantFrom('"', "'", '\\', '[', ']', ' from ', '=', ': ', '\0', '{', '<', '-', ' '),
        ),
        fc.boolean(),
        (at, gone, put, truncate) =>
          survives(seed.slice(0, at) + put + (truncate ? '' : seed.slice(at + gone)), 'line'),
      ),
      { numRuns: 80 },
    );
  });

  test.each(SEEDS)('without mutation it is understood: %s', (seed) => {
    expect(['raw', 'syslog/other', 'json/other']).not.toContain(decodeOne(seed).format);
  });
});
