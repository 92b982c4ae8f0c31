/** Entra ID: registration details, conditional access and sign-ins, joined into what a password alone still opens. */

import { type AuditInput, account, boolOf, type Json, listOf, textOf, timeMs } from './audit-record.ts';

export interface EntraUser {
  readonly id: string;
  readonly upn: string;
  readonly display: string;
  readonly registered: boolean | null;
  readonly admin: boolean | null;
  readonly guest: boolean;
  readonly enabled: boolean | null;
  readonly lastSignInMs: number | null;
}

interface EntraPolicy {
  readonly name: string;
  readonly users: { include: ReadonlySet<string>; exclude: ReadonlySet<string>; byGroup: boolean };
  readonly everyApp: boolean;
  readonly holes: readonly string[];
  /** Client types it covers: `legacy` are protocols that cannot show a second factor. */
  readonly modern: boolean;
  readonly legacy: boolean;
  readonly mfa: boolean;
  readonly block: boolean;
}

export interface EntraState {
  readonly users: Map<string, EntraUser>;
  readonly policies: EntraPolicy[];
  policiesSeen: boolean;
  securityDefaults: boolean | null;
}
export const newEntra = (): EntraState => ({
  users: new Map(),
  policies: [],
  policiesSeen: false,
  securityDefaults: null,
});

const truth = (value: unknown): boolean | null =>
  boolOf(value) ?? (/^true$/i.test(textOf(value)) ? true : /^false$/i.test(textOf(value)) ? false : null);

/** One row of `userRegistrationDetails`, from Graph or as a CSV row. */
export function entraRegistration(state: EntraState, row: Json): void {
  const upn = textOf(row.userPrincipalName);
  if (upn === '') return;
  const methods = Array.isArray(row.methodsRegistered)
    ? row.methodsRegistered
    : textOf(row.methodsRegistered)
        .split(/[,;]/)
        .filter((one) => one !== '');
  const strong = methods
    .map((one) => textOf(one).trim().toLowerCase())
    .filter(
      (one) => one !== '' && !['email', 'securityquestion', 'password', 'temporaryaccesspass', 'none'].includes(one),
    );
  const key = textOf(row.id) || upn.toLowerCase();
  const before = state.users.get(upn.toLowerCase());
  const stated = truth(row.isMfaRegistered) ?? truth(row.isMfaCapable);
  state.users.set(upn.toLowerCase(), {
    id: key,
    upn,
    display: textOf(row.userDisplayName) || upn,
    registered: stated ?? (methods.length > 0 ? strong.length > 0 : null),
    admin: truth(row.isAdmin),
    guest: /guest/i.test(textOf(row.userType)) || /#ext#/i.test(upn),
    enabled: before?.enabled ?? null,
    lastSignInMs: before?.lastSignInMs ?? null,
  });
}

/** A user object of Graph: whether the account is on, and when it was last used. */
export function entraUser(state: EntraState, row: Json): void {
  const upn = textOf(row.userPrincipalName);
  if (upn === '') return;
  const before = state.users.get(upn.toLowerCase());
  const activity = (row.signInActivity ?? {}) as Json;
  state.users.set(upn.toLowerCase(), {
    id: textOf(row.id) || before?.id || upn.toLowerCase(),
    upn,
    display: textOf(row.displayName) || before?.display || upn,
    registered: before?.registered ?? null,
    admin: before?.admin ?? null,
    guest: before?.guest ?? /guest/i.test(textOf(row.userType)),
    enabled: truth(row.accountEnabled),
    lastSignInMs:
      timeMs(activity.lastSuccessfulSignInDateTime ?? activity.lastSignInDateTime) ?? before?.lastSignInMs ?? null,
  });
}

const set = (value: unknown): ReadonlySet<string> => new Set(listOf(value).map((one) => textOf(one).toLowerCase()));

