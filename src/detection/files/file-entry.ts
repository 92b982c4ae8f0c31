/** One watched file as it is: what is kept of it in the baseline, and how two looks at it differ. Pure. */

export interface FileEntry {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
  readonly mtimeMs: number;
  /** Time of the last change of anything; a program can set the other one, but not this. */
  readonly ctimeMs: number;
  readonly inode: number;
  /** Permission bits, as in chmod. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** SHA-256 of the content (file) or target (link); empty for the rest and for what may not be read. */
  readonly hash: string;
  /** Digest over names and values of the extended attributes; empty when there are none or they cannot be read. */
  readonly xattr: string;
}

export type ChangeKind = 'created' | 'removed' | 'content' | 'mode' | 'owner' | 'xattr' | 'type';

export interface FileChange {
  readonly path: string;
  readonly kinds: readonly ChangeKind[];
  readonly before: FileEntry | null;
  readonly after: FileEntry | null;
}

/** Null when nothing that matters differs: a new time alone is nothing. */
export function compareEntries(before: FileEntry | null, after: FileEntry | null): FileChange | null {
  const path = (after ?? before)?.path;
  if (path === undefined) return null;
  if (before === null) return { path, kinds: ['created'], before, after };
  if (after === null) return { path, kinds: ['removed'], before, after };
  const kinds: ChangeKind[] = [];
  if (before.type !== after.type) kinds.push('type');
  if (before.hash !== after.hash) kinds.push('content');
  if (before.mode !== after.mode) kinds.push('mode');
  if (before.uid !== after.uid || before.gid !== after.gid) kinds.push('owner');
  if (before.xattr !== after.xattr) kinds.push('xattr');
  return kinds.length === 0 ? null : { path, kinds, before, after };
}

/** Whether a file has to be read again: an unchanged inode, size, time and mode are the same content. */
export const looksSame = (a: FileEntry, b: Omit<FileEntry, 'hash' | 'xattr'>): boolean =>
  a.type === b.type &&
  a.size === b.size &&
  a.mtimeMs === b.mtimeMs &&
  a.ctimeMs === b.ctimeMs &&
  a.inode === b.inode &&
  a.mode === b.mode &&
  a.uid === b.uid &&
  a.gid === b.gid;

const SETUID = 0o4000;
const SETGID = 0o2000;

/** A program that runs with its owner's rights since this change. */
export function gainedRights(change: FileChange): boolean {
  const { before, after } = change;
  if (after === null || after.type !== 'file' || (after.mode & 0o111) === 0) return false;
  const bits = after.mode & (SETUID | SETGID);
  return bits !== 0 && (before === null || (before.mode & (SETUID | SETGID)) !== bits);
}

/** Bits of information in a byte, 0 to 8 (Shannon). Encrypted and packed data is near 8, text between 4 and 5. */
export function entropyOf(bytes: Uint8Array): number {
  if (bytes.length === 0) return 0;
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1;
  let bits = 0;
  for (const count of counts) {
    if (count === 0) continue;
    const share = count / bytes.length;
    bits -= share * Math.log2(share);
  }
  return bits;
}

/** First bytes of forms that are packed anyway: high entropy says nothing about them. */
const PACKED: readonly (readonly number[])[] = [
  [0x50, 0x4b], // zip, docx, xlsx
  [0x1f, 0x8b], // gzip
  [0xff, 0xd8, 0xff], // jpeg
  [0x89, 0x50, 0x4e, 0x47], // png
  [0x25, 0x50, 0x44, 0x46], // pdf
  [0x42, 0x5a, 0x68], // bzip2
  [0xfd, 0x37, 0x7a], // xz
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
  [0x37, 0x7a, 0xbc], // 7z
  [0x52, 0x61, 0x72], // rar
  [0x1a, 0x45, 0xdf], // matroska
  [0x49, 0x44, 0x33], // mp3
  [0x4f, 0x67, 0x67], // ogg
];

/** Below this many bytes entropy tells nothing: 256 different bytes can be any table. */
const TELLING_BYTES = 512;
const HIGH_ENTROPY = 7.2;

/** Looks like encrypted data: near-random, and of no known packed form. DICOM's name stands at byte 128. */
export function looksEncrypted(head: Uint8Array): boolean {
  if (head.length < TELLING_BYTES) return false;
  if (PACKED.some((magic) => magic.every((byte, i) => head[i] === byte))) return false;
  if (Buffer.from(head.subarray(128, 132)).toString('latin1') === 'DICM') return false;
  // 512 random bytes measure about 7.6 bits, 4096 about 7.95.
  return entropyOf(head) >= HIGH_ENTROPY;
}
