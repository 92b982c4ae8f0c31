/** Random secrets kept as hashes, boxes sealed at rest, and signed parameters that leave and come back. */

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Signed parameters are short; longer ones are not even looked at. */
const SIGNED_CHARS_MAX = 12_000;

/** 256 random bits as 43 characters. */
export const newSecret = (): string => randomBytes(32).toString('base64url');
export const isSecret = (text: string): boolean => /^[A-Za-z0-9_-]{43}$/.test(text);
/** SHA-256: enough for 256 random bits, which nobody can guess from it. */
export const secretHash = (secret: string): string => hash('sha256', secret, 'base64url');

export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

export interface Seal {
  /** `context` binds the box to its place: a box moved to another row does not open. */
  seal(secret: Uint8Array, context: string): string;
  open(sealed: string, context: string): Uint8Array;
  /** A value that leaves and comes back unchanged, for one use, until it is over. */
  sign(use: string, value: object, expiresMs: number): string;
  /** Null when it was changed, is for another use, or is over. */
  verify<T>(use: string, signed: string, nowMs: number): T | null;
  mac(text: string): string;
}

/** The gateway's key, made at first use with mode 0600. */
export function openSeal(folder: string): Seal {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'gateway.key');
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, randomBytes(KEY_BYTES));
    fsyncSync(file);
    closeSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new AsepsisError('DATA_READ_ONLY', `Cannot write ${path}.`, { cause: error });
  }
  const key = readFileSync(path);
  if (key.length !== KEY_BYTES)
    throw new AsepsisError('CONFIG_INVALID', `${path} is no key of ${KEY_BYTES} bytes; restore it from a backup.`);
  chmodSync(path, 0o600);
  return sealWith(key);
}

function sealWith(key: Uint8Array): Seal {
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', key, '', `asepsis access ${use}`, KEY_BYTES));
  const boxKey = derive('seal v1');
  const macKey = derive('mac v1');
  const mac = (text: string) => createHmac('sha256', macKey).update(text).digest('base64url');
  return {
    mac,
    seal(secret, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', boxKey, nonce).setAAD(Buffer.from(context));
      return Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', boxKey, bytes.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
          .setAAD(Buffer.from(context))
          .setAuthTag(bytes.subarray(-TAG_BYTES));
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
      } catch (error) {
        throw new AsepsisError('INTERNAL', 'A sealed secret does not open: is gateway.key the one of this data?', {
          cause: error,
        });
      }
    },
    sign(use, value, expiresMs) {
      const body = Buffer.from(JSON.stringify({ ...value, exp: expiresMs })).toString('base64url');
      return `${body}.${mac(`${use}:${body}`)}`;
    },
    verify<T>(use: string, signed: string, nowMs: number): T | null {
      if (signed.length > SIGNED_CHARS_MAX) return null;
      const dot = signed.indexOf('.');
      if (dot < 0) return null;
      const body = signed.slice(0, dot);
      if (!sameText(signed.slice(dot + 1), mac(`${use}:${body}`))) return null;
      const value = JSON.parse(Buffer.from(body, 'base64url').toString()) as T & { exp: number };
      return nowMs < value.exp ? value : null;
    },
  };
}
