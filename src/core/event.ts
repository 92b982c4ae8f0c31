/** The event inside the pipeline: what decoders make, rules read and the archive writes; one fixed shape, so it is fast. */

import { type EventId, eventId, type SourceId } from './ids.ts';
import type { EventRecord } from './records.ts';
import { rfc3339 } from './time.ts';

/**
 * The normalised columns: our column name → the attribute of the Open Cybersecurity Schema Framework (OCSF 1.x) it
 * carries. They are flat on purpose: the archive stores each as one column and the query language names each. `user` is
 * who acts or logs on, `target_user` the account that is acted on.
 */
export const NORMALISED_COLUMNS = {
  class_uid: { ocsf: 'class_uid', type: 'int' },
  severity_id: { ocsf: 'severity_id', type: 'int' },
  action: { ocsf: 'activity_name', type: 'text' },
  outcome: { ocsf: 'status', type: 'text' },
  user: { ocsf: 'user.name', type: 'text' },
  user_domain: { ocsf: 'user.domain', type: 'text' },
  target_user: { ocsf: 'actor.user.name', type: 'text' },
  src_ip: { ocsf: 'src_endpoint.ip', type: 'text' },
  src_port: { ocsf: 'src_endpoint.port', type: 'int' },
  src_host: { ocsf: 'src_endpoint.hostname', type: 'text' },
  dst_ip: { ocsf: 'dst_endpoint.ip', type: 'text' },
  dst_port: { ocsf: 'dst_endpoint.port', type: 'int' },
  dst_host: { ocsf: 'dst_endpoint.hostname', type: 'text' },
  host: { ocsf: 'device.hostname', type: 'text' },
  process: { ocsf: 'process.name', type: 'text' },
  pid: { ocsf: 'process.pid', type: 'int' },
  command_line: { ocsf: 'process.cmd_line', type: 'text' },
  parent_process: { ocsf: 'process.parent_process.name', type: 'text' },
  file: { ocsf: 'file.path', type: 'text' },
  hash: { ocsf: 'file.hashes.value', type: 'text' },
  service: { ocsf: 'dst_endpoint.svc_name', type: 'text' },
  protocol: { ocsf: 'connection_info.protocol_name', type: 'text' },
  method: { ocsf: 'http_request.http_method', type: 'text' },
  url: { ocsf: 'http_request.url.path', type: 'text' },
  domain: { ocsf: 'http_request.url.hostname', type: 'text' },
  status: { ocsf: 'http_response.code', type: 'int' },
  user_agent: { ocsf: 'http_request.user_agent', type: 'text' },
  bytes: { ocsf: 'traffic.bytes', type: 'int' },
  event_code: { ocsf: 'metadata.event_code', type: 'text' },
  message: { ocsf: 'message', type: 'text' },
} as const satisfies Record<string, { ocsf: string; type: 'int' | 'text' }>;

export type NormalisedColumn = keyof typeof NORMALISED_COLUMNS;
export const NORMALISED_NAMES = Object.keys(NORMALISED_COLUMNS) as readonly NormalisedColumn[];

/** OCSF class numbers that decoders use (schema.ocsf.io, categories 1 to 6); 0 is the base event. */
export const OCSF_CLASS = {
  base: 0,
  fileActivity: 1001,
  kernelActivity: 1003,
  scheduledJob: 1006,
  process: 1007,
  securityFinding: 2001,
  accountChange: 3001,
  authentication: 3002,
  authorizeSession: 3003,
  entityManagement: 3004,
  groupManagement: 3006,
  network: 4001,
  http: 4002,
  dns: 4003,
  dhcp: 4004,
  rdp: 4005,
  smb: 4006,
  ssh: 4007,
  ftp: 4008,
  email: 4009,
  webResources: 6001,
  applicationLifecycle: 6002,
} as const;

export type Normalised = {
  [C in NormalisedColumn]?: (typeof NORMALISED_COLUMNS)[C]['type'] extends 'int' ? number : string;
};

/** What Sigma calls a log source; rules are chosen by it. */
export interface LogSource {
  readonly product?: string;
  readonly category?: string;
  readonly service?: string;
}

/** A field as the source wrote it. Nested objects are flattened by decoders with dotted names; arrays hold scalars. */
export type FieldValue = string | number | boolean | null | readonly (string | number | boolean | null)[];

export interface DecodedEvent {
  /** Sequence number of the stream's block and index in it: together with the stream's id, the event's id. */
  seq: number;
  index: number;
  /** Event time and receipt time, Unix milliseconds. */
  timeMs: number;
  receivedMs: number;
  source: SourceId;
  /** The decoder that understood it, `family/program` (`syslog/sshd`, `web/nginx`, `windows/security`); `raw` if none. */
  format: string;
  logsource: LogSource;
  norm: Normalised;
  fields: Record<string, FieldValue>;
  raw: string;
  /** Plain words on how the record was mended: `time-from-receipt`, `cut`, `invalid-utf8`, `year-inferred`, … */
  marks: readonly string[];
  exercise: boolean;
}

/** The event as a person or another program sees it. */
export function toEventRecord(streamId: string, event: DecodedEvent): EventRecord {
  return {
    id: eventId(streamId, event.seq, event.index) as EventId,
    time: rfc3339(event.timeMs),
    received: rfc3339(event.receivedMs),
    source: event.source,
    format: event.format,
    logsource: event.logsource,
    ocsf: event.norm as Record<string, string | number>,
    fields: event.fields,
    raw: event.raw,
    marks: [...event.marks],
    exercise: event.exercise,
  };
}
