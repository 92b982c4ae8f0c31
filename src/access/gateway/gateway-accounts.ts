/** Accounts and their factors, as the gateway keeps them. Everything that may be used once is taken once, atomically. */

import { createHash, randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../core/index.ts';
import type { Db, Row } from './gateway-db.ts';
import { newSecret, secretHash } from './gateway-secrets.ts';

export interface GatewayAccount {
  /** Canonical: lower case, NFKC, without domain. */
  readonly name: string;
  readonly display: string;
  readonly email: string;
  readonly directory: string;
  readonly groups: readonly string[];
  /** argon2id; null for accounts whose password is elsewhere. */
  readonly password: string | null;
  readonly disabled: boolean;
  readonly lastSignIn: number | null;
}

export interface Passkey {
  readonly id: string;
  readonly account: string;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly counter: number;
  readonly transports: readonly string[];
  readonly aaguid: string;
  readonly backedUp: boolean;
}

export type InvitationKind = 'link' | 'desk';
export interface Invitation {
  readonly account: string;
  readonly kind: InvitationKind;
  readonly createdBy: string;
  readonly expires: number;
}

const NAME_CHARS_MAX = 128;
const RECOVERY_CODES = 10;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** Invitations by mail hold a week, codes from the help desk a quarter of an hour. */
const INVITATION_MS: Readonly<Record<InvitationKind, number>> = { link: 7 * 86_400_000, desk: 15 * 60_000 };

/**
 * The one spelling of a name, under which everything is counted: `HOSP\Anna`, `anna@hosp.example`, ` ANNA ` and
 * full-width letters are one account. Null for what cannot be a name.
 */
export function canonicalName(raw: string): string | null {
  if (raw.length === 0 || raw.length > 2 * NAME_CHARS_MAX) return null;
  // Zero-width and other format characters are nothing to a directory (RFC 4518 section 2.2).
  let name = raw
    .normalize('NFKC')
    .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
    .trim()
    .toLowerCase()
    .normalize('NFKC');
  const slash = name.lastIndexOf('\\');
  if (slash >= 0) name = name.slice(slash + 1);
  const at = name.indexOf('@');
  if (at > 0) name = name.slice(0, at);
  return /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]{0,127}$/u.test(name) ? name : null;
}

/** Null when the text cannot be one of our codes. Reads `o`, `i` and `l` as Crockford's base 32 does. */
export function typedCodeHash(use: string, code: string): string | null {
  const plain = code.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1');
  if (plain.length !== 16 || Array.from(plain).some((letter) => !ALPHABET.includes(letter))) return null;
  return createHash('sha256').update(`${use}:${plain}`).digest('hex');
}

/** A code of 80 random bits, `xxxx-xxxx-xxxx-xxxx`. */
export function newTypedCode(): string {
  const letters = Array.from(randomBytes(16), (byte) => ALPHABET.charAt(byte & 31)).join('');
  return (letters.match(/.{4}/g) as string[]).join('-');
}

const accountOf = (row: Row): GatewayAccount => ({
  name: row.name as string,
  display: row.display as string,
  email: row.email as string,
  directory: row.directory as string,
  groups: JSON.parse(row.groups as string) as string[],
  password: row.password as string | null,
  disabled: row.disabled === 1,
  lastSignIn: row.last_sign_in as number | null,
});
const passkeyOf = (row: Row): Passkey => ({
  id: row.id as string,
  account: row.account as string,
  name: row.name as string,
  publicKey: row.public_key as Uint8Array,
  counter: row.counter as number,
  transports: JSON.parse(row.transports as string) as string[],
  aaguid: row.aaguid as string,
  backedUp: row.backed_up === 1,
});

