/** Indicators as the archive's side indexes know them: numbers to ask for, and what to read of a part that has some. */

import { keysOfObservable, type NormalisedColumn, type PartCondition } from '../core/index.ts';
import type { IndicatorSet } from './indicators/indicator-set.ts';
import type { IndicatorType } from './indicators/indicator-value.ts';

export interface KeyPlan {
  /** Ascending, each once. */
  readonly keys: Uint32Array;
  /** Indicators of the numbers that a part has, with those that any part may hold. */
  indicators(held: readonly number[]): number[];
}

/** Columns in which each kind of indicator can stand. */
export const INDICATOR_COLUMNS = {
  address: ['src_ip', 'dst_ip'],
  cidr: ['src_ip', 'dst_ip'],
  domain: ['domain', 'src_host', 'dst_host', 'url', 'command_line'],
  url: ['url', 'command_line'],
  hash: ['hash'],
  email: ['user', 'target_user'],
} as const satisfies Record<IndicatorType, readonly NormalisedColumn[]>;

export function planKeys(set: IndicatorSet): KeyPlan {
  const of = new Map<number, number[]>();
  const anywhere: number[] = [];
  for (let i = 0; i < set.size; i++) {
    const { type, value } = set.at(i);
    const keys = keysOfObservable(type, value);
    if (keys === null) anywhere.push(i);
    for (const key of keys ?? []) {
      const known = of.get(key);
      if (known === undefined) of.set(key, [i]);
      else known.push(i);
    }
  }
  return {
    keys: Uint32Array.from(of.keys()).sort(),
    indicators: (held) => [...new Set([...held.flatMap((key) => of.get(key) ?? []), ...anywhere])],
  };
}

/**
 * What every event with one of these indicators fulfils; null where spellings differ so much (networks, IPv6) that the
 * values themselves have to be tested.
 */
export function conditionOfIndicators(set: IndicatorSet, indexes: readonly number[]): PartCondition | null {
  const texts = new Map<string, { t: 'contains' | 'column'; column: NormalisedColumn; words: Set<string> }>();
  for (const index of indexes) {
    const { type, value } = set.at(index);
    if (type === 'cidr' || (type === 'address' && value.includes(':'))) return null;
    // Side indexes have the minutes of whole values; everything else may stand inside a longer text.
    const t = type === 'address' ? 'column' : 'contains';
    for (const column of INDICATOR_COLUMNS[type]) {
      const some = texts.get(`${t} ${column}`) ?? { t, column, words: new Set() };
      texts.set(`${t} ${column}`, some);
      if (type === 'address') for (const text of [value, `::ffff:${value}`, `::FFFF:${value}`]) some.words.add(text);
      // The host of a URL may stand in a column of its own.
      else some.words.add(type === 'url' && column === 'url' ? value.slice(value.indexOf('/')) : value);
    }
  }
  const of = [...texts.values()].map(
    ({ t, column, words }): PartCondition =>
      t === 'column' ? { t, column, values: [...words] } : { t, column, texts: [...words] },
  );
  return { t: 'or', of };
}
