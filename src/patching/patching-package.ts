/** What a package is for matching: the ecosystem with its release, the name as feeds write it, and where a purl says so. */

import type { Software } from '../core/index.ts';
import { ecosystemKey, ROLLING } from './patching-distro.ts';
import { windowsName } from './patching-windows.ts';
import { schemeOf, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

export { ecosystemKey } from './patching-distro.ts';
export { compareVersions, schemeOf, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

export type SoftwareRecord = Omit<Software, 'id' | 'asset' | 'first_seen' | 'last_seen'>;

/** One package as advisories name it; equal ones are interned and matched once. */
export interface Package {
  readonly scheme: VersionScheme;
  /** "debian:12", "npm": an OSV ecosystem in one spelling. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  /** Feeds speak of source packages or of binary ones; both have the same version. */
  readonly also?: string;
  /** Hotfixes of a Windows, sorted: KB numbers without "KB". */
  readonly fixes?: readonly string[];
  readonly arch?: string;
}

/** Kinds of package that mean nothing without the distribution and its release. */
const NEEDS_RELEASE = new Set<VersionScheme>(['deb', 'rpm', 'apk']);

/** A name as feeds write it: PEP 503 for Python, no case for NuGet and Packagist. */
export function packageName(scheme: VersionScheme, name: string): string {
  if (scheme === 'pypi') return name.toLowerCase().replace(/[-_.]+/g, '-');
  return scheme === 'nuget' || scheme === 'composer' || scheme === 'generic' ? name.toLowerCase() : name;
}

/** What advisories call a piece of software; the word is why it cannot be judged. */
export function packageOf(
  software: SoftwareRecord,
  hotfixes: readonly string[] = [],
): Package | 'unknown-ecosystem' | 'unknown-release' | 'no-version' {
  const scheme = schemeOf(software.ecosystem);
  if (scheme === null) return 'unknown-ecosystem';
  if (software.ecosystem === 'windows') return windowsPackage(software, hotfixes);
  const needs = NEEDS_RELEASE.has(scheme);
  if (needs && !software.release) return 'unknown-release';
  const ecosystem = ecosystemKey(needs ? (software.release as string) : software.ecosystem);
  const told = ecosystem.includes(':') || ROLLING.has(ecosystem);
  if (needs && (!told || schemeOf(ecosystem) !== scheme)) return 'unknown-release';
  const source = needs ? sourceOf(software, scheme) : { name: software.name, version: software.version };
  if (source.version === '' || source.version.length > VERSION_CHARS_MAX) return 'no-version';
  const name = packageName(scheme, source.name);
  return {
    scheme,
    ecosystem,
    name,
    version: source.version,
    ...(scheme === 'rpm' && software.name !== name ? { also: software.name } : {}),
    ...(scheme === 'rpm' && software.arch ? { arch: software.arch } : {}),
  };
}

/** Distributions' advisories speak of source packages; where the source's own version is not said it is the binary's. */
function sourceOf(software: SoftwareRecord, scheme: VersionScheme): { name: string; version: string } {
  const name = software.source_name || software.name;
  // Signed kernels are packages of their own with versions of their own; what is in them is the kernel's version.
  const signed = scheme === 'deb' ? /^linux-signed(-hwe[0-9.-]*)?(?:-[a-z0-9]+)?$/.exec(name) : null;
  if (signed) return { name: `linux${signed[1] ?? ''}`, version: software.version };
  return { name, version: software.source_version || software.version };
}

function windowsPackage(
  software: SoftwareRecord,
  hotfixes: readonly string[],
): Package | 'unknown-release' | 'no-version' {
  const name = windowsName(software.name, software.version);
  if (name === null) return 'unknown-release';
  const fixes = hotfixes.toSorted();
  return {
    scheme: 'generic',
    ecosystem: 'windows',
    name,
    version: software.version,
    ...(fixes.length > 0 ? { fixes } : {}),
  };
}

/** The key that advisories and packages meet at. */
export const packageKey = (ecosystem: string, name: string) => `${ecosystem}\n${name}`;

const PURL_CHARS_MAX = 2048;

/** A package URL (purl specification): software with its ecosystem, and release, source and epoch from the qualifiers. */
export function parsePurl(text: string): SoftwareRecord | null {
  if (text.length > PURL_CHARS_MAX || !text.startsWith('pkg:')) return null;
  const [beforeFragment = ''] = text.slice(4).replace(/^\/+/, '').split('#', 1);
  const question = beforeFragment.indexOf('?');
  const path = question < 0 ? beforeFragment : beforeFragment.slice(0, question);
  const qualifiers = new URLSearchParams(
    (question < 0 ? '' : beforeFragment.slice(question + 1)).replaceAll('+', '%2B'),
  );
  const slash = path.indexOf('/');
  if (slash < 1) return null;
  const type = path.slice(0, slash).toLowerCase();
  const at = path.lastIndexOf('@');
  const hasVersion = at > path.lastIndexOf('/');
  const version = hasVersion ? decode(path.slice(at + 1)) : '';
  const names = path
    .slice(slash + 1, hasVersion ? at : undefined)
    .split('/')
    .filter(Boolean)
    .map(decode);
  const own = names.at(-1);
  if (own === undefined || own === null || version === null || names.includes(null)) return null;
  const spaced = NEEDS_RELEASE.has(schemeOf(type) ?? 'semver');
  const name = spaced ? own : names.join(type === 'maven' ? ':' : '/');
  const epoch = qualifiers.get('epoch');
  const full =
    spaced && epoch && /^[0-9]{1,9}$/.test(epoch) && !version.includes(':') ? `${epoch}:${version}` : version;
  return bounded({
    ecosystem: type,
    name,
    version: full,
    ...distribution(type, names.length > 1 ? (names[0] as string) : '', qualifiers),
    ...(qualifiers.get('arch') ? { arch: qualifiers.get('arch') as string } : {}),
  });
}

function distribution(type: string, vendor: string, qualifiers: URLSearchParams): Partial<SoftwareRecord> {
  if (!['deb', 'rpm', 'apk'].includes(type)) return {};
  const distro = qualifiers.get('distro');
  const [source, sourceVersion] = (qualifiers.get('upstream') ?? '').split('@', 2);
  const rolling = ROLLING.has(vendor.toLowerCase()) ? vendor.toLowerCase() : '';
  const said = distro === null ? rolling : /^[0-9]/.test(distro) ? `${vendor}-${distro}` : distro;
  const key = rolling || ecosystemKey(said);
  return {
    ...(key.includes(':') || ROLLING.has(key) ? { release: key } : {}),
    ...(source ? { source_name: source } : {}),
    ...(sourceVersion ? { source_version: sourceVersion } : {}),
  };
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

const NAME_CHARS_MAX = 256;

/** Null instead of a record that the schema of software would refuse. */
export function bounded(software: SoftwareRecord): SoftwareRecord | null {
  const { name, version, source_name = '', source_version = '', release = '', arch = '' } = software;
  const texts = [name, version, source_name, source_version, release];
  if (name === '' || texts.some((text) => text.length > NAME_CHARS_MAX) || arch.length > 32) return null;
  return texts.some(hasControl) ? null : software;
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) < 32) return true;
  return false;
}
