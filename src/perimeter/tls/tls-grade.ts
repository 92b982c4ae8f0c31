/** Grades a TLS profile against Mozilla's levels, and says what weakens it; pure. */

import { at, type Fix, fix, quoted, type Weakness } from '../perimeter-weakness.ts';
import type { CertificateView, ChainView } from './tls-certificate.ts';
import { cipherFacts } from './tls-ciphers.ts';
import { MOZILLA, type MozillaProfile } from './tls-mozilla.ts';
import type { TlsProfile } from './tls-profile.ts';

export type Grade = 'A' | 'B' | 'C' | 'D' | 'F' | 'T';

export interface Graded {
  /** A = Mozilla intermediate or better, B = small lapses, C = old, D = broken parts, F = no protection, T = not trusted. */
  readonly grade: Grade;
  /** The strictest of Mozilla's levels that it keeps. */
  readonly level: MozillaProfile['name'] | 'none';
  /** What keeps it from the intermediate level. */
  readonly lapses: readonly string[];
}

const DAY_MS = 86_400_000;
const EXPIRY_WARN_DAYS = 21;
const BROKEN = ['null', 'anon', 'export', 'des'] as const;

const suites = (profile: TlsProfile) => [...new Set(profile.versions.flatMap(({ ciphers }) => ciphers))];
const keeps = (profile: TlsProfile, level: MozillaProfile): string[] => {
  const lapses: string[] = [];
  for (const { version } of profile.versions) if (!level.versions.includes(version)) lapses.push(version);
  const extra = suites(profile).filter((name) => !level.ciphers.includes(name));
  if (extra.length > 0)
    lapses.push(
      `${extra.length} suites outside the level (${extra.slice(0, 3).join(', ')}${extra.length > 3 ? ', …' : ''})`,
    );
  if (profile.dhBits !== null && profile.dhBits < level.dhBitsMin) lapses.push(`DH of ${profile.dhBits} bits`);
  for (const { certificates } of profile.chains) {
    const [leaf] = certificates;
    if (leaf?.keyType === 'rsa' && (leaf.keyBits ?? 0) < level.rsaBitsMin)
      lapses.push(`RSA key of ${leaf.keyBits} bits`);
  }
  return lapses;
};

export function gradeTls(profile: TlsProfile, nowMs: number): Graded {
  const kept = MOZILLA.find((level) => keeps(profile, level).length === 0);
  const lapses = keeps(profile, MOZILLA[1] as MozillaProfile);
  const flaws = new Set(suites(profile).flatMap((name) => cipherFacts(name).flaws));
  const versions = profile.versions.map(({ version }) => version);
  const bad = profile.chains.some(
    ({ trust, nameMatches, certificates }) =>
      trust !== 'trusted' || nameMatches === false || expired(certificates[0], nowMs),
  );
  let grade: Grade = kept?.name === 'modern' || kept?.name === 'intermediate' ? 'A' : 'B';
  const old = versions.includes('TLS 1.0') || versions.includes('TLS 1.1');
  if (old || flaws.has('3des') || flaws.has('64-bit') || profile.secureRenegotiation === false) grade = 'C';
  if (
    flaws.has('rc4') ||
    flaws.has('md5') ||
    versions.includes('SSL 3.0') ||
    profile.compression ||
    (profile.dhBits ?? 2048) < 2048
  )
    grade = 'D';
  if (versions.includes('SSL 2.0') || BROKEN.some((flaw) => flaws.has(flaw)) || (profile.dhBits ?? 2048) < 1024)
    grade = 'F';
  if (bad && grade !== 'F') grade = 'T';
  return { grade, level: kept?.name ?? 'none', lapses };
}

const expired = (leaf: CertificateView | undefined, nowMs: number) => leaf !== undefined && leaf.notAfterMs < nowMs;

