/** Medical devices from a table, and advisories from files and folders. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import { bytesOf, type Faults, linesOf, textOf } from '../patching-input.ts';
import { columnPlaces, tableRows } from '../patching-table.ts';
import { type DeviceAdvisory, readDeviceAdvisory } from './device-advisory.ts';
import type { Device } from './device-match.ts';

const USUAL = {
  name: ['name', 'asset', 'device', 'asset number', 'inventory number', 'host', 'hostname', 'serial', 'serial number'],
  vendor: ['vendor', 'manufacturer', 'make', 'company'],
  model: ['model', 'product', 'device model', 'model name', 'type', 'description'],
  version: ['version', 'software version', 'firmware', 'firmware version', 'software'],
} as const;
type Column = keyof typeof USUAL;
export type DeviceColumns = Partial<Record<Column, string>>;

const DEVICES_MAX = 200_000;
const ADVISORIES_MAX = 20_000;
const ADVISORY_BYTES_MAX = 16 * 1024 * 1024;
const CELL_CHARS_MAX = 250;

export async function readDevices(path: string, columns: DeviceColumns, faults: Faults): Promise<Device[]> {
  const devices: Device[] = [];
  let places: Map<Column, number> | null = null;
  for await (const row of tableRows(linesOf(bytesOf(path), faults), faults)) {
    if (places === null) {
      places = columnPlaces<Column>(row, USUAL, columns);
      if (!places.has('model'))
        throw new AsepsisError(
          'INPUT_UNREADABLE',
          `${path} has no column for the model; name it with --columns model=….`,
        );
      continue;
    }
    const known = places;
    const at = (column: Column) => (row[known.get(column) ?? -1] ?? '').trim().slice(0, CELL_CHARS_MAX);
    const model = at('model');
    if (model === '') faults.add('A row without a model');
    else if (devices.length >= DEVICES_MAX) faults.add('More devices than can be held');
    else
      devices.push({
        name: at('name') || `row ${devices.length + 2}`,
        vendor: at('vendor'),
        model,
        version: at('version'),
      });
  }
  return devices;
}

export async function readDeviceAdvisories(path: string, faults: Faults): Promise<DeviceAdvisory[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new AsepsisError('INPUT_UNREADABLE', `${path} cannot be opened.`, { cause });
  });
  const inside = info.isDirectory()
    ? (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.json')).sort()
    : [];
  const files = info.isDirectory() ? inside.map((name) => join(path, name)) : [path];
  if (files.length > ADVISORIES_MAX) faults.add('More advisories than are read', files.length - ADVISORIES_MAX);
  const found: DeviceAdvisory[] = [];
  for (const file of files.slice(0, ADVISORIES_MAX)) {
    const advisory = await readOne(file, faults);
    if (advisory) found.push(advisory);
  }
  return found;
}

async function readOne(file: string, faults: Faults): Promise<DeviceAdvisory | null> {
  let value: unknown;
  try {
    value = JSON.parse(await textOf(file, ADVISORY_BYTES_MAX));
  } catch {
    faults.add('A file that cannot be read as JSON');
    return null;
  }
  return readDeviceAdvisory(value, faults);
}
