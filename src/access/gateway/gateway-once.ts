/** Things that are kept for minutes and taken once: half-finished sign-ins, tickets to an application, challenges, codes. */

import type { Clock } from '../../core/index.ts';
import type { Db } from './gateway-db.ts';
import { newSecret, secretHash } from './gateway-secrets.ts';

/** Rows at once that need a right password, a session or a proven key. */
const ROWS_MAX = 200_000;
/** Rows that anybody can ask for by beginning a sign-in elsewhere; they push out each other, never a ticket. */
const STRANGERS_MAX = 20_000;
const SWEEP_EVERY = 500;

export function openOnce(db: Db, clock: Clock) {
  let puts = 0;
  const sweep = () => {
    if (puts++ % SWEEP_EVERY !== 0) return;
    db.run('DELETE FROM once WHERE expires < ?', clock.now());
    db.run(
      "DELETE FROM once WHERE hash IN (SELECT hash FROM once WHERE kind IN ('upstream', 'saml') ORDER BY expires DESC, rowid DESC LIMIT -1 OFFSET ?)",
      STRANGERS_MAX,
    );
    db.run('DELETE FROM once WHERE hash IN (SELECT hash FROM once ORDER BY expires DESC LIMIT -1 OFFSET ?)', ROWS_MAX);
  };
  return {
    /** Keeps a document and answers the secret that finds it. */
    put(kind: string, doc: object, lifeMs: number): string {
      sweep();
      const secret = newSecret();
      db.run(
        'INSERT INTO once VALUES (?, ?, ?, ?)',
        secretHash(secret),
        kind,
        JSON.stringify(doc),
        clock.now() + lifeMs,
      );
      return secret;
    },
    peek<T>(kind: string, secret: string): T | null {
      const row = db.get(
        'SELECT doc FROM once WHERE hash = ? AND kind = ? AND expires > ?',
        secretHash(secret),
        kind,
        clock.now(),
      );
      return row === undefined ? null : (JSON.parse(row.doc as string) as T);
    },
    update(kind: string, secret: string, doc: object): boolean {
      return (
        db.run(
          'UPDATE once SET doc = ? WHERE hash = ? AND kind = ? AND expires > ?',
          JSON.stringify(doc),
          secretHash(secret),
          kind,
          clock.now(),
        ) === 1
      );
    },
    take<T>(kind: string, secret: string): T | null {
      const row = db.get(
        'DELETE FROM once WHERE hash = ? AND kind = ? AND expires > ? RETURNING doc',
        secretHash(secret),
        kind,
        clock.now(),
      );
      return row === undefined ? null : (JSON.parse(row.doc as string) as T);
    },
    /** True the first time only: for values that carry their own proof and must not come twice. */
    first(kind: string, value: string, lifeMs: number): boolean {
      sweep();
      return (
        db.run(
          'INSERT OR IGNORE INTO once VALUES (?, ?, ?, ?)',
          secretHash(`${kind}:${value}`),
          `${kind}-used`,
          '{}',
          clock.now() + lifeMs,
        ) === 1
      );
    },
  };
}
export type Once = ReturnType<typeof openOnce>;