/** nginx, Apache, IIS and Postfix, the way Mozilla's intermediate level is written in each. */
const SETTINGS = `nginx: ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305; ssl_prefer_server_ciphers off; ssl_session_tickets off;
Apache: SSLProtocol -all +TLSv1.2 +TLSv1.3 and SSLCipherSuite with the same list, SSLCompression off.
IIS: Disable-TlsCipherSuite for every suite outside the list; SCHANNEL\\Protocols\\TLS 1.0\\Server and TLS 1.1\\Server: Enabled = 0 (restart needed).
Postfix: smtpd_tls_mandatory_protocols = >=TLSv1.2, smtpd_tls_protocols = >=TLSv1.2, tls_medium_cipherlist with the same list.
Look first whether an old device still needs what is switched off: the access log with $ssl_protocol tells.`;

export function tlsWeaknesses(
  profile: TlsProfile,
  host: string,
  port: number,
  nowMs: number,
  o: { startTls?: string; publicName: boolean },
): Weakness[] {
  const where = at(host, port);
  const start = o.startTls ? ` -starttls ${o.startTls.replace('postgresql', 'postgres')}` : '';
  const connect = (more: string) => `openssl s_client -connect ${where}${start}${more} </dev/null`;
  const found: Weakness[] = [];
  const add = (weakness: Omit<Weakness, 'fix'> & { fix?: Fix }) =>
    found.push({ fix: fix(`Strengthen TLS on ${where}`, SETTINGS, 'hours', true), ...weakness });
  const versions = profile.versions.map(({ version }) => version as string);
  const dead = versions.filter((version) => version.startsWith('SSL'));
  const old = versions.filter((version) => version === 'TLS 1.0' || version === 'TLS 1.1');
  if (dead.length > 0)
    add({
      kind: 'weak-tls',
      key: 'ssl',
      severity: 'high',
      title: `${dead.join(' and ')} ${dead.length === 1 ? 'is' : 'are'} still accepted on ${where}`,
      why: 'Its protection can be taken off by somebody in the path (RFC 6176, RFC 7568).',
      seen: `The server answered a hello of ${dead.join(' and ')}`,
      command: `sslscan ${where}`,
    });
  if (old.length > 0)
    add({
      kind: 'weak-tls',
      key: 'old-versions',
      severity: 'medium',
      title: `${old.join(' and ')} ${old.length === 1 ? 'is' : 'are'} still accepted on ${where}`,
      why: 'Both are retired (RFC 8996): their hashes are broken, and scanners list such servers.',
      seen: `The server answered a hello of ${old.join(' and ')}`,
      command: connect(old.includes('TLS 1.0') ? ' -tls1 -cipher ALL:@SECLEVEL=0' : ' -tls1_1 -cipher ALL:@SECLEVEL=0'),
    });
  const by = new Map<string, string[]>();
  for (const name of suites(profile))
    for (const flaw of cipherFacts(name).flaws) by.set(flaw, [...(by.get(flaw) ?? []), name]);
  for (const [flaw, severity, what] of FLAWS) {
    const names = by.get(flaw);
    if (!names) continue;
    add({
      kind: 'weak-tls',
      key: `suite-${flaw}`,
      severity,
      title: `${what[0]} on ${where}`,
      why: what[1],
      seen: `${names.length} suites: ${names.slice(0, 8).join(', ')}`,
      command: `nmap -Pn -p ${port} --script ssl-enum-ciphers ${quoted(host)}`,
      data: { suites: names.slice(0, 40).join(' ') },
    });
  }
  if (by.has('static') && !suites(profile).some((name) => cipherFacts(name).forwardSecret))
    add({
      kind: 'weak-tls',
      key: 'no-forward-secrecy',
      severity: 'medium',
      title: `No forward secrecy on ${where}`,
      why: 'Traffic recorded today can be read later by whoever gets the key.',
      seen: 'No suite with an ephemeral key exchange was accepted',
      command: connect(' -cipher kRSA'),
    });
  if (profile.dhBits !== null && profile.dhBits < 2048)
    add({
      kind: 'weak-tls',
      key: 'dh',
      severity: profile.dhBits < 1024 ? 'high' : 'medium',
      title: `Diffie-Hellman with only ${profile.dhBits} bits on ${where}`,
      why: 'Primes of this size are within reach of well-equipped attackers (Logjam, CVE-2015-4000).',
      seen: `ServerKeyExchange carried a prime of ${profile.dhBits} bits`,
      command: connect(' -tls1_2 -cipher kDHE:@SECLEVEL=0'),
      data: { bits: profile.dhBits },
    });
  if (profile.compression)
    add({
      kind: 'weak-tls',
      key: 'compression',
      severity: 'medium',
      title: `TLS compression on ${where}`,
      why: 'Secrets leak through the length of what is sent (CRIME, CVE-2012-4929).',
      seen: 'The server chose DEFLATE',
      command: connect(' -tls1_2 -comp'),
    });
  if (profile.secureRenegotiation === false)
    add({
      kind: 'weak-tls',
      key: 'renegotiation',
      severity: 'medium',
      title: `No secure renegotiation on ${where}`,
      why: 'Somebody in the path can put a request in front of a patient’s or colleague’s (RFC 5746, CVE-2009-3555).',
      seen: 'The ServerHello lacks renegotiation_info',
      command: connect(' -tls1_2'),
    });
  if (profile.clientRenegotiation === true)
    add({
      kind: 'weak-tls',
      key: 'client-renegotiation',
      severity: 'low',
      title: `Clients may ask for the TLS handshake again and again on ${where}`,
      why: 'A handshake costs the server many times what it costs the one who asks (CVE-2011-1473).',
      seen: 'A second handshake inside one connection was taken',
      command: connect(' -tls1_2 -legacy_renegotiation'),
    });
  if (profile.fallbackScsv === false && old.length > 0)
    add({
      kind: 'weak-tls',
      key: 'fallback',
      severity: 'low',
      title: `A fall back to old TLS is not refused on ${where}`,
      why: 'Somebody in the path can push clients down to an old version (RFC 7507).',
      seen: 'A hello with TLS_FALLBACK_SCSV was accepted',
      command: connect(' -fallback_scsv -tls1_1'),
    });
  for (const chain of profile.chains)
    found.push(...chainWeaknesses(chain, where, connect(' -showcerts'), nowMs, o.publicName));
  if (profile.ocsp?.status === 'revoked')
    add({
      kind: 'certificate-revoked',
      severity: 'high',
      title: `The certificate on ${where} is revoked`,
      why: 'Clients that look refuse it; and somebody had a reason to revoke it.',
      seen: 'The stapled OCSP answer says revoked',
      command: connect(' -status'),
      fix: fix(
        `Replace the certificate on ${where}`,
        'Issue a new key and certificate, and ask why the old one was revoked.',
        'hours',
        true,
      ),
    });
  if (!profile.ocsp && profile.chains.some(({ certificates }) => certificates[0]?.mustStaple))
    add({
      kind: 'certificate-stapling',
      severity: 'medium',
      title: `The certificate on ${where} demands stapling, and none is sent`,
      why: 'Clients that honour it refuse the connection (RFC 7633).',
      seen: 'No OCSP answer in the handshake',
      command: connect(' -status'),
      fix: fix(
        `Switch on OCSP stapling on ${where}`,
        'nginx: ssl_stapling on; ssl_stapling_verify on; Apache: SSLUseStapling on with SSLStaplingCache.',
      ),
    });
  return found;
}

