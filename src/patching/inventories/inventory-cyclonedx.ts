/** CycloneDX 1.2 to 1.6, JSON (in pieces) and XML (scanned, no entities, no DOCTYPE): components with their nested ones. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { type JsonPiece, jsonPieces } from '../patching-json-items.ts';
import { parsePurl, type SoftwareRecord } from '../patching-package.ts';
import { scanXml } from './inventory-xml.ts';

export interface ListedSoftware {
  readonly host: string | null;
  readonly software: SoftwareRecord;
}

const DEPTH_MAX = 32;
const KNOWN_VERSIONS = new Set(['1.2', '1.3', '1.4', '1.5', '1.6']);
/** Types that are software which runs; files, data and cryptographic assets have no versions to compare. */
const SOFTWARE_TYPES = new Set([
  'library',
  'framework',
  'application',
  'operating-system',
  'firmware',
  'container',
  'platform',
  'device-driver',
  '',
]);

export async function* readCycloneDxJson(
  chunks: AsyncIterable<Uint8Array>,
  faults: Faults,
): AsyncGenerator<ListedSoftware> {
  for await (const piece of jsonPieces(chunks)) yield* pieceSoftware(piece, faults);
}

function* pieceSoftware(piece: JsonPiece, faults: Faults): Generator<ListedSoftware> {
  if (piece.kind === 'fault') return faults.add(piece.what);
  if (piece.key === 'specVersion' && !KNOWN_VERSIONS.has(String(piece.value)))
    faults.add('A CycloneDX version that is not known');
  if (piece.key === 'components') yield* components(piece.value, faults, 0);
}

function* components(value: unknown, faults: Faults, depth: number): Generator<ListedSoftware> {
  if (!isObject(value) || depth > DEPTH_MAX) return faults.add('A component that cannot be read');
  const software = component(value);
  if (software === null) faults.add('A component without package URL or version');
  else if (software !== 'other') yield { host: null, software };
  for (const inner of listAt(value, 'components')) yield* components(inner, faults, depth + 1);
}

function component(value: Json): SoftwareRecord | 'other' | null {
  if (!SOFTWARE_TYPES.has(textAt(value, 'type'))) return 'other';
  const software = parsePurl(textAt(value, 'purl'));
  if (software === null) return null;
  const version = software.version || textAt(value, 'version');
  return version === '' ? null : { ...software, version };
}

export function* readCycloneDxXml(text: string, faults: Faults): Generator<ListedSoftware> {
  let type = '';
  const open: { type: string; version: string; purl: string; path: number }[] = [];
  let path = 0;
  for (const node of scanXml(text, faults)) {
    if (node.kind === 'open') {
      path++;
      if (node.name === 'component') {
        type = node.attributes.type ?? '';
        open.push({ type, version: '', purl: '', path });
      }
      continue;
    }
    const current = open.at(-1);
    if (current && path === current.path + 1 && node.name === 'version') current.version = node.text;
    if (current && path === current.path + 1 && node.name === 'purl') current.purl = node.text;
    if (current && path === current.path && node.name === 'component') {
      open.pop();
      // The outermost one in <metadata> is what the list is about, not a part of it.
      if (node.parents.includes('components')) yield* xmlComponent(current, faults);
    }
    path--;
  }
}

function* xmlComponent(
  read: { type: string; version: string; purl: string },
  faults: Faults,
): Generator<ListedSoftware> {
  const software = component(read);
  if (software === null) faults.add('A component without package URL or version');
  else if (software !== 'other') yield { host: null, software };
}
