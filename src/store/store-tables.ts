/** The tables: each holds its record as JSON in `doc`, and beside it the columns that filters, order and atomic changes need. */

/** Times are Unix milliseconds, flags 0 or 1. `search` is what free text is looked for in. */
export interface Tables {
  schema_versions: { version: number; what: string; applied: number };
  counters: { name: string; value: number };
  findings: FindingRow;
  alerts: AlertRow;
  alert_entities: { type: string; value: string; time: number; id: string };
  incidents: IncidentRow;
  incident_entities: { type: string; value: string; opened: number; id: string };
  assets: { id: string; name_key: string; class: string; exercise: number; search: string; doc: string };
  software: { asset: string; id: string; name: string; version: string; doc: string };
  accounts: AccountRow;
  sources: { id: string; identity: string; name_key: string; exercise: number; doc: string };
  coverage_latest: { room: string; doc: string };
  coverage_days: { day: string; room: string; covered: number; in_scope: number; unknown: number };
  audit: { seq: number; at: number; actor: string; action: string; doc: string };
  audit_head: { one: number; seq: number; hash: string };
  people: { id: string; username_key: string; doc: string };
  passkeys: { id: string; person: string; counter: number; last_used: number | null; doc: string };
  totp: { person: string; sealed: string; last_step: number };
  recovery_codes: { person: string; hash: string };
  invitations: { token_hash: string; expires: number; used: number; doc: string };
  sessions: { id: string; person: string; token_hash: string; last_seen: number; expires: number; doc: string };
  tokens: { id: string; token_hash: string; last_used: number | null; revoked: number; doc: string };
  outbox: OutboxRow;
  named_values: { name: string; value: string };
  room_records: RecordRow;
}

export interface FindingRow {
  id: string;
  room: string;
  kind: string;
  state: string;
  /** Severity as a number: 4 is critical, 0 is information. */
  rank: number;
  asset_id: string | null;
  asset_name: string;
  fix_title: string;
  disrupts: number;
  first_seen: number;
  due: number | null;
  accepted_until: number | null;
  exercise: number;
  search: string;
  doc: string;
}

export interface AlertRow {
  serial: number;
  id: string;
  time: number;
  state: string;
  level: string;
  rule: string;
  incident: string | null;
  exercise: number;
  search: string;
  doc: string;
}

export interface IncidentRow {
  id: string;
  version: number;
  state: string;
  assignee: string | null;
  opened: number;
  last_event: number;
  exercise: number;
  search: string;
  doc: string;
}

export interface AccountRow {
  id: string;
  service: string;
  name_key: string;
  second_factor: string;
  exercise: number;
  search: string;
  doc: string;
}

export interface OutboxRow {
  id: string;
  channel: string;
  payload: string;
  attempts: number;
  next_at: number;
  /** `waiting`, `given-up`, or `done`: kept without its payload so that a replay does not send it again. */
  state: string;
  last_error: string | null;
}

/** `sequence` is what a list is sorted by; `tag` what it is most often filtered by. */
export interface RecordRow {
  collection: string;
  id: string;
  sequence: number;
  tag: string;
  version: number;
  search: string;
  doc: string;
}
