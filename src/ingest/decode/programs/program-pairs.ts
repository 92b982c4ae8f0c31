/**
 * Lines that are pairs: logfmt (`time=… level=… msg="…"`, as many Go programs write) and the firewalls that write the same
 * with names of their own (FortiGate, Sophos, SonicWall, WatchGuard).
 */

import { type DecodedEvent, type Normalised, type NormalisedColumn, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, putField } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { entryOf, find, ipOf, isDigit, word } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { putColumn } from '../json/json-columns.ts';
import { severityOf } from '../json/json-inner.ts';
import { logonOutcome, readLogon } from './program-logon.ts';

const PLAIN = logSource();
const FIREWALL = logSource(undefined, 'firewall');
const AUTHENTICATION = logSource(undefined, 'authentication');
const PAIRS_MIN = 3;
const PAIRS_MAX = 128;
/** Prose with an equals sign now and then is not a line of pairs: most of it has to be in them. */
const SHARE_MIN = 0.7;

/** Names in lower case; the first one that holds an address counts. */
const SOURCES = [
  'srcip',
  'src_ip',
  'src',
  'remip',
  'remote_ip',
  'remoteip',
  'remote_addr',
  'remoteaddr',
  'remote_address',
  'remoteaddress',
  'client_ip',
  'clientip',
  'ip_address',
  'ipaddress',
  'client',
  'peer',
  'rhost',
  'ip',
  'host',
];
const DESTINATIONS = ['dstip', 'dst_ip', 'dst'];
/** `stream from 1.2.3.4:34871 to 192.168.176.3:21116`, as proxies say it. */
const FROM_TO = /\bfrom \[?([\w.:]{2,45}?)\]?(?::(\d{1,5}))? to \[?([\w.:]{2,45}?)\]?(?::(\d{1,5}))?(?=[\s"',;]|$)/;

/** The first name that is present counts. */
const COLUMNS: readonly (readonly [NormalisedColumn, readonly string[]])[] = [
  ['src_port', ['srcport', 'src_port', 'spt', 'port']],
  ['dst_port', ['dstport', 'dst_port', 'dpt']],
  ['user', ['user', 'username', 'user_name', 'uname', 'usr', 'login', 'account']],
  ['host', ['devname', 'device_name', 'host', 'hostname']],
  ['protocol', ['proto', 'protocol']],
  ['service', ['service', 'app']],
  ['url', ['url', 'path', 'uri']],
  ['method', ['method', 'http_method']],
  ['status', ['status_code', 'httpstatus', 'http_status', 'status']],
  ['user_agent', ['user_agent', 'agent', 'useragent']],
  ['event_code', ['logid', 'log_id', 'eventid', 'msg_id']],
];
const PROTOCOLS: Readonly<Record<string, string>> = { '1': 'icmp', '6': 'tcp', '17': 'udp', '58': 'icmp6' };
const TIMES = ['time', 'ts', 't', 'timestamp', 'eventtime'];
const DENIED = /den|drop|block|reject|clos/i;
const ALLOWED = /accept|allow|pass|permit|start/i;

const nameChar = (code: number): boolean =>
  (code >= 97 && code <= 122) ||
  (code >= 65 && code <= 90) ||
  isDigit(code) ||
  code === 95 ||
  code === 45 ||
  code === 46;

/** Reads all pairs in [at, end); how many characters they cover, and where the first begins. */
function readPairs(
  text: string,
  at: number,
  end: number,
  frame: Frame,
  fields: Fields,
): { count: number; covered: number } {
  let count = 0;
  let covered = 0;
  for (let i = at; i < end && count < PAIRS_MAX; ) {
    const start = i;
    while (i < end && nameChar(text.charCodeAt(i))) i++;
    if (i === start || i >= end || text.charCodeAt(i) !== 61 || i - start > 64) {
      while (i < end && text.charCodeAt(i) !== 32) i++;
      while (i < end && text.charCodeAt(i) === 32) i++;
      continue;
    }
    const name = text.slice(start, i++);
    let value = '';
    if (text.charCodeAt(i) === 34) {
      const from = ++i;
      let escaped = false;
      while (i < end && text.charCodeAt(i) !== 34) {
        if (text.charCodeAt(i) === 92) {
          escaped = true;
          i++;
        }
        i++;
      }
      value = text.slice(from, Math.min(i, end));
      if (escaped) value = value.replace(/\\(.)/g, '$1');
      i = Math.min(i + 1, end);
    } else {
      const from = i;
      while (i < end && text.charCodeAt(i) !== 32) i++;
      // `a=b, c=d`
      value = text.slice(from, text.charCodeAt(i - 1) === 44 && i - 1 >= from ? i - 1 : i);
    }
    covered += i - start;
    if (!Object.hasOwn(fields, name)) putField(fields, name, value, frame);
    count++;
    while (i < end && (text.charCodeAt(i) === 32 || text.charCodeAt(i) === 44)) {
      i++;
      covered++;
    }
  }
  return { count, covered };
}

const textOf = (fields: Fields, name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');

/** A line of pairs at `at`; null when it is prose. */
export function decodePairs(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (find(text, '=', at, Math.min(end, at + 96)) < 0) return null;
  const fields: Fields = {};
  const { count, covered } = readPairs(text, at, end, frame, fields);
  if (count < PAIRS_MIN || covered < (end - at) * SHARE_MIN) return null;
  readTime(fields, frame);
  const norm = baseNorm(frame, text, at, end) as Record<string, string | number>;
  const lower = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), textOf(fields, name)]));
  putAddresses(lower, norm as Normalised);
  for (const [column, names] of COLUMNS) {
    const value = names.map((name) => lower.get(name) ?? '').find((one) => one !== '' && !/^(?:-+|N\/A)$/.test(one));
    // A copy of its own: the value is cut out of a block of records.
    if (value !== undefined) putColumn(norm, column, value.length <= 128 ? word(value, 0, value.length) : value);
  }
  const message = textOf(fields, 'msg') || textOf(fields, 'message');
  if (message) norm.message = message;
  const severity = severityOf(textOf(fields, 'level') || textOf(fields, 'severity') || textOf(fields, 'pri'));
  if (severity > 0) norm.severity_id = severity;
  return finish(text.slice(at, end), norm as Normalised, fields, frame);
}

