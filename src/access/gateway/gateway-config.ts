/** Reads `gateway.yaml`: filled with defaults, checked as a whole, refused with the place of the fault. */

import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Value } from 'typebox/value';
import { parseDocument } from 'yaml';
import { AsepsisError } from '../../core/index.ts';
import { networkSet } from './gateway-address.ts';
import { readHost } from './gateway-path.ts';
import { type GatewayConfig, GatewaySchema } from './gateway-schema.ts';

const FILE_BYTES_MAX = 4 * 1024 * 1024;

export async function loadGatewayConfig(file: string): Promise<GatewayConfig> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new AsepsisError('CONFIG_UNREADABLE', `${file}: ${(error as Error).message}.`);
  }
  return parseGatewayConfig(text, file);
}

export function parseGatewayConfig(text: string, file: string): GatewayConfig {
  const fail = (why: string): never => {
    throw new AsepsisError('CONFIG_INVALID', `${file}: ${why}.`);
  };
  if (text.length > FILE_BYTES_MAX) fail('larger than 4 MiB');
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors[0]) fail(document.errors[0].message);
  const filled = Value.Default(GatewaySchema, document.toJS({ maxAliasCount: 16 }) ?? {});
  for (const error of Value.Errors(GatewaySchema, filled))
    fail(`${error.instancePath.slice(1).replaceAll('/', '.') || 'the file'} ${error.message}`);
  const config = filled as GatewayConfig;
  const fault = configFault(config);
  if (fault !== null) fail(fault);
  return config;
}

/** What the schema cannot say; null when all is well. */
function configFault(config: GatewayConfig): string | null {
  const origin = URL.parse(config.origin);
  if (origin === null || origin.origin !== config.origin.replace(/\/$/, ''))
    return 'origin is scheme://host[:port] and nothing else';
  if (isIP(origin.hostname.replace(/^\[|\]$/g, '')) !== 0)
    return 'origin needs a host name: passkeys do not work on addresses';
  const local = origin.hostname === 'localhost' || origin.hostname.endsWith('.localhost');
  if (origin.protocol !== 'https:' && !(origin.protocol === 'http:' && local))
    return 'origin is https (http only on localhost)';
  if (networkSet(config.trusted_proxies) === null)
    return 'trusted_proxies holds something that is no address or network';
  for (const [name, networks] of Object.entries(config.networks))
    if (networkSet(networks) === null) return `networks.${name} holds something that is no address or network`;
  const hosts = new Set<string>([origin.host]);
  const names = new Set<string>();
  for (const app of config.apps) {
    if (names.has(app.name)) return `two applications are called ${app.name}`;
    names.add(app.name);
    for (const host of app.hosts) {
      if (readHost(host) === null) return `${app.name}: "${host}" is no host name`;
      if (hosts.has(host.toLowerCase())) return `${host} belongs to two applications, or is where people sign in`;
      hosts.add(host.toLowerCase());
    }
    const fault = appFault(app, config);
    if (fault !== null) return `${app.name}: ${fault}`;
  }
  if (config.passkeys.allowed_aaguids.length > 0 && config.passkeys.attestation !== 'direct')
    return 'passkeys: allowed_aaguids needs "attestation: direct", otherwise a device only says what it is';
  for (const name of config.workstations.networks)
    if (!(name in config.networks)) return `workstations: network ${name} is not defined`;
  return null;
}

function appFault(app: GatewayConfig['apps'][number], config: GatewayConfig): string | null {
  if (app.upstream !== undefined) {
    const url = URL.parse(app.upstream);
    if (
      url === null ||
      !/^https?:$/.test(url.protocol) ||
      url.pathname !== '/' ||
      url.search !== '' ||
      url.username !== ''
    )
      return 'upstream is http(s)://host:port without a path';
  }
  for (const [index, rule] of app.rules.entries()) {
    for (const network of rule.networks ?? [])
      if (!(network in config.networks)) return `rule ${index + 1}: network ${network} is not defined`;
    for (const path of rule.paths ?? []) {
      if (!path.startsWith('/') || /[?#;%\\]/.test(path) || path.includes('//'))
        return `rule ${index + 1}: path ${path} is not plain`;
      const stem = path.endsWith('/**') ? path.slice(0, -3) : path;
      if (stem.split('/').some((part) => part !== '*' && part.includes('*')))
        return `rule ${index + 1}: path ${path}: "**" stands at the end, "*" for a whole segment`;
    }
    // A public path that grows by itself is how most bypasses begin.
    if (rule.effect === 'public' && (rule.paths === undefined || rule.paths.includes('/**')))
      return `rule ${index + 1}: a public rule names its paths`;
  }
  return null;
}