const FLAWS = [
  ['null', 'high', ['Suites without encryption', 'What crosses is readable by anybody in the path.']],
  ['anon', 'high', ['Suites without a certificate', 'Anybody in the path can be the server.']],
  ['export', 'high', ['Export suites', 'Their keys are broken within hours (FREAK, CVE-2015-0204).']],
  ['des', 'high', ['DES', 'Its 56-bit keys are found by trying all.']],
  ['rc4', 'medium', ['RC4 or RC2', 'Its stream leaks what is encrypted (RFC 7465).']],
  ['3des', 'medium', ['3DES', 'Long connections leak data (Sweet32, CVE-2016-2183).']],
  ['64-bit', 'low', ['IDEA or SEED', 'Old suites that nothing needs any more.']],
  ['md5', 'medium', ['MD5 in suites', 'The hash is broken.']],
] as const;

function chainWeaknesses(
  chain: ChainView,
  where: string,
  command: string,
  nowMs: number,
  publicName: boolean,
): Weakness[] {
  const [leaf] = chain.certificates;
  if (!leaf) return [];
  const found: Weakness[] = [];
  const key = leaf.keyType;
  const data = { subject: leaf.subject, issuer: leaf.issuer, sha256: leaf.sha256, valid_to: iso(leaf.notAfterMs) };
  const add = (kind: string, severity: Weakness['severity'], title: string, why: string, how: string) =>
    found.push({
      kind,
      key,
      severity,
      title,
      why,
      seen: `Certificate "${leaf.subject}" from "${leaf.issuer}", valid until ${iso(leaf.notAfterMs)}`,
      command,
      data,
      fix: fix(`Renew the certificate on ${where}`, how, 'hours', true),
    });
  const days = Math.floor((leaf.notAfterMs - nowMs) / DAY_MS);
  if (leaf.notAfterMs < nowMs)
    add(
      'certificate-expiry',
      'high',
      `The certificate on ${where} expired ${-days} days ago`,
      'People learn to click the warning away, and then also the attacker’s.',
      'Renew it and reload the service; let ACME (certbot, acme.sh) renew it from now on.',
    );
  else if (days < EXPIRY_WARN_DAYS)
    add(
      'certificate-expiry',
      'medium',
      `The certificate on ${where} expires in ${days} days`,
      'When it ends, the service does too.',
      'Renew it and reload the service; let ACME renew it from now on.',
    );
  if (leaf.notBeforeMs > nowMs)
    add(
      'certificate-not-yet-valid',
      'high',
      `The certificate on ${where} is not valid yet`,
      'Clients refuse it.',
      'Check the clock of the server and of the authority.',
    );
  if (chain.nameMatches === false)
    add(
      'certificate-name',
      publicName ? 'medium' : 'low',
      `The certificate on ${where} is for another name`,
      `It names ${leaf.names.slice(0, 4).join(', ') || 'nothing'}: people learn to click the warning away.`,
      'Issue one that lists every name under which people come.',
    );
  if (chain.trust === 'self-signed')
    add(
      'self-signed-certificate',
      publicName ? 'medium' : 'low',
      `The certificate on ${where} is self-signed`,
      'Nobody can tell it from an attacker’s.',
      'Use a certificate of an authority that the clients trust.',
    );
  else if (chain.trust === 'unknown-authority')
    add(
      'certificate-untrusted',
      'low',
      `The certificate on ${where} comes from an authority that this machine does not know`,
      'If the authority is the hospital’s own, its clients may know it; others warn.',
      'Make sure that every client has the authority’s root, or use a public one.',
    );
  else if (chain.trust === 'incomplete')
    add(
      'certificate-chain',
      'low',
      `The chain on ${where} is incomplete`,
      'Some clients fail, and people are told to ignore it.',
      'Send the intermediate certificates too (fullchain.pem).',
    );
  if (leaf.keyType === 'rsa' && (leaf.keyBits ?? 0) < 2048)
    add(
      'weak-certificate',
      (leaf.keyBits ?? 0) <= 1024 ? 'high' : 'medium',
      `The key on ${where} has only ${leaf.keyBits} bits`,
      'Keys of this size can be factored.',
      'Make a new RSA key of 2048 bits or ECDSA P-256.',
    );
  if (/md5|md2|sha1/i.test(leaf.signature) && !leaf.selfSigned)
    add(
      'weak-certificate',
      'medium',
      `The certificate on ${where} is signed with ${leaf.signature}`,
      'Such signatures can be forged.',
      'Issue it again with SHA-256.',
    );
  return found;
}

const iso = (ms: number) => (Number.isNaN(ms) ? 'unknown' : new Date(ms).toISOString().slice(0, 10));
