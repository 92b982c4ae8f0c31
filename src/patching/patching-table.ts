/** Tables as text (RFC 4180, with `,`, `;` or tab): rows of cells, and which column holds what by told or usual headings. */

import type { Faults } from './patching-input.ts';

const ROW_CHARS_MAX = 64 * 1024;
const CELLS_MAX = 200;

/** The separator is what the first row has most of; a quote without an end is counted and left out. */
export async function* tableRows(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<string[]> {
  const broken = 'A row that is too long or has a quote without an end';
  let separator: string | null = null;
  let row = '';
  let open = false;
  for await (const line of lines) {
    if (row === '') open = false;
    row = row === '' ? line : `${row}\n${line}`;
    if (row.length > ROW_CHARS_MAX) {
      faults.add(broken);
      row = '';
      continue;
    }
    // An odd number of quotes: the row goes on in the next line.
    if (line.split('"').length % 2 === 0) open = !open;
    if (open) continue;
    const text = row.replace(/^\uFEFF/, '');
    row = '';
    if (text.trim() === '') continue;
    // A title above the headings has no separator in it, and says nothing of the others.
    const best = [',', ';', '\t'].toSorted((a, b) => text.split(b).length - text.split(a).length)[0] as string;
    if (separator === null && text.includes(best)) separator = best;
    yield cellsOf(text, separator ?? best);
  }
  if (row !== '') faults.add(broken);
}

/** Places of columns; a told heading wins over the usual ones. */
export function columnPlaces<C extends string>(
  headings: readonly string[],
  usual: Readonly<Record<C, readonly string[]>>,
  told: Partial<Record<C, string>>,
): Map<C, number> {
  const lower = headings.map((heading) => heading.trim().toLowerCase());
  const found = new Map<C, number>();
  for (const column of Object.keys(usual) as C[]) {
    const wanted = told[column]?.trim().toLowerCase();
    const place =
      wanted === undefined ? lower.findIndex((heading) => usual[column].includes(heading)) : lower.indexOf(wanted);
    if (place >= 0) found.set(column, place);
  }
  return found;
}

function cellsOf(text: string, separator: string): string[] {
  const found: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length && found.length < CELLS_MAX; i++) {
    const char = text[i] as string;
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (char === '"' && cell === '') quoted = true;
    else if (char === separator) {
      found.push(cell);
      cell = '';
    } else cell += char;
  }
  found.push(cell);
  return found;
}
