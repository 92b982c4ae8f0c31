/** Directories: Active Directory, FreeIPA and OpenLDAP, from LDIF (RFC 2849) or as live LDAP entries. */

import { type AuditAccount, type AuditInput, account, fault } from './audit-record.ts';

export type Entry = ReadonlyMap<string, readonly string[]>;

const ATTRIBUTES_MAX = 2000;
const VALUE_CHARS_MAX = 4096;
const UF = {
  disabled: 0x2,
  passwordNotRequired: 0x20,
  normal: 0x200,
  neverExpires: 0x10000,
  smartcard: 0x40000,
  workstation: 0x1000,
  server: 0x2000,
} as const;
const FILETIME_EPOCH_MS = 11_644_473_600_000;
const DOMAIN_ADMINS =
  /^cn=(?:domain admins|enterprise admins|schema admins|administrators|administrateurs|administratoren|dom[äa]nen-admins|organisations-admins|account operators|backup operators|server operators|print operators|dnsadmins|admins|trust admins)(?:,|$)/i;

/** Entries of LDIF text, lower-case attribute names, folded lines joined, base64 decoded. */
export function* ldifEntries(text: string, input: AuditInput): Generator<Entry> {
  let entry = new Map<string, string[]>();
  let line = '';
  const add = () => {
    if (line === '' || line.startsWith('#')) return;
    const colon = line.indexOf(':');
    if (colon <= 0) return fault(input, 'a line without an attribute');
    const name = (line.slice(0, colon).split(';')[0] as string).toLowerCase();
    let value = line.slice(colon + 1);
    if (value.startsWith(':')) {
      // Key credentials and other binary values: that they are there is all that is asked.
      value = Buffer.from(
        value
          .slice(1)
          .trim()
          .slice(0, 2 * VALUE_CHARS_MAX),
        'base64',
      ).toString('utf8');
    } else if (value.startsWith('<')) return;
    else value = value.replace(/^ +/, '');
    const values = entry.get(name) ?? [];
    if (values.length < ATTRIBUTES_MAX) values.push(value.slice(0, VALUE_CHARS_MAX));
    entry.set(name, values);
  };
  let at = 0;
  while (at <= text.length) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    const raw = text.slice(at, text.charCodeAt(end - 1) === 13 ? end - 1 : end);
    at = end + 1;
    if (raw.startsWith(' ')) {
      if (line.length < 3 * VALUE_CHARS_MAX) line += raw.slice(1);
      continue;
    }
    add();
    line = raw;
    if (raw === '') {
      if (entry.has('dn')) yield entry;
      entry = new Map();
    }
  }
  add();
  if (entry.has('dn')) yield entry;
}

const first = (entry: Entry, name: string): string => entry.get(name.toLowerCase())?.[0] ?? '';
const has = (entry: Entry, name: string): boolean => (entry.get(name.toLowerCase())?.length ?? 0) > 0;
const classes = (entry: Entry): string[] => (entry.get('objectclass') ?? []).map((one) => one.toLowerCase());

/** FILETIME (100 ns from 1601) as Unix milliseconds; 0 for never, null when absent. */
function fileTime(value: string): number | null {
  if (!/^\d{1,19}$/.test(value)) return null;
  const ticks = Number(value);
  return ticks === 0 || ticks > 9e18 ? 0 : Math.round(ticks / 10_000 - FILETIME_EPOCH_MS);
}

/** LDAP generalized time (RFC 4517 section 3.3.13). */
function generalized(value: string): number | null {
  const part = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?/.exec(value)?.slice(1).map(Number);
  return part ? Date.UTC(part[0] as number, (part[1] as number) - 1, part[2], part[3], part[4], part[5] || 0) : null;
}

const domainOf = (dn: string): string =>
  [...dn.matchAll(/(?:^|,)dc=([^,]+)/gi)].map((match) => (match[1] as string).toLowerCase()).join('.');

export function directoryAccounts(entries: Iterable<Entry>, input: AuditInput, source: string): number {
  const kept = [...entries];
  const globals = kept.find((entry) => /^cn=ipaconfig,/i.test(first(entry, 'dn')) && has(entry, 'ipauserauthtype'));
  const tokens = new Set(
    kept.filter((entry) => has(entry, 'ipatokenowner')).map((entry) => first(entry, 'ipatokenowner').toLowerCase()),
  );
  const privileged = nestedMembers(kept);
  let count = 0;
  for (const entry of kept) {
    const made = has(entry, 'useraccountcontrol')
      ? adAccount(entry, privileged, source)
      : posixAccount(entry, globals, tokens, privileged, source);
    if (made === null) continue;
    input.accounts.push(made);
    count++;
  }
  return count;
}

