/** Elastic Common Schema, dotted or nested, as Filebeat, Elastic Agent, Logstash and Vector send it. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { entryOf, intOf } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { PROGRAMS } from '../programs/program-table.ts';
import { columnVisitor, putColumn } from './json-columns.ts';
import { innerLine, innerMessage, severityOf } from './json-inner.ts';
import { flatten, type JsonObject, textAt, textOf } from './json-text.ts';

const visitColumns = columnVisitor([
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
]);

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
  const fields = flatten(object, frame, {}, LEFT_OUT);
  const said = (name: string): string => textOf(fields[name]);
  const time = timeOfValue(said('@timestamp'), frame, true);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const host = said('host.name') || said('host.hostname') || said('host');
  if (host) frame.host = host;
  const message = textAt(object, 'message');
  const original = textAt(object, 'event.original') || message;
  if (original) {
    const program = said('log.syslog.appname') || said('process.name') || said('program');
    frame.fields = fields;
    const line = innerLine(original, frame);
    if (line) return line;
    if (program && (PROGRAMS.has(program) || program.includes('/'))) {
      const pid = said('process.pid') || said('log.syslog.procid');
      frame.program = program;
      frame.pid = intOf(pid, 0, pid.length);
      const event = innerMessage(message || original, frame);
      if (event) return event;
    }
    frame.fields = NO_FIELDS;
  }
  return makeEvent(frame, 'json/ecs', sourceOf(fields), ecsNorm(fields, message), fields);
}

function ecsNorm(fields: Fields, message: string): Normalised {
  const norm: Record<string, string | number> = {};
  visitColumns(fields, (column, text) => {
    if (norm[column] === undefined) putColumn(norm, column, text);
  });
  if (message) norm.message = message;
  const category = textOf(fields['event.category']);
  norm.class_uid = entryOf(CLASSES, category) ?? OCSF_CLASS.base;
  const outcome = textOf(fields['event.outcome']);
  if (outcome) norm.outcome = outcome;
  const severity = severityOf(textOf(fields['log.level']));
  if (severity > 0) norm.severity_id = severity;
  if (category === 'authentication' && textOf(fields['event.type']) === 'start') norm.action = 'logon';
  return norm as Normalised;
}

function sourceOf(fields: Fields): ReturnType<typeof logSource> {
  const dataset = textOf(fields['event.dataset']);
  const module = textOf(fields['event.module']) || dataset.split('.')[0] || '';
  const os = textOf(fields['host.os.type']);
  if (module === 'nginx' || module === 'apache' || module === 'iis') return logSource(undefined, 'webserver', module);
  return logSource(module === 'system' ? os || 'linux' : module || os || undefined);
}
