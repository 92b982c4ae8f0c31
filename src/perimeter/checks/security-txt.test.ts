import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { securityTxt, securityTxtFaults } from './security-txt.ts';

const now = Date.parse('2026-11-25T00:00:00Z');
test.each([
  ['Contact: mailto:a@b.example\nExpires: 2027-01-01T00:00:00Z\n', []],
  ['Contact: mailto:a@b.example\n', ['it has no Expires']],
  ['Expires: 2027-01-01T00:00:00Z\n', ['it has no Contact']],
  ['Contact: a@b.example\nExpires: 2027-01-01T00:00:00Z\n', ['its Contact is no URI']],
  ['Contact: https://b.example/\nExpires: 2026-01-01T00:00:00Z\n', ['it has expired']],
  [
    '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nContact: https://b.example/\nExpires: 2027-01-01T00:00:00Z\n',
    [],
  ],
])('%j', (text, faults) => {
  expect(securityTxtFaults(text, now)).toEqual(faults);
});
test('a page that is served for every path is no security.txt', async () => {
  expect(await securityTxt.check(site({ '/.well-known/security.txt': { body: '<html>' } }))).toMatchObject([
    { seen: 'there is none' },
  ]);
  const body = 'Contact: mailto:a@b.example\nExpires: 2027-01-01T00:00:00Z\n';
  expect(
    await securityTxt.check(site({ '/.well-known/security.txt': { body, headers: { 'content-type': 'text/plain' } } })),
  ).toEqual([]);
});
