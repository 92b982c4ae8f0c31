/**
 * MDS2 forms: HN 1-2019 with numbered questions ("DOC-1"), HN 1-2013 with a head of labels whose answers stand beside or
 * below them. A form speaks of a kind of device, not of one.
 */

import { factsOf, type Listed } from './inventory-facts.ts';

const ROWS_MAX = 2_000;
const COLUMNS_MAX = 60;
const NUMBERED: Readonly<Record<string, Field>> = { 'doc-1': 'vendor', 'doc-3': 'model' };
type Field = 'vendor' | 'model' | 'version';
/** Labels as forms write them; those without a field only tell that a cell is no answer. */
const LABELS: readonly (readonly [RegExp, Field | null])[] = [
  [/^(?:manufacturer|manufacturer name|vendor|hersteller)$/, 'vendor'],
  [/^(?:device model|model|model name|model number|product name|device model name)$/, 'model'],
  [
    /^(?:software revision|software release|software version|firmware version|software\/firmware version|version)$/,
    'version',
  ],
  [
    /^(?:device category|device description|document id|document release date|software release date|date of document|manufacturer contact information|manufacturer contact|manufacturer or representative contact information|company name|representative name\/position|question|question id|see note|note|notes?|intended use of device.*|doc-[0-9]+)$/,
    null,
  ],
];

const plain = (cell: string) =>
  cell
    .trim()
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/[:*]+$/, '')
    .trim();
const labelOf = (cell: string) => LABELS.find(([pattern]) => pattern.test(plain(cell)));
const isAnswer = (cell: string | undefined): cell is string =>
  cell !== undefined && cell !== '' && !/^[_.\-–—]+$/.test(cell) && labelOf(cell) === undefined;

export function* readMds2(rows: readonly (readonly string[])[]): Generator<Listed> {
  const cells = rows.slice(0, ROWS_MAX).map((row) => row.slice(0, COLUMNS_MAX).map((cell) => cell.trim()));
  if (
    !cells.some((row) =>
      row.some((cell) => /\bMDS ?2\b|^DOC-[1-9]$|disclosure statement for medical device/i.test(cell)),
    )
  ) {
    const asked = cells.some((row) => row.some((cell) => /^(?:device model|software revision)\b/i.test(cell)));
    if (!asked) return;
  }
  const found = new Map<Field, string>();
  cells.forEach((row, place) => {
    for (let column = 0; column < row.length; column++) {
      const answer = answerAt(cells, place, column);
      if (answer !== null && !found.has(answer.field)) found.set(answer.field, answer.text.slice(0, 200));
    }
  });
  const vendor = found.get('vendor') ?? '';
  const model = found.get('model') ?? '';
  if (vendor === '' || model === '') return;
  yield {
    host: `${vendor} ${model}`.slice(0, 200),
    facts: { ...factsOf({ vendor, model, version: found.get('version') ?? '' }), class: 'medical' },
  };
}

function answerAt(
  rows: readonly (readonly string[])[],
  place: number,
  column: number,
): { field: Field; text: string } | null {
  const row = rows[place] as readonly string[];
  const cell = row[column] as string;
  const numbered = Object.hasOwn(NUMBERED, cell.toLowerCase()) ? NUMBERED[cell.toLowerCase()] : undefined;
  if (numbered !== undefined) {
    // Number, question, answer; the question may be in a cell that was joined with others.
    const after = row.slice(column + 1).filter((text) => text !== '');
    const text = after.slice(1).find(isAnswer);
    return text === undefined ? null : { field: numbered, text };
  }
  // "Manufacturer: Acme" in one cell.
  const inside = /^([^:]{3,40}):\s*(\S.{0,200})$/.exec(cell);
  const own = inside ? labelOf(inside[1] as string)?.[1] : undefined;
  if (own && isAnswer(inside?.[2])) return { field: own, text: inside?.[2] as string };
  const label = labelOf(cell);
  const field = label?.[1];
  if (!field) return null;
  // In a row of labels the answers stand below; else beside.
  const right = row.slice(column + 1).find((text) => text !== '');
  const below = rows[place + 1]?.[column];
  const text = isAnswer(right) ? right : isAnswer(below) ? below : undefined;
  return text === undefined ? null : { field, text };
}
