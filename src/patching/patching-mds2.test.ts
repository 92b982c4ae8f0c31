/** MDS2 forms as makers fill them in: numbered, with a head of labels, with odd columns; and tables that are none. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readMds2 } from './inventories/inventory-mds2.ts';

const read = (...rows: readonly string[][]) => {
  const [first] = [...readMds2(rows)];
  if (!first || !('facts' in first)) return null;
  const { vendor, model, version } = first.facts;
  return [vendor, model, version ?? ''];
};

test('HN 1-2019: number, question, answer, wherever the columns begin', () => {
  const acme = ['Acme Medical', 'Flow 9', ''];
  expect(
    read(
      ['Manufacturer Disclosure Statement for Medical Device Security -- MDS2'],
      ['Acme Medical', 'Flow 9', 'DOC-77', '2024-01-01'],
      ['Question ID', 'Question', '', 'See note'],
      ['DOC-1', 'Manufacturer Name', 'Acme Medical', '__'],
      ['DOC-2', 'Device Description', 'Infusion pump', '__'],
      ['DOC-3', 'Device Model', 'Flow 9', '__'],
      ['DOC-11.1', 'Does the SOUP…', 'N/A', '__'],
    ),
  ).toEqual(acme);
  expect(
    read(
      ['', '', 'DOC-1', '', 'Manufacturer Name', '', '', 'Acme Medical'],
      ['', '', 'doc-3', '', 'Device Model', '', '__', 'Flow 9', 'note'],
    ),
  ).toEqual(acme);
});

test('HN 1-2013: a head of labels with the answers below, or beside', () => {
  const acme = ['Acme Medical', 'Flow 9', '2.1'];
  expect(
    read(
      ['Manufacturer Disclosure Statement for Medical Device Security – MDS2'],
      ['Device Category', 'Manufacturer', 'Document ID', 'Document Release Date'],
      ['Pump', 'Acme Medical', 'X-1', '2014-02-03'],
      ['Device Model', 'Software Revision', 'Software Release Date'],
      ['Flow 9', '2.1', '2014-01-01'],
      ['Manufacturer or Representative Contact Information', 'Company Name', 'Other Ltd'],
    ),
  ).toEqual(acme);
  expect(
    read(['MDS2'], ['Manufacturer:', 'Acme Medical'], ['Device Model:', '', 'Flow 9'], ['Software Revision', '2.1']),
  ).toEqual(acme);
  expect(read(['MDS 2'], ['Manufacturer: Acme Medical', 'Device Model: Flow 9'], ['Software Revision: 2.1'])).toEqual(
    acme,
  );
});

test('a form that names no maker or model, and a table that is no form, are none', () => {
  expect(read(['DOC-1', 'Manufacturer Name', '__'], ['DOC-3', 'Device Model', 'Flow 9'])).toBeNull();
  expect(read(['Name', 'Vendor', 'Model'], ['p-1', 'Acme', 'Flow 9'])).toBeNull();
  fc.assert(
    fc.property(fc.array(fc.array(fc.string({ maxLength: 20 }), { maxLength: 8 }), { maxLength: 10 }), (rows) => {
      expect([...readMds2(rows)].length).toBeLessThanOrEqual(1);
    }),
  );
});
