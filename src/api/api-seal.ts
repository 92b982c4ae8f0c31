/** Seals small secrets at rest (TOTP secrets) with AES-256-GCM under a key file that only this installation's user reads. */

import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';
import { chmod, link, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AsepsisError, ensureFolder, syncFolder } from '../core/index.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;

export interface Seal {
  /** `context` binds the box to its place: a box moved to another row does not open. */
  seal(secret: Uint8Array, context: string): string;
  open(sealed: string, context: string): Uint8Array;
  /** A keyed hash for things that leave and come back (device cookies). */
  mac(text: string): string;
}

/** The installation's key, made at first use: `<dataDir>/keys/seal.key`, mode 0600. */
export async function openSeal(dataDir: string, random: (n: number) => Uint8Array): Promise<Seal> {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'seal.key');
  try {
    await ensureFolder(folder, 0o700);
    await makeKey(path, random(KEY_BYTES));
  } catch (error) {
    throw new AsepsisError('DATA_READ_ONLY', `Cannot write ${path}.`, { cause: error });
  }
  const key = await readFile(path);
  if (key.length !== KEY_BYTES) {
    throw new AsepsisError('CONFIG_INVALID', `${path} is not a key of ${KEY_BYTES} bytes; restore it from a backup.`);
  }
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  return sealWith(key, random);
}

/** Whole under its name or not there at all; one that is there stays. */
async function makeKey(path: string, key: Uint8Array): Promise<void> {
  if (await stat(path).catch(() => null)) return;
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(key);
    await file.sync();
  } finally {
    await file.close();
  }
  // A link, because a rename would replace a key that somebody made meanwhile.
  await link(beside, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await unlink(beside);
  await syncFolder(dirname(path));
}

function sealWith(key: Uint8Array, random: (n: number) => Uint8Array): Seal {
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', key, '', `asepsis ${use}`, KEY_BYTES));
  const boxKey = derive('seal v1');
  const macKey = derive('mac v1');
  return {
    seal(secret, context) {
      const nonce = random(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', boxKey, nonce).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(secret), cipher.final()]);
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      try {
        if (!sealed.startsWith('v1.')) throw new Error('unknown version');
        const decipher = createDecipheriv('aes-256-gcm', boxKey, bytes.subarray(0, NONCE_BYTES), { authTagLength: 16 })
          .setAAD(Buffer.from(context))
          .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + 16));
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + 16)), decipher.final()]);
      } catch (error) {
        throw new AsepsisError('INTERNAL', 'A sealed secret does not open: is keys/seal.key the one of this data?', {
          cause: error,
        });
      }
    },
    mac: (text) => createHmac('sha256', macKey).update(text).digest('base64url'),
  };
}
