/** SPDX 2.x JSON (`packages`) and SPDX 3 JSON-LD (`@graph`): packages that have a package URL. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { parsePurl } from '../patching-package.ts';
import type { Listed } from './inventory-facts.ts';

export async function* readSpdxJson(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<Listed> {
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') {
      faults.add(piece.what);
      continue;
    }
    const graph = piece.key === '@graph';
    if ((piece.key !== 'packages' && !graph) || !isObject(piece.value)) continue;
    if (graph && textAt(piece.value, 'type') !== 'software_Package') continue;
    const software = parsePurl(graph ? purlOfElement(piece.value) : purlOfPackage(piece.value));
    const version = software?.version || textAt(piece.value, graph ? 'software_packageVersion' : 'versionInfo');
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
  const direct = textAt(value, 'software_packageUrl');
  if (direct !== '') return direct;
  for (const reference of listAt(value, 'externalIdentifier'))
    if (isObject(reference) && textAt(reference, 'externalIdentifierType') === 'packageUrl')
      return textAt(reference, 'identifier');
  return '';
}
