/** The configuration file's schema: one YAML file, every setting with a default, so that an empty file is valid. */

import { type Static, Type } from 'typebox';
import { SEVERITIES } from './records.ts';

const closed = { additionalProperties: false } as const;
const port = (value: number) => Type.Integer({ minimum: 0, maximum: 65535, default: value });
const path = Type.String({ minLength: 1, maxLength: 4096 });
const listener = (value: number, enabled = true) =>
  Type.Object(
    {
      enabled: Type.Boolean({ default: enabled }),
      host: Type.String({ default: '127.0.0.1', maxLength: 255 }),
      port: port(value),
    },
    { ...closed, default: {} },
  );

const TlsSchema = Type.Object(
  {
    cert: Type.Optional(path),
    key: Type.Optional(path),
    /** Authority that client certificates must come from; absent: none is asked for. */
    client_ca: Type.Optional(path),
    acme: Type.Optional(
      Type.Object(
        {
          directory: Type.String({ maxLength: 2048 }),
          email: Type.String({ maxLength: 256 }),
          names: Type.Array(Type.String({ maxLength: 253 }), { minItems: 1, maxItems: 32 }),
        },
        closed,
      ),
    ),
  },
  { ...closed, default: {} },
);

const ranges = Type.Array(Type.String({ maxLength: 64, pattern: '^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$' }), {
  maxItems: 4096,
  default: [],
});
/** A program and its arguments, started without a shell. */
const command = (words: readonly string[]) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), { maxItems: 64, default: [...words] });

/** What may be done to stop an attacker. Everything is rehearsed only until `mode` says otherwise. */
const ResponsesSchema = Type.Object(
  {
    mode: Type.Union([Type.Literal('simulate'), Type.Literal('enforce')], { default: 'simulate' }),
    nftables: Type.Object(
      {
        enabled: Type.Boolean({ default: true }),
        /** Starts nft; an unprivileged Asepsis puts its helper here, such as [sudo, -n, /usr/sbin/nft]. */
        command: command(['nft']),
      },
      { ...closed, default: {} },
    ),
    /** Own networks: never blocked. The default is what is private (RFC 1918, RFC 4193) and shared (RFC 6598). */
    own_ranges: { ...ranges, default: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'] },
    monitoring: ranges,
    partners: ranges,
    protected_accounts: Type.Array(Type.String({ maxLength: 256 }), {
      maxItems: 4096,
      default: ['root', 'administrator'],
    }),
    /** `{account}` stands for the name, as an argument of its own or a part of one. Empty: accounts cannot be disabled. */
    disable_account: command([]),
    enable_account: command([]),
    blocks_per_hour_max: Type.Integer({ minimum: 0, maximum: 100_000, default: 30 }),
    duration_minutes_default: Type.Integer({ minimum: 1, maximum: 525_600, default: 240 }),
    duration_minutes_max: Type.Integer({ minimum: 1, maximum: 525_600, default: 43_200 }),
  },
  { ...closed, default: {} },
);

const PatchingSchema = Type.Object(
  {
    /** Feeds beside the usual ones; an address of the same id replaces it, an empty one turns it off. */
    feeds: Type.Array(
      Type.Object(
        {
          id: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,80}$' }),
          kind: Type.Union(
            (['file', 'osv', 'csaf', 'msrc', 'nvd'] as const).map((kind) => Type.Literal(kind)),
            { default: 'file' },
          ),
          url: Type.String({ maxLength: 2048 }),
        },
        closed,
      ),
      { maxItems: 200, default: [] },
    ),
    /** Only the feeds above, none of the usual ones. */
    own_feeds_only: Type.Boolean({ default: false }),
    /** Daily from the feeds' addresses; off where bundles are brought by hand. */
    update: Type.Union([Type.Literal('daily'), Type.Literal('off')], { default: 'off' }),
    /** Tasks of approved plans are sent here as tickets, signed like notifications. */
    tickets: Type.Optional(Type.Object({ url: Type.String({ maxLength: 2048 }), secret_file: path }, closed)),
    inventory_mb: Type.Integer({ minimum: 1, maximum: 2048, default: 256 }),
  },
  { ...closed, default: {} },
);

/** Files of this machine that are watched: nothing until a path is named. */
const FileIntegritySchema = Type.Object(
  {
    paths: Type.Array(path, { maxItems: 256, default: [] }),
    exclude: Type.Array(path, { maxItems: 256, default: [] }),
    /** Folders in which canary files are placed; they are watched too. */
    canaries: Type.Array(path, { maxItems: 256, default: [] }),
    rescan_minutes: Type.Integer({ minimum: 1, maximum: 10_080, default: 60 }),
    files_max: Type.Integer({ minimum: 100, maximum: 2_000_000, default: 200_000 }),
    /** Folders watched at once; the kernel has its own limit (fs.inotify.max_user_watches). */
    watches_max: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 8192 }),
  },
  { ...closed, default: {} },
);

const words = (most: number, chars: number) =>
  Type.Array(Type.String({ minLength: 1, maxLength: chars }), { maxItems: most, default: [] });

/** What people know about their network, and where captures come from. */
const NetworkSchema = Type.Object(
  {
    /** Ranges on site, such as 10.0.0.0/8; empty: everything private. What crosses their border readable is worst. */
    sites: words(1024, 64),
    /** MACs of routers that may announce themselves and pass packets on. */
    routers: words(1024, 17),
    /** Addresses and MACs that may move between machines: fail-over pairs, DHCP servers of yours. */
    shared: words(1024, 64),
    sensors: Type.Array(
      Type.Object(
        {
          name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,31}$' }),
          /** Captures that a sensor drops here are read once they do not grow any more. */
          folder: Type.Optional(path),
          /** A live interface of this machine. */
          interface: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_.:@-]{1,64}$' })),
          /** Captures hold patients: read ones are deleted unless they must be kept. */
          after: Type.Union([Type.Literal('delete'), Type.Literal('keep')], { default: 'delete' }),
        },
        closed,
      ),
      { maxItems: 64, default: [] },
    ),
  },
  { ...closed, default: {} },
);

