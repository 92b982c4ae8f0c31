/** CycloneDX 1.2 to 1.6, JSON (in pieces) and XML (scanned, no entities, no DOCTYPE): components with their nested ones. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { bounded, parsePurl, type SoftwareRecord } from '../patching-package.ts';
import { factsOf, type Listed } from './inventory-facts.ts';
import { createXmlScanner, type XmlNode } from './inventory-xml.ts';

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

export async function* readCycloneDxJson(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<Listed> {
  const about: { serial: string; version: string; component: Json | null } = {
    serial: '',
    version: '1',
    component: null,
  };
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else if (piece.key === 'specVersion' && !KNOWN_VERSIONS.has(String(piece.value)))
      faults.add('A CycloneDX version that is not known');
    else if (piece.key === 'serialNumber') about.serial = String(piece.value).slice(0, 100);
    else if (piece.key === 'version') about.version = String(piece.value).slice(0, 10);
    else if (piece.key === 'metadata' && isObject(piece.value) && isObject(piece.value.component))
      about.component = piece.value.component;
    else if (piece.key === 'components') yield* components(piece.value, faults, 0);
  }
  if (about.component) yield* described(about.component, about.serial, about.version);
}

/** What the whole document is about. */
function* described(component: Json, serial: string, version: string): Generator<Listed> {
  const ref = textAt(component, 'bom-ref').slice(0, 500);
  const urn = serial === '' ? null : `urn:cdx:${serial.replace(/^urn:uuid:/, '')}/${version}#${ref}`;
  const own = parsePurl(textAt(component, 'purl')) ?? { ecosystem: 'product', name: textAt(component, 'name') };
  const at = 'version' in own && own.version !== '' ? own.version : textAt(component, 'version');
  if (own.name !== '' && own.name.length <= 256)
    yield { host: null, product: { ecosystem: own.ecosystem, name: own.name, version: at.slice(0, 256), ref: urn } };
}

function* components(value: unknown, faults: Faults, depth: number): Generator<Listed> {
  if (!isObject(value) || depth > DEPTH_MAX) return faults.add('A component that cannot be read');
  yield* listedComponent(value, faults);
  for (const inner of listAt(value, 'components')) yield* components(inner, faults, depth + 1);
}

function component(value: Json): SoftwareRecord | 'other' | null {
  if (!SOFTWARE_TYPES.has(textAt(value, 'type'))) return 'other';
  const software = parsePurl(textAt(value, 'purl'));
  if (software === null) return unnamed(value);
  const version = software.version || textAt(value, 'version');
  return version === '' ? null : { ...software, version };
}

/** Without a package URL nobody knows the ecosystem; VEX statements and advisories about products meet it by name. */
function unnamed(value: Json): SoftwareRecord | null {
  const version = textAt(value, 'version');
  const name = textAt(value, 'name');
  if (version === '' || name === '') return null;
  const group = textAt(value, 'group');
  const operating = textAt(value, 'type') === 'operating-system';
  return bounded({
    ecosystem: operating ? 'operating-system' : 'product',
    name: group === '' || operating ? name : `${group}/${name}`,
    version,
  });
}

/** Takes the text in pieces: only the open elements are in memory. */
export async function* readCycloneDxXml(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<Listed> {
  const scanner = createXmlScanner(faults);
  const reader = createXmlReader(faults);
  const decoder = new TextDecoder('utf-8');
  for await (const chunk of chunks) yield* reader(scanner.take(decoder.decode(chunk, { stream: true }), false));
  yield* reader(scanner.take(decoder.decode(), true));
}

function createXmlReader(faults: Faults): (nodes: readonly XmlNode[]) => Listed[] {
  const open: { type: string; version: string; purl: string; name: string; group: string; path: number }[] = [];
  let path = 0;
  return (nodes) => {
    const found: Listed[] = [];
    for (const node of nodes) {
      if (node.kind === 'open') {
        path++;
        if (node.name === 'component')
          open.push({ type: node.attributes.type ?? '', version: '', purl: '', name: '', group: '', path });
        continue;
      }
      const current = open.at(-1);
      if (current && path === current.path + 1) {
        if (node.name === 'version') current.version = node.text;
        else if (node.name === 'purl') current.purl = node.text;
        else if (node.name === 'name') current.name = node.text;
        else if (node.name === 'group') current.group = node.text;
      }
      if (current && path === current.path && node.name === 'component') {
        open.pop();
        // The outermost one in <metadata> is what the list is about, not a part of it.
        if (node.parents.includes('components')) found.push(...listedComponent(current, faults));
      }
      path--;
    }
    return found;
  };
}

function* listedComponent(read: Json, faults: Faults): Generator<Listed> {
  const software = component(read);
  if (software === null) faults.add('A component without package URL or version');
  else if (software === 'other') return;
  else if (software.ecosystem === 'operating-system')
    yield {
      host: null,
      facts: factsOf({ os: `${software.name} ${software.version}`, release: `${software.name} ${software.version}` }),
    };
  else yield { host: null, software };
}
