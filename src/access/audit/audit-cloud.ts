/** Google Workspace, Okta and Keycloak exports. */

import { type AuditInput, account, boolOf, isJson, type Json, listOf, textOf, timeMs } from './audit-record.ts';

/** One user of the Admin SDK, or a row of the console's CSV. */
export function googleUser(input: AuditInput, row: Json, source: string): boolean {
  const csv = Object.entries(row).find(([key]) => /^email address/i.test(key))?.[1];
  const name = textOf(row.primaryEmail) || textOf(csv);
  if (name === '') return false;
  const column = (pattern: RegExp) => Object.entries(row).find(([key]) => pattern.test(key))?.[1];
  const yes = (value: unknown): boolean | null =>
    boolOf(value) ??
    (/^(true|yes|enrolled|enforced|on)$/i.test(textOf(value)) ? true : textOf(value) === '' ? null : false);
  const enrolled = yes(row.isEnrolledIn2Sv ?? column(/2sv enrolled/i));
  const enforced = yes(row.isEnforcedIn2Sv ?? column(/2sv enforced/i));
  const suspended = yes(row.suspended) ?? /suspended/i.test(textOf(column(/^status/i)));
  const last = row.lastLoginTime ?? column(/^last sign in/i);
  const never = /never|^1970-01-01/i.test(textOf(last));
  input.accounts.push(
    account({
      service: 'Google Workspace',
      name,
      display: textOf((row.name as Json | undefined)?.fullName) || name,
      enabled: !suspended && yes(row.archived) !== true,
      privileged:
        yes(row.isAdmin) === true || yes(row.isDelegatedAdmin) === true
          ? true
          : row.isAdmin === undefined
            ? null
            : false,
      external: true,
      factor:
        enforced && enrolled !== false
          ? 'enforced'
          : enrolled
            ? 'registered'
            : enrolled === null && enforced === null
              ? 'unknown'
              : 'none',
      why: `2-step verification: ${enrolled ? 'enrolled' : enrolled === null ? 'unknown' : 'not enrolled'}, ${enforced ? 'enforced' : 'not enforced'}`,
      lastSignInMs: never ? 0 : timeMs(last),
      createdMs: timeMs(row.creationTime),
      source,
    }),
  );
  return true;
}

const OKTA_WEAK = new Set(['question', 'email', 'password']);
/** Okta users; factors beside or inside each, and sign-on rules. */
export function oktaUsers(input: AuditInput, users: readonly unknown[], root: Json, source: string): number {
  const factorsOf = isJson(root.factors) ? root.factors : {};
  const rules = [...listOf(root.policies), ...listOf(root.rules)].filter(isJson).flatMap((policy) => {
    const own = listOf(policy.rules ?? (isJson(policy._embedded) ? policy._embedded.rules : undefined)).filter(isJson);
    return textOf(policy.status).toUpperCase() === 'INACTIVE' ? [] : own.length > 0 ? own : [policy];
  });
  const verdicts = rules
    .filter((rule) => textOf(rule.status).toUpperCase() !== 'INACTIVE')
    .map((rule) => {
      const actions = (rule.actions ?? {}) as Json;
      const signon = (actions.signon ?? {}) as Json;
      const app = (actions.appSignOn ?? {}) as Json;
      const mode = textOf(((app.verificationMethod ?? {}) as Json).factorMode);
      if (signon.requireFactor === undefined && mode === '' && textOf(signon.access) !== 'DENY') return null;
      return textOf(signon.access) === 'DENY' || signon.requireFactor === true || mode === '2FA';
    })
    .filter((one) => one !== null);
  let count = 0;
  for (const user of users) {
    if (!isJson(user)) continue;
    const profile = (user.profile ?? {}) as Json;
    const name = textOf(profile.login) || textOf(profile.email);
    if (name === '') continue;
    const given =
      user.factors ?? (isJson(user._embedded) ? user._embedded.factors : undefined) ?? factorsOf[textOf(user.id)];
    const strong = listOf(given)
      .filter(isJson)
      .filter(
        (factor) =>
          textOf(factor.status).toUpperCase() === 'ACTIVE' && !OKTA_WEAK.has(textOf(factor.factorType).toLowerCase()),
      );
    const known = given !== undefined;
    const asked = verdicts.length > 0 && verdicts.every((one) => one);
    const status = textOf(user.status).toUpperCase();
    const roles = listOf(user.roles ?? user.adminRoles);
    input.accounts.push(
      account({
        service: 'Okta',
        name,
        display: `${textOf(profile.firstName)} ${textOf(profile.lastName)}`.trim() || name,
        enabled: status === '' ? null : !['SUSPENDED', 'DEPROVISIONED', 'STAGED', 'LOCKED_OUT'].includes(status),
        privileged: roles.length > 0 ? true : user.roles === undefined ? null : false,
        external: true,
        factor:
          asked && (strong.length > 0 || !known)
            ? 'enforced'
            : strong.length > 0
              ? 'registered'
              : known
                ? 'none'
                : 'unknown',
        why: `${known ? `${strong.length} active factors` : 'factors are not in the export'}; ${verdicts.length === 0 ? 'sign-on rules are not in the export' : asked ? 'every sign-on rule asks for a second factor' : 'a sign-on rule lets a password in alone'}`,
        lastSignInMs: user.lastLogin === null ? 0 : timeMs(user.lastLogin),
        createdMs: timeMs(user.created),
        source,
      }),
    );
    count++;
  }
  return count;
}

