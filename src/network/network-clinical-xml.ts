/** Clinical XML outside FHIR: POCT1-A devices, NCPDP SCRIPT, clinical documents (CDA) and HL7 version 3, by element name. */

import { latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { nhsVerdict } from './network-nhs.ts';
import type { PatientRecord, Report, Verdict } from './network-report.ts';

const TEXT_BYTES_MAX = 64 * 1024;
const PATIENTS_MAX = 256;
const HEAD_CHARS = 1024;
/** Room for a bracket, a slash and a prefix before a name. */
const TAG_CHARS = 24;

type App = 'poct1a' | 'ncpdp' | 'cda' | 'hl7v3';

/** Identifying elements by format. `attribute`: the value is in `V` or `extension`/`value` and not between the tags. */
const PERSONAL: Readonly<Record<App, Readonly<Record<string, string>>>> = {
  poct1a: {
    'PT.patient_id': 'PT.patient_id',
    'PT.name': 'PT.name',
    'PT.birth_date': 'PT.birth_date',
    'PT.gender_cd': '',
  },
  ncpdp: {
    LastName: 'Patient.Name',
    FirstName: 'Patient.Name',
    DateOfBirth: 'Patient.DateOfBirth',
    SocialSecurity: 'Patient.SocialSecurity',
    SocialSecurityNumber: 'Patient.SocialSecurity',
    MedicalRecordIdentificationNumberEHR: 'Patient.MedicalRecordNumber',
    AddressLine1: 'Patient.Address',
  },
  cda: { id: 'patientRole.id', family: 'patient.name', given: 'patient.name', birthTime: 'patient.birthTime' },
  hl7v3: {
    id: 'patient.id',
    family: 'patientPerson.name',
    given: 'patientPerson.name',
    birthTime: 'patientPerson.birthTime',
    livingSubjectId: 'livingSubjectId',
  },
};
/** The element around one person. */
const AROUND: Readonly<Record<App, readonly string[]>> = {
  poct1a: ['PT'],
  ncpdp: ['Patient'],
  cda: ['patientRole'],
  hl7v3: ['patientPerson', 'patient', 'queryByParameter', 'livingSubjectId'],
};

/** Which of the formats a text is; null for all other XML. */
export function clinicalXml(text: string): App | null {
  const head = text.slice(0, HEAD_CHARS);
  if (/<(?:HEL|DST|OBS|OPL|PTL|REQ|DTV|ESC|END|CNV|KPA|EVS|ACK|EOT)\.R0\d{1,2}[ >]/.test(head)) return 'poct1a';
  if (!head.includes('<')) return null;
  if (
    text.includes('ncpdp.org/schema/SCRIPT') ||
    /<Message[^>]{0,400}(?:TransportVersion|DatatypesVersion)=/.test(head)
  )
    return 'ncpdp';
  if (!text.includes('urn:hl7-org:v3')) return null;
  return text.includes('ClinicalDocument') ? 'cda' : 'hl7v3';
}

/** Each person in it. */
export function personsInXml(app: App, text: string): PatientRecord[] {
  const found: PatientRecord[] = [];
  for (const around of AROUND[app]) {
    for (let at = openTag(text, around, 0); at >= 0 && found.length < PATIENTS_MAX; ) {
      const close = closeTag(text, around, at);
      const record = person(app, text.slice(at, close < 0 ? undefined : close));
      if ([...record.fields].length > 0) found.push(record);
      at = close < 0 ? -1 : openTag(text, around, close);
    }
  }
  return found;
}

const isNameEnd = (c: string): boolean => c === ' ' || c === '>' || c === '/' || c === '\n' || c === '\r' || c === '\t';

/** The next `<name` or `<prefix:name`. */
function openTag(text: string, name: string, from: number): number {
  for (let at = text.indexOf(name, from); at >= 0; at = text.indexOf(name, at + 1)) {
    if (!isNameEnd(text.charAt(at + name.length))) continue;
    if (text.charAt(at - 1) === '<') return at - 1;
    if (text.charAt(at - 1) !== ':') continue;
    const prefix = /<[\w.-]{1,20}:$/.exec(text.slice(Math.max(0, at - TAG_CHARS), at));
    if (prefix) return at - prefix[0].length;
  }
  return -1;
}

function closeTag(text: string, name: string, from: number): number {
  for (let at = text.indexOf(`${name}>`, from); at >= 0; at = text.indexOf(`${name}>`, at + 1)) {
    if (/<\/(?:[\w.-]{1,20}:)?$/.test(text.slice(Math.max(0, at - TAG_CHARS), at))) return at;
  }
  return -1;
}

function person(app: App, text: string): PatientRecord {
  const fields = new Set<string>();
  const nhs: Verdict[] = [];
  let identity = '';
  for (const [element, path] of Object.entries(PERSONAL[app])) {
    const at = path === '' ? -1 : openTag(text, element, 0);
    if (at < 0) continue;
    const value = valueAt(text, at);
    if (value === '') continue;
    fields.add(path);
    if (identity === '' || /id$|Security|Number/i.test(element)) identity = value;
    const verdict = nhsVerdict(value);
    if (verdict === 'valid') nhs.push(verdict);
  }
  return { fields, identity, nhs };
}

/** What an element says: an attribute of its tag, or the text behind it. */
function valueAt(text: string, at: number): string {
  const stop = text.indexOf('>', at);
  if (stop < 0 || stop - at > 2048) return '';
  const attribute = /[\s](?:V|extension|value)="([^"]{1,256})"/.exec(text.slice(at, stop));
  if (attribute) return attribute[1]!.trim();
  const next = text.indexOf('<', stop);
  return text.slice(stop + 1, next < 0 ? stop + 1 : Math.min(next, stop + 257)).trim();
}

