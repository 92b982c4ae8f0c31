/** The scope as a contract: what may be looked at, when and how fast. Pure; deny beats allow. */

import { Value } from 'typebox/value';
import { parse } from 'yaml';
import { AsepsisError } from '../core/index.ts';
import {
  type Address,
  canonicalAddress,
  carriedV4,
  inRange,
  neverProbed,
  parseAddress,
  parseRange,
  type Range,
} from './perimeter-cidr.ts';
import { type ScopeFile, ScopeSchema } from './perimeter-schema.ts';

export interface Scope {
  readonly file: ScopeFile;
  readonly notBeforeMs: number;
  readonly expiresMs: number;
  readonly allow: readonly Range[];
  readonly deny: readonly Range[];
  readonly medical: readonly Range[];
  readonly ports: readonly PortRange[] | null;
  readonly denyPorts: readonly PortRange[];
}

interface PortRange {
  readonly first: number;
  readonly last: number;
}

export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

const SCOPE_BYTES_MAX = 1024 * 1024;
const DAY_NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const NAME = /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.){0,10}[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

const invalid = (what: string) => new AsepsisError('SCOPE_INVALID', what);

function ranges(texts: readonly string[], where: string): Range[] {
  return texts.map((text) => {
    const range = parseRange(text);
    if (!range) throw invalid(`${where}: "${text}" is no address and no range (host bits of a range are zero).`);
    return range;
  });
}

function portRanges(texts: readonly string[], where: string): PortRange[] {
  return texts.map((text) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || first < 1 || last > 65535 || first > last) throw invalid(`${where}: "${text}" is no port or range.`);
    return { first, last };
  });
}

function time(text: string, where: string): number {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text))
    throw invalid(`${where}: "${text}" is no date or time with a zone (2027-01-31 or 2027-01-31T06:00:00Z).`);
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw invalid(`${where}: "${text}" is not in the calendar.`);
  return ms;
}

/** A DNS name in one spelling: lower case, without the final dot, IDN in its ASCII form. */
export function canonicalName(text: string): string | null {
  const plain = text.replace(/\.$/, '').toLowerCase();
  if (plain.length === 0 || plain.length > 253 || /[\s/:@?#\\[\]]/.test(plain)) return null;
  const star = plain.startsWith('*.');
  try {
    const host = star ? plain.slice(2) : plain;
    const ascii = /^[a-z0-9_.-]+$/.test(host) ? host : new URL(`http://${host}/`).hostname;
    const name = star ? `*.${ascii}` : ascii;
    return NAME.test(name) && canonicalAddress(ascii) === null ? name : null;
  } catch {
    return null;
  }
}

function names(texts: readonly string[], where: string): string[] {
  return texts.map((text) => {
    const name = canonicalName(text);
    if (!name) throw invalid(`${where}: "${text}" is no DNS name.`);
    return name;
  });
}

/** Reads a scope from its YAML text; every fault is named. The signature is not looked at here. */
export function parseScope(yaml: string): Scope {
  if (yaml.length > SCOPE_BYTES_MAX) throw invalid('It is larger than 1 MiB.');
  let doc: unknown;
  try {
    doc = parse(yaml, { maxAliasCount: 0, schema: 'failsafe' });
  } catch (error) {
    throw invalid(`${(error as Error).message.split('\n')[0]}`);
  }
  const raw = Value.Default(ScopeSchema, Value.Convert(ScopeSchema, doc)) as ScopeFile;
  const fault = [...Value.Errors(ScopeSchema, raw)][0];
  if (fault) {
    const extra = (fault.params as { additionalProperties?: string[] } | undefined)?.additionalProperties;
    throw invalid(`${fault.instancePath || '/'}: ${fault.message}${extra ? ` (${extra.join(', ')})` : ''}.`);
  }
  const file: ScopeFile = {
    ...raw,
    names: names(raw.names, 'names'),
    hosted_names: names(raw.hosted_names, 'hosted_names'),
    exclude: { ...raw.exclude, names: names(raw.exclude.names, 'exclude.names') },
  };
  for (const { zone } of file.hours)
    try {
      new Intl.DateTimeFormat('en', { timeZone: zone });
    } catch {
      throw invalid(`hours: "${zone}" is no time zone.`);
    }
  if (file.addresses.length === 0 && file.hosted_names.length === 0)
    throw invalid('addresses: at least one range, address or hosted name is needed; an empty scope allows nothing.');
  return {
    file,
    notBeforeMs: file.not_before === undefined ? Number.NEGATIVE_INFINITY : time(file.not_before, 'not_before'),
    expiresMs: time(file.expires, 'expires'),
    allow: ranges(file.addresses, 'addresses'),
    deny: ranges(file.exclude.addresses, 'exclude.addresses'),
    medical: ranges(file.medical, 'medical'),
    ports: file.ports ? portRanges(file.ports, 'ports') : null,
    denyPorts: portRanges(file.exclude.ports, 'exclude.ports'),
  };
}

function nameMatches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern));
}

