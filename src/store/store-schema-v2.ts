/** Version 2 of the tables: documents of the rooms. Released: changes go into the next version. */

export function roomRecords(kind: 'sqlite' | 'postgres'): readonly string[] {
  const T = kind === 'postgres' ? 'text collate "C"' : 'text';
  const N = kind === 'postgres' ? 'bigint' : 'integer';
  const byKey = kind === 'postgres' ? '' : ' without rowid, strict';
  return [
    `create table room_records (collection ${T} not null, id ${T} not null, sequence ${N} not null, tag ${T} not null,
      version ${N} not null, search ${T} not null, doc ${T} not null, primary key (collection, id))${byKey}`,
    'create index room_records_order on room_records (collection, sequence, id)',
    'create index room_records_tag on room_records (collection, tag, sequence, id)',
  ];
}
