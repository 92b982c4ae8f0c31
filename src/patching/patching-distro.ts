/** Distributions and their releases in one spelling, from what feeds, package URLs and operating systems call them. */

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
const SAME_ECOSYSTEM: Readonly<Record<string, string>> = {
  cargo: 'crates.io',
  golang: 'go',
  gem: 'rubygems',
  composer: 'packagist',
  redhat: 'red hat',
  rhel: 'red hat',
  rocky: 'rocky linux',
  photon: 'photon os',
  github: 'github actions',
};
const TEXT_CHARS_MAX = 256;

/** What `/etc/os-release`, osquery and scanners call a system: name and the release in it. */
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/^debian(?: gnu\/linux)?[ :-]+(?:v?([0-9.]+)|([a-z]+)(?:\/sid)?$)/, 'debian'],
  [/^ubuntu(?: linux)?[ :-]+([0-9]{2}\.[0-9]{2})/, 'ubuntu'],
  [/^alpine(?: linux)?[ :-]+v?([0-9]+\.[0-9]+)/, 'alpine'],
  [/^(?:red hat enterprise linux|rhel|redhat)(?: [a-z]+)?[ :-]+([0-9]+)/, 'red hat'],
  [/^rocky(?: linux)?[ :-]+([0-9]+)/, 'rocky linux'],
  [/^alma ?linux[ :-]+([0-9]+)/, 'almalinux'],
  [/^centos(?: linux| stream)?[ :-]+([0-9]+)/, 'centos'],
  [/^fedora(?: linux)?[ :-]+([0-9]+)/, 'fedora'],
  [/^(?:oracle linux|ol)(?: server)?[ :-]+([0-9]+)/, 'oracle'],
  [/^(?:amazon linux|amzn)(?: ami)?[ :-]+([0-9]+)/, 'amazon'],
  [/^opensuse[ :-]+leap[ :-]+([0-9]+\.[0-9]+)/, 'opensuse leap'],
  [/^(?:vmware )?photon(?: os)?(?:\/linux)?[ :-]+([0-9]+\.[0-9]+)/, 'photon os'],
];

/** Distributions without releases: all of it is one, and it always moves on. */
export const ROLLING: ReadonlySet<string> = new Set(['wolfi', 'chainguard']);

/** One spelling for "Debian:12", "debian-12", "bookworm", "Ubuntu:22.04:LTS", "Rocky Linux 9.3 (Blue Onyx)", "npm". */
export function ecosystemKey(text: string): string {
  const lower = text.slice(0, TEXT_CHARS_MAX).trim().toLowerCase();
  if (Object.hasOwn(DEBIAN_CODENAMES, lower)) return `debian:${DEBIAN_CODENAMES[lower]}`;
  if (Object.hasOwn(UBUNTU_CODENAMES, lower)) return `ubuntu:${UBUNTU_CODENAMES[lower]}`;
  if (lower.startsWith('ubuntu:pro:')) return join('ubuntu:pro', releaseParts(lower.slice(11)));
  if (lower.startsWith('red hat:')) return redHat(lower.slice(8));
  if (/^suse[: ]|^sles/.test(lower)) return suse(lower);
  for (const [pattern, name] of SYSTEMS) {
    const match = pattern.exec(lower);
    if (match) return join(name, [releaseOf(name, match[1] ?? match[2] ?? '')]);
  }
  const [name = '', ...rest] = lower.split(':');
  const release = releaseParts(rest.join(':'));
  const code = release[0] ?? '';
  if (name === 'ubuntu' && Object.hasOwn(UBUNTU_CODENAMES, code))
    return join('ubuntu', [UBUNTU_CODENAMES[code], ...release.slice(1)]);
  return join(Object.hasOwn(SAME_ECOSYSTEM, name) ? (SAME_ECOSYSTEM[name] as string) : name, release);
}

const releaseParts = (text: string) => text.split(':').filter((part) => part !== 'lts' && part !== '');

function releaseOf(name: string, text: string): string {
  if (name === 'debian')
    return (
      (Object.hasOwn(DEBIAN_CODENAMES, text) ? DEBIAN_CODENAMES[text] : undefined) ?? (text.split('.', 1)[0] as string)
    );
  return text.replace(/\.$/, '');
}

/** "enterprise_linux:9::baseos" is release 9; extended streams stay by themselves, since their fixes are other ones. */
function redHat(rest: string): string {
  const match = /^enterprise_linux:([0-9]+)(?:\.[0-9]+)?(?:::.*)?$/.exec(rest) ?? /^([0-9]+)(?:\.[0-9]+)?$/.exec(rest);
  return match ? `red hat:${match[1]}` : join('red hat', releaseParts(rest));
}

/** "SUSE:Linux Enterprise Server 15 SP5", "SUSE Linux Enterprise Server 15 SP5", "sles-15.5": version with service pack. */
function suse(text: string): string {
  const match = /([0-9]{2})(?:[ -]?sp([0-9])|\.([0-9]))?/.exec(text);
  return match ? join('suse', [match[2] || match[3] ? `${match[1]}.${match[2] ?? match[3]}` : match[1]]) : 'suse';
}

const join = (name: string, rest: readonly (string | undefined)[]) => [name, ...rest.filter((part) => part)].join(':');