/** Reports every person of a text; false when it is none of these formats. */
export function readClinicalXml(report: Report, flow: Flow, text: string): boolean {
  const app = clinicalXml(text);
  if (app === null) return false;
  const persons = personsInXml(app, text);
  for (const record of persons) report.patient(flow, app, 'document', record);
  if (persons.length === 0) report.clinical(flow, app, 'document', []);
  return true;
}

/** XML on a bare connection, as POCT1-A devices speak it. */
export const isBareXml = (b: Uint8Array, at: number, end: number): boolean =>
  b[at] === 0x3c && end - at > 12 && clinicalXml(latin1(b, at, Math.min(end, at + HEAD_CHARS))) !== null;

export function createClinicalXml(report: Report): Parser {
  const take = (flow: Flow, b: Uint8Array, start: number, end: number): void => {
    if (end > start) readClinicalXml(report, flow, latin1(b, start, end));
  };
  return {
    name: 'clinical-xml',
    read(flow, dir, b, start, end) {
      if (flow.client < 0) flow.client = dir;
      let at = start;
      for (;;) {
        const stop = documentEnd(b, at, end);
        if (stop < 0) break;
        take(flow, b, at, stop);
        at = stop;
        while (at < end && (b[at] === 0x0d || b[at] === 0x0a || b[at] === 0x20)) at++;
        if (at >= end) return end;
      }
      if (end - at <= TEXT_BYTES_MAX) return at;
      take(flow, b, at, end);
      return end;
    },
  };
}

/** Behind the close of the first element, when it is there. */
function documentEnd(b: Uint8Array, at: number, end: number): number {
  const head = latin1(b, at, Math.min(end, at + HEAD_CHARS));
  const root = /<([A-Za-z][\w.:-]{0,60})[\s>]/.exec(head)?.[1];
  if (root === undefined) return -1;
  const close = Buffer.from(b.buffer, b.byteOffset + at, end - at).indexOf(`</${root}>`, 0, 'latin1');
  return close < 0 ? -1 : at + close + root.length + 3;
}