export const ConfigSchema = Type.Object(
  {
    http: Type.Object(
      {
        host: Type.String({ default: '127.0.0.1', maxLength: 255 }),
        port: port(8420),
        /** The origin that browsers use, where it differs from host and port (behind a reverse proxy). */
        origin: Type.Optional(Type.String({ maxLength: 2048 })),
        tls: TlsSchema,
        /** Addresses whose X-Forwarded-For is believed; nobody's by default. */
        trusted_proxies: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64, default: [] }),
      },
      { ...closed, default: {} },
    ),
    syslog: Type.Object(
      {
        udp: listener(5514),
        tcp: listener(5514),
        tls: Type.Object(
          {
            enabled: Type.Boolean({ default: true }),
            host: Type.String({ default: '127.0.0.1', maxLength: 255 }),
            port: port(6514),
            tls: TlsSchema,
          },
          { ...closed, default: {} },
        ),
      },
      { ...closed, default: {} },
    ),
    files: Type.Array(
      Type.Object(
        {
          path,
          name: Type.Optional(Type.String({ maxLength: 256 })),
          zone: Type.Optional(Type.String({ maxLength: 64 })),
        },
        closed,
      ),
      { maxItems: 512, default: [] },
    ),
    /** `auto` follows this machine's own journal or authentication logs when they can be read. */
    this_machine: Type.Object(
      {
        logs: Type.Union([Type.Literal('auto'), Type.Literal('off')], { default: 'auto' }),
        check: Type.Union([Type.Literal('daily'), Type.Literal('off')], { default: 'daily' }),
      },
      { ...closed, default: {} },
    ),
    store: Type.Object(
      {
        url: Type.Optional(
          Type.String({ maxLength: 2048, description: 'postgres://…; absent: SQLite in the data folder' }),
        ),
      },
      { ...closed, default: {} },
    ),
    stream: Type.Object(
      {
        segment_mb: Type.Integer({ minimum: 1, maximum: 4096, default: 64 }),
        retention_hours: Type.Integer({ minimum: 1, maximum: 8760, default: 72 }),
        retention_mb: Type.Integer({ minimum: 64, maximum: 10_000_000, default: 10_240 }),
      },
      { ...closed, default: {} },
    ),
    archive: Type.Object(
      { retention_days: Type.Integer({ minimum: 1, maximum: 36_500, default: 365 }) },
      { ...closed, default: {} },
    ),
    rules: Type.Object(
      {
        folders: Type.Array(path, { maxItems: 64, default: [] }),
        /** File with the values that stand for `%placeholders%` in rules. */
        placeholders: Type.Optional(path),
        /** Processing pipelines by name or file, applied to every rule that is loaded. */
        pipelines: Type.Array(path, { maxItems: 16, default: [] }),
      },
      { ...closed, default: {} },
    ),
    notify: Type.Object(
      {
        level: Type.Union(
          SEVERITIES.map((level) => Type.Literal(level)),
          { default: 'high' },
        ),
        webhook: Type.Optional(Type.Object({ url: Type.String({ maxLength: 2048 }), secret_file: path }, closed)),
        email: Type.Optional(
          Type.Object(
            {
              host: Type.String({ maxLength: 255 }),
              port: port(587),
              security: Type.Union([Type.Literal('starttls'), Type.Literal('tls'), Type.Literal('none')], {
                default: 'starttls',
              }),
              user: Type.Optional(Type.String({ maxLength: 256 })),
              password_file: Type.Optional(path),
              from: Type.String({ maxLength: 320 }),
              to: Type.Array(Type.String({ maxLength: 320 }), { minItems: 1, maxItems: 64 }),
            },
            closed,
          ),
        ),
      },
      { ...closed, default: {} },
    ),
    detection: Type.Object(
      {
        /** How late an event may come and still be counted at its own time. */
        lateness_sec: Type.Integer({ minimum: 1, maximum: 86_400, default: 300 }),
        /** Memory of all correlations; beyond it the groups that are idle for longest are forgotten, and counted. */
        state_mb: Type.Integer({ minimum: 16, maximum: 16_384, default: 512 }),
        risk: Type.Object(
          {
            enabled: Type.Boolean({ default: true }),
            threshold: Type.Number({ minimum: 1, maximum: 100_000, default: 100 }),
            half_life_hours: Type.Number({ minimum: 0.1, maximum: 8760, default: 24 }),
          },
          { ...closed, default: {} },
        ),
      },
      { ...closed, default: {} },
    ),
    responses: ResponsesSchema,
    patching: PatchingSchema,
    file_integrity: FileIntegritySchema,
    network: NetworkSchema,
    access: Type.Object(
      {
        /** `auto` starts the access gateway when `access/gateway.yaml` is in the data folder. */
        gateway: Type.Union([Type.Literal('auto'), Type.Literal('off')], { default: 'auto' }),
      },
      { ...closed, default: {} },
    ),
    limits: Type.Object(
      {
        source_events_per_sec: Type.Integer({ minimum: 1, maximum: 10_000_000, default: 200_000 }),
      },
      { ...closed, default: {} },
    ),
  },
  { ...closed, title: 'Asepsis configuration' },
);
export type Config = Static<typeof ConfigSchema>;
