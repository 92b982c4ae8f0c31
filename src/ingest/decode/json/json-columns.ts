/** Normalised columns by the names of fields: what is there is looked up, instead of asking for every name there could be. */

import { NORMALISED_COLUMNS, type NormalisedColumn } from '../../../core/index.ts';
import type { Fields } from '../decode-frame.ts';
import { intOf, ipOf } from '../decode-text.ts';
import { textOf } from './json-text.ts';

/** Column and field; of several for one column the first that is there and holds something counts. */
export type ColumnList = readonly (readonly [NormalisedColumn, string])[];

/** Visits the columns that the fields fill, in the order of the list. */
export type VisitColumns = (fields: Fields, visit: (column: NormalisedColumn, text: string) => void) => void;

export function columnVisitor(list: ColumnList): VisitColumns {
  const places = new Map(list.map(([, name], i) => [name, i]));
  const found = new Uint16Array(list.length);
  return (fields, visit) => {
    let count = 0;
    for (const name in fields) {
      const place = places.get(name);
      if (place === undefined) continue;
      let at = count++;
      for (; at > 0 && (found[at - 1] as number) > place; at--) found[at] = found[at - 1] as number;
      found[at] = place;
    }
    for (let i = 0; i < count; i++) {
      const [column, name] = list[found[i] as number] as ColumnList[number];
      const text = textOf(fields[name]);
      if (text !== '') visit(column, text);
    }
  };
}

/** A value into a column of its kind; addresses and numbers that are none are left out. */
export function putColumn(norm: Record<string, string | number>, column: NormalisedColumn, value: string): void {
  if (NORMALISED_COLUMNS[column].type === 'int') {
    const number = intOf(value, 0, value.length);
    if (number >= 0) norm[column] = number;
  } else if (column === 'src_ip' || column === 'dst_ip') {
    const ip = ipOf(value);
    if (ip) norm[column] = ip;
  } else norm[column] = value;
}
