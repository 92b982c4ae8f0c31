/** HTTP/1 on any port (RFC 9112): credentials in heads and forms, patients in queries and bodies; other bodies are passed over. */

import { gunzipSync, constants as zlib } from 'node:zlib';
import type { Budget } from './network-budget.ts';
import { latin1, startsWith } from './network-bytes.ts';
import { readDicomFile } from './network-dicom.ts';
import { type Found, patientInQuery, patientsInJson, patientsInXml } from './network-fhir.ts';
import type { Flow, Parser } from './network-flow.ts';
import { isHl7, readHl7Datagram } from './network-hl7.ts';
import type { Report } from './network-report.ts';

const HEAD_BYTES_MAX = 32 * 1024;
/** What is read of a body that may hold patients; the rest is passed over. */
const BODY_BYTES_MAX = 256 * 1024;
const UNPACKED_BYTES_MAX = 1024 * 1024;
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
}

const newWay = (): Way => ({
  next: 'head',
  left: 0,
  chunked: false,
  type: '',
  packed: false,
  body: null,
  bodyLength: 0,
});

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

export function createHttp(report: Report, budget: Budget): Parser {
  const ways: readonly [Way, Way] = [newWay(), newWay()];
  const methods: string[] = [];

  const authorization = (flow: Flow, name: string, value: string): void => {
    const space = value.indexOf(' ');
    const scheme = (space < 0 ? value : value.slice(0, space)).toLowerCase();
    const rest = space < 0 ? '' : value.slice(space + 1);
    if (scheme === 'basic' && rest !== '') report.credential(flow, 'http', 'Basic', rest, name);
    else if (scheme === 'bearer' && rest !== '') report.credential(flow, 'http', 'Bearer', rest, name);
    else if (scheme === 'digest' && rest !== '') report.credential(flow, 'http', 'Digest', digestUser(rest), name);
    else if (scheme === 'ntlm' && rest.startsWith('TlRMTVNTUAAD')) report.credential(flow, 'http', 'NTLM', rest, name);
  };

  const form = (flow: Flow, text: string, where: string): void => {
    for (const pair of text.split('&', 128)) {
      const equals = pair.indexOf('=');
      if (equals < 1 || equals === pair.length - 1) continue;
      const key = pair.slice(0, equals).toLowerCase();
      const field = SECRET_FIELDS.find((one) => key === one || key.endsWith(`.${one}`) || key.endsWith(`_${one}`));
      if (field) {
        report.credential(flow, 'http', 'form', pair.slice(equals + 1), `${where} ${field}`);
        return;
      }
    }
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
    }
    if (response) {
      flow.client = dir ^ 1;
      responseBody(flow, way, Number(first[1]), length);
    } else {
      flow.client = dir;
      requestBody(flow, way, first, length);
    }
    release(way);
    if (way.next !== 'head' && wanted(way.type)) way.body = [];
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
    const { body, bodyLength } = way;
    release(way);
    way.next = 'head';
    if (body === null || bodyLength === 0) return;
    let bytes: Uint8Array = Buffer.concat(body);
    if (way.packed) {
      try {
        bytes = gunzipSync(bytes, { finishFlush: zlib.Z_SYNC_FLUSH, maxOutputLength: UNPACKED_BYTES_MAX });
      } catch {
        return;
      }
    }
    readBody(flow, way.type, bytes);
  };

  const readBody = (flow: Flow, type: string, bytes: Uint8Array): void => {
    if (isHl7(bytes, 0, bytes.length)) {
      readHl7Datagram(report, flow, bytes, 0, bytes.length);
      return;
    }
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
    const found: Found[] = type.includes('json')
      ? patientsInJson(text)
      : type.includes('xml')
        ? patientsInXml(text)
        : [];
    for (const one of found) report.patient(flow, one.app, 'body', one.record);
  };

  const take = (way: Way, b: Uint8Array, start: number, end: number): void => {
    if (way.body === null || way.bodyLength >= BODY_BYTES_MAX) return;
    const piece = b.slice(start, Math.min(end, start + BODY_BYTES_MAX - way.bodyLength));
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
    if (way.body === null || way.bodyLength >= BODY_BYTES_MAX) {
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

function wanted(type: string): boolean {
  return (
    type === '' ||
    type.includes('json') ||
    type.includes('fhir') ||
    type.includes('xml') ||
    type.includes('dicom') ||
    type.includes('hl7') ||
    type.includes('urlencoded') ||
    type.startsWith('text/plain')
  );
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