export function entraPolicy(state: EntraState, row: Json): void {
  state.policiesSeen = true;
  if (textOf(row.state).toLowerCase() !== 'enabled') return;
  const conditions = (row.conditions ?? {}) as Json;
  const users = (conditions.users ?? {}) as Json;
  const apps = (conditions.applications ?? {}) as Json;
  const grant = (row.grantControls ?? {}) as Json;
  const controls = set(grant.builtInControls);
  const types = set(conditions.clientAppTypes);
  const every = types.size === 0 || types.has('all');
  const holes: string[] = [];
  const locations = (conditions.locations ?? {}) as Json;
  const named = [...set(locations.excludeLocations)];
  if (named.length > 0)
    holes.push(
      `not asked from ${named.includes('alltrusted') ? 'trusted locations' : `${named.length} excluded locations`}`,
    );
  if (set(locations.includeLocations).size > 0 && !set(locations.includeLocations).has('all'))
    holes.push('asked from some locations only');
  const platforms = (conditions.platforms ?? {}) as Json;
  if (
    set(platforms.excludePlatforms).size > 0 ||
    (set(platforms.includePlatforms).size > 0 && !set(platforms.includePlatforms).has('all'))
  )
    holes.push('asked on some platforms only');
  if (listOf(conditions.signInRiskLevels).length > 0 || listOf(conditions.userRiskLevels).length > 0)
    holes.push('asked only when a risk is seen');
  if (
    conditions.devices !== undefined &&
    conditions.devices !== null &&
    Object.keys(conditions.devices as object).length > 0
  )
    holes.push('asked on some devices only');
  if (set(apps.excludeApplications).size > 0)
    holes.push(`${set(apps.excludeApplications).size} applications are left out`);
  const strength = grant.authenticationStrength !== undefined && grant.authenticationStrength !== null;
  const mfa = controls.has('mfa') || strength;
  // With OR a managed device or a hybrid join takes the place of the second factor.
  if (mfa && /^or$/i.test(textOf(grant.operator)) && controls.size + (strength ? 1 : 0) > 1)
    holes.push('another control may take its place');
  const exclude = set(users.excludeUsers);
  state.policies.push({
    name: textOf(row.displayName) || 'unnamed policy',
    users: {
      include: set(users.includeUsers),
      exclude,
      byGroup: [users.includeGroups, users.excludeGroups, users.includeRoles, users.excludeRoles].some(
        (one) => listOf(one).length > 0,
      ),
    },
    everyApp: set(apps.includeApplications).has('all'),
    holes,
    modern: every || types.has('browser') || types.has('mobileappsanddesktopclients'),
    legacy: every || types.has('other') || types.has('exchangeactivesync') || types.has('easunsupported'),
    mfa,
    block: controls.has('block'),
  });
}

type Reach = 'yes' | 'no' | 'unknown';
function reaches(policy: EntraPolicy, user: EntraUser): Reach {
  const own = [user.id.toLowerCase(), user.upn.toLowerCase()];
  if (
    own.some((one) => policy.users.exclude.has(one)) ||
    (user.guest && policy.users.exclude.has('guestsorexternalusers'))
  )
    return 'no';
  if (policy.users.include.has('all') && !policy.users.byGroup) return 'yes';
  if (own.some((one) => policy.users.include.has(one)) && !policy.users.byGroup) return 'yes';
  // Groups and roles are not in the export: who is in them is not known.
  return policy.users.byGroup ? 'unknown' : 'no';
}

/** Joins what was read into one verdict for each user. */
export function entraAccounts(state: EntraState, input: AuditInput, source: string): void {
  for (const user of state.users.values()) {
    const { factor, protocol, why } = verdict(state, user);
    input.accounts.push(
      account({
        service: 'Entra ID',
        name: user.upn,
        display: user.display,
        enabled: user.enabled,
        privileged: user.admin,
        external: true,
        factor,
        protocol,
        why,
        lastSignInMs: user.lastSignInMs,
        source,
      }),
    );
  }
}

