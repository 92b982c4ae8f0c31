/** The door of feeds: tells what a file or folder is and reads it. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import type { Advisory, FeedRef, FeedSet } from '../patching-advisory.ts';
import { bytesOf, Faults, headOf, linesOf } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { zipEntries } from '../patching-zip.ts';
import { readDebianPackage } from './feed-debian.ts';
import { readEpss, readKev } from './feed-lists.ts';
import { looksLikeOsv, readOsv } from './feed-osv.ts';

export interface FeedReport {
  readonly feed: FeedRef;
  readonly file: string;
  readonly entries: number;
  readonly faults: ReadonlyMap<string, number>;
}

const FILES_MAX = 1_000_000;
const OSV_BYTES_MAX = 16 * 1024 * 1024;

/** Reads one path (file, folder of OSV files, zip, gzip) into `set`. */
export async function readFeed(path: string, set: FeedSet): Promise<FeedReport> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new AsepsisError('INPUT_UNREADABLE', `${path} cannot be opened.`, { cause });
  });
  const fileDate = info.mtime.toISOString();
  const faults = new Faults();
  if (info.isDirectory()) return osvReport(path, osvInFolder(path, faults), fileDate, faults, set);
  const kind = await kindOf(path);
  switch (kind) {
    case 'zip':
      return osvReport(path, osvInZip(path, faults), fileDate, faults, set);
    case 'osv-lines':
      return osvReport(path, osvInLines(path, faults), fileDate, faults, set);
    case 'osv':
      return osvReport(path, osvInJson(path, faults), fileDate, faults, set);
    case 'debian':
      return debianReport(path, fileDate, faults, set);
    case 'kev': {
      const { feed, exploited } = await readKev(bytesOf(path), fileDate, faults);
      for (const [cve, entry] of exploited) set.exploited.set(cve, entry);
      return { feed, file: path, entries: exploited.size, faults };
    }
    case 'epss': {
      const { feed, likelihood } = await readEpss(linesOf(bytesOf(path), faults), fileDate, faults);
      for (const [cve, entry] of likelihood) set.likelihood.set(cve, entry);
      return { feed, file: path, entries: likelihood.size, faults };
    }
    case null:
      throw new AsepsisError(
        'INPUT_UNREADABLE',
        `${path} is no feed that is known (OSV, Debian tracker, CISA KEV, EPSS).`,
      );
  }
}

async function kindOf(path: string): Promise<'zip' | 'osv' | 'osv-lines' | 'debian' | 'kev' | 'epss' | null> {
  const magic = await headOf(path, 4);
  if (magic.length === 4 && magic.readUInt32LE(0) === 0x0403_4b50) return 'zip';
  let text = '';
  for await (const chunk of bytesOf(path)) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.length > 32_768) break;
  }
  const head = text.replace(/^\uFEFF/, '').trimStart();
  if (/^(#model_version|cve,epss)/.test(head)) return 'epss';
  if (head.startsWith('[')) return 'osv';
  if (!head.startsWith('{')) return null;
  const line = head.split('\n', 1)[0] as string;
  if (head.length > line.length + 1 && looksLikeOsv(parsed(line))) return 'osv-lines';
  if (head.includes('"cveID"') || head.includes('"catalogVersion"')) return 'kev';
  if (/^\{\s*"[^"]{1,256}"\s*:\s*\{\s*"(CVE|TEMP)-/.test(head)) return 'debian';
  return /"(affected|schema_version|modified|withdrawn)"/.test(head) ? 'osv' : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function osvReport(
  path: string,
  values: AsyncIterable<unknown>,
  fileDate: string,
  faults: Faults,
  set: FeedSet,
): Promise<FeedReport> {
  const items: Advisory[] = [];
  const withdrawn: string[] = [];
  let newest = '';
  for await (const value of values) {
    const answer = readOsv(value, faults);
    if (answer === null) continue;
    if (answer.modified > newest && !Number.isNaN(Date.parse(answer.modified))) newest = answer.modified;
    if (answer.kind === 'withdrawn') withdrawn.push(answer.id);
    else items.push(answer.advisory);
  }
  const feed: FeedRef =
    newest === ''
      ? { name: 'OSV', version: 'unknown', date: fileDate, dateOf: 'file' }
      : { name: 'OSV', version: 'unknown', date: new Date(newest).toISOString(), dateOf: 'newest advisory' };
  set.advisories.push({ feed, items, withdrawn });
  return { feed, file: path, entries: items.length + withdrawn.length, faults };
}

async function debianReport(path: string, fileDate: string, faults: Faults, set: FeedSet): Promise<FeedReport> {
  const items: Advisory[] = [];
  for await (const piece of jsonPieces(bytesOf(path))) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else for (const advisory of readDebianPackage(piece.key, piece.value, faults)) items.push(advisory);
  }
  const feed: FeedRef = { name: 'Debian security tracker', version: 'unknown', date: fileDate, dateOf: 'file' };
  set.advisories.push({ feed, items, withdrawn: [] });
  return { feed, file: path, entries: items.length, faults };
}

async function* osvInZip(path: string, faults: Faults): AsyncGenerator<unknown> {
  for await (const { bytes } of zipEntries(path, (name) => name.endsWith('.json'), faults))
    yield parsed(bytes.toString('utf8'));
}

async function* osvInFolder(path: string, faults: Faults): AsyncGenerator<unknown> {
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.json')).sort();
  if (names.length > FILES_MAX) faults.add('More files than are read', names.length - FILES_MAX);
  for (const name of names.slice(0, FILES_MAX)) {
    try {
      yield* osvInJson(join(path, name), faults);
    } catch {
      faults.add('A file that cannot be read');
    }
  }
}

async function* osvInLines(path: string, faults: Faults): AsyncGenerator<unknown> {
  for await (const line of linesOf(bytesOf(path), faults)) if (line.trim() !== '') yield parsed(line);
}

/** One advisory, or an array of them. */
async function* osvInJson(path: string, faults: Faults): AsyncGenerator<unknown> {
  if ((await firstByte(path)) === '[') {
    for await (const piece of jsonPieces(bytesOf(path), OSV_BYTES_MAX)) {
      if (piece.kind === 'fault') faults.add(piece.what);
      else yield piece.value;
    }
    return;
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytesOf(path)) {
    size += chunk.length;
    if (size > OSV_BYTES_MAX) return faults.add('An advisory that is too large');
    parts.push(chunk);
  }
  yield parsed(
    Buffer.concat(parts)
      .toString('utf8')
      .replace(/^\uFEFF/, ''),
  );
}

async function firstByte(path: string): Promise<string> {
  for await (const chunk of bytesOf(path))
    return Buffer.from(chunk)
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trimStart()
      .slice(0, 1);
  return '';
}
