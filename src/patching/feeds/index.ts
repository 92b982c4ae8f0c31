/** The door of feeds: tells what a file or folder is and reads it. */

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import type { Advisory, FeedRef, FeedSet } from '../patching-advisory.ts';
import { bytesOf, Faults, headOf, linesOf } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { zipEntries } from '../patching-zip.ts';
import { readDebianPackage } from './feed-debian.ts';
import { readEpss, readKev } from './feed-lists.ts';
import { readNvd } from './feed-nvd.ts';
import { looksLikeOsv } from './feed-osv.ts';
import { createFeedSorter, looksLikeEndOfLife } from './feed-sort.ts';

export interface FeedReport {
  /** The feed, or the first one of a folder that holds several. */
  readonly feed: FeedRef;
  readonly feeds: readonly FeedRef[];
  readonly file: string;
  readonly entries: number;
  readonly faults: ReadonlyMap<string, number>;
}

const FILES_MAX = 1_000_000;
/** One OSV, CSAF or CVE document; Microsoft's month is some 30 MB. */
const DOCUMENT_BYTES_MAX = 128 * 1024 * 1024;

/** Reads one path (file, folder of documents, zip, gzip) into `set`. */
export async function readFeed(path: string, set: FeedSet): Promise<FeedReport> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new AsepsisError('INPUT_UNREADABLE', `${path} cannot be opened.`, { cause });
  });
  const fileDate = info.mtime.toISOString();
  const faults = new Faults();
  if (info.isDirectory()) return sorted(path, inFolder(path, faults), fileDate, faults, set);
  const kind = await kindOf(path);
  switch (kind) {
    case 'zip':
      return sorted(path, inZip(path, faults), fileDate, faults, set);
    case 'lines':
      return sorted(path, inLines(path, faults), fileDate, faults, set);
    case 'document':
      return sorted(path, inJson(path, faults), fileDate, faults, set);
    case 'debian':
      return debianReport(path, fileDate, faults, set);
    case 'nvd':
      return nvdReport(path, fileDate, faults, set);
    case 'kev': {
      const { feed, exploited } = await readKev(bytesOf(path), fileDate, faults);
      for (const [cve, entry] of exploited) set.exploited.set(cve, entry);
      return { feed, feeds: [feed], file: path, entries: exploited.size, faults };
    }
    case 'epss': {
      const { feed, likelihood } = await readEpss(linesOf(bytesOf(path), faults), fileDate, faults);
      for (const [cve, entry] of likelihood) set.likelihood.set(cve, entry);
      return { feed, feeds: [feed], file: path, entries: likelihood.size, faults };
    }
    case null:
      throw new AsepsisError(
        'INPUT_UNREADABLE',
        `${path} is no feed that is known (OSV, Debian tracker, CSAF, MSRC, NVD, VEX, KEV, EPSS, Vulnrichment, end of life).`,
      );
  }
}

type Kind = 'zip' | 'document' | 'lines' | 'debian' | 'nvd' | 'kev' | 'epss';

