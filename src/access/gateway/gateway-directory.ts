/** Where passwords are checked: local accounts or LDAP and Active Directory. What the directory says of an account is honoured. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Client, EqualityFilter, InvalidCredentialsError, OrFilter } from 'ldapts';
import type { Clock } from '../../core/index.ts';
import { type Accounts, canonicalName } from './gateway-accounts.ts';
import type { Passwords } from './gateway-passwords.ts';
import type { LdapConfig } from './gateway-schema.ts';

export interface DirectoryPerson {
  readonly name: string;
  readonly display: string;
  readonly email: string;
  readonly groups: readonly string[];
}

export type DirectoryAnswer =
  | { readonly kind: 'right'; readonly person: DirectoryPerson }
  /** Nobody of that name, or another password: nobody outside learns which. */
  | { readonly kind: 'wrong' }
  | { readonly kind: 'refused'; readonly why: 'disabled' | 'locked' | 'expired' }
  | { readonly kind: 'down'; readonly why: string };

export interface Directory {
  readonly name: string;
  /** Checks a password. */
  check(name: string, password: string): Promise<DirectoryAnswer>;
  /** The state of an account without its password, for sign-ins by key and for running sessions. */
  lookup(name: string): Promise<DirectoryAnswer>;
}

export function localDirectory(name: string, accounts: Accounts, passwords: Passwords): Directory {
  const personOf = (account: {
    name: string;
    display: string;
    email: string;
    groups: readonly string[];
  }): DirectoryPerson => account;
  const own = (wanted: string) => {
    const account = accounts.get(wanted);
    return account?.directory === name ? account : null;
  };
  return {
    name,
    async check(wanted, password) {
      const account = own(wanted);
      const right = await passwords.verify(account?.password ?? null, password);
      if (account === null || !right) return { kind: 'wrong' };
      return account.disabled ? { kind: 'refused', why: 'disabled' } : { kind: 'right', person: personOf(account) };
    },
    async lookup(wanted) {
      const account = own(wanted);
      if (account === null) return { kind: 'wrong' };
      return account.disabled ? { kind: 'refused', why: 'disabled' } : { kind: 'right', person: personOf(account) };
    },
  };
}

const ATTRIBUTES = [
  'dn',
  'uid',
  'sAMAccountName',
  'cn',
  'displayName',
  'mail',
  'memberOf',
  'userAccountControl',
  'msDS-User-Account-Control-Computed',
  'accountExpires',
  'pwdLastSet',
  'lockoutTime',
  'pwdAccountLockedTime',
  'shadowExpire',
  'shadowLastChange',
  'shadowMax',
  'nsAccountLock',
  'loginDisabled',
  'krbPrincipalExpiration',
  'krbPasswordExpiration',
];
/** Groups and steps of nesting that are followed; more is a mistake in the directory. */
const GROUPS_MAX = 2000;
const NESTING_MAX = 20;
const UF_DISABLED = 0x2;
const UF_LOCKED = 0x10;
const UF_EXPIRED = 0x800000;
/** FILETIME counts 100 ns from 1601. */
const FILETIME_EPOCH_MS = 11_644_473_600_000;

type Entry = Record<string, unknown>;
const values = (entry: Entry, name: string): string[] => {
  const value = entry[name];
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((one) =>
    Buffer.isBuffer(one) ? one.toString('utf8') : String(one),
  );
};
const first = (entry: Entry, name: string): string => values(entry, name)[0] ?? '';