/** Everybody in an administrators' group, directly or through groups in it. */
function nestedMembers(entries: readonly Entry[]): ReadonlySet<string> {
  const members = new Map<string, readonly string[]>();
  for (const entry of entries)
    if (has(entry, 'member') || has(entry, 'uniquemember'))
      members.set(first(entry, 'dn').toLowerCase(), [
        ...(entry.get('member') ?? []),
        ...(entry.get('uniquemember') ?? []),
      ]);
  const found = new Set<string>();
  const waiting = [...members.keys()].filter((dn) => DOMAIN_ADMINS.test(dn));
  for (let dn = waiting.pop(); dn !== undefined; dn = waiting.pop()) {
    for (const member of members.get(dn) ?? []) {
      const key = member.toLowerCase();
      if (found.has(key)) continue;
      found.add(key);
      if (members.has(key)) waiting.push(key);
    }
  }
  return found;
}

function adAccount(entry: Entry, admins: ReadonlySet<string>, source: string): AuditAccount | null {
  const flags = Number(first(entry, 'userAccountControl'));
  const kinds = classes(entry);
  if (!(flags & UF.normal) || kinds.includes('computer') || flags & (UF.workstation | UF.server)) return null;
  const name = first(entry, 'sAMAccountName') || first(entry, 'userPrincipalName');
  if (name === '' || /^krbtgt/i.test(name)) return null;
  const dn = first(entry, 'dn');
  const isAdmin =
    first(entry, 'adminCount') === '1' ||
    admins.has(dn.toLowerCase()) ||
    (entry.get('memberof') ?? []).some((group) => DOMAIN_ADMINS.test(group));
  const managed = kinds.some((kind) => kind.startsWith('msds-') && kind.includes('managedserviceaccount'));
  const service = managed || has(entry, 'servicePrincipalName');
  const smart = (flags & UF.smartcard) !== 0;
  const key = has(entry, 'msDS-KeyCredentialLink');
  const marks: AuditAccount['marks'] = [
    ...(flags & UF.passwordNotRequired ? (['password-not-required'] as const) : []),
    ...(flags & UF.neverExpires && !managed ? (['password-never-expires'] as const) : []),
  ];
  const stamp = fileTime(first(entry, 'lastLogonTimestamp')) ?? fileTime(first(entry, 'lastLogon'));
  return account({
    service: domainOf(dn) || 'Active Directory',
    name,
    display: first(entry, 'displayName') || first(entry, 'cn') || name,
    enabled: (flags & UF.disabled) === 0,
    privileged: isAdmin,
    external: false,
    ...(service && { kind: 'service' as const }),
    factor: smart ? 'enforced' : key ? 'registered' : 'none',
    why: smart
      ? 'a smart card is required (SMARTCARD_REQUIRED)'
      : key
        ? 'a key credential is registered, and the password still opens the account'
        : 'no smart card is required and no key is registered',
    lastSignInMs: stamp ?? (has(entry, 'whenCreated') ? 0 : null),
    createdMs: generalized(first(entry, 'whenCreated')),
    marks,
    source,
  });
}

/** FreeIPA and OpenLDAP. `ipaUserAuthType` of the user, or of the whole domain. */
function posixAccount(
  entry: Entry,
  globals: Entry | undefined,
  tokens: ReadonlySet<string>,
  admins: ReadonlySet<string>,
  source: string,
): AuditAccount | null {
  const kinds = classes(entry);
  if (!kinds.some((kind) => ['posixaccount', 'inetorgperson', 'ipausers', 'person', 'account'].includes(kind)))
    return null;
  const name = first(entry, 'uid');
  if (name === '') return null;
  const dn = first(entry, 'dn');
  const types = (has(entry, 'ipaUserAuthType') ? entry.get('ipauserauthtype') : globals?.get('ipauserauthtype')) ?? [];
  const set = new Set(types.map((one) => one.toLowerCase()));
  const ipa = set.size > 0 || kinds.includes('ipaobject') || kinds.includes('ipauserauthtypeclass');
  const token = tokens.has(dn.toLowerCase());
  const strong = [...set].filter((one) => ['otp', 'pkinit', 'passkey', 'hardened', 'radius', 'idp'].includes(one));
  const alone = set.size === 0 || set.has('password') || set.has('hardened');
  const proven = strong.some((one) => one !== 'hardened');
  const factor = !ipa
    ? 'unknown'
    : !alone && proven
      ? set.has('otp') && !token && tokens.size > 0 && strong.length === 1
        ? 'none'
        : 'enforced'
      : token || (proven && set.has('password'))
        ? 'registered'
        : 'none';
  const locked = /^true$/i.test(first(entry, 'nsAccountLock')) || has(entry, 'pwdAccountLockedTime');
  return account({
    service: domainOf(dn) || 'LDAP',
    name,
    display: first(entry, 'displayName') || first(entry, 'cn') || name,
    enabled: !locked,
    privileged:
      admins.has(dn.toLowerCase()) || (entry.get('memberof') ?? []).some((group) => DOMAIN_ADMINS.test(group)) || null,
    external: false,
    factor,
    why: !ipa
      ? 'the directory does not say which factors a log-in needs'
      : `authentication types: ${[...set].join(', ') || 'password (default)'}${token ? '; a token is registered' : ''}`,
    lastSignInMs: generalized(first(entry, 'krbLastSuccessfulAuth')) ?? generalized(first(entry, 'authTimestamp')),
    createdMs: generalized(first(entry, 'createTimestamp')),
    source,
  });
}
