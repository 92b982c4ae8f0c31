/** SPDX 2.x JSON (`packages`) and SPDX 3 JSON-LD (`@graph`): packages that have a package URL. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { parsePurl } from '../patching-package.ts';
import type { Listed } from './inventory-facts.ts';

/** SPDX 3 as JSON-LD, with the prefixes that its drafts and tools write. */
const PACKAGE_TYPES = new Set(['software_Package', 'software:Package', 'Package', 'Software/Package']);
const oneOf = (value: Json, name: string): string =>
  textAt(value, `software_${name}`) || textAt(value, `software:${name}`) || textAt(value, name);

export async function* readSpdxJson(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<Listed> {
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') {
      faults.add(piece.what);
      continue;
    }
    const graph = piece.key === '@graph';
    if ((piece.key !== 'packages' && !graph) || !isObject(piece.value)) continue;
    if (graph && !PACKAGE_TYPES.has(textAt(piece.value, 'type') || textAt(piece.value, '@type'))) continue;
    const software = parsePurl(graph ? purlOfElement(piece.value) : purlOfPackage(piece.value));
    const version =
      software?.version || (graph ? oneOf(piece.value, 'packageVersion') : textAt(piece.value, 'versionInfo'));
    if (software === null || version === '' || version === 'NOASSERTION')
      faults.add('A package without package URL or version');
    else yield { host: null, software: { ...software, version } };
  }
}

/** SPDX 2.x tag-value: `PackageName:`, `PackageVersion:`, `ExternalRef: PACKAGE-MANAGER purl pkg:…`. */
export async function* readSpdxTagValue(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  let current: { purl: string; version: string } | null = null as { purl: string; version: string } | null;
  const flush = (): Listed | null => {
    if (current === null) return null;
    const software = parsePurl(current.purl);
    const version = software?.version || current.version;
    current = null;
    if (software !== null && version !== '' && version !== 'NOASSERTION')
      return { host: null, software: { ...software, version } };
    faults.add('A package without package URL or version');
    return null;
  };
  for await (const line of lines) {
    const colon = line.indexOf(':');
    const tag = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (tag === 'PackageName') {
      const done = flush();
      if (done) yield done;
      current = { purl: '', version: '' };
    } else if (current !== null && tag === 'PackageVersion') current.version = value;
    else if (current !== null && tag === 'ExternalRef') {
      const [, kind, locator = ''] = value.split(/\s+/, 3);
      if (kind === 'purl') current.purl = locator;
    }
  }
  const done = flush();
  if (done) yield done;
}

function purlOfPackage(value: Json): string {
  for (const reference of listAt(value, 'externalRefs'))
    if (isObject(reference) && /^(?:.*[/#])?purl$/.test(textAt(reference, 'referenceType').slice(-64)))
      return textAt(reference, 'referenceLocator');
  return '';
}

function purlOfElement(value: Json): string {
  const direct = oneOf(value, 'packageUrl') || oneOf(value, 'packageURL');
  if (direct !== '') return direct;
  for (const reference of listAt(value, 'externalIdentifier'))
    if (isObject(reference) && /^(?:packageUrl|packageURL|purl)$/.test(textAt(reference, 'externalIdentifierType')))
      return textAt(reference, 'identifier');
  return '';
}