/** Whether the directory itself would refuse the account (Active Directory, OpenLDAP ppolicy, shadow, 389/FreeIPA). */
export function accountState(entry: Entry, nowMs: number): 'disabled' | 'locked' | 'expired' | null {
  const flags = Number(first(entry, 'userAccountControl') || 0);
  const computed = Number(first(entry, 'msDS-User-Account-Control-Computed') || 0);
  if (
    flags & UF_DISABLED ||
    /^true$/i.test(first(entry, 'nsAccountLock')) ||
    /^true$/i.test(first(entry, 'loginDisabled'))
  )
    return 'disabled';
  if ((flags | computed) & UF_LOCKED || first(entry, 'pwdAccountLockedTime') !== '') return 'locked';
  if (computed & UF_EXPIRED) return 'expired';
  const expires = Number(first(entry, 'accountExpires') || 0);
  // 0 and the largest value mean never.
  if (expires > 0 && expires < 9e18 && expires / 10_000 - FILETIME_EPOCH_MS < nowMs) return 'expired';
  if (flags !== 0 && first(entry, 'pwdLastSet') === '0') return 'expired';
  const shadow = first(entry, 'shadowExpire');
  if (/^\d+$/.test(shadow) && Number(shadow) * 86_400_000 < nowMs) return 'expired';
  const [changed, most] = [first(entry, 'shadowLastChange'), first(entry, 'shadowMax')];
  if (/^\d+$/.test(changed) && /^\d+$/.test(most) && (Number(changed) + Number(most)) * 86_400_000 < nowMs)
    return 'expired';
  for (const name of ['krbPrincipalExpiration', 'krbPasswordExpiration']) {
    const at = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(first(entry, name));
    if (
      at &&
      Date.UTC(Number(at[1]), Number(at[2]) - 1, Number(at[3]), Number(at[4]), Number(at[5]), Number(at[6])) < nowMs
    )
      return 'expired';
  }
  return null;
}