function verdict(
  state: EntraState,
  user: EntraUser,
): { factor: 'enforced' | 'registered' | 'bypassed' | 'none' | 'unknown'; protocol: string | null; why: string } {
  const none = (why: string) =>
    ({
      factor: user.registered === false ? 'none' : user.registered ? 'registered' : 'unknown',
      protocol: null,
      why,
    }) as const;
  const has =
    user.registered === null
      ? 'whether a method is registered is not in the export'
      : user.registered
        ? 'a method is registered'
        : 'no method is registered';
  if (state.securityDefaults === true)
    return user.registered === false
      ? none(`security defaults are on, and ${has}`)
      : { factor: 'enforced', protocol: null, why: `security defaults are on; ${has}` };
  if (!state.policiesSeen) return none(`${has}; conditional access was not exported`);
  const mine = state.policies.map((policy) => ({ policy, reach: reaches(policy, user) }));
  const asks = mine.filter(
    ({ policy, reach }) =>
      policy.mfa && policy.modern && policy.everyApp && policy.holes.length === 0 && reach !== 'no',
  );
  const sure = asks.find(({ reach }) => reach === 'yes');
  if (sure === undefined) {
    const partly = mine.find(({ policy, reach }) => policy.mfa && policy.modern && reach === 'yes');
    if (partly)
      return none(
        `"${partly.policy.name}" asks, but ${partly.policy.holes.join(', ') || 'for some applications only'}; ${has}`,
      );
    if (asks.length > 0)
      return {
        factor: 'unknown',
        protocol: null,
        why: `"${asks[0]?.policy.name}" goes by groups or roles, whose members are not in the export; ${has}`,
      };
    const excluded = mine.find(({ policy, reach }) => policy.mfa && policy.everyApp && reach === 'no');
    return none(`${excluded ? `left out of "${excluded.policy.name}"` : 'no policy asks for a second factor'}; ${has}`);
  }
  const legacyClosed = mine.some(
    ({ policy, reach }) =>
      reach === 'yes' && policy.legacy && policy.everyApp && (policy.block || policy.mfa) && policy.holes.length === 0,
  );
  if (!legacyClosed)
    return {
      factor: 'bypassed',
      protocol: 'legacy authentication',
      why: `"${sure.policy.name}" covers browsers and apps only, and no policy blocks legacy authentication`,
    };
  // Whoever has none registers at the next sign-in: the first one who knows the password does it.
  if (user.registered === false)
    return {
      factor: 'none',
      protocol: null,
      why: `"${sure.policy.name}" asks, but no method is registered: who knows the password may register theirs`,
    };
  return { factor: 'enforced', protocol: null, why: `"${sure.policy.name}" asks; ${has}` };
}

/** Client applications of sign-in logs that send a password and nothing else. */
const LEGACY =
  /^(?:imap4?|pop3?|authenticated smtp|smtp|mapi over http|exchange activesync|exchange web services|exchange online powershell|offline address book|outlook anywhere.*|outlook service|reporting web services|autodiscover|other clients.*|universal outlook)$/i;

export function entraSignIn(input: AuditInput, row: Json): void {
  const status = (row.status ?? {}) as Json;
  const code = Number(status.errorCode ?? 0);
  const name = textOf(row.userPrincipalName);
  const atMs = timeMs(row.createdDateTime);
  if (name === '' || atMs === null || code !== 0) return;
  const client = textOf(row.clientAppUsed);
  const requirement = textOf(row.authenticationRequirement).toLowerCase();
  const details = JSON.stringify(row.authenticationDetails ?? '').toLowerCase();
  const multi =
    requirement === 'multifactorauthentication' ||
    details.includes('"multifactor') ||
    details.includes('claim in the token');
  input.seen.push({
    service: 'Entra ID',
    name,
    atMs,
    factors: multi ? 'multi' : requirement === 'singlefactorauthentication' ? 'single' : 'unknown',
    legacy: LEGACY.test(client) ? client : null,
  });
}
