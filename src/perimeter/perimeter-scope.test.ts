import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalAddress, parseAddress, parseRange } from './perimeter-cidr.ts';
import { decideName, decidePacket, decideTime, parseScope } from './perimeter-scope.ts';
import { newScopeKey, openScope, signScope } from './perimeter-scope-file.ts';

const BASE = `asepsis_scope: 1
name: outside
owner: R. Keller
contact: security@hospital.example
expires: 2027-01-31
addresses: [203.0.113.0/24, "2001:db8::/48"]
names: [www.hospital.example, "*.clinic.example"]
hosted_names: [shop.hospital.example]
exclude:
  addresses: [203.0.113.7, 203.0.113.128/25]
  names: [old.clinic.example]
  ports: ["9100"]
medical: [203.0.113.20]
`;
const scope = parseScope(BASE);
const none = () => false;
const may = (address: string, port = 443, name?: string, medical: (a: string) => boolean = none) =>
  decidePacket(scope, { address, port, ...(name === undefined ? {} : { name }) }, medical).allowed;

test('deny beats allow, whatever the spelling of the address', () => {
  expect(may('203.0.113.6')).toBe(true);
  expect(may('2001:db8::1')).toBe(true);
  for (const out of [
    '203.0.113.7',
    '203.0.113.200',
    '203.0.114.1',
    '::ffff:203.0.113.7',
    '::ffff:cb00:7107',
    '2001:db9::1',
    'x',
    '0.0.0.0',
    '224.0.0.1',
    '169.254.169.254',
  ])
    expect(may(out), out).toBe(false);
  expect(may('203.0.113.6', 9100)).toBe(false);
  expect(may('203.0.113.6', 0)).toBe(false);
});

test('an excluded IPv4 address is not reached through IPv6 translation', () => {
  const wide = parseScope(BASE.replace('"2001:db8::/48"', '"64:ff9b::/96", "2002::/16"'));
  expect(decidePacket(wide, { address: '64:ff9b::203.0.113.6', port: 1 }, none).allowed).toBe(true);
  expect(decidePacket(wide, { address: '64:ff9b::203.0.113.7', port: 1 }, none).allowed).toBe(false);
  expect(decidePacket(wide, { address: '2002:cb00:7107::1', port: 1 }, none).allowed).toBe(false);
});

test('names: listed, below a star, excluded, and only where they lead into the scope', () => {
  expect(decideName(scope, 'a.b.clinic.example').allowed).toBe(true);
  expect(decideName(scope, 'clinic.example').allowed).toBe(false);
  expect(decideName(scope, 'old.clinic.example').allowed).toBe(false);
  expect(decideName(scope, 'xclinic.example').allowed).toBe(false);
  expect(may('203.0.113.6', 443, 'www.hospital.example')).toBe(true);
  expect(may('198.51.100.1', 443, 'www.hospital.example')).toBe(false);
  expect(may('203.0.113.6', 443, 'evil.example')).toBe(false);
  expect(may('198.51.100.1', 443, 'shop.hospital.example')).toBe(true);
  for (const inner of [
    '10.0.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '192.168.1.1',
    '::1',
    'fd00::1',
    '203.0.113.7',
    '64:ff9b::10.0.0.1',
  ])
    expect(may(inner, 443, 'shop.hospital.example'), inner).toBe(false);
});

test('medical devices only when they are named', () => {
  const medical = (address: string) => address === '203.0.113.20' || address === '203.0.113.21';
  expect(may('203.0.113.20', 104, undefined, medical)).toBe(true);
  expect(may('203.0.113.21', 104, undefined, medical)).toBe(false);
  expect(may('::ffff:203.0.113.21', 104, undefined, medical)).toBe(false);
});