const SECOND = /(?:otp|webauthn|u2f|duo|totp|recovery-authn|passkey|yubi|sms-authenticator|x509)/i;
interface Step {
  readonly authenticator: string;
  readonly requirement: string;
  readonly flow: string;
}

/**
 * Whether somebody with a password alone gets through a Keycloak flow: `always`, `when-none` (a conditional flow asks
 * only those who have a second factor), or `never`.
 */
function passwordAlone(
  flows: ReadonlyMap<string, readonly Step[]>,
  name: string,
  depth = 0,
): 'always' | 'when-none' | 'never' {
  const steps = flows.get(name);
  if (steps === undefined || depth > 8) return 'always';
  // Alternatives: one that a password satisfies is enough. The required ones: all have to be satisfied.
  const required = steps.filter((step) => step.requirement === 'REQUIRED' || step.requirement === 'CONDITIONAL');
  const outcomes = (list: readonly Step[]) =>
    list.map((step) => {
      if (step.flow !== '') {
        const inner = passwordAlone(flows, step.flow, depth + 1);
        if (step.requirement === 'CONDITIONAL') {
          const conditions = (flows.get(step.flow) ?? []).map((one) => one.authenticator);
          const bySelf = conditions.some((one) => /condition(?:al)?-user-configured/i.test(one));
          return inner === 'always' ? 'always' : bySelf ? 'when-none' : 'always';
        }
        return inner;
      }
      if (SECOND.test(step.authenticator)) return 'never';
      return 'always';
    });
  const worst = (list: readonly ('always' | 'when-none' | 'never')[]) =>
    list.includes('never') ? 'never' : list.includes('when-none') ? 'when-none' : 'always';
  if (required.length > 0) return worst(outcomes(required.filter((step) => !/^condition/i.test(step.authenticator))));
  const alternative = steps.filter(
    (step) =>
      step.requirement === 'ALTERNATIVE' &&
      !/cookie|spnego|kerberos|identity-provider-redirector/i.test(step.authenticator),
  );
  if (alternative.length === 0) return 'always';
  const found = outcomes(alternative);
  return found.includes('always') ? 'always' : found.includes('when-none') ? 'when-none' : 'never';
}

const BUILT_IN_CONDITIONAL = new Set(['browser', 'direct grant']);

export function keycloakRealm(input: AuditInput, realm: Json, source: string): number {
  const flows = new Map<string, Step[]>();
  for (const flow of listOf(realm.authenticationFlows).filter(isJson)) {
    flows.set(
      textOf(flow.alias),
      listOf(flow.authenticationExecutions)
        .filter(isJson)
        .filter((one) => textOf(one.requirement) !== 'DISABLED')
        .map((one) => ({
          authenticator: textOf(one.authenticator),
          requirement: textOf(one.requirement),
          flow: one.authenticatorFlow === true || one.flowAlias !== undefined ? textOf(one.flowAlias) : '',
        })),
    );
  }
  const judge = (name: string) =>
    flows.has(name) ? passwordAlone(flows, name) : BUILT_IN_CONDITIONAL.has(name) ? 'when-none' : 'always';
  const browser = judge(textOf(realm.browserFlow) || 'browser');
  const direct = judge(textOf(realm.directGrantFlow) || 'direct grant');
  const open = listOf(realm.clients)
    .filter(isJson)
    .filter(
      (client) => client.directAccessGrantsEnabled === true && client.enabled !== false && client.bearerOnly !== true,
    );
  const service = `Keycloak ${textOf(realm.realm)}`.trim();
  let count = 0;
  for (const user of listOf(realm.users).filter(isJson)) {
    const name = textOf(user.username);
    if (name === '') continue;
    const types = listOf(user.credentials)
      .filter(isJson)
      .map((credential) => textOf(credential.type).toLowerCase());
    const second = types.some((type) => ['otp', 'totp', 'hotp', 'webauthn', 'webauthn-passwordless'].includes(type));
    const roles = [
      ...listOf(user.realmRoles),
      ...Object.values(isJson(user.clientRoles) ? user.clientRoles : {}).flatMap(listOf),
    ].map(textOf);
    const asked = browser === 'never' || (browser === 'when-none' && second);
    const around =
      asked &&
      open.length > 0 &&
      (direct === 'always' ||
        (direct === 'when-none' && !types.some((type) => ['otp', 'totp', 'hotp'].includes(type))));
    const client = textOf(open[0]?.clientId);
    const robot = textOf(user.serviceAccountClientId) !== '';
    input.accounts.push(
      account({
        service,
        name,
        display: `${textOf(user.firstName)} ${textOf(user.lastName)}`.trim() || name,
        enabled: boolOf(user.enabled),
        privileged: roles.some((role) => /^(?:admin|realm-admin|manage-users|manage-realm|create-realm)$/i.test(role)),
        external: null,
        ...(robot && { kind: 'service' as const }),
        factor: robot
          ? 'unknown'
          : around
            ? 'bypassed'
            : asked
              ? second || browser === 'never'
                ? second
                  ? 'enforced'
                  : 'none'
                : 'none'
              : second
                ? 'registered'
                : 'none',
        protocol: around ? `direct grant (client ${client})` : null,
        why: around
          ? `the browser flow asks, but client "${client}" takes a password alone by direct grant`
          : `${second ? 'a second factor is registered' : 'no second factor is registered'}; the browser flow ${browser === 'never' ? 'always asks' : browser === 'when-none' ? 'asks those who have one' : 'does not ask'}`,
        createdMs: timeMs(user.createdTimestamp),
        source,
      }),
    );
    count++;
  }
  return count;
}
