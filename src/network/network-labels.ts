/**
 * Patients in text that has no format of its own: an identifier beside its label, and nothing that only looks like one. An
 * NHS number needs its check digit, a social security number the rules of its ranges; a record number and a birth date count
 * together only.
 */

import { nhsVerdict } from './network-nhs.ts';
import type { PatientRecord, Verdict } from './network-report.ts';

const VALUE_CHARS_MAX = 48;
const FIELDS_MAX = 64;

type Kind = 'nhs' | 'ssn' | 'mrn' | 'name' | 'birth';
const PATHS: Readonly<Record<Kind, string>> = {
  nhs: 'NHS number',
  ssn: 'social security number',
  mrn: 'medical record number',
  name: 'patient name',
  birth: 'birth date',
};

/** Labels as letters and digits only, in small letters. */
const LABELS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['nhs', 'nhs'],
  ['nhsno', 'nhs'],
  ['nhsnumber', 'nhs'],
  ['nhsnum', 'nhs'],
  ['ssn', 'ssn'],
  ['patientssn', 'ssn'],
  ['socialsecuritynumber', 'ssn'],
  ['socialsecurity', 'ssn'],
  ['mrn', 'mrn'],
  ['mrnumber', 'mrn'],
  ['medicalrecordnumber', 'mrn'],
  ['medicalrecordno', 'mrn'],
  ['patientid', 'mrn'],
  ['patientno', 'mrn'],
  ['patientnumber', 'mrn'],
  ['hospitalnumber', 'mrn'],
  ['patname', 'name'],
  ['patientname', 'name'],
  ['patientsname', 'name'],
  ['patientlastname', 'name'],
  ['patientsurname', 'name'],
  ['dob', 'birth'],
  ['patientdob', 'birth'],
  ['dateofbirth', 'birth'],
  ['birthdate', 'birth'],
  ['patientbirthdate', 'birth'],
  ['geburtsdatum', 'birth'],
  ['versichertennummer', 'mrn'],
]);
/** No label is longer. */
const LABEL_CHARS_MAX = 24;

export const labelOf = (name: string): Kind | undefined =>
  name.length > LABEL_CHARS_MAX * 2 ? undefined : LABELS.get(name.toLowerCase().replace(/[^a-z0-9]/g, ''));

/** Area 000, 666 and 9xx, group 00 and serial 0000 were never given out (SSA, "SSN Randomization"). */
export function isSsn(text: string): boolean {
  const match = /^(\d{3})[- ]?(\d{2})[- ]?(\d{4})$/.exec(text);
  if (!match) return false;
  const [, area, group, serial] = match as unknown as [string, string, string, string];
  if (area === '000' || area === '666' || area >= '900' || group === '00' || serial === '0000') return false;
  // Numbers of advertisements and examples that everybody uses.
  return !['078051120', '219099999', '123456789', '111111111'].includes(area + group + serial);
}

const isBirth = (text: string): boolean =>
  /^(?:(?:19|20)\d\d[-/.]?(?:0[1-9]|1[0-2])[-/.]?(?:0[1-9]|[12]\d|3[01])|\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/. ](?:19|20)?\d\d)(?:$|[T ])/.test(
    text,
  );

export interface LabelScan {
  /** A value beside its name, in a form or an object. */
  pair(name: string, value: string): void;
  /** A line of text: `MRN: 123, DOB 1.2.1950`. */
  line(text: string): void;
  /** Null when there is not enough to say that it is a patient. */
  result(): PatientRecord | null;
}

export function createLabelScan(): LabelScan {
  const seen = new Map<Kind, string>();
  const nhs: Verdict[] = [];

  const add = (kind: Kind, raw: string): void => {
    const value = raw.trim();
    if (value === '' || nhs.length > FIELDS_MAX) return;
    if (kind === 'nhs') {
      if (nhsVerdict(value) !== 'valid' || /^(\d)\1*$/.test(value)) return;
      nhs.push('valid');
    } else if (kind === 'ssn' && !isSsn(value)) return;
    else if (kind === 'birth' && !isBirth(value)) return;
    else if (kind === 'mrn' && !/\d/.test(value)) return;
    else if (kind === 'name' && !/^\p{L}[\p{L}\p{M}' .,^-]{1,47}$/u.test(value)) return;
    if (!seen.has(kind)) seen.set(kind, value);
  };

  return {
    pair(name, value) {
      const kind = labelOf(name);
      if (kind !== undefined) add(kind, value.slice(0, VALUE_CHARS_MAX));
    },
    line(text) {
      for (const match of text.matchAll(
        /\b(nhs(?: (?:no|number|num))?|ssn|social security(?: number)?|mrn|medical record (?:number|no)|patient(?:'s)?[ _]?(?:id|no|number|name)|hospital number|dob|date of birth|birth ?date|geburtsdatum)\b\.?[:=# ]{1,3}([^,;|<>"\r\n\t]{4,48})/gi,
      )) {
        const kind = labelOf(match[1] ?? '');
        if (kind !== undefined) add(kind, cutValue(kind, match[2] ?? ''));
      }
    },
    result() {
      const certain = seen.has('nhs') || seen.has('ssn');
      const together = (seen.has('mrn') || seen.has('name')) && seen.has('birth');
      const named = seen.has('mrn') && seen.has('name');
      if (!certain && !together && !named) return null;
      const identity =
        seen.get('nhs') ?? seen.get('mrn') ?? seen.get('ssn') ?? `${seen.get('name')}|${seen.get('birth')}`;
      return { fields: [...seen.keys()].map((kind) => PATHS[kind]), identity, nhs: nhs.slice(0, FIELDS_MAX) };
    },
  };
}

/** In a line other words may follow the value. */
function cutValue(kind: Kind, text: string): string {
  const value = text.trim();
  if (kind === 'nhs') return /^\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)/.exec(value)?.[0] ?? '';
  if (kind === 'ssn') return /^\d{3}[- ]?\d{2}[- ]?\d{4}(?!\d)/.exec(value)?.[0] ?? '';
  if (kind === 'mrn') return /^[\w-]{3,24}/.exec(value)?.[0] ?? '';
  if (kind === 'birth') return /^[\d./-]{8,10}|^\d{1,2} \w{3,9} \d{4}/.exec(value)?.[0] ?? '';
  return value.split(/ {2,}|\b(?:dob|mrn|nhs|born)\b/i, 1)[0] ?? '';
}