export function openAccounts(db: Db, clock: Clock) {
  return {
    get(name: string): GatewayAccount | null {
      const row = db.get('SELECT * FROM accounts WHERE name = ?', name);
      return row === undefined ? null : accountOf(row);
    },
    /** Makes the account, or brings what the directory says of it up to date. */
    put(account: { name: string; display: string; email: string; directory: string; groups: readonly string[] }): void {
      db.run(
        `INSERT INTO accounts (name, display, email, directory, groups, created) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET display = excluded.display, email = excluded.email, directory = excluded.directory, groups = excluded.groups`,
        account.name,
        account.display,
        account.email,
        account.directory,
        JSON.stringify(account.groups),
        clock.now(),
      );
    },
    setPassword: (name: string, hash: string) => db.run('UPDATE accounts SET password = ? WHERE name = ?', hash, name),
    setDisabled: (name: string, disabled: boolean) =>
      db.run('UPDATE accounts SET disabled = ? WHERE name = ?', disabled ? 1 : 0, name),
    signedIn: (name: string) => db.run('UPDATE accounts SET last_sign_in = ? WHERE name = ?', clock.now(), name),
    list: (limit = 10_000) => db.all('SELECT * FROM accounts ORDER BY name LIMIT ?', limit).map(accountOf),

    passkeys: (account: string) => db.all('SELECT * FROM passkeys WHERE account = ?', account).map(passkeyOf),
    passkey(id: string): Passkey | null {
      const row = db.get('SELECT * FROM passkeys WHERE id = ?', id);
      return row === undefined ? null : passkeyOf(row);
    },
    addPasskey(key: Passkey): boolean {
      return (
        db.run(
          `INSERT INTO passkeys (id, account, name, public_key, counter, transports, aaguid, backed_up, created)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
          key.id,
          key.account,
          key.name,
          key.publicKey,
          key.counter,
          JSON.stringify(key.transports),
          key.aaguid,
          key.backedUp ? 1 : 0,
          clock.now(),
        ) === 1
      );
    },
    /** Raises the counter; false when it did not grow and is in use (a copied key, WebAuthn section 6.1.1). */
    takePasskey(id: string, counter: number): boolean {
      return (
        db.run(
          'UPDATE passkeys SET counter = ?, last_used = ? WHERE id = ? AND (counter < ? OR (counter = 0 AND ? = 0))',
          counter,
          clock.now(),
          id,
          counter,
          counter,
        ) === 1
      );
    },
    setTotp(account: string, sealed: string, usedStep: number): void {
      db.run(
        'INSERT OR REPLACE INTO totp (account, sealed, last_step, drift) VALUES (?, ?, ?, 0)',
        account,
        sealed,
        usedStep,
      );
    },
    totp(account: string): { sealed: string; drift: number } | null {
      const row = db.get('SELECT sealed, drift FROM totp WHERE account = ?', account);
      return row === undefined ? null : { sealed: row.sealed as string, drift: row.drift as number };
    },
    /** Takes a time step once: false when it or a later one was used, by whichever process. */
    takeTotpStep: (account: string, step: number, drift: number): boolean =>
      db.run(
        'UPDATE totp SET last_step = ?, drift = ? WHERE account = ? AND last_step < ?',
        step,
        drift,
        account,
        step,
      ) === 1,
    newRecoveryCodes(account: string): string[] {
      const codes = Array.from({ length: RECOVERY_CODES }, newTypedCode);
      db.atomic(() => {
        db.run('DELETE FROM recovery WHERE account = ?', account);
        for (const code of codes)
          db.run('INSERT INTO recovery VALUES (?, ?)', account, typedCodeHash('recovery', code));
      });
      return codes;
    },
    recoveryLeft: (account: string) =>
      db.get('SELECT count(*) AS n FROM recovery WHERE account = ?', account)?.n as number,
    takeRecovery(account: string, code: string): boolean {
      const hash = typedCodeHash('recovery', code);
      return hash !== null && db.run('DELETE FROM recovery WHERE account = ? AND hash = ?', account, hash) === 1;
    },
    /** A help desk that saw the person's papers, or a new phone: the old factors end. */
    clearFactors(account: string): void {
      db.atomic(() => {
        for (const table of ['passkeys', 'totp', 'recovery', 'upstream_names'])
          db.run(`DELETE FROM ${table} WHERE account = ?`, account);
      });
    },
    /**
     * Whether the provider's whole name for the account is the one it came with first: `anna@hospital.example` and
     * `anna@elsewhere.example` are one account here and two people there. Ending the factors ends this too.
     */
    sameUpstreamName(account: string, directory: string, whole: string): boolean {
      const name = whole.normalize('NFKC').trim().toLowerCase();
      db.run('INSERT OR IGNORE INTO upstream_names VALUES (?, ?, ?)', account, directory, name);
      const row = db.get('SELECT name FROM upstream_names WHERE account = ? AND directory = ?', account, directory);
      return row?.name === name;
    },
    hasFactor: (account: string): boolean =>
      db.get(
        'SELECT 1 FROM passkeys WHERE account = ? UNION ALL SELECT 1 FROM totp WHERE account = ? LIMIT 1',
        account,
        account,
      ) !== undefined,

    /** A one-time secret that lets its holder enrol factors of the account. */
    invite(
      account: string,
      kind: InvitationKind,
      createdBy: string,
      identity = '',
    ): { secret: string; expires: number } {
      const secret = newSecret();
      const expires = clock.now() + INVITATION_MS[kind];
      db.run(
        'INSERT INTO invitations (hash, account, kind, created_by, identity, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)',
        secretHash(secret),
        account,
        kind,
        createdBy,
        identity.slice(0, 512),
        clock.now(),
        expires,
      );
      return { secret, expires };
    },
    invitation(secret: string): Invitation | null {
      const row = db.get(
        'SELECT * FROM invitations WHERE hash = ? AND used IS NULL AND expires > ?',
        secretHash(secret),
        clock.now(),
      );
      return row === undefined
        ? null
        : {
            account: row.account as string,
            kind: row.kind as InvitationKind,
            createdBy: row.created_by as string,
            expires: row.expires as number,
          };
    },
    takeInvitation: (secret: string): boolean =>
      db.run(
        'UPDATE invitations SET used = ? WHERE hash = ? AND used IS NULL AND expires > ?',
        clock.now(),
        secretHash(secret),
        clock.now(),
      ) === 1,
  };
}
export type Accounts = ReturnType<typeof openAccounts>;

/** Accounts of a gateway's file and whether each has a second factor, for the audit; nothing secret is read. */
export function readAccounts(file: string) {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  try {
    const rows = db
      .prepare(
        `SELECT name, display, disabled, created, last_sign_in,
           (EXISTS (SELECT 1 FROM passkeys WHERE account = name) OR EXISTS (SELECT 1 FROM totp WHERE account = name)) AS factor
         FROM accounts ORDER BY name LIMIT 200000`,
      )
      .all() as Row[];
    return rows.map((row) => ({
      name: row.name as string,
      display: row.display as string,
      disabled: row.disabled === 1,
      created: row.created as number,
      lastSignIn: row.last_sign_in as number | null,
      factor: row.factor === 1,
    }));
  } finally {
    db.close();
  }
}
