/**
 * Feeds as one signed file for a network without internet: a line of JSON that names each part with its size and SHA-256, a
 * line with the Ed25519 signature of that line, then the parts. Nothing is believed before the signature was.
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { AsepsisError } from '../core/index.ts';
import { type FeedEntry, type FeedLibrary, type Generation, isFeedId, sha256Of } from './patching-library.ts';

interface BundlePart {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}
interface BundleHead {
  readonly format: 'asepsis-feeds-1';
  readonly made: string;
  readonly feeds: readonly FeedEntry[];
  readonly parts: readonly BundlePart[];
}

const HEAD_BYTES_MAX = 64 * 1024 * 1024;
const PARTS_MAX = 1_000_000;
const BYTES_MAX = 32 * 1024 ** 3;
const refused = (why: string) => new AsepsisError('INPUT_UNREADABLE', `The bundle is refused whole: ${why}.`);

/** The installation's own key; made when it is first needed, readable by its owner only. */
export async function bundleKey(folder: string): Promise<{ privateKey: KeyObject; publicText: string }> {
  const path = join(folder, 'bundle-key.pem');
  const known = await readFile(path, 'utf8').catch(() => null);
  const privateKey = known === null ? generateKeyPairSync('ed25519').privateKey : createPrivateKey(known);
  if (known === null) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  }
  return { privateKey, publicText: publicText(createPublicKey(privateKey)) };
}

const publicText = (key: KeyObject) => (key.export({ type: 'spki', format: 'der' }) as Buffer).toString('base64');
export const fingerprint = (text: string) =>
  createHash('sha256').update(Buffer.from(text, 'base64')).digest('hex').slice(0, 16);

