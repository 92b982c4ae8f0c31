/** JSON of applications that no schema covers: Suricata by name, the rest by the names that most loggers share. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { timeOfValue } from '../decode-time.ts';
import { addressOf, logonOutcome, readLogon } from '../programs/program-logon.ts';
import { columnVisitor, putColumn } from './json-columns.ts';
import { severityOf } from './json-inner.ts';
import { flatten, type JsonObject, textOf } from './json-text.ts';
import { decodeWebRequest } from './json-web.ts';

const TIMES = [
  'timestamp',
  'time',
  'ts',
  '@timestamp',
  'eventTime',
  'datetime',
  'date',
  't.$date',
  'start_time',
  'StartUTC',
];

/** Names that common loggers use. */
const visitColumns = columnVisitor([
  ['src_ip', 'src_ip'],
  ['src_ip', 'client_ip'],
  ['src_ip', 'remote_ip'],
  ['src_ip', 'remoteAddr'],
  ['src_ip', 'ClientHost'],
  ['src_ip', 'sourceIPAddress'],
  ['src_ip', 'remote_addr'],
  ['src_ip', 'remoteAddress'],
  ['src_ip', 'remote_address'],
  ['src_ip', 'ipAddress'],
  ['src_ip', 'ip_address'],
  ['src_ip', 'clientIp'],
  ['src_ip', 'ip'],
  ['src_ip', 'visitor_ip'],
  ['src_ip', 'addr.remote'],
  ['src_ip', 'request.client_ip'],
  ['src_ip', 'req.remoteAddress'],
  ['src_ip', 'request.remote_ip'],
  ['src_port', 'src_port'],
  ['dst_ip', 'dest_ip'],
  ['dst_ip', 'dst_ip'],
  ['dst_port', 'dest_port'],
  ['dst_port', 'dst_port'],
  ['protocol', 'proto'],
  ['user', 'user'],
  ['user', 'username'],
  ['user', 'user_name'],
  ['user', 'userName'],
  ['user', 'login'],
  ['user', 'email'],
  ['user', 'attr.principalName'],
  ['user', 'context.username'],
  ['user', 'userIdentity.userName'],
  ['host', 'host'],
  ['host', 'hostname'],
  ['url', 'http.url'],
  ['url', 'request.uri'],
  ['url', 'RequestPath'],
  ['url', 'url'],
  ['method', 'http.http_method'],
  ['method', 'request.method'],
  ['method', 'RequestMethod'],
  ['method', 'method'],
  ['status', 'http.status'],
  ['status', 'DownstreamStatus'],
  ['status', 'status'],
  ['user_agent', 'http.http_user_agent'],
  ['user_agent', 'userAgent'],
  ['domain', 'dns.rrname'],
  ['domain', 'request.host'],
  ['event_code', 'eventName'],
  ['message', 'alert.signature'],
  ['message', 'message'],
  ['message', 'msg'],
]);

export function decodeOther(object: JsonObject, frame: Frame, text: string, at: number, end: number): DecodedEvent {
  const fields = flatten(object, frame);
  for (const name of TIMES) {
    const value = fields[name];
    if (value === undefined) continue;
    const time = timeOfValue(value, frame, false);
    if (!Number.isNaN(time)) {
      frame.timeMs = time;
      break;
    }
  }
  const norm: Record<string, string | number> = { class_uid: OCSF_CLASS.base };
  visitColumns(fields, (column, text) => {
    // `-` and `--` stand for nobody.
    if (norm[column] !== undefined || (text.charCodeAt(0) === 45 && /^-+$/.test(text))) return;
    putColumn(norm, column, text);
    if (column === 'src_ip' && norm.src_ip === undefined) putPeer(norm, text);
  });
  const severity = severityOf(textOf(fields.level) || textOf(fields.severity));
  if (severity > 0) norm.severity_id = severity;
  norm.host ??= frame.host;
  if (norm.host === '') delete norm.host;
  norm.message ??= text.slice(at, Math.min(end, at + 512));
  if (isSuricata(object)) return suricata(norm, fields, frame);
  const outcome = logonOf(fields, norm);
  if (outcome !== null) {
    norm.class_uid = OCSF_CLASS.authentication;
    norm.action = 'logon';
    norm.outcome = outcome;
    readLogon(String(norm.message), norm as Normalised);
    if (norm.src_ip !== undefined || norm.user !== undefined)
      return makeEvent(frame, 'json/logon', logSource(undefined, 'authentication'), norm as Normalised, fields);
  }
  const web = decodeWebRequest(norm as Normalised, fields, frame);
  if (web) return web;
  frame.fault = 'not-understood';
  return makeEvent(frame, 'json/other', logSource(), norm as Normalised, fields);
}

/** What kind of thing happened, in the loggers that say so in a field of its own. */
const KINDS = ['action', 'event', 'eventName', 'event_type', 'type', 'sender', 'Event'];
const KIND_LOGON = /log[ _.-]?[io]n|sign[ _.-]?in|auth/i;
const KIND_FAILED = /fail|error|denied|invalid|reject/i;

/** Is it a log-in, and how did it end? By the message's words, else by the fields that say it. */
function logonOf(fields: Fields, norm: Record<string, string | number>): 'failure' | 'success' | null {
  const said = typeof norm.message === 'string' ? logonOutcome(norm.message) : null;
  if (said !== null) return said;
  const kind = KINDS.map((name) => textOf(fields[name])).find((text) => KIND_LOGON.test(text));
  if (kind === undefined) return null;
  const { success } = fields;
  if (typeof success === 'boolean') return success ? 'success' : 'failure';
  if (KIND_FAILED.test(kind) || textOf(fields.error) || textOf(fields.errorMessage)) return 'failure';
  const result = textOf(fields['responseElements.ConsoleLogin']) || textOf(fields.outcome) || textOf(fields.result);
  return result ? (KIND_FAILED.test(result) ? 'failure' : 'success') : null;
}

/** `1.2.3.4:567`. */
function putPeer(norm: Record<string, string | number>, value: string): void {
  const peer = addressOf(value);
  if (peer === null) return;
  norm.src_ip = peer.ip;
  norm.src_port ??= peer.port;
}

function isSuricata(object: JsonObject): boolean {
  return typeof object.event_type === 'string' && 'timestamp' in object && ('flow_id' in object || 'stats' in object);
}

/** Suricata's eve.json: alerts are findings, the rest is network activity. */
function suricata(norm: Record<string, string | number>, fields: Fields, frame: Frame): DecodedEvent {
  const type = textOf(fields.event_type);
  const priority = Number(fields['alert.severity']);
  norm.class_uid =
    type === 'alert'
      ? OCSF_CLASS.securityFinding
      : type === 'http'
        ? OCSF_CLASS.http
        : type === 'dns'
          ? OCSF_CLASS.dns
          : OCSF_CLASS.network;
  norm.action = type;
  norm.event_code = textOf(fields['alert.signature_id']) || type;
  if (type === 'alert' && priority >= 1) norm.severity_id = Math.max(2, 5 - priority);
  return makeEvent(
    frame,
    'json/suricata',
    logSource('suricata', undefined, type.slice(0, 32)),
    norm as Normalised,
    fields,
  );
}