const no = (reason: string): Decision => ({ allowed: false, reason });
const YES: Decision = { allowed: true };

/** Whether the scope is valid at this moment: begun, not over, inside its hours. */
export function decideTime(scope: Scope, nowMs: number): Decision {
  if (nowMs >= scope.expiresMs) return no('the scope has expired');
  if (nowMs < scope.notBeforeMs) return no('the scope has not begun');
  if (scope.file.hours.length === 0) return YES;
  return scope.file.hours.some((window) => inWindow(window, nowMs)) ? YES : no('outside the hours of the scope');
}

function inWindow(window: ScopeFile['hours'][number], nowMs: number): boolean {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: window.zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(nowMs);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  const day = part('weekday').toLowerCase().slice(0, 3) as (typeof DAY_NAMES)[number];
  const before = DAY_NAMES[(DAY_NAMES.indexOf(day) + 6) % 7] as (typeof DAY_NAMES)[number];
  const clock = `${part('hour')}:${part('minute')}`;
  const on = (one: string) => (window.days as readonly string[]).includes(one);
  if (window.from < window.to) return on(day) && clock >= window.from && clock < window.to;
  // Over midnight: the evening belongs to its day, the morning to the day before.
  return (on(day) && clock >= window.from) || (on(before) && clock < window.to);
}

/** A name alone: may it be asked for at all? Where it leads is decided with the address. */
export function decideName(scope: Scope, name: string): Decision {
  if (nameMatches(name, scope.file.exclude.names)) return no(`the name ${name} is excluded`);
  if (nameMatches(name, scope.file.names) || nameMatches(name, scope.file.hosted_names)) return YES;
  return no(`the name ${name} is not in the scope`);
}

export interface Packet {
  readonly address: string;
  readonly port: number;
  /** The name under which the address was found; it has to be in the scope too. */
  readonly name?: string;
}

/**
 * Whether one packet may leave, by the address that it really goes to. Excluded address, name or port, medical devices
 * that are not named, and whatever is in no range: refused.
 *
 * @param medical whether the inventory calls this address a medical device
 */
export function decidePacket(scope: Scope, packet: Packet, medical: (address: string) => boolean): Decision {
  const address = parseAddress(packet.address);
  if (!address) return no(`${packet.address} is no address`);
  const carried = carriedV4(address);
  const faces = carried ? [address, carried] : [address];
  if (faces.some(neverProbed)) return no(`${packet.address} is an address that is never probed`);
  if (faces.some((face) => scope.deny.some((range) => inRange(face, range))))
    return no(`${packet.address} is excluded`);
  const { port } = packet;
  if (!Number.isInteger(port) || port < 1 || port > 65535) return no(`${port} is no port`);
  const inPorts = (list: readonly PortRange[]) => list.some(({ first, last }) => port >= first && port <= last);
  if (inPorts(scope.denyPorts)) return no(`port ${port} is excluded`);
  if (scope.ports && !inPorts(scope.ports)) return no(`port ${port} is not in the scope`);
  if (
    faces.some((face) => isMedical(face, packet.address, medical)) &&
    !scope.medical.some((range) => inRange(address, range))
  )
    return no(`${packet.address} is a medical device and is not named in the scope`);
  const inside = scope.allow.some((range) => inRange(address, range));
  if (packet.name === undefined) return inside ? YES : no(`${packet.address} is not in the scope`);
  const named = decideName(scope, packet.name);
  if (!named.allowed) return named;
  if (inside) return YES;
  if (nameMatches(packet.name, scope.file.hosted_names) && isPublic(address, packet.address)) return YES;
  return no(`${packet.name} leads to ${packet.address}, which is not in the scope`);
}

function isMedical(face: Address, text: string, medical: (address: string) => boolean): boolean {
  const plain = face.family === 4 ? canonicalAddress(text) : text;
  return medical(plain ?? text) || medical(text);
}

/** Special-purpose ranges (IANA's registries) that a hosted name may never lead to. */
const INNER = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '240.0.0.0/4',
  '::1',
  'fc00::/7',
  'fe80::/10',
  '64:ff9b:1::/48',
  '100::/64',
].map((text) => parseRange(text) as Range);

function isPublic(address: Address, _text: string): boolean {
  const carried = carriedV4(address);
  return ![address, ...(carried ? [carried] : [])].some((face) => INNER.some((range) => inRange(face, range)));
}
