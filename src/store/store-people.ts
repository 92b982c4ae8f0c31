/** People in the database, with everything they sign in with; what may be used once is used up in one statement. */

import type {
  ApiToken,
  Invitation,
  PasskeyCredential,
  PeopleStore,
  Person,
  PersonId,
  Rfc3339,
  Session,
} from '../core/index.ts';
import { rfc3339 } from '../core/index.ts';
import { atomic, flag, folded, inPortions, ms, read, readOrNull, type StoreContext } from './store-context.ts';
import type { Tables } from './store-tables.ts';

export function peopleStore(context: StoreContext): PeopleStore {
  return { ...persons(context), ...secondFactors(context), ...invitations(context), ...access(context) };
}

type Persons = Pick<PeopleStore, 'count' | 'insert' | 'update' | 'get' | 'byUsername' | 'list'>;

function persons(context: StoreContext): Persons {
  const { db } = context;
  return {
    count: async () => {
      const row = await db
        .selectFrom('people')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    },
    insert: async (person) => {
      await db.insertInto('people').values(personRow(person)).execute();
    },
    update: (id, change) =>
      atomic(context, async (inside) => {
        const row = await inside.db
          .selectFrom('people')
          .select('doc')
          .where('id', '=', id)
          .$if(inside.kind === 'postgres', (query) => query.forUpdate())
          .executeTakeFirst();
        if (!row) return null;
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const next: Person = { ...read<Person>(row), ...given, id };
        await inside.db.updateTable('people').set(personRow(next)).where('id', '=', id).execute();
        return next;
      }),
    get: async (id) =>
      readOrNull<Person>(await db.selectFrom('people').select('doc').where('id', '=', id).executeTakeFirst()),
    byUsername: async (username) =>
      readOrNull<Person>(
        await db.selectFrom('people').select('doc').where('username_key', '=', folded(username)).executeTakeFirst(),
      ),
    list: async () => {
      const rows = await db.selectFrom('people').select('doc').orderBy('username_key').execute();
      return rows.map((row) => read<Person>(row));
    },
  };
}

function personRow(person: Person) {
  return { id: person.id, username_key: folded(person.username), doc: JSON.stringify(person) };
}

type SecondFactors = Pick<
  PeopleStore,
  | 'addPasskey'
  | 'passkeys'
  | 'passkey'
  | 'usePasskey'
  | 'removePasskey'
  | 'setTotp'
  | 'totp'
  | 'useTotpStep'
  | 'setRecoveryCodes'
  | 'recoveryCodesLeft'
  | 'useRecoveryCode'
>;

function secondFactors(context: StoreContext): SecondFactors {
  return { ...passkeys(context), ...codes(context) };
}

type Passkeys = Pick<PeopleStore, 'addPasskey' | 'passkeys' | 'passkey' | 'usePasskey' | 'removePasskey'>;

