/** SSH: version, algorithms, and which ways of logging in are offered; nothing is tried. */

import type { Link } from '../perimeter-link.ts';
import { type Probe, type ProbeContext, talk } from '../perimeter-probe.ts';
import { at, type Fix, fix, oneLine, type Software, type Weakness } from '../perimeter-weakness.ts';
import { authMethods, OUR_VERSION, parseKexInit, readPacket, type SshLists } from './service-ssh-wire.ts';

/** Algorithms that should be off, with why; names of the registry "SSH Protocol Parameters" (IANA). */
const WEAK: readonly (readonly [keyof SshLists, RegExp, string])[] = [
  [
    'kex',
    /^(diffie-hellman-group1-sha1|diffie-hellman-group-exchange-sha1|diffie-hellman-group14-sha1|rsa1024-sha1)$/,
    'key exchange over SHA-1 or with small primes (RFC 9142)',
  ],
  ['hostKeys', /^(ssh-dss|ssh-rsa)$/, 'host keys signed with SHA-1 (RFC 8332) or DSA'],
  [
    'ciphers',
    /^(3des-cbc|blowfish-cbc|cast128-cbc|arcfour\d*|des-cbc|.*-cbc(@.*)?|none)$/,
    'old ciphers: CBC, RC4, 3DES (RFC 8758)',
  ],
  ['macs', /^(hmac-md5.*|hmac-sha1-96.*|umac-64.*|hmac-ripemd160.*|none)$/, 'weak message authentication'],
];
const GOOD = `In /etc/ssh/sshd_config.d/50-hardening.conf:
KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org,diffie-hellman-group16-sha512
Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes128-ctr
MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com
HostKeyAlgorithms ssh-ed25519,rsa-sha2-512,rsa-sha2-256
Then sshd -t && systemctl reload ssh, with a second session kept open.`;
const NO_PASSWORDS = `In /etc/ssh/sshd_config.d/50-hardening.conf: PasswordAuthentication no and KbdInteractiveAuthentication no (or AuthenticationMethods publickey,keyboard-interactive with a second factor). Make sure that every administrator has a key first; then sshd -t && systemctl reload ssh, with a second session kept open.`;
const USER = 'asepsis-look';
const TERRAPIN_STRICT = 'kex-strict-s-v00@openssh.com';

interface Seen {
  readonly version: string;
  readonly lists: SshLists;
  readonly methods: readonly string[] | null;
  readonly open: boolean;
}

async function see(link: Link): Promise<Seen | string | null> {
  let version: string | null = null;
  // A server may say other lines first (RFC 4253 section 4.2).
  for (let i = 0; i < 30 && version === null; i++) {
    const line = await link.line();
    if (line === null) return null;
    if (line.startsWith('SSH-')) version = line;
  }
  if (version === null) return null;
  if (!/^SSH-(2\.0|1\.99)-/.test(version)) return version;
  link.write(`${OUR_VERSION}\r\n`);
  const init = await readPacket(link);
  const lists = init?.[0] === 20 ? parseKexInit(init) : null;
  if (!init || !lists) return version;
  const auth = await authMethods(link, { theirVersion: version, theirInit: init, lists, user: USER }).catch(() => null);
  return { version, lists, methods: auth?.methods ?? null, open: auth?.open ?? false };
}

export const ssh: Probe = {
  service: 'ssh',
  ports: [22, 2222, 22222],
  greets: (banner) => /(^|\n)SSH-\d/.test(banner.toString('latin1')),
  look: async (context) => {
    const link = await talk(context, 'ssh');
    if (!link) return null;
    try {
      const seen = await see(link);
      if (seen === null) return null;
      return typeof seen === 'string' ? bare(seen, context) : judge(seen, context);
    } finally {
      link.close();
    }
  },
};

function softwareOf(version: string): Software[] {
  const match = /^SSH-[\d.]+-(OpenSSH|dropbear|libssh)[_-]([\w.]+)/.exec(version);
  return match ? [{ name: (match[1] as string).toLowerCase(), version: match[2] as string }] : [];
}

