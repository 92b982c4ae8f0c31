/** Log records of OpenTelemetry as our OTLP listener writes them: time, severity, body, attributes, resource. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { intOf, ipOf, word } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { PROGRAMS } from '../programs/program-table.ts';
import { innerLine, innerMessage, severityOf } from './json-inner.ts';
import { flatten, isObject, type JsonObject, textAt, valueAt } from './json-text.ts';
import { decodeWindowsJson, isWindowsJson } from './json-windows.ts';

/** Semantic conventions of OpenTelemetry → columns, looked up in the attributes and then in the resource. */
const COLUMNS = [
  ['user', 'user.name'],
  ['src_ip', 'client.address'],
  ['src_ip', 'source.address'],
  ['dst_ip', 'server.address'],
  ['method', 'http.request.method'],
  ['url', 'url.path'],
  ['user_agent', 'user_agent.original'],
  ['process', 'process.executable.name'],
  ['service', 'service.name'],
  ['file', 'log.file.path'],
] as const;

export function decodeOtlp(object: JsonObject, frame: Frame): DecodedEvent {
  const time = timeOfValue(object.time_unix_nano ?? object.observed_time_unix_nano, frame, true);
  if (time > 0) frame.timeMs = time;
  const attributes = isObject(object.attributes) ? object.attributes : {};
  const resource = isObject(object.resource) ? object.resource : {};
  const host = textAt(resource, 'host.name') || textAt(attributes, 'host.name');
  if (host) frame.host = word(host, 0, host.length);
  const severity = severityOf(textAt(object, 'severity_text'));
  if (severity > 0) frame.severityId = severity;
  const body = object.body;
  if (isObject(body)) {
    if (isWindowsJson(body)) return decodeWindowsJson(body, frame);
    return otlpEvent(object, attributes, resource, '', frame);
  }
  const message = typeof body === 'string' ? body : body === undefined || body === null ? '' : JSON.stringify(body);
  if (typeof body === 'string') {
    const fields = flatten(attributes, frame, flatten(resource, frame));
    frame.fields = Object.keys(fields).length > 0 ? fields : NO_FIELDS;
    const line = innerLine(message, frame);
    if (line) return line;
    const program =
      textAt(attributes, 'syslog.appname') || textAt(attributes, 'appname') || textAt(resource, 'service.name');
    if (program && (PROGRAMS.has(program) || program.startsWith('postfix/'))) {
      frame.program = word(program, 0, program.length);
      const pid = textAt(attributes, 'process.pid') || textAt(attributes, 'proc_id');
      frame.pid = intOf(pid, 0, pid.length);
      const event = innerMessage(message, frame);
      if (event) return event;
    }
    frame.fields = NO_FIELDS;
  }
  return otlpEvent(object, attributes, resource, message, frame);
}

function otlpEvent(
  object: JsonObject,
  attributes: JsonObject,
  resource: JsonObject,
  message: string,
  frame: Frame,
): DecodedEvent {
  const fields = flatten(attributes, frame, flatten(resource, frame));
  if (isObject(object.body)) flatten(object.body, frame, fields);
  const norm: Normalised = { class_uid: OCSF_CLASS.base, message };
  if (frame.severityId > 0) norm.severity_id = frame.severityId;
  if (frame.host) norm.host = frame.host;
  for (const [column, path] of COLUMNS) {
    const value = textAt(attributes, path) || textAt(resource, path);
    if (!value || norm[column] !== undefined) continue;
    const kept = column === 'src_ip' || column === 'dst_ip' ? ipOf(value) : value;
    if (kept) norm[column] = kept;
  }
  const status = Number(valueAt(attributes, 'http.response.status_code'));
  if (Number.isInteger(status)) norm.status = status;
  return makeEvent(
    frame,
    'otlp/log',
    logSource(undefined, undefined, norm.service?.slice(0, 64).toLowerCase()),
    norm,
    fields,
  );
}
