/** Patients in HTTP bodies and queries: FHIR (hl7.org/fhir/R4/patient.html) and DICOMweb (PS3.18), by field. */

import { type Loose, looseJson } from './network-json.ts';
import { createLabelScan } from './network-labels.ts';
import { nhsVerdict } from './network-nhs.ts';
import type { PatientRecord, Verdict } from './network-report.ts';

const PERSONS = new Set(['Patient', 'RelatedPerson', 'Person']);
const PERSON_FIELDS = ['identifier', 'name', 'birthDate', 'telecom', 'address', 'contact', 'photo'] as const;
const NHS_SYSTEM = 'https://fhir.nhs.uk/Id/nhs-number';
const RECORDS_MAX = 2000;

const DICOM_FIELDS: Readonly<Record<string, string>> = {
  '00100010': '(0010,0010)',
  '00100020': '(0010,0020)',
  '00100030': '(0010,0030)',
  '00101000': '(0010,1000)',
  '00101001': '(0010,1001)',
  '00101040': '(0010,1040)',
  '00102154': '(0010,2154)',
};

export interface Found {
  readonly app: 'fhir' | 'dicomweb';
  readonly record: PatientRecord;
}

const text = (value: Loose | undefined): string => (typeof value === 'string' ? value : '');
const isObject = (value: Loose | undefined): value is { [key: string]: Loose } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const filled = (value: Loose | undefined): boolean =>
  Array.isArray(value) ? value.some(filled) : isObject(value) ? Object.values(value).some(filled) : text(value) !== '';

export interface JsonSeen {
  /** Every person in it. */
  readonly patients: readonly Found[];
  /** A member that holds a secret. */
  readonly secret: { readonly key: string; readonly value: string } | null;
  /** A patient by labels, in an object that is neither FHIR nor DICOM. */
  readonly labelled: PatientRecord | null;
}

const SECRET_KEYS = new Set([
  'password',
  'passwd',
  'passwort',
  'pwd',
  'secret',
  'client_secret',
  'access_token',
  'pin',
]);
const LABELLED_OBJECTS_MAX = 500;

