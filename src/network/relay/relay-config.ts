/** The relay's configuration: one YAML file with certificates and routes; unknown keys and half a route are refused. */

import { readFile } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';
import { AsepsisError } from '../../core/index.ts';

const closed = { additionalProperties: false } as const;
const FILE_BYTES_MAX = 256 * 1024;

const EndSchema = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255, pattern: '^[0-9A-Za-z:._%-]+$' }),
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  },
  closed,
);
export type RelayEnd = Static<typeof EndSchema>;

export const RELAY_KINDS = ['mllp', 'dicom', 'http', 'tcp'] as const;
export type RelayKind = (typeof RELAY_KINDS)[number];

const RouteSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$' }),
    kind: Type.Unsafe<RelayKind>({ type: 'string', enum: [...RELAY_KINDS] }),
    /** `near`: clear text in, TLS out, beside the device. `far`: TLS in, clear text out, beside the server. */
    side: Type.Unsafe<'near' | 'far'>({ type: 'string', enum: ['near', 'far'] }),
    listen: EndSchema,
    to: EndSchema,
    /** Names of which the other relay's certificate must carry one. */
    peers: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { minItems: 1, maxItems: 64 }),
    /** Networks that may connect; a near route needs them, because nothing else tells who speaks there. */
    from: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 256, default: [] }),
    connections_max: Type.Integer({ minimum: 1, maximum: 20_000, default: 256 }),
    /** A connection on which nothing moved for so long is ended; MLLP and DICOM keep theirs open for a shift. */
    idle_sec: Type.Integer({ minimum: 1, maximum: 604_800, default: 86_400 }),
    connect_sec: Type.Integer({ minimum: 1, maximum: 120, default: 10 }),
  },
  closed,
);
export type RelayRoute = Static<typeof RouteSchema>;

const RelaySchema = Type.Object(
  {
    certificate: Type.String({ minLength: 1, maxLength: 4096 }),
    key: Type.String({ minLength: 1, maxLength: 4096 }),
    authority: Type.String({ minLength: 1, maxLength: 4096 }),
    status: Type.Optional(EndSchema),
    routes: Type.Array(RouteSchema, { minItems: 1, maxItems: 256 }),
  },
  closed,
);

export interface RelayMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface RelayConfig {
  readonly material: RelayMaterial;
  /** The files that it was read from, to be watched. */
  readonly files: readonly string[];
  readonly status: RelayEnd | null;
  readonly routes: readonly RelayRoute[];
}

/**
 * Reads and checks a relay's configuration; paths in it are relative to the file.
 *
 * @throws CONFIG_UNREADABLE, CONFIG_INVALID with the setting's name, TLS_INVALID
 */
export async function loadRelayConfig(path: string): Promise<RelayConfig> {
  const text = await textOf(path, 'CONFIG_UNREADABLE');
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new AsepsisError('CONFIG_INVALID', `${path}: ${(error as Error).message.split('\n', 1)[0]}`, {
      cause: error,
    });
  }
  const filled = Value.Default(RelaySchema, value);
  const fault = Value.Errors(RelaySchema, filled)[0];
  if (fault) throw new AsepsisError('CONFIG_INVALID', `${path}: ${fault.instancePath || '/'}: ${fault.message}.`);
  const config = filled as Static<typeof RelaySchema>;
  const fail = (what: string) => new AsepsisError('CONFIG_INVALID', `${path}: ${what}`);
  for (const route of config.routes) {
    if (route.side === 'near' && route.from.length === 0)
      throw fail(`route ${route.name}: a near route names under "from" the networks of its devices.`);
    networks(route.from, (entry) => fail(`route ${route.name}: ${entry} is no address and no network.`));
  }
  unique(
    config.routes.map((route) => route.name),
    (name) => fail(`two routes are called ${name}.`),
  );
  const listening = config.routes.filter((route) => route.listen.port !== 0);
  unique(
    listening.map((route) => `${route.listen.host} port ${route.listen.port}`),
    (where) => fail(`two routes listen on ${where}.`),
  );
  const files = [config.certificate, config.key, config.authority].map((file) => resolve(dirname(path), file));
  const [cert, key, ca] = (await Promise.all(files.map((file) => textOf(file, 'TLS_INVALID')))) as [
    string,
    string,
    string,
  ];
  return { material: { cert, key, ca }, files: [path, ...files], status: config.status ?? null, routes: config.routes };
}

async function textOf(path: string, code: 'CONFIG_UNREADABLE' | 'TLS_INVALID'): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length > FILE_BYTES_MAX) throw new Error('it is larger than 256 KB');
    return bytes.toString('utf8');
  } catch (error) {
    throw new AsepsisError(code, `${path}: ${(error as Error).message}.`, { cause: error });
  }
}

function unique(values: readonly string[], fail: (value: string) => Error): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) throw fail(value);
    seen.add(value);
  }
}

/** Who may connect: addresses and CIDR networks, IPv4 also when it comes mapped into IPv6. */
export function networks(entries: readonly string[], fail: (entry: string) => Error): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits, ...more] = entry.split('/');
    const family = isIP(address);
    const width = bits === undefined ? (family === 6 ? 128 : 32) : Number(bits);
    const fits = /^\d{1,3}$/.test(bits ?? '0') && width <= (family === 6 ? 128 : 32);
    if (family === 0 || more.length > 0 || !fits) throw fail(entry);
    list.addSubnet(address, width, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

export function isWithin(list: BlockList, address: string): boolean {
  const plain = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1] ?? address;
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}
