/** The gateway's own file, `gateway.yaml`: applications, rules, directories. Its defaults are the careful ones. */

import { type Static, type TSchema, Type } from 'typebox';

const closed = { additionalProperties: false } as const;
const text = (max = 256) => Type.String({ minLength: 1, maxLength: max });
const list = <S extends TSchema>(item: S, maxItems: number) => Type.Array(item, { maxItems });
const words = <T extends string>(values: readonly T[], fallback?: T) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...(fallback === undefined ? {} : { default: fallback }) });
const optional = Type.Optional;
const section = <P extends Record<string, TSchema>>(properties: P) =>
  Type.Object(properties, { ...closed, default: {} });

export const STRENGTHS = ['one-factor', 'two-factor', 'phishing-resistant'] as const;
export type StrengthName = (typeof STRENGTHS)[number];

const NeedSchema = Type.Object(
  {
    strength: words(STRENGTHS, 'two-factor'),
    /** The second factor must have been shown within so many minutes: a step-up. */
    within_minutes: optional(Type.Integer({ minimum: 1, maximum: 1440 })),
  },
  closed,
);

const RuleSchema = Type.Object(
  {
    /** Exact, or a prefix with `/**`; `*` stands for one segment. Absent: every path. */
    paths: optional(list(text(512), 64)),
    methods: optional(list(Type.String({ pattern: '^[A-Z]{1,16}$' }), 16)),
    networks: optional(list(text(64), 32)),
    groups: optional(list(text(), 64)),
    users: optional(list(text(), 64)),
    need: optional(NeedSchema),
    effect: words(['allow', 'deny', 'public'] as const, 'allow'),
  },
  closed,
);
export type RuleConfig = Static<typeof RuleSchema>;

const AppSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
    title: optional(text()),
    /** Host names, with a port where it is not the scheme's own. */
    hosts: Type.Array(text(260), { minItems: 1, maxItems: 32 }),
    /** Where the gateway's own reverse proxy sends requests; absent: behind another proxy only. */
    upstream: optional(text(2048)),
    /** No default on purpose: somebody decides what happens in an emergency. */
    emergency: words(['closed', 'break-glass'] as const),
    groups: optional(list(text(), 64)),
    rules: Type.Array(RuleSchema, { maxItems: 2000, default: [] }),
    need: optional(NeedSchema),
    /** The header that carries the user's name, for applications that expect a name of their own. */
    user_header: Type.String({ pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$', default: 'X-Asepsis-User' }),
  },
  closed,
);
export type AppConfig = Static<typeof AppSchema>;

const LdapSchema = Type.Object(
  {
    type: Type.Literal('ldap'),
    name: text(64),
    url: text(2048),
    starttls: Type.Boolean({ default: false }),
    /** Plain LDAP over a network; refused unless it is this machine itself. */
    ca_file: optional(text(4096)),
    bind_dn: text(1024),
    bind_password_file: text(4096),
    base: text(1024),
    /** `{name}` is the canonical name, escaped. */
    filter: Type.String({ maxLength: 1024, default: '(&(objectClass=person)(|(uid={name})(sAMAccountName={name})))' }),
    group_base: optional(text(1024)),
    nested: Type.Boolean({ default: true }),
    timeout_ms: Type.Integer({ minimum: 100, maximum: 60_000, default: 4000 }),
  },
  closed,
);
export type LdapConfig = Static<typeof LdapSchema>;

const OidcUpstreamSchema = Type.Object(
  {
    type: Type.Literal('oidc'),
    name: text(64),
    title: optional(text()),
    issuer: text(2048),
    client_id: text(512),
    client_secret_file: optional(text(4096)),
    scope: Type.String({ default: 'openid profile email', maxLength: 512 }),
    user_claim: Type.String({ default: 'preferred_username', maxLength: 64 }),
    groups_claim: Type.String({ default: 'groups', maxLength: 64 }),
    /** `amr`/`acr` values that the identity provider uses for two factors. */
    two_factor_values: Type.Array(text(256), { maxItems: 32, default: [] }),
  },
  closed,
);
export type OidcUpstreamConfig = Static<typeof OidcUpstreamSchema>;

