/** One question, asked by forward-auth, by the proxy and for sockets: may this request pass, and as whom? */

import type { Gateway } from './gateway-core.ts';
import { cookie } from './gateway-http.ts';
import {
  headerKey,
  isOddName,
  isOverride,
  overridesMethod,
  readMethod,
  readTarget,
  type Target,
} from './gateway-path.ts';
import type { App, Need } from './gateway-policy.ts';
import type { GatewaySession } from './gateway-session-record.ts';

export interface Question {
  readonly host: string | null;
  readonly method: string;
  /** The request's target as it was written. */
  readonly target: string;
  /** Null when it did not parse. */
  readonly address: string | null;
  readonly agent: string;
  readonly cookies: string | string[] | undefined;
  /** True when it asks for a WebSocket, and the page that does. */
  readonly upgrade: boolean;
  readonly origin: string | null | undefined;
  /** True when another proxy asks, so that what is wrong with its request can only be refused. */
  readonly forwarded: boolean;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  /** Set when something that is open is asked about again: when it was opened. It is no sign of life of its session. */
  readonly atMs?: number;
}

export type Verdict =
  | {
      readonly kind: 'allow';
      readonly app: App;
      readonly session: GatewaySession | null;
      readonly identity: Readonly<Record<string, string>>;
      readonly target: Target;
    }
  | { readonly kind: 'sign-in' | 'step-up'; readonly app: App; readonly need: Need; readonly target: Target }
  | { readonly kind: 'deny'; readonly app: App | null; readonly status: 400 | 403 | 421; readonly why: string };

/** A token is handed out again until a minute before it ends. */
const JWT_REUSE_MS = 240_000;
const JWT_LIFE_SEC = 300;
const GROUPS_IN_HEADER_MAX = 100;

/** Headers that tell an application who is there: ours, and those that others use for it. */
export const IDENTITY_HEADERS: readonly string[] = [
  'remote-user',
  'remote-groups',
  'remote-name',
  'remote-email',
  'x-remote-user',
  'x-remote-group',
  'x-remote-groups',
  'x-forwarded-user',
  'x-forwarded-email',
  'x-forwarded-groups',
  'x-forwarded-preferred-username',
  'x-forwarded-access-token',
  'x-auth-request-user',
  'x-auth-request-email',
  'x-auth-request-groups',
  'x-auth-request-preferred-username',
  'x-auth-user',
  'x-authenticated-user',
  'x-authentik-username',
  'x-webauth-user',
  'x-user',
  'x-username',
  'x-user-id',
  'auth-user',
  'ssl-client-verify',
  'ssl-client-s-dn',
  'x-ssl-client-verify',
  'x-ssl-client-cn',
  'x-ssl-client-dn',
  'x-client-verify',
  'x-client-cert',
  'x-forwarded-client-cert',
  'x-forwarded-tls-client-cert',
];
const IDENTITY = new Set(IDENTITY_HEADERS);
/** True for a header by which somebody could claim to be somebody, in any spelling. */
export function claimsIdentity(name: string, app: App): boolean {
  const key = headerKey(name);
  return key.startsWith('x-asepsis-') || IDENTITY.has(key) || key === headerKey(app.userHeader);
}

/** Overrides that cannot be stripped by who only answers a question; a framework would follow them. */
const REFUSED_OVERRIDES = new Set([
  'x-http-method-override',
  'x-http-method',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
  'x-override-url',
  'x-forwarded-path',
]);

export function decide(gateway: Gateway, question: Question): Verdict {
  const settings = gateway.settings();
  const refused = (status: 400 | 403 | 421, why: string, app: App | null = null): Verdict => {
    gateway.events.often({
      what: 'refused',
      outcome: 'denied',
      address: question.address ?? 'unreadable',
      why,
      method: question.method.slice(0, 16),
      path: question.target,
      agent: question.agent,
      ...(app && { app: app.name }),
    });
    return { kind: 'deny', app, status, why };
  };
  if (question.host === null) return refused(400, 'host');
  const app = settings.policy.get(question.host);
  if (app === undefined) return refused(421, 'unknown-host');
  const method = readMethod(question.method);
  if (method === null) return refused(400, 'method', app);
  const target = readTarget(question.target);
  if ('refused' in target) return refused(400, target.refused, app);
  for (let i = 0; i < question.rawHeaders.length; i += 2) {
    const name = question.rawHeaders[i] as string;
    const odd = isOddName(name);
    // All that is refused begins with an x or has an odd name; most headers do neither.
    if ((name.charCodeAt(0) | 32) !== 0x78 && !odd) continue;
    if (isOverride(name) && REFUSED_OVERRIDES.has(headerKey(name))) return refused(400, 'override', app);
    // Who only answers a question cannot strip: `X-Asepsis_User` is `X-Asepsis-User` to CGI and WSGI, and nobody's honest header.
    if (question.forwarded && odd && claimsIdentity(name, app)) return refused(400, 'underscore', app);
  }
  if (overridesMethod(target.query)) return refused(400, 'override', app);
  if (question.address === null) return refused(403, 'address', app);
  // Browsers send cookies with sockets from every page (cross-site WebSocket hijacking): only the application's own may open one.
  if (question.upgrade && question.origin !== `${settings.secure ? 'https' : 'http'}://${question.host}`)
    return refused(403, 'origin', app);
  return judge(gateway, app, { ...question, address: question.address, host: question.host }, method, target);
}

