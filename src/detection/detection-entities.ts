/** Who and what an alert is about, from the normalised columns: the attacker's address, the victim's host and account. */

import { type DecodedEvent, type Entity, LIMITS } from '../core/index.ts';
import type { Fired } from './detection-correlate.ts';
import { FIELD_ALIASES } from './detection-taxonomy.ts';

type Role = NonNullable<Entity['role']>;

export interface EntityList {
  add(type: Entity['type'], value: string | undefined, role: Role): void;
  readonly list: Entity[];
}

export function createEntityList(): EntityList {
  const list: Entity[] = [];
  const seen = new Set<string>();
  return {
    list,
    add: (type, value, role) => {
      if (value === undefined || value === '' || value === '-' || list.length >= LIMITS.entitiesMax) return;
      const clipped = value.slice(0, LIMITS.nameCharsMax);
      const key = `${type}\0${clipped}`;
      if (seen.has(key)) return;
      seen.add(key);
      list.push({ type, value: clipped, role });
    },
  };
}

/** A firewall or proxy that reports about two others is a witness, not the victim. */
const hostRole = (event: DecodedEvent): Role => (event.norm.dst_ip === undefined ? 'victim' : 'witness');

export function entitiesOfEvent(event: DecodedEvent): Entity[] {
  const { norm } = event;
  const entities = createEntityList();
  entities.add('address', norm.src_ip, 'attacker');
  entities.add('account', norm.user, 'victim');
  entities.add('account', norm.target_user, 'victim');
  entities.add('host', norm.host, hostRole(event));
  entities.add('address', norm.dst_ip, 'victim');
  entities.add('host', norm.dst_host, 'victim');
  entities.add('domain', norm.domain, 'witness');
  entities.add('process', norm.process, 'witness');
  entities.add('file', norm.file, 'witness');
  entities.add('hash', norm.hash, 'witness');
  return entities.list;
}

/** @param last the event that completed the window */
export function entitiesOfFired(fired: Fired, last: DecodedEvent): Entity[] {
  const entities = createEntityList();
  for (const [field, value] of Object.entries(fired.group)) {
    const column = FIELD_ALIASES[field]?.column ?? field;
    if (column === 'src_ip') entities.add('address', value, 'attacker');
    else if (column === 'dst_ip') entities.add('address', value, 'victim');
    else if (column === 'user' || column === 'target_user') entities.add('account', value, 'victim');
    else if (column === 'host' || column === 'dst_host') entities.add('host', value, 'victim');
  }
  for (const address of fired.addresses) entities.add('address', address, 'attacker');
  for (const account of fired.accounts) entities.add('account', account, 'victim');
  for (const host of fired.hosts) entities.add('host', host, hostRole(last));
  return entities.list;
}