const SamlUpstreamSchema = Type.Object(
  {
    type: Type.Literal('saml'),
    name: text(64),
    title: optional(text()),
    entry_point: text(2048),
    idp_issuer: text(2048),
    certificate_file: text(4096),
    user_attribute: optional(text(256)),
    groups_attribute: Type.String({ default: 'groups', maxLength: 256 }),
    /** AuthnContextClassRef values that stand for two factors. */
    two_factor_values: Type.Array(text(256), { maxItems: 32, default: [] }),
  },
  closed,
);
export type SamlUpstreamConfig = Static<typeof SamlUpstreamSchema>;

const LocalSchema = Type.Object(
  { type: Type.Literal('local'), name: Type.String({ default: 'local', maxLength: 64 }) },
  closed,
);

const OidcClientSchema = Type.Object(
  {
    client_id: text(128),
    /** SHA-256 (hex) of the secret; absent: a public client, PKCE alone. */
    client_secret_sha256: optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    redirect_uris: Type.Array(text(2048), { minItems: 1, maxItems: 16 }),
    title: optional(text()),
    groups: optional(list(text(), 64)),
    need: optional(NeedSchema),
    id_token_alg: words(['ES256', 'EdDSA', 'RS256'] as const, 'ES256'),
  },
  closed,
);
export type OidcClientConfig = Static<typeof OidcClientSchema>;

export const GatewaySchema = Type.Object(
  {
    /** Where people sign in: scheme, host, port as browsers see them. */
    origin: text(2048),
    organisation: Type.String({ default: 'Asepsis', maxLength: 128 }),
    listen: section({
      host: Type.String({ default: '127.0.0.1', maxLength: 255 }),
      port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8430 }),
      cert: optional(text(4096)),
      key: optional(text(4096)),
    }),
    /** Proxies whose X-Forwarded headers and forward-auth questions are believed; nobody's by default. */
    trusted_proxies: Type.Array(text(64), { maxItems: 64, default: [] }),
    networks: Type.Record(Type.String({ maxLength: 64 }), list(text(64), 256), { default: {} }),
    session: section({
      life_hours: Type.Number({ minimum: 0.1, maximum: 168, default: 12 }),
      idle_minutes: Type.Number({ minimum: 1, maximum: 1440, default: 60 }),
      /** What a session is bound to besides its host: the browser's name, the client's network. */
      bind: Type.Array(words(['agent', 'network'] as const), { maxItems: 2, default: ['agent'] }),
    }),
    /** Shared machines on wards: they lock soon, and open again with the key and its PIN. */
    workstations: section({
      networks: Type.Array(text(64), { maxItems: 64, default: [] }),
      lock_minutes: Type.Number({ minimum: 0.05, maximum: 120, default: 5 }),
    }),
    passkeys: section({
      attestation: words(['none', 'direct'] as const, 'none'),
      /** Models that may be enrolled; empty: every one. Needs attestation `direct`. */
      allowed_aaguids: Type.Array(Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' }), {
        maxItems: 512,
        default: [],
      }),
      /** The makers' root certificates (PEM): without them a device's certificate is only looked at, not verified. */
      attestation_roots_file: optional(text(4096)),
    }),
    passwords: section({
      min_chars: Type.Integer({ minimum: 8, maximum: 64, default: 8 }),
      /** "Have I Been Pwned" by SHA-1, ordered by hash, as downloaded; looked up on this disk only. */
      breached_file: optional(text(4096)),
    }),
    directories: Type.Array(Type.Union([LocalSchema, LdapSchema, OidcUpstreamSchema, SamlUpstreamSchema]), {
      maxItems: 16,
      default: [{ type: 'local', name: 'local' }],
    }),
    break_glass: section({
      minutes: Type.Integer({ minimum: 1, maximum: 30, default: 30 }),
      approvers_group: Type.String({ default: 'break-glass-approvers', maxLength: 256 }),
    }),
    /** Where decisions go when the gateway runs apart from the desk. */
    events: optional(Type.Object({ url: text(2048), token_file: text(4096) }, closed)),
    clients: Type.Array(OidcClientSchema, { maxItems: 500, default: [] }),
    apps: Type.Array(AppSchema, { maxItems: 2000, default: [] }),
  },
  { ...closed, title: 'Asepsis access gateway' },
);
export type GatewayConfig = Static<typeof GatewaySchema>;