function judge(
  gateway: Gateway,
  app: App,
  question: Question & { address: string; host: string },
  method: string,
  target: Target,
): Verdict {
  const secret = cookie(question.cookies, gateway.settings().cookies.session);
  const found =
    secret === null
      ? null
      : gateway.sessions.find(
          secret,
          question.host,
          { agent: question.agent, address: question.address },
          question.atMs === undefined,
        );
  const session = found?.ok ? found.session : null;
  const subject =
    session === null
      ? null
      : {
          account: session.account,
          groups: session.groups,
          strength: session.strength,
          factorMs: session.factorMs,
          emergencyApp: session.emergencyApp,
        };
  const decision = app.decide(
    { target, method, address: question.address },
    subject,
    question.atMs ?? gateway.clock.now(),
  );
  const account = session === null ? {} : { account: session.account };
  const event = {
    ...account,
    address: question.address,
    app: app.name,
    method,
    path: target.path,
    agent: question.agent,
  } as const;
  if (decision.kind === 'allow') {
    if (!decision.public) gateway.events.often({ ...event, what: 'access', outcome: 'success' });
    const known = decision.public ? null : session;
    return { kind: 'allow', app, session: known, identity: identityOf(gateway, app, known, question.host), target };
  }
  if (decision.kind === 'deny') {
    gateway.events.often({ ...event, what: 'access', outcome: 'denied', why: `${decision.why}, ${decision.rule}` });
    return { kind: 'deny', app, status: 403, why: decision.why };
  }
  const why = found !== null && !found.ok ? found.why : decision.kind;
  gateway.events.often({ ...event, what: 'access', outcome: 'denied', why });
  return { kind: decision.kind, app, need: decision.need, target };
}

/** Printable ASCII, everything else percent-encoded: header values have no other letters (RFC 9110 section 5.5). */
const headerText = (text: string): string => text.replace(/[^\x20-\x7e]|[%,]/gu, (char) => encodeURIComponent(char));

/** What an application is told of nobody: empty values, so that a proxy that copies them takes others away. */
const NOBODY: Readonly<Record<string, string>> = {
  'X-Asepsis-User': '',
  'X-Asepsis-Name': '',
  'X-Asepsis-Email': '',
  'X-Asepsis-Groups': '',
  'X-Asepsis-Jwt': '',
};
const OWN_HEADER = 'X-Asepsis-User';

function identityOf(
  gateway: Gateway,
  app: App,
  session: GatewaySession | null,
  host: string,
): Readonly<Record<string, string>> {
  if (session === null) return app.userHeader === OWN_HEADER ? NOBODY : { ...NOBODY, [app.userHeader]: '' };
  const now = gateway.clock.now();
  const held = session.issued.find((one) => one.host === host);
  if (
    held !== undefined &&
    held.untilMs > now &&
    held.factorMs === session.factorMs &&
    held.groups === session.groups &&
    held.app === app
  )
    return held.identity;
  const groups = [...session.groups].slice(0, GROUPS_IN_HEADER_MAX);
  const user = headerText(session.account);
  const identity: Record<string, string> = {
    'X-Asepsis-User': user,
    'X-Asepsis-Name': headerText(session.display),
    'X-Asepsis-Email': headerText(session.email),
    'X-Asepsis-Groups': groupsText(session.groups, groups),
    'X-Asepsis-Jwt': makeToken(gateway, app, session, host, groups),
  };
  if (app.userHeader !== OWN_HEADER) identity[app.userHeader] = user;
  const { factorMs } = session;
  const made = { host, app, identity, untilMs: now + JWT_REUSE_MS, factorMs, groups: session.groups };
  session.issued = [...session.issued.filter((one) => one.host !== host), made];
  return identity;
}

/** Many sessions have the same set of groups (gateway-sessions.ts): its text is made once. */
const texts = new WeakMap<ReadonlySet<string>, string>();
function groupsText(set: ReadonlySet<string>, groups: readonly string[]): string {
  const held = texts.get(set);
  if (held !== undefined) return held;
  const made = groups.map(headerText).join(',');
  texts.set(set, made);
  return made;
}

function makeToken(
  gateway: Gateway,
  app: App,
  session: GatewaySession,
  host: string,
  groups: readonly string[],
): string {
  const { origin, secure } = gateway.settings();
  const iat = Math.floor(gateway.clock.now() / 1000);
  return gateway.keys.sign('ES256', {
    iss: origin,
    aud: `${secure ? 'https' : 'http'}://${host}`,
    sub: session.account,
    name: session.display,
    email: session.email,
    groups,
    amr: amrOf(session),
    auth_time: Math.floor(session.factorMs / 1000),
    app: app.name,
    iat,
    exp: iat + JWT_LIFE_SEC,
    ...(session.emergencyApp !== null && { emergency: true }),
  });
}

const AMR: Readonly<Record<string, readonly string[]>> = {
  password: ['pwd'],
  totp: ['otp'],
  passkey: ['hwk', 'user'],
  'security-key': ['hwk'],
  recovery: ['otp'],
  upstream: ['fed'],
  'break-glass': ['sc'],
};
/** Methods in the words of RFC 8176. */
export function amrOf(session: GatewaySession): string[] {
  const words = new Set(session.factors.flatMap((factor) => AMR[factor.kind] ?? []));
  if (session.strength >= 2) words.add('mfa');
  return [...words];
}
