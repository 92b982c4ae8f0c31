/** HTTP/1 on any port (RFC 9112): credentials in heads and forms, patients in queries and bodies; other bodies are passed over. */

import type { Budget } from './network-budget.ts';
import { latin1, startsWith } from './network-bytes.ts';
import { readClinicalXml } from './network-clinical-xml.ts';
import { readDicomFile } from './network-dicom.ts';
import { patientInQuery, patientsInXml, readJson } from './network-fhir.ts';
import type { Flow, Parser } from './network-flow.ts';
import { patientInText } from './network-free-text.ts';
import { isHl7, readHl7Datagram } from './network-hl7.ts';
import { createLabelScan } from './network-labels.ts';
import { isNcpdp, readNcpdp } from './network-ncpdp.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';
import { unpack } from './network-unpack.ts';
import { upnpDevice } from './network-upnp.ts';
import { isX12, readX12 } from './network-x12.ts';

const HEAD_BYTES_MAX = 32 * 1024;
/** What is read of a body that may hold patients; the rest is passed over. */
const BODY_BYTES_MAX = 256 * 1024;
const TEXT_CHARS_MAX = 64 * 1024;
const WAITING_MAX = 64;

const METHODS = ['GET ', 'POST ', 'PUT ', 'HEAD ', 'PATCH ', 'DELETE ', 'OPTIONS ', 'CONNECT ', 'PROPFIND ', 'REPORT '];

export function isHttp(b: Uint8Array, at: number, end: number): boolean {
  if (b[at] === 0x48 && startsWith(b, at, end, 'HTTP/1.')) return true;
  for (const method of METHODS) {
    if (b[at] !== method.charCodeAt(0) || !startsWith(b, at, end, method)) continue;
    const next = b[at + method.length] ?? 0;
    return next === 0x2f || next === 0x2a || next === 0x68 || method === 'CONNECT ';
  }
  return false;
}

interface Way {
  /** What comes next: a head, a body of known length, a chunk's line, a body that ends with the connection. */
  next: 'head' | 'body' | 'chunk' | 'rest';
  left: number;
  chunked: boolean;
  type: string;
  packed: boolean;
  body: Uint8Array[] | null;
  bodyLength: number;
  /** So much of the body is read. */
  most: number;
}

const newWay = (): Way => ({
  next: 'head',
  left: 0,
  chunked: false,
  type: '',
  packed: false,
  body: null,
  bodyLength: 0,
  most: 0,
});

/** Headers that carry a token and nothing else. */
const TOKEN_HEADERS = new Set(['x-api-key', 'x-auth-token', 'x-access-token', 'api-key', 'private-token']);

const SECRET_FIELDS = [
  'password',
  'passwd',
  'pwd',
  'pass',
  'passwort',
  'pin',
  'secret',
  'client_secret',
  'access_token',
];

const secretField = (key: string): string | undefined =>
  SECRET_FIELDS.find((one) => key === one || key.endsWith(`.${one}`) || key.endsWith(`_${one}`));

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value.slice(0, 256).replaceAll('+', ' '));
  } catch {
    return value;
  }
}

