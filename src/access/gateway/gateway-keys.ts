/** Signing keys and JSON Web Tokens (RFC 7519): made here, rotated monthly, published as a JWK set (RFC 7517). */

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Clock } from '../../core/index.ts';
import type { Db } from './gateway-db.ts';
import type { Seal } from './gateway-secrets.ts';

export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];
const ROTATE_MS = 30 * 86_400_000;
/** An old key is still published so long after a new one, for tokens that are under way. */
const KEPT_MS = 7 * 86_400_000;

interface Key {
  readonly kid: string;
  readonly alg: Algorithm;
  readonly key: KeyObject;
  readonly created: number;
}

function makePair(alg: Algorithm) {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

export function openKeys(db: Db, seal: Seal, clock: Clock) {
  const current = new Map<Algorithm, Key>();
  const make = (alg: Algorithm): void => {
    const { privateKey, publicKey } = makePair(alg);
    const kid = randomBytes(9).toString('base64url');
    const pem = privateKey.export({ type: 'pkcs8', format: 'der' });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
    db.run(
      'INSERT INTO keys VALUES (?, ?, ?, ?, ?)',
      kid,
      alg,
      seal.seal(pem, `key:${kid}`),
      JSON.stringify(jwk),
      clock.now(),
    );
  };
  const newest = (alg: Algorithm) => db.get('SELECT * FROM keys WHERE alg = ? ORDER BY created DESC LIMIT 1', alg);
  const keyFor = (alg: Algorithm): Key => {
    const held = current.get(alg);
    if (held !== undefined && clock.now() - held.created < ROTATE_MS) return held;
    return db.atomic(() => {
      const found = newest(alg);
      if (found === undefined || clock.now() - (found.created as number) >= ROTATE_MS) make(alg);
      const row = newest(alg) as Record<string, string | number>;
      const kid = row.kid as string;
      const key = createPrivateKey({
        key: Buffer.from(seal.open(row.sealed as string, `key:${kid}`)),
        format: 'der',
        type: 'pkcs8',
      });
      const made: Key = { kid, alg, key, created: row.created as number };
      current.set(alg, made);
      db.run(
        'DELETE FROM keys WHERE alg = ? AND kid <> ? AND created < ?',
        alg,
        kid,
        made.created - ROTATE_MS - KEPT_MS,
      );
      return made;
    });
  };
  return {
    /** A signed token; the algorithm is ours to choose, never the reader's. */
    sign(alg: Algorithm, claims: object, type = 'JWT'): string {
      const { kid, key } = keyFor(alg);
      const input = `${part({ alg, kid, typ: type })}.${part(claims)}`;
      const bytes = Buffer.from(input);
      const signature =
        alg === 'ES256'
          ? sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
          : sign(alg === 'EdDSA' ? null : 'sha256', bytes, key);
      return `${input}.${signature.toString('base64url')}`;
    },
    /** Public keys, the newest first. */
    set(): { keys: object[] } {
      for (const alg of ALGORITHMS) keyFor(alg);
      const rows = db.all('SELECT public, alg, kid, created FROM keys ORDER BY created DESC');
      const kept = rows.filter((row) => {
        const key = keyFor(row.alg as Algorithm);
        return row.kid === key.kid || clock.now() - key.created < KEPT_MS;
      });
      return { keys: kept.map((row) => JSON.parse(row.public as string) as object) };
    },
    /** Makes new keys now: after a suspicion. */
    rotate(): void {
      for (const alg of ALGORITHMS) make(alg);
      current.clear();
    },
  };
}
export type Keys = ReturnType<typeof openKeys>;
