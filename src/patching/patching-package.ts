/** What a package is for matching: the ecosystem with its release, the name as feeds write it, and where a purl says so. */

import type { Software } from '../core/index.ts';
import { schemeOf, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

export { compareVersions, schemeOf, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

export type SoftwareRecord = Omit<Software, 'id' | 'asset' | 'first_seen' | 'last_seen'>;

/** One package as advisories name it; equal ones are interned and matched once. */
export interface Package {
  readonly scheme: VersionScheme;
  /** "debian:12", "npm": an OSV ecosystem in one spelling. */
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
}

const DEBIAN_CODENAMES: Readonly<Record<string, string>> = {
  squeeze: '6',
  wheezy: '7',
  jessie: '8',
  stretch: '9',
  buster: '10',
  bullseye: '11',
  bookworm: '12',
  trixie: '13',
  forky: '14',
  duke: '15',
  sid: 'sid',
  unstable: 'sid',
};
const UBUNTU_CODENAMES: Readonly<Record<string, string>> = {
  trusty: '14.04',
  xenial: '16.04',
  bionic: '18.04',
  focal: '20.04',
  jammy: '22.04',
  noble: '24.04',
  plucky: '25.04',
  questing: '25.10',
  resolute: '26.04',
};
/** Kinds of package that mean nothing without the distribution and its release. */
const NEEDS_RELEASE = new Set<VersionScheme>(['deb', 'rpm', 'apk']);

/** One spelling for "Debian:12", "debian-12", "bookworm", "Ubuntu:22.04:LTS", "Alpine:v3.18", "npm". */
export function ecosystemKey(text: string): string {
  const lower = text.trim().toLowerCase();
  if (Object.hasOwn(DEBIAN_CODENAMES, lower)) return `debian:${DEBIAN_CODENAMES[lower]}`;
  if (Object.hasOwn(UBUNTU_CODENAMES, lower)) return `ubuntu:${UBUNTU_CODENAMES[lower]}`;
  const dashed = /^(debian|ubuntu|alpine|fedora|rocky|almalinux|rhel|centos)-(.+)$/.exec(lower);
  const [name = '', ...rest] = dashed ? [dashed[1] as string, dashed[2] as string] : lower.split(':');
  const release = rest.filter((part) => part !== 'lts' && part !== '');
  if (name === 'debian')
    return join('debian', [majorOf(DEBIAN_CODENAMES[release[0] ?? ''] ?? release[0]), ...release.slice(1)]);
  if (name === 'ubuntu') return join('ubuntu', [UBUNTU_CODENAMES[release[0] ?? ''] ?? release[0], ...release.slice(1)]);
  if (name === 'alpine') return join('alpine', [release[0]?.replace(/^v/, '').split('.').slice(0, 2).join('.')]);
  if (name === 'rocky' || name === 'rocky linux') return join('rocky linux', [majorOf(release[0])]);
  if (name === 'almalinux') return join('almalinux', [majorOf(release[0])]);
  const same: Readonly<Record<string, string>> = {
    cargo: 'crates.io',
    golang: 'go',
    gem: 'rubygems',
    composer: 'packagist',
  };
  return join(Object.hasOwn(same, name) ? (same[name] as string) : name, release);
}

const majorOf = (text: string | undefined) => text?.split('.', 1)[0];
const join = (name: string, rest: readonly (string | undefined)[]) => [name, ...rest.filter((part) => part)].join(':');

/** A name as feeds write it: PEP 503 for Python, no case for NuGet and Packagist. */
export function packageName(scheme: VersionScheme, name: string): string {
  if (scheme === 'pypi') return name.toLowerCase().replace(/[-_.]+/g, '-');
  return scheme === 'nuget' || scheme === 'composer' ? name.toLowerCase() : name;
}

/** What advisories call a piece of software; the word is why it cannot be judged. */
export function packageOf(software: SoftwareRecord): Package | 'unknown-ecosystem' | 'unknown-release' | 'no-version' {
  const scheme = schemeOf(software.ecosystem);
  if (scheme === null) return 'unknown-ecosystem';
  const needs = NEEDS_RELEASE.has(scheme);
  if (needs && !software.release) return 'unknown-release';
  const ecosystem = ecosystemKey(needs ? (software.release as string) : software.ecosystem);
  if (needs && (!ecosystem.includes(':') || schemeOf(ecosystem) !== scheme)) return 'unknown-release';
  // Distributions' advisories speak of source packages; where the source's own version is not said it is the binary's.
  const name = (needs ? software.source_name : undefined) ?? software.name;
  const version = (needs ? software.source_version : undefined) ?? software.version;
  if (version === '' || version.length > VERSION_CHARS_MAX) return 'no-version';
  return { scheme, ecosystem, name: packageName(scheme, name), version };
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
  const key = distro === null ? '' : ecosystemKey(/^[0-9]/.test(distro) ? `${vendor}-${distro}` : distro);
  return {
    ...(key.includes(':') ? { release: key } : {}),
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