export function createHttp(report: Report, budget: Budget): Parser {
  const ways: readonly [Way, Way] = [newWay(), newWay()];
  const methods: string[] = [];
  /** Who sent the body that is being read. */
  let dirOfBody = 0;

  const authorization = (flow: Flow, name: string, value: string): void => {
    const space = value.indexOf(' ');
    const scheme = (space < 0 ? value : value.slice(0, space)).toLowerCase();
    const rest = space < 0 ? '' : value.slice(space + 1);
    if (scheme === 'basic' && rest !== '') report.credential(flow, 'http', 'Basic', rest, name);
    else if (scheme === 'bearer' && rest !== '') report.credential(flow, 'http', 'Bearer', rest, name);
    else if (scheme === 'digest' && rest !== '') report.credential(flow, 'http', 'Digest', digestUser(rest), name);
    else if ((scheme === 'ntlm' || scheme === 'negotiate') && rest.startsWith('TlRMTVNTUAAD')) ntlm(flow, rest, name);
  };

  const ntlm = (flow: Flow, text: string, name: string): void => {
    const bytes = Buffer.from(text.slice(0, 8192), 'base64');
    const found = ntlmLogin(bytes, 0, bytes.length);
    // Nothing signs an HTTP request: the answer can be used elsewhere whatever its version (MS-NTHT section 5.1).
    if (found)
      report.weakLogin(flow, 'http', found.version === 'NTLMv1' ? 'NTLMv1' : 'NTLM relayable', found.user, name);
  };

  const form = (flow: Flow, text: string, where: string): void => {
    const labels = createLabelScan();
    let told = false;
    for (const pair of text.split('&', 128)) {
      const equals = pair.indexOf('=');
      if (equals < 1 || equals === pair.length - 1) continue;
      const key = pair.slice(0, equals).toLowerCase();
      const value = pair.slice(equals + 1);
      labels.pair(key, unescaped(value));
      const field = secretField(key);
      if (field === undefined || told) continue;
      told = true;
      report.credential(flow, 'http', 'form', value, `${where} ${field}`);
    }
    const patient = labels.result();
    if (patient) report.patient(flow, 'http', where, patient);
  };

  const head = (flow: Flow, dir: number, way: Way, text: string): void => {
    const lines = text.split('\r\n', 200);
    const first = (lines[0] ?? '').split(' ', 3);
    const response = text.startsWith('HTTP/1.');
    way.type = '';
    way.packed = false;
    way.chunked = false;
    let length = -1;
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i]!;
      const colon = line.indexOf(':');
      if (colon < 4) continue;
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === 'content-length') length = /^\d{1,12}$/.test(value) ? Number(value) : -1;
      else if (name === 'transfer-encoding') way.chunked = value.toLowerCase().includes('chunked');
      else if (name === 'content-type') way.type = value.slice(0, 128).toLowerCase();
      else if (name === 'content-encoding') way.packed = value.toLowerCase() === 'gzip';
      else if (name === 'authorization' || name === 'proxy-authorization') authorization(flow, name, value);
      else if (TOKEN_HEADERS.has(name) && value !== '' && !response)
        report.credential(flow, 'http', 'token', value, name);
      else if (name === 'server' && response) report.said(flow, dir, 'http-server', value);
      else if (name === 'www-authenticate' && response)
        report.said(flow, dir, 'http-realm', /realm="([^"]{1,80})"/i.exec(value)?.[1] ?? '');
      else if (name === 'user-agent' && !response) report.said(flow, dir, 'user-agent', value);
    }
    if (response) {
      flow.client = dir ^ 1;
      responseBody(flow, way, Number(first[1]), length);
    } else {
      flow.client = dir;
      requestBody(flow, way, first, length);
    }
    release(way);
    way.most = bytesWanted(way.type);
    if (way.next !== 'head' && way.most > 0) way.body = [];
  };

  const requestBody = (flow: Flow, way: Way, first: readonly string[], length: number): void => {
    if (methods.length < WAITING_MAX) methods.push(first[0] ?? '');
    const target = first[1] ?? '';
    const found = patientInQuery(target);
    if (found) report.patient(flow, found.app, 'search', found.record);
    const mark = target.indexOf('?');
    if (mark >= 0) form(flow, target.slice(mark + 1), 'query');
    way.next = way.chunked ? 'chunk' : length > 0 ? 'body' : 'head';
    way.left = Math.max(0, length);
  };

  const responseBody = (flow: Flow, way: Way, status: number, length: number): void => {
    const method = status >= 200 || status === 101 ? methods.shift() : undefined;
    if (status === 101 || (method === 'CONNECT' && status < 300)) {
      // Another protocol begins here, in both directions.
      flow.parser = null;
      flow.tries = 0;
      return;
    }
    const none = method === 'HEAD' || status < 200 || status === 204 || status === 304 || length === 0;
    way.next = none ? 'head' : way.chunked ? 'chunk' : length > 0 ? 'body' : 'rest';
    way.left = Math.max(0, length);
  };

  const release = (way: Way): void => {
    budget.give(way.bodyLength);
    way.body = null;
    way.bodyLength = 0;
  };

  const bodyDone = (flow: Flow, way: Way): void => {
    dirOfBody = way === ways[0] ? 0 : 1;
    const { body, bodyLength } = way;
    release(way);
    way.next = 'head';
    if (body === null || bodyLength === 0) return;
    let bytes: Uint8Array = Buffer.concat(body);
    if (way.packed) {
      const unpacked = unpack(bytes);
      if (unpacked === null) return;
      bytes = unpacked;
    }
    readBody(flow, way.type, bytes);
  };

  const readBody = (flow: Flow, type: string, bytes: Uint8Array): void => {
    if (structured(flow, bytes)) return;
    if (type.includes('urlencoded')) {
      form(flow, latin1(bytes, 0, Math.min(bytes.length, 16_384)), 'form');
      return;
    }
    if (type.includes('dicom') && !type.includes('json')) {
      const set = readDicomFile(bytes, 0, bytes.length);
      if (set && [...set.fields].some((field) => field.startsWith('(0010')))
        report.patient(flow, 'dicomweb', 'object', { fields: set.fields, identity: set.identity });
      return;
    }
    const text = latin1(bytes, 0, bytes.length);
    if (type.includes('multipart')) {
      parts(flow, text, bytes);
      return;
    }
    if (type.includes('json')) {
      const { patients, secret, labelled } = readJson(text);
      for (const one of patients) report.patient(flow, one.app, 'body', one.record);
      if (patients.length === 0 && labelled) report.patient(flow, 'http', 'JSON', labelled);
      if (secret && dirOfBody === flow.client)
        report.credential(flow, 'http', 'JSON log-in', secret.value, `body ${secretField(secret.key) ?? 'secret'}`);
    } else if (type.includes('xml')) xml(flow, text);
    else if (type.startsWith('text/') && !type.startsWith('text/html') && !type.includes('javascript')) {
      const patient = patientInText(text.slice(0, TEXT_CHARS_MAX));
      if (patient) report.patient(flow, 'http', 'text', patient);
    } else if (type === '' && text.startsWith('<')) xml(flow, text);
    const html = type.startsWith('text/html') ? /<title[^>]{0,64}>([^<]{1,80})</i.exec(text.slice(0, 8192)) : null;
    if (html) report.said(flow, dirOfBody, 'http-title', html[1] ?? '');
  };

  /** Formats that say themselves what they are. */
  const structured = (flow: Flow, bytes: Uint8Array): boolean => {
    const end = bytes.length;
    if (isHl7(bytes, 0, end)) readHl7Datagram(report, flow, bytes, 0, end);
    else if (isX12(bytes, 0, end)) readX12(report, flow, bytes, 0, end);
    else if (isNcpdp(bytes, 0, end)) readNcpdp(report, flow, bytes, 0, end);
    else return false;
    return true;
  };

  const xml = (flow: Flow, text: string): void => {
    for (const one of patientsInXml(text)) report.patient(flow, one.app, 'body', one.record);
    if (!readClinicalXml(report, flow, text)) {
      const device = upnpDevice(text);
      if (device !== null && dirOfBody !== flow.client) report.said(flow, dirOfBody, 'upnp-device', device);
    }
    const secret = /<(?:\w{1,20}:)?Password(?:\s[^>]{0,200})?>([^<]{1,256})</.exec(text);
    if (secret && dirOfBody === flow.client) report.credential(flow, 'http', 'SOAP log-in', secret[1]!, 'Password');
  };

  /** Fields of a form with files, and the parts of DICOMweb and document exchange (RFC 7578, RFC 2387). */
  const parts = (flow: Flow, text: string, bytes: Uint8Array): void => {
    const labels = createLabelScan();
    for (const part of text.split('\r\n--', 64)) {
      const blank = part.indexOf('\r\n\r\n');
      if (blank < 0) continue;
      const value = part.slice(blank + 4);
      const key = /name="([^"]{1,64})"/i.exec(part.slice(0, blank))?.[1]?.toLowerCase();
      const field = key === undefined ? undefined : secretField(key);
      if (key !== undefined) labels.pair(key, value.slice(0, 64));
      if (field !== undefined && value !== '') report.credential(flow, 'http', 'form', value, `form ${field}`);
      else if (value.startsWith('<')) xml(flow, value);
      else structured(flow, Buffer.from(value, 'latin1'));
    }
    const patient = labels.result();
    if (patient) report.patient(flow, 'http', 'form', patient);
    const set = readDicomFile(bytes, 0, bytes.length);
    if (set && [...set.fields].some((one) => one.startsWith('(0010')))
      report.patient(flow, 'dicomweb', 'object', { fields: set.fields, identity: set.identity });
  };

  const take = (way: Way, b: Uint8Array, start: number, end: number): void => {
    if (way.body === null || way.bodyLength >= way.most) return;
    const piece = b.slice(start, Math.min(end, start + way.most - way.bodyLength));
    if (!budget.take(piece.length)) {
      release(way);
      return;
    }
    way.body.push(piece);
    way.bodyLength += piece.length;
  };

  /** Answers the position after the head, the same position when bytes are missing, -1 when it is no HTTP. */
  const readHead = (flow: Flow, dir: number, way: Way, b: Uint8Array, at: number, end: number): number => {
    if (b[at] === 0x0d || b[at] === 0x0a) return at + 1;
    if (end - at < 16) return at;
    if (!isHttp(b, at, end)) return -1;
    const stop = headEnd(b, at, end);
    if (stop < 0) return end - at > HEAD_BYTES_MAX ? -1 : at;
    head(flow, dir, way, latin1(b, at, stop));
    return stop + 4;
  };

  /** A chunk's line (RFC 9112 section 7.1); the same position when bytes are missing, -1 when it is none. */
  const readChunk = (flow: Flow, way: Way, b: Uint8Array, at: number, end: number): number => {
    let line = at;
    while (line < end && line - at < 64 && b[line] !== 0x0a) line++;
    if (line >= end) return at;
    if (b[line] !== 0x0a) return -1;
    const word = latin1(b, at, line).trim();
    if (word === '') return line + 1;
    const size = /^[0-9a-f]{1,8}(?:;|$)/i.test(word) ? Number.parseInt(word, 16) : -1;
    if (size < 0) return -1;
    if (size === 0) {
      bodyDone(flow, way);
      return line + 1;
    }
    way.left = size;
    way.next = 'body';
    return line + 1;
  };

  const readBytes = (flow: Flow, way: Way, b: Uint8Array, at: number, end: number): number => {
    if (way.body === null || way.bodyLength >= way.most) {
      const next = at + way.left;
      way.left = 0;
      if (way.chunked) way.next = 'chunk';
      else bodyDone(flow, way);
      return next;
    }
    const part = Math.min(end - at, way.left);
    take(way, b, at, at + part);
    way.left -= part;
    if (way.left === 0) {
      if (way.chunked) way.next = 'chunk';
      else bodyDone(flow, way);
    }
    return at + part;
  };

  return {
    name: 'http',
    free() {
      for (const way of ways) release(way);
    },
    read(flow, dir, b, start, end) {
      const way = ways[dir]!;
      let at = start;
      while (at < end) {
        let next: number;
        if (way.next === 'head') next = readHead(flow, dir, way, b, at, end);
        else if (way.next === 'chunk') next = readChunk(flow, way, b, at, end);
        else if (way.next === 'body') next = readBytes(flow, way, b, at, end);
        else {
          take(way, b, at, end);
          return end;
        }
        if (next === -1) {
          flow.parser = null;
          return end;
        }
        if (next === at) return at;
        at = next;
        if (flow.parser === null) return Math.min(at, end);
      }
      return at;
    },
    end(flow) {
      for (const way of ways) bodyDone(flow, way);
    },
  };
}

/** A page says its title early, and a file says early what it is. */
const PEEK_BYTES = 8 * 1024;
const READ_TYPES = ['json', 'fhir', 'xml', 'dicom', 'hl7', 'urlencoded', 'multipart', 'x12', 'edi', 'ncpdp'];

function bytesWanted(type: string): number {
  if (type === '' || READ_TYPES.some((word) => type.includes(word))) return BODY_BYTES_MAX;
  if (type.startsWith('text/html') || type.startsWith('application/octet-stream')) return PEEK_BYTES;
  return type.startsWith('text/plain') || type.startsWith('text/csv') ? BODY_BYTES_MAX : 0;
}

function headEnd(b: Uint8Array, start: number, end: number): number {
  for (let i = start; i + 3 < end; i++)
    if (b[i] === 0x0d && b[i + 1] === 0x0a && b[i + 2] === 0x0d && b[i + 3] === 0x0a) return i;
  return -1;
}

/** A digest answer differs each time; who it is for does not. */
function digestUser(value: string): string {
  const at = value.indexOf('username="');
  return at < 0 ? '' : value.slice(at, value.indexOf('"', at + 10));
}
