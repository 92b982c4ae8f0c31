/** Opens an inventory as the stream of what it lists, by its format. */

import { AsepsisError } from '../../core/index.ts';
import { bytesOf, type Faults, isObject, linesOf, textOf } from '../patching-input.ts';
import { tableRows } from '../patching-table.ts';
import { readXlsx } from '../patching-xlsx.ts';
import { type ColumnMap, readSoftwareRows } from './inventory-csv.ts';
import { readCycloneDxJson, readCycloneDxXml } from './inventory-cyclonedx.ts';
import type { Listed } from './inventory-facts.ts';
import type { InventoryFormat } from './inventory-format.ts';
import { readMds2 } from './inventory-mds2.ts';
import { readOsqueryLog, readOsqueryRows } from './inventory-osquery.ts';
import { readApkDatabase, readApkList, readDpkgStatus, readRpmList } from './inventory-packages.ts';
import { looksLikeRegister, type RegisterColumns, readRegister, tellsRegister } from './inventory-register.ts';
import { readSpdxJson, readSpdxTagValue } from './inventory-spdx.ts';
import {
  readHotFixTable,
  readPowerShell,
  readSwVers,
  readSystemInfo,
  readSystemProfiler,
} from './inventory-windows.ts';

/** Which heading holds what, of software tables and registers. */
export type AnyColumns = ColumnMap & RegisterColumns;
const TEXT_BYTES_MAX = 64 * 1024 * 1024;

export function listedIn(
  path: string,
  format: InventoryFormat,
  faults: Faults,
  columns: AnyColumns,
): AsyncIterable<Listed> {
  const lines = () => linesOf(bytesOf(path), faults);
  switch (format) {
    case 'cyclonedx-json':
      return readCycloneDxJson(bytesOf(path), faults);
    case 'cyclonedx-xml':
      return readCycloneDxXml(bytesOf(path), faults);
    case 'spdx-json':
      return readSpdxJson(bytesOf(path), faults);
    case 'spdx-tag-value':
      return readSpdxTagValue(lines(), faults);
    case 'osquery-rows':
      return readOsqueryRows(bytesOf(path), faults);
    case 'osquery-log':
      return readOsqueryLog(lines(), faults);
    case 'dpkg-status':
      return readDpkgStatus(lines(), faults);
    case 'rpm-list':
      return readRpmList(lines(), faults);
    case 'apk-database':
      return readApkDatabase(lines(), faults);
    case 'apk-list':
      return readApkList(lines(), faults);
    case 'hotfix-table':
      return readHotFixTable(lines(), faults);
    case 'csv':
      if (tellsRegister(columns)) return readRegister(tableRows(lines(), faults), faults, columns);
      return readSoftwareRows(tableRows(lines(), faults), faults, columns);
    case 'register':
      return readRegister(tableRows(lines(), faults), faults, columns);
    case 'xlsx':
      return workbook(path, faults, columns);
    default:
      return wholeText(path, format, faults);
  }
}

/** Formats of one small document. */
async function* wholeText(path: string, format: InventoryFormat, faults: Faults): AsyncGenerator<Listed> {
  const text = await textOf(path, TEXT_BYTES_MAX);
  if (format === 'systeminfo') yield* readSystemInfo(text, faults);
  else if (format === 'sw-vers') yield* readSwVers(text, faults);
  else {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new AsepsisError('INPUT_UNREADABLE', `${path} is no valid JSON.`, { cause });
    }
    if (format === 'powershell-json') yield* readPowerShell(value, faults);
    else if (isObject(value)) yield* readSystemProfiler(value, faults);
  }
}

/** Each sheet by itself: an MDS2 form, a register of devices, or a table of software. */
async function* workbook(path: string, faults: Faults, columns: AnyColumns): AsyncGenerator<Listed> {
  const sheets = await readXlsx(path, faults);
  if (sheets.every((sheet) => sheet.rows.length === 0)) faults.add('A workbook without rows');
  let read = 0;
  for (const { rows } of sheets) {
    const form = [...readMds2(rows)];
    if (form.length > 0) yield* form;
    else if (tellsRegister(columns) || rows.slice(0, 20).some((row) => looksLikeRegister(row)))
      yield* readRegister(rows, faults, columns);
    else if (rows.length > 1 && (sheets.length === 1 || read === 0)) yield* readSoftwareRows(rows, faults, columns);
    read++;
  }
}
