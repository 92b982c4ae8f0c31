/** The scope file and what a scan answers, as schemas; types derive from them. */

import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const list = (item: ReturnType<typeof text>, maxItems: number) => Type.Array(item, { maxItems, default: [] });
const rate = (value: number, maximum: number, minimum = 1) => Type.Number({ minimum, maximum, default: value });

/** Checks that send something that a healthy server should refuse; each is named in the scope or never sent. */
export const ACTIVE_CHECKS = ['heartbleed', 'ccs-injection', 'robot', 'ticketbleed'] as const;
export type ActiveCheck = (typeof ACTIVE_CHECKS)[number];

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

export const ScopeSchema = Type.Object(
  {
    asepsis_scope: Type.Literal(1),
    name: text(128),
    owner: text(256),
    contact: text(256),
    not_before: Type.Optional(text(40)),
    expires: text(40),
    /** CIDR ranges or addresses: a packet leaves only to one of them. */
    addresses: list(text(64), 4096),
    /** DNS names (`*.` in front for all below); each has to resolve into `addresses`. */
    names: list(text(253), 4096),
    /** Names whose addresses belong to a provider: any public address that they resolve to is allowed. */
    hosted_names: list(text(253), 1024),
    exclude: Type.Object(
      {
        addresses: list(text(64), 4096),
        names: list(text(253), 4096),
        ports: list(text(32), 1024),
      },
      { ...closed, default: {} },
    ),
    /** "443", "1-1024"; absent: every port. */
    ports: Type.Optional(Type.Array(text(32), { minItems: 1, maxItems: 1024 })),
    /** Medical devices that may be looked at, by address; all others never are. */
    medical: list(text(64), 1024),
    /** Hosts, by address, on which one try of what everybody knows (SNMP "public") is authorised. */
    default_credentials: list(text(64), 256),
    hours: Type.Array(
      Type.Object(
        {
          days: Type.Array(Type.Union(DAYS.map((day) => Type.Literal(day))), { minItems: 1, maxItems: 7 }),
          from: Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$' }),
          to: Type.String({ pattern: '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$' }),
          zone: text(64),
        },
        closed,
      ),
      { maxItems: 64, default: [] },
    ),
    rate: Type.Object(
      {
        /** New connections and datagrams a second, over all hosts. */
        per_sec: rate(100, 100_000, 0.1),
        per_host_per_sec: rate(20, 100_000, 0.1),
        per_host_connections: rate(8, 4096),
      },
      { ...closed, default: {} },
    ),
    active_checks: Type.Array(Type.Union(ACTIVE_CHECKS.map((check) => Type.Literal(check))), {
      maxItems: ACTIVE_CHECKS.length,
      default: [],
    }),
  },
  { ...closed, title: 'Asepsis scope' },
);
export type ScopeFile = Static<typeof ScopeSchema>;