async function kindOf(path: string): Promise<Kind | null> {
  const magic = await headOf(path, 4);
  if (magic.length === 4 && magic.readUInt32LE(0) === 0x0403_4b50) return 'zip';
  let text = '';
  for await (const chunk of bytesOf(path)) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.length > 32_768) break;
  }
  const head = text.replace(/^\uFEFF/, '').trimStart();
  if (/^(#model_version|cve,epss)/.test(head)) return 'epss';
  if (head.startsWith('[')) return 'document';
  if (!head.startsWith('{')) return null;
  const line = head.split('\n', 1)[0] as string;
  if (head.length > line.length + 1 && looksLikeOsv(parsed(line))) return 'lines';
  if (head.includes('"cveID"') || head.includes('"catalogVersion"')) return 'kev';
  if (/"format"\s{0,4}:\s{0,4}"NVD_CVE"/.test(head)) return 'nvd';
  if (/^\{\s*"[^"]{1,256}"\s*:\s*\{\s*"(CVE|TEMP)-/.test(head)) return 'debian';
  const known =
    /"(affected|schema_version|modified|withdrawn|document|product_tree|openvex|ProductTree|DocumentTracking|DocumentTitle|dataType|vulnerabilities|eol|eolFrom|isEol|bomFormat|statements|releases)"|openvex/;
  return known.test(head) || (text.length < 32_768 && looksLikeEndOfLife(parsed(text))) ? 'document' : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

interface Document {
  readonly value: unknown;
  readonly name: string;
}

async function sorted(
  path: string,
  documents: AsyncIterable<Document>,
  fileDate: string,
  faults: Faults,
  set: FeedSet,
): Promise<FeedReport> {
  const sorter = createFeedSorter(fileDate, faults);
  for await (const { value, name } of documents) sorter.take(value, name);
  const found = sorter.finish(set);
  return {
    feed: (found[0] as { feed: FeedRef }).feed,
    feeds: found.map((one) => one.feed),
    file: path,
    entries: found.reduce((sum, one) => sum + one.entries, 0),
    faults,
  };
}

async function debianReport(path: string, fileDate: string, faults: Faults, set: FeedSet): Promise<FeedReport> {
  const items: Advisory[] = [];
  for await (const piece of jsonPieces(bytesOf(path))) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else for (const advisory of readDebianPackage(piece.key, piece.value, faults)) items.push(advisory);
  }
  const feed: FeedRef = { name: 'Debian security tracker', version: 'unknown', date: fileDate, dateOf: 'file' };
  set.advisories.push({ feed, items, withdrawn: [] });
  return { feed, feeds: [feed], file: path, entries: items.length, faults };
}

async function nvdReport(path: string, fileDate: string, faults: Faults, set: FeedSet): Promise<FeedReport> {
  const items: Advisory[] = [];
  const withdrawn: string[] = [];
  let [date, version] = ['', 'unknown'];
  for await (const piece of jsonPieces(bytesOf(path))) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else if (piece.key === 'timestamp') date = String(piece.value).slice(0, 40);
    else if (piece.key === 'version') version = String(piece.value).slice(0, 20);
    else if (piece.key === 'vulnerabilities') {
      const answer = readNvd(piece.value, faults);
      if (answer?.kind === 'withdrawn') withdrawn.push(answer.id);
      else if (answer) items.push(answer.advisory);
    }
  }
  const dated = !Number.isNaN(Date.parse(date));
  const feed: FeedRef = {
    name: 'NVD',
    version,
    date: dated ? new Date(date).toISOString() : fileDate,
    dateOf: dated ? 'feed' : 'file',
  };
  set.advisories.push({ feed, items, withdrawn });
  return { feed, feeds: [feed], file: path, entries: items.length + withdrawn.length, faults };
}

async function* inZip(path: string, faults: Faults): AsyncGenerator<Document> {
  for await (const { name, bytes } of zipEntries(path, (one) => one.endsWith('.json'), faults))
    yield { value: parsed(bytes.toString('utf8')), name };
}

async function* inFolder(path: string, faults: Faults): AsyncGenerator<Document> {
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.json')).sort();
  if (names.length > FILES_MAX) faults.add('More files than are read', names.length - FILES_MAX);
  for (const name of names.slice(0, FILES_MAX)) {
    try {
      yield* inJson(join(path, name), faults);
    } catch {
      faults.add('A file that cannot be read');
    }
  }
}

async function* inLines(path: string, faults: Faults): AsyncGenerator<Document> {
  for await (const line of linesOf(bytesOf(path), faults))
    if (line.trim() !== '') yield { value: parsed(line), name: basename(path) };
}

/** One document, or an array of them. */
async function* inJson(path: string, faults: Faults): AsyncGenerator<Document> {
  const name = basename(path);
  if ((await firstByte(path)) === '[') {
    const cycles: unknown[] = [];
    for await (const piece of jsonPieces(bytesOf(path), DOCUMENT_BYTES_MAX)) {
      if (piece.kind === 'fault') faults.add(piece.what);
      else if (looksLikeEndOfLife([piece.value])) cycles.push(piece.value);
      else yield { value: piece.value, name };
    }
    if (cycles.length > 0) yield { value: cycles, name };
    return;
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytesOf(path)) {
    size += chunk.length;
    if (size > DOCUMENT_BYTES_MAX) return faults.add('An advisory that is too large');
    parts.push(chunk);
  }
  const text = Buffer.concat(parts)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  yield { value: parsed(text), name };
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

export { fetchFeed } from './feed-fetch.ts';
export { type FeedSource, PUBLIC_FEEDS } from './feed-sources.ts';
