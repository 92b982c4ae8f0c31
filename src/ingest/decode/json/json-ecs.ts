/** Elastic Common Schema, dotted or nested, as Filebeat, Elastic Agent, Logstash and Vector send it. */

import {
  type DecodedEvent,
  NORMALISED_COLUMNS,
  type Normalised,
  type NormalisedColumn,
  OCSF_CLASS,
} from '../../../core/index.ts';
import { type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { entryOf, intOf, ipOf, word } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { PROGRAMS } from '../programs/program-table.ts';
import { innerLine, innerMessage, severityOf } from './json-inner.ts';
import { flatten, type JsonObject, textAt } from './json-text.ts';

/** ECS field → column; of two for one column the first that is there counts. */
const COLUMNS: readonly (readonly [NormalisedColumn, string])[] = [
  ['action', 'event.action'],
  ['user', 'user.name'],
  ['user_domain', 'user.domain'],
  ['target_user', 'user.target.name'],
  ['src_ip', 'source.ip'],
  ['src_ip', 'client.ip'],
  ['src_port', 'source.port'],
  ['src_host', 'source.domain'],
  ['dst_ip', 'destination.ip'],
  ['dst_ip', 'server.ip'],
  ['dst_port', 'destination.port'],
  ['dst_host', 'destination.domain'],
  ['host', 'host.name'],
  ['host', 'host.hostname'],
  ['host', 'agent.hostname'],
  ['host', 'host'],
  ['process', 'process.executable'],
  ['process', 'process.name'],
  ['pid', 'process.pid'],
  ['command_line', 'process.command_line'],
  ['parent_process', 'process.parent.executable'],
  ['parent_process', 'process.parent.name'],
  ['file', 'file.path'],
  ['hash', 'file.hash.sha256'],
  ['hash', 'process.hash.sha256'],
  ['service', 'service.name'],
  ['service', 'service.type'],
  ['protocol', 'network.transport'],
  ['method', 'http.request.method'],
  ['url', 'url.original'],
  ['url', 'url.path'],
  ['domain', 'url.domain'],
  ['domain', 'dns.question.name'],
  ['status', 'http.response.status_code'],
  ['user_agent', 'user_agent.original'],
  ['bytes', 'http.response.body.bytes'],
  ['event_code', 'event.code'],
  ['message', 'message'],
];

const CLASSES: Readonly<Record<string, number>> = {
  authentication: OCSF_CLASS.authentication,
  session: OCSF_CLASS.authentication,
  process: OCSF_CLASS.process,
  network: OCSF_CLASS.network,
  file: OCSF_CLASS.fileActivity,
  iam: OCSF_CLASS.accountChange,
  web: OCSF_CLASS.http,
  email: OCSF_CLASS.email,
  intrusion_detection: OCSF_CLASS.securityFinding,
  malware: OCSF_CLASS.securityFinding,
};

/** Not repeated in the fields: the message is a column, the original is the raw record. */
const LEFT_OUT: ReadonlySet<string> = new Set(['message', 'event.original', '@version', 'ecs.version', '@metadata']);

export function decodeEcs(object: JsonObject, frame: Frame): DecodedEvent {
  const time = timeOfValue(textAt(object, '@timestamp'), frame, true);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const host = textAt(object, 'host.name') || textAt(object, 'host.hostname') || textAt(object, 'host');
  if (host) frame.host = word(host, 0, host.length);
  const program = textAt(object, 'log.syslog.appname') || textAt(object, 'process.name') || textAt(object, 'program');
  const pid = textAt(object, 'process.pid') || textAt(object, 'log.syslog.procid');
  const message = textAt(object, 'event.original') || textAt(object, 'message');
  const fields = flatten(object, frame, {}, LEFT_OUT);
  frame.fields = fields;
  if (message) {
    const line = innerLine(message, frame);
    if (line) return line;
    if (program && (PROGRAMS.has(program) || program.includes('/'))) {
      frame.program = word(program, 0, program.length);
      frame.pid = intOf(pid, 0, pid.length);
      const event = innerMessage(textAt(object, 'message') || message, frame);
      if (event) return event;
    }
  }
  frame.fields = NO_FIELDS;
  return makeEvent(frame, 'json/ecs', sourceOf(object), ecsNorm(object), fields);
}

function ecsNorm(object: JsonObject): Normalised {
  const norm: Record<string, string | number> = {};
  for (const [column, path] of COLUMNS) {
    if (norm[column] !== undefined) continue;
    const value = textAt(object, path);
    if (!value) continue;
    putColumn(norm, column, value);
  }
  const category = textAt(object, 'event.category');
  norm.class_uid = entryOf(CLASSES, category) ?? OCSF_CLASS.base;
  const outcome = textAt(object, 'event.outcome');
  if (outcome) norm.outcome = outcome;
  const severity = severityOf(textAt(object, 'log.level'));
  if (severity > 0) norm.severity_id = severity;
  if (category === 'authentication' && textAt(object, 'event.type') === 'start') norm.action = 'logon';
  return norm as Normalised;
}

/** A value into a column of its kind; addresses and numbers that are none are left out. */
export function putColumn(norm: Record<string, string | number>, column: NormalisedColumn, value: string): void {
  if (NORMALISED_COLUMNS[column].type === 'int') {
    const number = intOf(value, 0, value.length);
    if (number >= 0) norm[column] = number;
  } else if (column === 'src_ip' || column === 'dst_ip') {
    const ip = ipOf(value);
    if (ip) norm[column] = ip;
  } else norm[column] = value.length <= 128 ? word(value, 0, value.length) : value;
}

function sourceOf(object: JsonObject): ReturnType<typeof logSource> {
  const dataset = textAt(object, 'event.dataset');
  const module = textAt(object, 'event.module') || dataset.split('.')[0] || '';
  const os = textAt(object, 'host.os.type');
  if (module === 'nginx' || module === 'apache' || module === 'iis') return logSource(undefined, 'webserver', module);
  return logSource(module === 'system' ? os || 'linux' : module || os || undefined);
}
