/** Who or what, as a chip that leads to every event known of it. */

import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Entity } from '../core/records.ts';
import { texts } from './texts.ts';

const COLUMNS: Readonly<Record<Entity['type'], readonly string[]>> = {
  address: ['src_ip', 'dst_ip'],
  host: ['host'],
  account: ['user'],
  asset: ['host'],
  service: ['service'],
  domain: ['domain'],
  file: ['file'],
  hash: ['hash'],
  process: ['process'],
};

const SHOWN = 12;
const rank = (entity: Entity): number => (entity.role === 'attacker' ? 0 : 1);

/** A value as the query language takes it: quoted unless it is one plain word. */
export function queryValue(value: string): string {
  return /^[\w.@/-]+$/.test(value) ? value : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

export function entityQuery(entity: Pick<Entity, 'type' | 'value'>): string {
  const value = queryValue(entity.value);
  const parts = COLUMNS[entity.type].map((column) => `${column}:${value}`);
  return parts.join(' OR ');
}

function EntityChip({ entity }: { entity: Entity }) {
  return (
    <Link to="/events" search={{ query: entityQuery(entity), range: '7d' }} className="chip">
      <span className="dim">{texts.entity.types[entity.type]}</span> <span className="mono">{entity.value}</span>
      {entity.role && <span className={`role-${entity.role}`}> {texts.entity.roles[entity.role]}</span>}
    </Link>
  );
}

/** Attackers first; a long tail of victims waits behind a button, so that it does not push the timeline away. */
export function EntityChips({ entities }: { entities: readonly Entity[] }) {
  const [all, setAll] = useState(false);
  const ordered = entities.toSorted((a, b) => rank(a) - rank(b));
  const shown = all ? ordered : ordered.slice(0, SHOWN);
  return (
    <ul className="chips">
      {shown.map((entity) => (
        <li key={`${entity.type}:${entity.value}`}>
          <EntityChip entity={entity} />
        </li>
      ))}
      {shown.length < ordered.length && (
        <li>
          <button type="button" className="link" onClick={() => setAll(true)}>
            {texts.entity.more(ordered.length - shown.length)}
          </button>
        </li>
      )}
    </ul>
  );
}