function bare(version: string, context: ProbeContext) {
  const old = version.startsWith('SSH-1.');
  const weaknesses: Weakness[] = old
    ? [
        weakness(
          context,
          'ssh-version',
          'high',
          'SSH 1 is offered',
          'It has been broken for decades.',
          oneLine(version),
          fix('Switch off SSH 1', 'Replace the server; OpenSSH has not had version 1 since 7.6.', 'days', true),
        ),
      ]
    : [];
  return {
    service: 'ssh',
    tls: false,
    banner: oneLine(version),
    software: softwareOf(version),
    facts: {},
    weaknesses,
    notSeen: ['SSH algorithms could not be read'],
  };
}

function weakness(
  context: ProbeContext,
  key: string,
  severity: Weakness['severity'],
  what: string,
  why: string,
  seen: string,
  how: Fix,
  more = '',
): Weakness {
  const { host, port } = context;
  return {
    kind: 'weak-ssh',
    key,
    severity,
    title: `${what} on ${at(host, port)}`,
    why,
    seen,
    command: `ssh -vv -o PreferredAuthentications=none -p ${port} ${USER}@${host}${more}`,
    fix: how,
  };
}

function judge(seen: Seen, context: ProbeContext) {
  const { lists, methods } = seen;
  const where = at(context.host, context.port);
  const weaknesses: Weakness[] = [];
  const scan = `nmap -Pn -p ${context.port} --script ssh2-enum-algos ${context.host}`;
  for (const [list, pattern, what] of WEAK) {
    const weak = lists[list].filter((name) => pattern.test(name));
    if (weak.length === 0) continue;
    const grave = weak.some((name) => /group1-sha1|arcfour|des-|ssh-dss|none|hmac-md5/.test(name));
    weaknesses.push({
      ...weakness(
        context,
        `algorithms-${list}`,
        grave ? 'medium' : 'low',
        `SSH offers ${what}`,
        'Somebody in the path has an easier time.',
        `Offered: ${weak.slice(0, 12).join(', ')}`,
        fix(`Strengthen SSH on ${where}`, GOOD, 'minutes', true),
      ),
      command: scan,
    });
  }
  const prone =
    lists.ciphers.includes('chacha20-poly1305@openssh.com') ||
    (lists.ciphers.some((name) => name.endsWith('-cbc')) && lists.macs.some((name) => name.includes('-etm')));
  if (prone && !lists.kex.includes(TERRAPIN_STRICT))
    weaknesses.push({
      ...weakness(
        context,
        'terrapin',
        'medium',
        'SSH without strict key exchange (Terrapin)',
        'Somebody in the path can cut the first messages (CVE-2023-48795).',
        'kex-strict-s-v00@openssh.com is not offered',
        fix(
          `Update SSH on ${where}`,
          'Update OpenSSH to 9.6 or the distribution’s fixed package; until then switch off chacha20-poly1305 and the -etm MACs with CBC.',
          'minutes',
          true,
        ),
      ),
      command: scan,
    });
  if (seen.open)
    weaknesses.push(
      weakness(
        context,
        'no-auth',
        'critical',
        'SSH lets anybody in',
        'No password and no key was asked for.',
        `The method "none" was accepted`,
        fix(`Close SSH on ${where}`, 'Switch on authentication at once.', 'minutes', true),
      ),
    );
  const guessable = methods?.filter((name) => name === 'password' || name === 'keyboard-interactive') ?? [];
  if (methods?.includes('password') || (guessable.length > 0 && !methods?.includes('publickey')))
    weaknesses.push({
      ...weakness(
        context,
        'password',
        context.outside ? 'high' : 'medium',
        'SSH takes passwords',
        'Passwords are guessed by machines all day; a key cannot be.',
        `Offered: ${(methods ?? []).join(', ')}`,
        fix(`Switch off passwords for SSH on ${where}`, NO_PASSWORDS, 'minutes', true),
      ),
      kind: 'single-factor-login',
      key: 'ssh',
      data: { service: 'ssh', methods: (methods ?? []).join(' ') },
    });
  return {
    service: 'ssh',
    tls: false,
    banner: oneLine(seen.version),
    software: softwareOf(seen.version),
    facts: {
      methods: methods?.join(' ') ?? 'unknown',
      kex: lists.kex.join(' ').slice(0, 1000),
      ciphers: lists.ciphers.join(' ').slice(0, 1000),
      macs: lists.macs.join(' ').slice(0, 1000),
      host_keys: lists.hostKeys.join(' ').slice(0, 500),
    },
    weaknesses,
    notSeen: methods === null ? ['SSH: the ways to log in could not be asked (no algorithm in common)'] : [],
  };
}