function passkeys(context: StoreContext): Passkeys {
  const { db } = context;
  return {
    addPasskey: async (credential) => {
      const { id, person, counter, last_used } = credential;
      const doc = JSON.stringify({
        ...credential,
        public_key: Buffer.from(credential.public_key).toString('base64url'),
      });
      await db
        .insertInto('passkeys')
        .values({ id, person, counter, last_used: last_used === null ? null : ms(last_used), doc })
        .execute();
    },
    passkeys: async (person) => {
      const rows = await db.selectFrom('passkeys').selectAll().where('person', '=', person).orderBy('id').execute();
      return rows.map(passkeyOf);
    },
    passkey: async (id) => {
      const row = await db.selectFrom('passkeys').selectAll().where('id', '=', id).executeTakeFirst();
      return row ? passkeyOf(row) : null;
    },
    // WebAuthn level 2, section 6.1.1: a counter that does not grow is a copy, unless the authenticator keeps none.
    usePasskey: async (id, counter, at) => {
      const { numUpdatedRows } = await db
        .updateTable('passkeys')
        .set({ counter, last_used: ms(at) })
        .where('id', '=', id)
        .where((eb) => (counter === 0 ? eb('counter', '=', 0) : eb('counter', '<', counter)))
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
    removePasskey: async (person, id) => {
      const { numDeletedRows } = await db
        .deleteFrom('passkeys')
        .where('id', '=', id)
        .where('person', '=', person)
        .executeTakeFirstOrThrow();
      return numDeletedRows === 1n;
    },
  };
}

function passkeyOf(row: Tables['passkeys']): PasskeyCredential {
  const doc = read<Omit<PasskeyCredential, 'public_key'> & { public_key: string }>(row);
  return {
    ...doc,
    public_key: new Uint8Array(Buffer.from(doc.public_key, 'base64url')),
    counter: row.counter,
    last_used: timeOrNull(row.last_used),
  };
}

type Codes = Omit<SecondFactors, keyof Passkeys>;

function codes(context: StoreContext): Codes {
  const { db } = context;
  return {
    setTotp: async (person, sealed) => {
      if (sealed === null) {
        await db.deleteFrom('totp').where('person', '=', person).execute();
        return;
      }
      await db
        .insertInto('totp')
        .values({ person, sealed, last_step: 0 })
        .onConflict((conflict) => conflict.column('person').doUpdateSet({ sealed, last_step: 0 }))
        .execute();
    },
    totp: async (person) => {
      const row = await db.selectFrom('totp').selectAll().where('person', '=', person).executeTakeFirst();
      return row ? { sealed: row.sealed, lastStep: row.last_step } : null;
    },
    // RFC 6238, section 5.2: a code that was accepted is not accepted a second time.
    useTotpStep: async (person, step) => {
      const { numUpdatedRows } = await db
        .updateTable('totp')
        .set({ last_step: step })
        .where('person', '=', person)
        .where('last_step', '<', step)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
    setRecoveryCodes: (person, hashes) =>
      atomic(context, async (inside) => {
        await inside.db.deleteFrom('recovery_codes').where('person', '=', person).execute();
        for (const portion of inPortions([...new Set(hashes)])) {
          await inside.db
            .insertInto('recovery_codes')
            .values(portion.map((hash) => ({ person, hash })))
            .execute();
        }
      }),
    recoveryCodesLeft: async (person) => {
      const row = await db
        .selectFrom('recovery_codes')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('person', '=', person)
        .executeTakeFirstOrThrow();
      return row.count;
    },
    useRecoveryCode: async (person, hash) => {
      const { numDeletedRows } = await db
        .deleteFrom('recovery_codes')
        .where('person', '=', person)
        .where('hash', '=', hash)
        .executeTakeFirstOrThrow();
      return numDeletedRows === 1n;
    },
  };
}

type Invitations = Pick<PeopleStore, 'insertInvitation' | 'invitation' | 'useInvitation'>;

function invitations({ db }: StoreContext): Invitations {
  return {
    insertInvitation: async (invitation) => {
      const { token_hash, expires, used } = invitation;
      await db
        .insertInto('invitations')
        .values({ token_hash, expires: ms(expires), used: flag(used), doc: JSON.stringify(invitation) })
        .execute();
    },
    invitation: async (tokenHash) => {
      const row = await db
        .selectFrom('invitations')
        .select(['used', 'doc'])
        .where('token_hash', '=', tokenHash)
        .executeTakeFirst();
      return row ? { ...read<Invitation>(row), used: row.used === 1 } : null;
    },
    useInvitation: async (tokenHash, at) => {
      const { numUpdatedRows } = await db
        .updateTable('invitations')
        .set({ used: 1 })
        .where('token_hash', '=', tokenHash)
        .where('used', '=', 0)
        .where('expires', '>', ms(at))
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
  };
}

type Access = Omit<PeopleStore, keyof Persons | keyof SecondFactors | keyof Invitations>;

function access(context: StoreContext): Access {
  return { ...sessions(context), ...tokens(context) };
}

type Sessions = Pick<
  PeopleStore,
  'insertSession' | 'session' | 'touchSession' | 'sessions' | 'deleteSession' | 'deleteSessionsOf'
>;

function sessions(context: StoreContext): Sessions {
  const { db } = context;
  return {
    insertSession: (session) =>
      atomic(context, async (inside) => {
        // Nobody else clears what is over; each sign-in does.
        await inside.db.deleteFrom('sessions').where('expires', '<', inside.clock.now()).execute();
        const { id, person, token_hash, last_seen, expires } = session;
        await inside.db
          .insertInto('sessions')
          .values({
            id,
            person,
            token_hash,
            last_seen: ms(last_seen),
            expires: ms(expires),
            doc: JSON.stringify(session),
          })
          .execute();
      }),
    session: async (tokenHash) => {
      const row = await db.selectFrom('sessions').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst();
      return row ? sessionOf(row) : null;
    },
    touchSession: async (id, at) => {
      await db
        .updateTable('sessions')
        .set({ last_seen: ms(at) })
        .where('id', '=', id)
        .where('last_seen', '<', ms(at))
        .execute();
    },
    sessions: async (person: PersonId | null) => {
      let query = db.selectFrom('sessions').selectAll().orderBy('last_seen', 'desc').orderBy('id');
      if (person !== null) query = query.where('person', '=', person);
      return (await query.execute()).map(sessionOf);
    },
    deleteSession: async (id) => {
      const { numDeletedRows } = await db.deleteFrom('sessions').where('id', '=', id).executeTakeFirstOrThrow();
      return numDeletedRows === 1n;
    },
    deleteSessionsOf: async (person) => {
      const { numDeletedRows } = await db.deleteFrom('sessions').where('person', '=', person).executeTakeFirstOrThrow();
      return Number(numDeletedRows);
    },
  };
}

function sessionOf(row: Tables['sessions']): Session {
  return { ...read<Session>(row), last_seen: rfc3339(row.last_seen) };
}

type Tokens = Omit<Access, keyof Sessions>;

function tokens({ db }: StoreContext): Tokens {
  return {
    insertToken: async (token) => {
      const { id, token_hash, last_used, revoked } = token;
      await db
        .insertInto('tokens')
        .values({
          id,
          token_hash,
          last_used: last_used === null ? null : ms(last_used),
          revoked: flag(revoked),
          doc: JSON.stringify(token),
        })
        .execute();
    },
    token: async (tokenHash) => {
      const row = await db.selectFrom('tokens').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst();
      return row ? tokenOf(row) : null;
    },
    tokens: async () => (await db.selectFrom('tokens').selectAll().orderBy('id').execute()).map(tokenOf),
    touchToken: async (id, at) => {
      await db
        .updateTable('tokens')
        .set({ last_used: ms(at) })
        .where('id', '=', id)
        .execute();
    },
    revokeToken: async (id) => {
      const { numUpdatedRows } = await db
        .updateTable('tokens')
        .set({ revoked: 1 })
        .where('id', '=', id)
        .where('revoked', '=', 0)
        .executeTakeFirstOrThrow();
      return numUpdatedRows === 1n;
    },
  };
}

function tokenOf(row: Tables['tokens']): ApiToken {
  return { ...read<ApiToken>(row), last_used: timeOrNull(row.last_used), revoked: row.revoked === 1 };
}

function timeOrNull(unixMs: number | null): Rfc3339 | null {
  return unixMs === null ? null : rfc3339(unixMs);
}