test('expiry, beginning and hours, also over midnight and in the zone of the hospital', () => {
  const night = parseScope(`${BASE}not_before: 2026-01-01
hours:
  - {days: [mon], from: "22:00", to: "06:00", zone: Europe/Zurich}
`);
  const at = (text: string) => decideTime(night, Date.parse(text)).allowed;
  expect(at('2026-11-23T21:30:00Z')).toBe(true); // Monday 22:30 in Zurich
  expect(at('2026-11-24T04:30:00Z')).toBe(true); // Tuesday 05:30: the morning of Monday's night
  expect(at('2026-11-24T05:30:00Z')).toBe(false);
  expect(at('2026-11-24T21:30:00Z')).toBe(false);
  expect(at('2026-11-23T04:30:00Z')).toBe(false); // Monday morning belongs to Sunday
  expect(at('2027-02-01T21:30:00Z')).toBe(false);
  expect(at('2025-12-29T21:30:00Z')).toBe(false);
});

test.each([
  ['host bits', BASE.replace('203.0.113.0/24', '203.0.113.1/24'), /host bits/],
  ['a bad range', BASE.replace('203.0.113.0/24', '203.0.113.0/33'), /no range/],
  ['an unknown word', `${BASE}adresses: []\n`, /adresses/],
  ['no end', BASE.replace('expires: 2027-01-31\n', ''), /expires/],
  ['a time without zone', BASE.replace('2027-01-31', '2027-01-31T10:00'), /zone/],
  ['nothing allowed', BASE.replace(/addresses: \[203.*\n/, '').replace('[shop.hospital.example]', '[]'), /empty scope/],
  ['a port too far', BASE.replace('"9100"', '"70000"'), /port/],
  ['an alias bomb', `${BASE}x: &a [1]\ny: [*a, *a]\n`, /./],
  ['no YAML', '{', /./],
])('%s is refused with its reason', (_what, text, reason) => {
  expect(() => parseScope(text)).toThrow(reason);
});

test('a signature holds for exactly this text and a trusted key', () => {
  const key = newScopeKey();
  const other = newScopeKey();
  const signed = signScope(BASE, key.privatePem);
  expect(openScope(signed, [key.publicKey]).scope.file.owner).toBe('R. Keller');
  expect(() => openScope(signed, [other.publicKey])).toThrow(/not among/);
  expect(() => openScope(BASE, [key.publicKey])).toThrow(/no signature/);
  expect(() => openScope(signed.replace('203.0.113.0/24', '203.0.0.0/16'), [key.publicKey])).toThrow(/changed/);
  expect(() => openScope(`${signed}addresses: [0.0.0.0/1]\n`, [key.publicKey])).toThrow();
  const again = signScope(signed, other.privatePem);
  expect(openScope(again, [other.publicKey]).scope.file.name).toBe('outside');
  expect(() => signScope('a: 1', key.privatePem)).toThrow();
});

test('no byte of a signed scope can be changed', () => {
  const key = newScopeKey();
  const signed = Buffer.from(signScope(BASE, key.privatePem));
  fc.assert(
    fc.property(fc.nat(signed.length - 2), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const forged = Buffer.from(signed);
      forged[at] = (forged[at] as number) ^ flip;
      let opened: unknown = null;
      try {
        opened = openScope(forged.toString('latin1'), [key.publicKey]);
      } catch {}
      expect(opened).toBeNull();
    }),
    { numRuns: 300 },
  );
});

test('a signature has one spelling', () => {
  const key = newScopeKey();
  const signed = signScope(BASE, key.privatePem);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const found = /([A-Za-z0-9+/])==\n$/.exec(signed);
  const next = letters[letters.indexOf(found?.[1] ?? '') ^ 1];
  expect(() => openScope(signed.replace(/.==\n$/, `${next}==\n`), [key.publicKey])).toThrow();
  expect(openScope(signed, [key.publicKey]).key).toBe(key.publicKey);
});

test('every address has one spelling, and a range holds exactly what its mask says', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const once = canonicalAddress(text);
      expect(once).not.toBeNull();
      expect(canonicalAddress(once as string)).toBe(once);
    }),
  );
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (base, prefix, probe) => {
      const value = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      const size = 2 ** (32 - prefix);
      const first = Math.floor(value(base) / size) * size;
      const text = [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
      const range = parseRange(`${text}/${prefix}`);
      const address = parseAddress(probe);
      expect(range && address && address.value >= range.first && address.value <= range.last).toBe(
        Math.floor(value(probe) / size) * size === first,
      );
    }),
  );
});
