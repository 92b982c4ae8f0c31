/** Version 1 of the tables and indexes, in the words of both databases. Released: changes go into the next version. */

type Kind = 'sqlite' | 'postgres';

export function firstTables(kind: Kind): readonly string[] {
  // Bytewise order in both, so that cursors and ids sort the same whatever the server's locale is.
  const T = kind === 'postgres' ? 'text collate "C"' : 'text';
  const N = kind === 'postgres' ? 'bigint' : 'integer';
  const strict = kind === 'postgres' ? '' : ' strict';
  const byKey = kind === 'postgres' ? '' : ' without rowid, strict';
  return [
    `create table schema_versions (version ${N} primary key, what ${T} not null, applied ${N} not null)${strict}`,
    `create table counters (name ${T} primary key, value ${N} not null)${byKey}`,
    `insert into counters (name, value) values ('alert-serial', 0)`,
    ...findings(kind, T, N, strict),
    ...alerts(kind, T, N, strict, byKey),
    ...incidents(T, N, strict, byKey),
    ...inventory(T, N, strict, byKey),
    ...people(T, N, strict, byKey),
    `create table coverage_latest (room ${T} primary key, doc ${T} not null)${byKey}`,
    `create table coverage_days (day ${T} not null, room ${T} not null, covered ${N} not null, in_scope ${N} not null,
      unknown ${N} not null, primary key (day, room))${byKey}`,
    `create table outbox (id ${T} primary key, channel ${T} not null, payload ${T} not null, attempts ${N} not null,
      next_at ${N} not null, state ${T} not null, last_error ${T})${strict}`,
    'create index outbox_due on outbox (state, next_at, id)',
    `create table named_values (name ${T} primary key, value ${T} not null)${strict}`,
    ...audit(kind, T, N, strict),
  ];
}

/**
 * Free text is looked for by reading an index in the list's order instead of the wide table: ten times faster over
 * 100,000 findings. PostgreSQL, whose index entries are short, reads the table instead and keeps long texts out of it.
 */
const withText = (kind: Kind, filters: string) => (kind === 'sqlite' ? `, ${filters}, search` : '');

function findings(kind: Kind, T: string, N: string, strict: string): readonly string[] {
  return [
    `create table findings (id ${T} primary key, room ${T} not null, kind ${T} not null, state ${T} not null,
      rank ${N} not null, asset_id ${T}, asset_name ${T} not null, fix_title ${T} not null, disrupts ${N} not null,
      first_seen ${N} not null, due ${N}, accepted_until ${N}, exercise ${N} not null, search ${T} not null,
      doc ${T} not null)${strict}`,
    `create index findings_order on findings (rank, first_seen, id${withText(kind, 'state, room, kind, exercise')})`,
    'create index findings_state on findings (state, rank, first_seen, id)',
    'create index findings_room on findings (room, rank, first_seen, id)',
    'create index findings_room_state on findings (room, state, rank, first_seen, id)',
    'create index findings_kind on findings (kind, rank, first_seen, id)',
    'create index findings_fix on findings (fix_title, rank, first_seen, id)',
    'create index findings_asset on findings (asset_id, rank, first_seen, id)',
    `create index findings_actions on findings (state, room, fix_title, asset_name, rank, due, disrupts, exercise, id)`,
    'create index findings_round on findings (asset_name, room, kind)',
    'create index findings_accepted on findings (accepted_until) where accepted_until is not null',
    'create index findings_exercise on findings (id) where exercise = 1',
  ];
}

function alerts(kind: Kind, T: string, N: string, strict: string, byKey: string): readonly string[] {
  return [
    `create table alerts (serial ${N} primary key, id ${T} not null unique, time ${N} not null, state ${T} not null,
      level ${T} not null, rule ${T} not null, incident ${T}, exercise ${N} not null, search ${T} not null,
      doc ${T} not null)${strict}`,
    `create index alerts_order on alerts (time, id${withText(kind, 'state, level, exercise')})`,
    'create index alerts_state on alerts (state, time, id)',
    'create index alerts_level on alerts (level, time, id)',
    'create index alerts_rule on alerts (rule, time, id)',
    'create index alerts_incident on alerts (incident, time, id) where incident is not null',
    'create index alerts_exercise on alerts (id) where exercise = 1',
    `create table alert_entities (type ${T} not null, value ${T} not null, time ${N} not null,
      id ${T} not null references alerts (id) on delete cascade, primary key (type, value, time, id))${byKey}`,
    'create index alert_entities_id on alert_entities (id)',
  ];
}