/** RFC 4515 section 3: what may not stand in a filter's value. */
const escaped = (text: string): string =>
  text.replace(/[\\*()\0]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`);

export function ldapDirectory(config: LdapConfig, clock: Clock): Directory {
  const bindPassword = readFileSync(config.bind_password_file, 'utf8').trim();
  const ca = config.ca_file === undefined ? undefined : [readFileSync(config.ca_file)];
  // Certificates are always verified; there is no setting that says otherwise.
  const tls = { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(ca && { ca }) } as const;
  const url = new URL(config.url);
  const local = url.hostname === 'localhost' || url.hostname === '[::1]' || url.hostname.startsWith('127.');
  const safe = url.protocol === 'ldaps:' || config.starttls || local;

  async function connected<T>(dn: string, password: string, work: (client: Client) => Promise<T>): Promise<T> {
    if (!safe) throw new Error('plain LDAP over a network is refused: use ldaps:// or starttls');
    const client = new Client({
      url: config.url,
      timeout: config.timeout_ms,
      connectTimeout: config.timeout_ms,
      ...(url.protocol === 'ldaps:' && { tlsOptions: tls }),
    });
    try {
      if (config.starttls && url.protocol !== 'ldaps:') await client.startTLS({ ...tls, servername: url.hostname });
      await client.bind(dn, password);
      return await work(client);
    } finally {
      await client.unbind().catch(() => {});
    }
  }

  async function find(client: Client, name: string): Promise<{ dn: string; entry: Entry } | null> {
    const filter = config.filter.replaceAll('{name}', escaped(name));
    const { searchEntries } = await client.search(config.base, {
      filter,
      scope: 'sub',
      sizeLimit: 3,
      attributes: ATTRIBUTES,
    });
    const own = searchEntries.filter((entry) => {
      const login = first(entry, 'sAMAccountName') || first(entry, 'uid');
      return canonicalName(login) === name;
    });
    // Two entries of one name are no identity.
    return own.length === 1 ? { dn: (own[0] as { dn: string }).dn, entry: own[0] as Entry } : null;
  }

  async function groupsOf(client: Client, dn: string, entry: Entry, name: string): Promise<string[]> {
    const found = new Map<string, string>();
    const add = (groupDn: string) => {
      const cn = /^(?:cn|ou)=((?:[^,\\]|\\.)+)/i.exec(groupDn)?.[1]?.replace(/\\(.)/g, '$1') ?? groupDn;
      if (!found.has(groupDn.toLowerCase())) found.set(groupDn.toLowerCase(), cn);
    };
    for (const group of values(entry, 'memberOf').slice(0, GROUPS_MAX)) add(group);
    let wave = [dn, ...values(entry, 'memberOf').slice(0, GROUPS_MAX)];
    const asked = new Set<string>();
    for (
      let depth = 0;
      depth < (config.nested ? NESTING_MAX : 1) && wave.length > 0 && found.size < GROUPS_MAX;
      depth++
    ) {
      const parts = wave.filter((one) => !asked.has(one.toLowerCase())).slice(0, GROUPS_MAX);
      for (const one of parts) asked.add(one.toLowerCase());
      wave = [];
      for (let at = 0; at < parts.length; at += 50) {
        const some = parts.slice(at, at + 50);
        const filters = some.flatMap((member) => [
          new EqualityFilter({ attribute: 'member', value: member }),
          new EqualityFilter({ attribute: 'uniqueMember', value: member }),
        ]);
        if (depth === 0) filters.push(new EqualityFilter({ attribute: 'memberUid', value: name }));
        const { searchEntries } = await client.search(config.group_base ?? config.base, {
          filter: new OrFilter({ filters }),
          scope: 'sub',
          attributes: ['dn', 'cn'],
          sizeLimit: GROUPS_MAX,
        });
        for (const group of searchEntries) {
          if (!found.has(group.dn.toLowerCase())) wave.push(group.dn);
          found.set(group.dn.toLowerCase(), first(group as Entry, 'cn') || group.dn);
        }
      }
    }
    return [...new Set(found.values())].slice(0, GROUPS_MAX);
  }

  const asService = <T>(work: (client: Client) => Promise<T>) => connected(config.bind_dn, bindPassword, work);
  async function person(client: Client, dn: string, entry: Entry, name: string): Promise<DirectoryPerson> {
    return {
      name,
      display: (first(entry, 'displayName') || first(entry, 'cn') || name).slice(0, 256),
      email: first(entry, 'mail').slice(0, 320),
      groups: await groupsOf(client, dn, entry, name),
    };
  }
  const down = (error: unknown): DirectoryAnswer => ({
    kind: 'down',
    why: (error as Error).message?.slice(0, 200) ?? 'no answer',
  });

  return {
    name: config.name,
    async check(name, password) {
      // An empty password makes an "unauthenticated bind", which servers answer with success (RFC 4513 section 5.1.2).
      if (password === '') return { kind: 'wrong' };
      try {
        return await asService(async (service): Promise<DirectoryAnswer> => {
          const known = await find(service, name);
          // Nobody of that name costs the same bind, so that time tells nothing.
          const dn = known?.dn ?? `cn=${randomBytes(8).toString('hex')},${config.base}`;
          const refusal = await userBind(dn, password);
          if (known === null || refusal === 'wrong') return { kind: 'wrong' };
          const state = accountState(known.entry, clock.now());
          if (refusal !== null || state !== null) return { kind: 'refused', why: refusal ?? state ?? 'disabled' };
          return { kind: 'right', person: await person(service, known.dn, known.entry, name) };
        });
      } catch (error) {
        return down(error);
      }
    },
    async lookup(name) {
      try {
        return await asService(async (service): Promise<DirectoryAnswer> => {
          const known = await find(service, name);
          if (known === null) return { kind: 'wrong' };
          const state = accountState(known.entry, clock.now());
          if (state !== null) return { kind: 'refused', why: state };
          return { kind: 'right', person: await person(service, known.dn, known.entry, name) };
        });
      } catch (error) {
        return down(error);
      }
    },
  };

  async function userBind(dn: string, password: string): Promise<null | 'wrong' | 'disabled' | 'locked' | 'expired'> {
    try {
      await connected(dn, password, async () => {});
      return null;
    } catch (error) {
      // Active Directory says more in `data NNN` (MS-ADTS section 5.1.1.5); only after a right password, except 775.
      const code = / data ([0-9a-f]{3}),/i.exec((error as Error).message)?.[1]?.toLowerCase();
      if (code === '533') return 'disabled';
      if (code === '775') return 'wrong';
      if (code === '532' || code === '701' || code === '773') return 'expired';
      if (
        error instanceof InvalidCredentialsError ||
        /no such object|invalid dn/i.test(`${(error as Error).name} ${(error as Error).message}`)
      )
        return 'wrong';
      throw error;
    }
  }
}
