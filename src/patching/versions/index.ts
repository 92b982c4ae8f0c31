/** The door of versions: which order an ecosystem's versions have. */

import { compareApk } from './version-apk.ts';
import { compareCran } from './version-cran.ts';
import { compareDeb } from './version-deb.ts';
import { compareGeneric } from './version-generic.ts';
import { compareMaven } from './version-maven.ts';
import { compareNuget } from './version-nuget.ts';
import type { Compare } from './version-order.ts';
import { comparePackagist } from './version-packagist.ts';
import { comparePypi } from './version-pypi.ts';
import { compareRpm } from './version-rpm.ts';
import { compareRubygems } from './version-rubygems.ts';
import { comparePub, compareSemver } from './version-semver.ts';

const SCHEMES = {
  deb: compareDeb,
  rpm: compareRpm,
  apk: compareApk,
  semver: compareSemver,
  pub: comparePub,
  maven: compareMaven,
  pypi: comparePypi,
  nuget: compareNuget,
  gem: compareRubygems,
  composer: comparePackagist,
  cran: compareCran,
  hackage: compareCran,
  generic: compareGeneric,
} as const satisfies Record<string, Compare<string>>;

export type VersionScheme = keyof typeof SCHEMES;
export const VERSION_SCHEMES = Object.keys(SCHEMES) as readonly VersionScheme[];

/** Names of ecosystems as OSV, package URLs and vers write them, in lower case and without their release. */
const ECOSYSTEM_SCHEMES: Readonly<Record<string, VersionScheme>> = {
  deb: 'deb',
  debian: 'deb',
  ubuntu: 'deb',
  dpkg: 'deb',
  echo: 'deb',
  rpm: 'rpm',
  redhat: 'rpm',
  'red hat': 'rpm',
  'rocky linux': 'rpm',
  almalinux: 'rpm',
  suse: 'rpm',
  opensuse: 'rpm',
  'opensuse leap': 'rpm',
  'photon os': 'rpm',
  fedora: 'rpm',
  centos: 'rpm',
  mageia: 'rpm',
  openeuler: 'rpm',
  oracle: 'rpm',
  'azure linux': 'rpm',
  amazon: 'rpm',
  apk: 'apk',
  alpine: 'apk',
  wolfi: 'apk',
  chainguard: 'apk',
  semver: 'semver',
  npm: 'semver',
  'crates.io': 'semver',
  cargo: 'semver',
  go: 'semver',
  golang: 'semver',
  hex: 'semver',
  swift: 'semver',
  swifturl: 'semver',
  github: 'semver',
  'github actions': 'semver',
  bitnami: 'semver',
  julia: 'semver',
  pub: 'pub',
  maven: 'maven',
  pypi: 'pypi',
  nuget: 'nuget',
  gem: 'gem',
  rubygems: 'gem',
  composer: 'composer',
  packagist: 'composer',
  cran: 'cran',
  hackage: 'hackage',
  generic: 'generic',
  product: 'generic',
  windows: 'generic',
  'windows-program': 'generic',
  chocolatey: 'nuget',
  macos: 'generic',
  'macos-app': 'generic',
  homebrew: 'generic',
  'end of life': 'generic',
};

/** The scheme of an ecosystem's name ("Debian:12", "npm", "pkg:deb"); null when we do not know its order. */
export function schemeOf(ecosystem: string): VersionScheme | null {
  const name = (ecosystem.split(':', 1)[0] as string).trim().toLowerCase();
  return Object.hasOwn(ECOSYSTEM_SCHEMES, name) ? (ECOSYSTEM_SCHEMES[name] as VersionScheme) : null;
}

/** Longer ones are no versions but attacks; whoever reads inventories and feeds counts them as unreadable. */
export const VERSION_CHARS_MAX = 256;

/** −1, 0 or 1: whether `a` is older than, the same as or newer than `b` by the rules of `scheme`. */
export function compareVersions(scheme: VersionScheme, a: string, b: string): -1 | 0 | 1 {
  return (Math.sign(SCHEMES[scheme](a, b)) + 0) as -1 | 0 | 1; // + 0: never −0
}
