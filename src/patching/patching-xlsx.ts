/** Excel workbooks (ECMA-376): the rows of each sheet as texts, through the bounded zip and XML readers. */

import { AsepsisError } from '../core/index.ts';
import { scanXml } from './inventories/inventory-xml.ts';
import type { Faults } from './patching-input.ts';
import { zipEntries } from './patching-zip.ts';

const CELLS_MAX = 200;
const ROWS_MAX = 500_000;
const SHEETS_MAX = 50;
/** Of all sheets together; a register of 100,000 devices with 50 columns is half of it. */
const ALL_CELLS_MAX = 10_000_000;
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
/** Built-in number formats that are dates (section 18.8.30), and what own formats of dates contain. */
const DAY_FORMATS = new Set([14, 15, 16, 17, 22, 27, 30, 36, 45, 46, 47, 50, 57]);

export interface Sheet {
  readonly name: string;
  readonly rows: readonly (readonly string[])[];
}

export async function readXlsx(path: string, faults: Faults): Promise<Sheet[]> {
  const parts = new Map<string, string>();
  const wanted =
    /^xl\/(?:workbook\.xml|_rels\/workbook\.xml\.rels|sharedStrings\.xml|styles\.xml|worksheets\/[^/]+\.xml)$/;
  let unpacked = 0;
  for await (const { name, bytes } of zipEntries(path, (one) => wanted.test(one), faults)) {
    unpacked += bytes.length;
    if (unpacked > UNPACKED_BYTES_MAX) throw new AsepsisError('TOO_LARGE', `${path} unpacks to more than 256 MiB.`);
    parts.set(name, bytes.toString('utf8'));
  }
  const workbook = parts.get('xl/workbook.xml');
  if (workbook === undefined) throw new AsepsisError('INPUT_UNREADABLE', `${path} is no Excel workbook.`);
  const targets = relations(parts.get('xl/_rels/workbook.xml.rels') ?? '', faults);
  const shared = sharedTexts(parts.get('xl/sharedStrings.xml') ?? '', faults);
  const days = dayStyles(parts.get('xl/styles.xml') ?? '', faults);
  const sheets: Sheet[] = [];
  const room = { cells: ALL_CELLS_MAX };
  for (const node of scanXml(workbook, faults)) {
    if (node.kind !== 'open' || node.name !== 'sheet' || sheets.length >= SHEETS_MAX) continue;
    const target = targets.get(node.attributes.id ?? '') ?? '';
    const text = parts.get(target.startsWith('/') ? target.slice(1) : `xl/${target}`);
    if (text === undefined) faults.add('A sheet that is not in the workbook');
    else
      sheets.push({
        name: (node.attributes.name ?? '').slice(0, 100),
        rows: sheetRows(text, shared, days, room, faults),
      });
  }
  return sheets;
}

function relations(text: string, faults: Faults): Map<string, string> {
  const found = new Map<string, string>();
  for (const node of scanXml(text, faults))
    if (node.kind === 'open' && node.name === 'Relationship')
      found.set(node.attributes.Id ?? '', node.attributes.Target ?? '');
  return found;
}

/** Texts of `<si>`, of its runs joined; phonetic hints are no part of the text. */
function sharedTexts(text: string, faults: Faults): string[] {
  const found: string[] = [];
  let current = '';
  for (const node of scanXml(text, faults)) {
    if (node.kind !== 'close') continue;
    if (node.name === 't' && !node.parents.includes('rPh')) current += node.text;
    else if (node.name === 'si') {
      found.push(current.slice(0, 4096));
      current = '';
    }
  }
  return found;
}

function dayStyles(text: string, faults: Faults): Set<number> {
  const own = new Set<number>();
  const days = new Set<number>();
  let inCells = false;
  let place = 0;
  for (const node of scanXml(text, faults)) {
    if (node.name === 'cellXfs') inCells = node.kind === 'open';
    if (node.kind !== 'open') continue;
    if (node.name === 'numFmt' && /[dy]/i.test((node.attributes.formatCode ?? '').replace(/"[^"]*"|\[[^\]]*\]/g, '')))
      own.add(Number(node.attributes.numFmtId));
    if (node.name === 'xf' && inCells) {
      const format = Number(node.attributes.numFmtId);
      if (DAY_FORMATS.has(format) || own.has(format)) days.add(place);
      place++;
    }
  }
  return days;
}

function sheetRows(
  text: string,
  shared: readonly string[],
  days: ReadonlySet<number>,
  room: { cells: number },
  faults: Faults,
): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = { column: 0, type: '', style: 0, text: '' };
  for (const node of scanXml(text, faults)) {
    if (node.kind === 'open') {
      if (node.name === 'row') row = [];
      if (node.name === 'c')
        cell = {
          column: columnOf(node.attributes.r ?? '') ?? row.length,
          type: node.attributes.t ?? 'n',
          style: Number(node.attributes.s ?? 0),
          text: '',
        };
    } else if (node.name === 'v' || node.name === 't') cell.text += node.text;
    else if (node.name === 'c') {
      if (cell.column >= CELLS_MAX) faults.add('A row with more cells than are read');
      else {
        while (row.length < cell.column) row.push('');
        row[cell.column] = cellText(cell, shared, days);
      }
    } else if (node.name === 'row') {
      if (rows.length >= ROWS_MAX) faults.add('More rows than are read');
      else if (room.cells < row.length) faults.add('More cells than are read');
      else if (row.some((one) => one !== '')) {
        room.cells -= row.length;
        rows.push(row);
      }
    }
  }
  return rows;
}

/** "AB12" → 27. */
function columnOf(reference: string): number | null {
  const letters = /^[A-Z]{1,3}/.exec(reference)?.[0];
  if (letters === undefined) return null;
  return letters.split('').reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

function cellText(
  cell: { type: string; style: number; text: string },
  shared: readonly string[],
  days: ReadonlySet<number>,
): string {
  const { type, text } = cell;
  if (type === 's') return shared[Number(text)] ?? '';
  if (type === 'b') return text === '1' ? 'true' : 'false';
  if (type !== 'n' || !days.has(cell.style) || text === '') return text.slice(0, 4096);
  // Days since 1899-12-30 (section 18.17.4.1, 1900 date system).
  const ms = (Number(text) - 25_569) * 86_400_000;
  return Math.abs(ms) < 8e15 ? new Date(ms).toISOString().slice(0, 10) : text;
}
