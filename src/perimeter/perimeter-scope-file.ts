/** Signs a scope file and believes it only with a signature of a trusted key (Ed25519, RFC 8032). */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { AsepsisError } from '../core/index.ts';
import { parseScope, type Scope } from './perimeter-scope.ts';

/** Separates these signatures from all others that the same key may make. */
const DOMAIN = Buffer.from('asepsis scope 1\0');
const MARK = '\n# --- signature: everything above this line is signed (Ed25519) ---\n';
const BLOCK = /^# key: ([A-Za-z0-9+/]{43}=)\n# signature: ([A-Za-z0-9+/]{86}==)\n?$/;
/** SubjectPublicKeyInfo of Ed25519 up to the 32 bytes of the key (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function newScopeKey(): { privatePem: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicText(privateKey),
  };
}

function publicText(privateKey: KeyObject): string {
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return der.subarray(SPKI_PREFIX.length).toString('base64');
}

/** The text with its signature behind it; a signature that was there is replaced. */
export function signScope(text: string, privatePem: string): string {
  let key: KeyObject;
  try {
    key = createPrivateKey(privatePem);
  } catch (error) {
    throw new AsepsisError('SCOPE_INVALID', 'The signing key cannot be read.', { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new AsepsisError('SCOPE_INVALID', 'The signing key is not Ed25519.');
  const body = unsigned(text);
  parseScope(body);
  const signature = sign(null, Buffer.concat([DOMAIN, Buffer.from(body)]), key).toString('base64');
  return `${body}${MARK}# key: ${publicText(key)}\n# signature: ${signature}\n`;
}

export function unsigned(text: string): string {
  const at = text.indexOf(MARK);
  return at < 0 ? text.replace(/\n*$/, '\n') : text.slice(0, at);
}

/** Opens a scope file: the signature is checked before anything in it is believed. */
export function openScope(text: string, trusted: readonly string[]): { scope: Scope; key: string } {
  const at = text.indexOf(MARK);
  const block = at < 0 ? null : BLOCK.exec(text.slice(at + MARK.length));
  if (!block) throw new AsepsisError('SCOPE_UNSIGNED', 'The scope file carries no signature.');
  const [, key = '', signature = ''] = block;
  if (!trusted.includes(key)) throw new AsepsisError('SCOPE_UNSIGNED', `The key ${key} is not among the trusted ones.`);
  const body = text.slice(0, at);
  const spki = createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, Buffer.from(key, 'base64')]),
    format: 'der',
    type: 'spki',
  });
  const bytes = Buffer.from(signature, 'base64');
  // One spelling only: the last letter of base64 has bits that mean nothing (RFC 4648 section 3.5).
  const spelt = bytes.toString('base64') === signature;
  if (!spelt || !verify(null, Buffer.concat([DOMAIN, Buffer.from(body)]), spki, bytes))
    throw new AsepsisError('SCOPE_UNSIGNED', 'The scope was changed after it was signed.');
  return { scope: parseScope(body), key };
}