function putAddresses(lower: ReadonlyMap<string, string>, norm: Normalised): void {
  const first = (names: readonly string[]): string => {
    for (const name of names) {
      const ip = addressIn(lower.get(name) ?? '');
      if (ip) return ip;
    }
    return '';
  };
  const [source, destination] = [first(SOURCES), first(DESTINATIONS)];
  if (source) norm.src_ip = source;
  if (destination) norm.dst_ip = destination;
  const said = source ? null : FROM_TO.exec((lower.get('msg') ?? '').slice(0, 512));
  if (said === null) return;
  const [src, dst] = [ipOf(said[1] as string), ipOf(said[3] as string)];
  if (!src || !dst) return;
  norm.src_ip = src;
  norm.dst_ip = dst;
  if (said[2] !== undefined && Number(said[2]) < 65536) norm.src_port = Number(said[2]);
  if (said[4] !== undefined && Number(said[4]) < 65536) norm.dst_port = Number(said[4]);
}

/** `1.2.3.4`, `1.2.3.4:567`, `IPV4/UDP/1.2.3.4/5060`; '' when there is none. */
function addressIn(value: string): string {
  if (value.length > 128) return '';
  for (const part of value.includes('/') ? value.split('/') : [value]) {
    const ip = ipOf(part) || ipOf(part.slice(0, Math.max(0, part.lastIndexOf(':'))));
    if (ip) return ip;
  }
  return '';
}

function readTime(fields: Fields, frame: Frame): void {
  const day = textOf(fields, 'date');
  const clock = textOf(fields, 'time');
  // FortiGate and Sophos keep day and time apart.
  const values =
    day && clock ? [`${day} ${clock}${textOf(fields, 'tz').replace(/^\+?(-?\d)/, '$1')}`, `${day} ${clock}`] : [];
  for (const value of [...values, ...TIMES.map((name) => textOf(fields, name))]) {
    const time = value === '' ? Number.NaN : timeOfValue(value, frame, false);
    if (Number.isNaN(time)) continue;
    frame.timeMs = time;
    return;
  }
}

function finish(line: string, norm: Normalised, fields: Fields, frame: Frame): DecodedEvent {
  const action =
    textOf(fields, 'action') || textOf(fields, 'act') || textOf(fields, 'log_subtype') || textOf(fields, 'status');
  if (norm.protocol !== undefined) norm.protocol = (entryOf(PROTOCOLS, norm.protocol) ?? norm.protocol).toLowerCase();
  const outcome = logonOutcome(`${action} ${textOf(fields, 'logdesc')} ${norm.message ?? ''}`.replaceAll('-', ' '));
  if (outcome !== null) readLogon(line, norm);
  if (outcome !== null && (norm.user !== undefined || norm.src_ip !== undefined)) {
    norm.class_uid = OCSF_CLASS.authentication;
    norm.action = 'logon';
    norm.outcome = outcome;
    return makeEvent(frame, 'text/logon', AUTHENTICATION, norm, fields);
  }
  if (norm.src_ip !== undefined && norm.dst_ip !== undefined) {
    norm.class_uid = OCSF_CLASS.network;
    norm.action =
      DENIED.test(action) && !/^close$/i.test(action)
        ? 'deny'
        : ALLOWED.test(action) || /^close$/i.test(action)
          ? 'allow'
          : 'log';
    // What rules about packets read.
    fields.src_ip = norm.src_ip;
    fields.dst_ip = norm.dst_ip;
    if (norm.src_port !== undefined) fields.src_port = norm.src_port;
    if (norm.dst_port !== undefined) fields.dst_port = norm.dst_port;
    fields.action = norm.action;
    return makeEvent(frame, 'text/pairs', FIREWALL, norm, fields);
  }
  return makeEvent(frame, 'text/pairs', PLAIN, norm, fields);
}