function incidents(T: string, N: string, strict: string, byKey: string): readonly string[] {
  return [
    `create table incidents (id ${T} primary key, version ${N} not null, state ${T} not null, assignee ${T},
      opened ${N} not null, last_event ${N} not null, exercise ${N} not null, search ${T} not null,
      doc ${T} not null)${strict}`,
    'create index incidents_order on incidents (opened, id)',
    'create index incidents_state on incidents (state, opened, id)',
    'create index incidents_assignee on incidents (assignee, opened, id) where assignee is not null',
    'create index incidents_exercise on incidents (id) where exercise = 1',
    `create table incident_entities (type ${T} not null, value ${T} not null, opened ${N} not null,
      id ${T} not null references incidents (id) on delete cascade, primary key (type, value, opened, id))${byKey}`,
    'create index incident_entities_id on incident_entities (id)',
  ];
}

function inventory(T: string, N: string, strict: string, byKey: string): readonly string[] {
  return [
    `create table assets (id ${T} primary key, name_key ${T} not null, class ${T} not null, exercise ${N} not null,
      search ${T} not null, doc ${T} not null)${strict}`,
    'create index assets_order on assets (name_key, id)',
    'create index assets_class on assets (class, name_key, id)',
    `create table software (asset ${T} not null references assets (id) on delete cascade, id ${T} not null,
      name ${T} not null, version ${T} not null, doc ${T} not null, primary key (asset, name, version, id))${byKey}`,
    `create table accounts (id ${T} primary key, service ${T} not null, name_key ${T} not null,
      second_factor ${T} not null, exercise ${N} not null, search ${T} not null, doc ${T} not null)${strict}`,
    'create index accounts_order on accounts (service, name_key, id)',
    'create index accounts_factor on accounts (second_factor, exercise)',
    `create table sources (id ${T} primary key, identity ${T} not null unique, name_key ${T} not null,
      exercise ${N} not null, doc ${T} not null)${strict}`,
  ];
}

function people(T: string, N: string, strict: string, byKey: string): readonly string[] {
  const person = `person ${T} not null references people (id) on delete cascade`;
  return [
    `create table people (id ${T} primary key, username_key ${T} not null unique, doc ${T} not null)${strict}`,
    `create table passkeys (id ${T} primary key, ${person}, counter ${N} not null, last_used ${N},
      doc ${T} not null)${strict}`,
    'create index passkeys_person on passkeys (person)',
    `create table totp (person ${T} primary key references people (id) on delete cascade, sealed ${T} not null,
      last_step ${N} not null)${strict}`,
    `create table recovery_codes (${person}, hash ${T} not null, primary key (person, hash))${byKey}`,
    `create table invitations (token_hash ${T} primary key, expires ${N} not null, used ${N} not null,
      doc ${T} not null)${strict}`,
    `create table sessions (id ${T} primary key, ${person}, token_hash ${T} not null unique, last_seen ${N} not null,
      expires ${N} not null, doc ${T} not null)${strict}`,
    'create index sessions_person on sessions (person)',
    'create index sessions_expires on sessions (expires)',
    `create table tokens (id ${T} primary key, token_hash ${T} not null unique, last_used ${N}, revoked ${N} not null,
      doc ${T} not null)${strict}`,
  ];
}

/** The log refuses changes in the database itself: not even our own code, gone wrong, can rewrite it unnoticed. */
function audit(kind: Kind, T: string, N: string, strict: string): readonly string[] {
  const tables = [
    `create table audit (seq ${N} primary key, at ${N} not null, actor ${T} not null, action ${T} not null,
      doc ${T} not null)${strict}`,
    'create index audit_actor on audit (actor, seq)',
    'create index audit_action on audit (action, seq)',
    `create table audit_head (one ${N} primary key check (one = 1), seq ${N} not null, hash ${T} not null)${strict}`,
    `insert into audit_head (one, seq, hash) values (1, 0, '${'0'.repeat(64)}')`,
  ];
  if (kind === 'sqlite') {
    const refuse = "begin select raise(abort, 'the audit log is append-only'); end";
    return [
      ...tables,
      `create trigger audit_kept before update on audit ${refuse}`,
      `create trigger audit_not_deleted before delete on audit ${refuse}`,
      `create trigger audit_head_forward before update on audit_head when new.seq <> old.seq + 1 ${refuse}`,
      `create trigger audit_head_kept before delete on audit_head ${refuse}`,
    ];
  }
  return [
    ...tables,
    `create function audit_refuse() returns trigger language plpgsql as
      $$ begin raise exception 'the audit log is append-only'; end $$`,
    'create trigger audit_kept before update or delete or truncate on audit execute function audit_refuse()',
    'create trigger audit_head_kept before delete or truncate on audit_head execute function audit_refuse()',
    `create trigger audit_head_forward before update on audit_head for each row
      when (new.seq <> old.seq + 1) execute function audit_refuse()`,
  ];
}