/** What a JSON body says about people and log-ins. */
export function readJson(body: string): JsonSeen {
  const found: Found[] = [];
  let secret: JsonSeen['secret'] = null;
  let labelled: PatientRecord | null = null;
  let objects = 0;
  const members = (value: { [key: string]: Loose }): void => {
    const scan = createLabelScan();
    for (const [key, one] of Object.entries(value)) {
      if (typeof one !== 'string' || one === '' || one === 'null') continue;
      if (secret === null && SECRET_KEYS.has(key.toLowerCase())) secret = { key: key.toLowerCase(), value: one };
      scan.pair(key, one);
    }
    labelled ??= scan.result();
  };
  const visit = (value: Loose): void => {
    if (found.length >= RECORDS_MAX || value === null || typeof value !== 'object') return;
    if (Array.isArray(value)) {
      for (const one of value) visit(one);
      return;
    }
    const kind = text(value.resourceType);
    if (PERSONS.has(kind)) pushIf(found, 'fhir', person(kind, value));
    else if (kind !== '') pushIf(found, 'fhir', reference(kind, value));
    else if (++objects <= LABELLED_OBJECTS_MAX) members(value);
    if ('00100010' in value || '00100020' in value) pushIf(found, 'dicomweb', dicomJson(value));
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(looseJson(body));
  return { patients: found, secret, labelled };
}

function pushIf(found: Found[], app: Found['app'], record: PatientRecord): void {
  if ([...record.fields].length > 0) found.push({ app, record });
}

function person(kind: string, resource: { [key: string]: Loose }): PatientRecord {
  const fields = PERSON_FIELDS.filter((field) => filled(resource[field])).map((field) => `${kind}.${field}`);
  const nhs: Verdict[] = [];
  let identity = '';
  for (const one of Array.isArray(resource.identifier) ? resource.identifier.slice(0, 16) : []) {
    if (!isObject(one)) continue;
    const value = text(one.value);
    identity ||= value;
    const verdict = nhsVerdict(value);
    if (verdict === 'valid' || (verdict !== null && text(one.system) === NHS_SYSTEM)) nhs.push(verdict);
  }
  identity ||= `${JSON.stringify(resource.name ?? '')}${text(resource.birthDate)}`;
  return { fields, identity, nhs };
}

/** Other resources name their patient beside the reference. */
function reference(kind: string, resource: { [key: string]: Loose }): PatientRecord {
  for (const field of ['subject', 'patient', 'beneficiary']) {
    const to = resource[field];
    if (isObject(to) && text(to.display) !== '' && (field !== 'subject' || text(to.reference).includes('Patient/')))
      return { fields: [`${/^[A-Za-z]{1,40}$/.test(kind) ? kind : '*'}.${field}.display`], identity: text(to.display) };
  }
  return { fields: [], identity: '' };
}

function dicomJson(set: { [key: string]: Loose }): PatientRecord {
  const fields: string[] = [];
  for (const [tag, path] of Object.entries(DICOM_FIELDS)) {
    const element = set[tag];
    if (isObject(element) && filled(element.Value)) fields.push(path);
  }
  const one = (tag: string): string => {
    const element = set[tag];
    return isObject(element) && filled(element.Value) ? JSON.stringify(element.Value) : '';
  };
  return { fields, identity: one('00100020') || one('00100010') };
}

const XML_FIELDS: readonly (readonly [string, string])[] = [
  ['<identifier', 'identifier'],
  ['<family', 'name'],
  ['<birthDate', 'birthDate'],
  ['<telecom', 'telecom'],
  ['<address', 'address'],
];

/** Patients in FHIR's XML, found by their tags. */
export function patientsInXml(body: string): Found[] {
  const found: Found[] = [];
  if (!body.includes('http://hl7.org/fhir')) return found;
  for (let at = body.indexOf('<Patient'); at >= 0 && found.length < RECORDS_MAX; ) {
    const close = body.indexOf('</Patient>', at);
    const inner = body.slice(at, close < 0 ? undefined : close);
    const fields = XML_FIELDS.filter(([tag]) => inner.includes(tag)).map(([, field]) => `Patient.${field}`);
    const id = inner.indexOf('<value value="');
    const identity = id < 0 ? inner : inner.slice(id + 14, inner.indexOf('"', id + 14));
    pushIf(found, 'fhir', { fields, identity });
    at = close < 0 ? -1 : body.indexOf('<Patient', close);
  }
  return found;
}

const FHIR_SEARCH = new Set(['name', 'family', 'given', 'identifier', 'birthdate', 'phone', 'email', 'address']);
const QIDO_SEARCH: Readonly<Record<string, string>> = {
  PatientName: '(0010,0010)',
  PatientID: '(0010,0020)',
  PatientBirthDate: '(0010,0030)',
  ...DICOM_FIELDS,
};

/** Identifiers in the address of a request: searches of FHIR and DICOMweb. */
export function patientInQuery(target: string): Found | null {
  const mark = target.indexOf('?');
  if (mark < 0) return null;
  const path = target.slice(0, mark);
  const fhir = path.endsWith('/Patient') || path.endsWith('/Patient/_search');
  const dicom = /\/(?:studies|series|instances)(?:$|\/)/.test(path);
  if (!fhir && !dicom) return null;
  const fields: string[] = [];
  let identity = '';
  for (const pair of target.slice(mark + 1, mark + 2049).split('&', 32)) {
    const equals = pair.indexOf('=');
    const key = pair.slice(0, equals).split(':', 1)[0] ?? '';
    const value = pair.slice(equals + 1).replaceAll('*', '');
    if (equals < 1 || value === '') continue;
    const field = fhir
      ? FHIR_SEARCH.has(key)
        ? `Patient?${key}`
        : null
      : Object.hasOwn(QIDO_SEARCH, key)
        ? `?${QIDO_SEARCH[key]}`
        : null;
    if (field === null) continue;
    fields.push(field);
    identity ||= value;
  }
  return fields.length > 0 ? { app: fhir ? 'fhir' : 'dicomweb', record: { fields, identity } } : null;
}