export function publicKeyOf(text: string): KeyObject {
  try {
    const key = text.includes('BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text.trim(), 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Said below, without the text.
  }
  throw new AsepsisError('BAD_REQUEST', 'That is no Ed25519 public key (PEM, or base64 as `feeds key` prints it).');
}

/** The same key always as the same text. */
export const publicTextOf = (text: string): string => publicText(publicKeyOf(text));

export async function exportBundle(library: FeedLibrary, privateKey: KeyObject, target: string): Promise<BundleHead> {
  const current = await library.current();
  if (current === null) throw new AsepsisError('NOT_FOUND', 'There are no feeds yet; run asepsis patch feeds update.');
  const folder = join(library.folder, `generation-${current.generation}`);
  const parts: BundlePart[] = [];
  for (const { id } of current.feeds)
    for (const path of await filesIn(join(folder, id))) {
      const { size } = await stat(path);
      parts.push({ path: relative(folder, path).replaceAll('\\', '/'), bytes: size, sha256: await sha256Of(path) });
    }
  const head: BundleHead = { format: 'asepsis-feeds-1', made: current.made, feeds: current.feeds, parts };
  const line = Buffer.from(JSON.stringify(head));
  const temporary = `${target}.new`;
  const out = createWriteStream(temporary, { mode: 0o644, flush: true });
  // The write that fails says so itself; without a listener the process would end.
  out.on('error', () => undefined);
  const write = (bytes: Uint8Array | string) =>
    new Promise<void>((resolve, reject) => out.write(bytes, (error) => (error ? reject(error) : resolve())));
  try {
    await write(line);
    await write(`\n${sign(null, line, privateKey).toString('base64')}\n`);
    for (const { path } of parts)
      for await (const chunk of createReadStream(join(folder, path))) await write(chunk as Buffer);
    await new Promise<void>((resolve, reject) =>
      out.end((error?: Error | null) => (error ? reject(error) : resolve())),
    );
    await rename(temporary, target);
  } catch (error) {
    out.destroy();
    await rm(temporary, { force: true });
    throw error;
  }
  return head;
}

async function filesIn(place: string): Promise<string[]> {
  const info = await stat(place).catch(() => null);
  if (info === null) return [];
  if (!info.isDirectory()) return [place];
  return (await readdir(place)).sort().map((name) => join(place, name));
}

/** @param trusted public keys that are believed; @param allowOlder takes a bundle that is older than what is there */
export async function importBundle(
  library: FeedLibrary,
  source: string,
  trusted: readonly KeyObject[],
  now: string,
  allowOlder = false,
  progress: (sentence: string) => void = () => {},
): Promise<Generation> {
  const { head, key, start } = await readHead(source, trusted);
  const current = await library.current();
  if (current && head.made < current.made && !allowOlder)
    throw refused(
      `it was made on ${head.made.slice(0, 10)}, what is here on ${current.made.slice(0, 10)} (--allow-older takes it)`,
    );
  const { size } = await stat(source);
  const total = head.parts.reduce((sum, part) => sum + part.bytes, 0);
  if (start + total !== size) throw refused('it is shorter or longer than it says');
  return library.build(fingerprint(publicText(key)), head.made > now ? now : head.made, async (folder) => {
    let at = start;
    for (const part of head.parts) {
      progress(`${((at - start) / 1048576).toFixed(0)} of ${(total / 1048576).toFixed(0)} MB checked`);
      const path = join(folder, part.path);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      if (part.bytes === 0) await writeFile(path, '', { mode: 0o600 });
      else await copyPart(source, at, part, path);
      at += part.bytes;
    }
    return head.feeds;
  });
}

async function copyPart(source: string, at: number, part: BundlePart, path: string): Promise<void> {
  const hash = createHash('sha256');
  const out = createWriteStream(path, { mode: 0o600, flush: true });
  out.on('error', () => undefined);
  for await (const chunk of createReadStream(source, { start: at, end: at + part.bytes - 1 })) {
    hash.update(chunk as Buffer);
    await new Promise<void>((resolve, reject) => out.write(chunk, (error) => (error ? reject(error) : resolve())));
  }
  await new Promise<void>((resolve, reject) => out.end((error?: Error | null) => (error ? reject(error) : resolve())));
  if (hash.digest('hex') !== part.sha256) throw refused(`${part.path} is not what was signed`);
}

async function readHead(
  source: string,
  trusted: readonly KeyObject[],
): Promise<{ head: BundleHead; key: KeyObject; start: number }> {
  const file = await open(source).catch((cause: unknown) => {
    throw new AsepsisError('INPUT_UNREADABLE', `${source} cannot be opened.`, { cause });
  });
  try {
    let bytes = Buffer.alloc(0);
    let first = -1;
    let second = -1;
    while (second < 0) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(1024 * 1024), 0, 1024 * 1024, bytes.length);
      if (bytesRead === 0 || bytes.length > HEAD_BYTES_MAX) throw refused('it is no bundle of feeds');
      bytes = Buffer.concat([bytes, buffer.subarray(0, bytesRead)]);
      first = bytes.indexOf(10);
      second = first < 0 ? -1 : bytes.indexOf(10, first + 1);
    }
    const line = bytes.subarray(0, first);
    const signature = Buffer.from(bytes.subarray(first + 1, second).toString('latin1'), 'base64');
    const key = trusted.find((one) => signature.length === 64 && verify(null, line, one, signature));
    if (key === undefined)
      throw refused(
        trusted.length === 0 ? 'no key is trusted yet (--trust)' : 'its signature is of no key that is trusted',
      );
    return { head: headOf(line), key, start: second + 1 };
  } finally {
    await file.close();
  }
}

/** Signed is not yet harmless: names stay inside the folder, sizes inside their limits. */
function headOf(line: Buffer): BundleHead {
  let head: BundleHead;
  try {
    head = JSON.parse(line.toString('utf8')) as BundleHead;
  } catch {
    throw refused('its first line is no JSON');
  }
  if (head.format !== 'asepsis-feeds-1' || !Array.isArray(head.feeds) || !Array.isArray(head.parts))
    throw refused('its format is not known');
  if (Number.isNaN(Date.parse(head.made))) throw refused('it does not say when it was made');
  for (const feed of head.feeds) if (!isFeedId(String(feed?.id))) throw refused('it names a feed outside its folder');
  const ids = new Set(head.feeds.map((feed) => feed.id));
  let total = 0;
  for (const part of head.parts) {
    const [id = '', name, more] = String(part.path).split('/');
    const named = name === undefined || (/^[A-Za-z0-9._-]{1,200}$/.test(name) && name !== '..' && name !== '.');
    if (!isFeedId(id) || !ids.has(id) || !named || more !== undefined)
      throw refused('it names a part outside its feeds');
    if (!Number.isSafeInteger(part.bytes) || part.bytes < 0 || !/^[0-9a-f]{64}$/.test(part.sha256))
      throw refused('it names a part without size or hash');
    total += part.bytes;
  }
  if (head.parts.length > PARTS_MAX || total > BYTES_MAX) throw refused('it is larger than 32 GiB');
  return head;
}
