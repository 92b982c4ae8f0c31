/** `asepsis tls init`: an authority of one's own, good for this machine's names only, and a server certificate from it. */

import 'reflect-metadata';
import { createPrivateKey, X509Certificate as NodeCertificate, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { AsepsisError, type Clock, writeWhole } from '../core/index.ts';
import { certificateNames, TLS_FILES, tlsFolder } from './tls-material.ts';
import { cleanNames, coversNames, nameConstraints } from './tls-names.ts';

const DAY_MS = 24 * 3600 * 1000;
const AUTHORITY_DAYS = 3650;
/** The longest that browsers take from an authority that a person installed stays under 825 days; 397 is public practice. */
const SERVER_DAYS = 397;
/** Clocks of clients that are behind. */
const BACKDATE_MS = 3600 * 1000;
const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: CryptoKey;
}

export interface TlsInit {
  readonly authorityPath: string;
  readonly certPath: string;
  readonly names: readonly string[];
  readonly newAuthority: boolean;
  /** SHA-256 of the authority's certificate, to compare where it is installed. */
  readonly fingerprint: string;
  readonly expiresMs: number;
}

async function pemOfKey(key: CryptoKey): Promise<string> {
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string;
}

async function readAuthority(folder: string): Promise<Authority | null> {
  let pem: [string, string];
  try {
    pem = [await readFile(join(folder, TLS_FILES.ca), 'utf8'), await readFile(join(folder, TLS_FILES.caKey), 'utf8')];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AsepsisError('TLS_INVALID', `Cannot read the authority in ${folder}.`, { cause: error });
  }
  const pkcs8 = createPrivateKey(pem[1]).export({ format: 'der', type: 'pkcs8' });
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, ECDSA, false, ['sign']);
  return { certificate: new x509.X509Certificate(pem[0]), key };
}

async function makeAuthority(folder: string, names: readonly string[], nowMs: number): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [`Asepsis authority of ${names[0] as string}`.slice(0, 64)] }, { O: ['Asepsis'] }],
    keys,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      // Object identifier of RFC 5280's nameConstraints.
      new x509.Extension('2.5.29.30', true, Uint8Array.from(nameConstraints(names))),
    ],
  });
  await writeWhole(join(folder, TLS_FILES.caKey), await pemOfKey(keys.privateKey), 0o600);
  await writeWhole(join(folder, TLS_FILES.ca), `${certificate.toString('pem')}\n`, 0o644);
  return { certificate, key: keys.privateKey };
}

/** A positive number of 127 random bits (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function makeServerCertificate(folder: string, authority: Authority, names: readonly string[], nowMs: number) {
  const keys = await crypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
  const endMs = Math.min(nowMs + SERVER_DAYS * DAY_MS, authority.certificate.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: [(names[0] as string).slice(0, 64)] }],
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(endMs),
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
    ],
  });
  await writeWhole(join(folder, TLS_FILES.key), await pemOfKey(keys.privateKey), 0o600);
  await writeWhole(join(folder, TLS_FILES.cert), `${certificate.toString('pem')}\n`, 0o644);
  return { certificate, endMs };
}

/**
 * Makes (or renews) what a TLS listener needs in `<dataDir>/tls`. The authority is kept as long as the names are ones it
 * was made for, so that renewing asks nobody to install anything again.
 *
 * @param names DNS names and addresses; empty renews for the names of the certificate that is there
 * @param defaults what to use when none are given and there is no certificate yet
 */
export async function initTls(o: {
  dataDir: string;
  names: readonly string[];
  defaults: readonly string[];
  clock: Clock;
  newAuthority: boolean;
}): Promise<TlsInit> {
  const folder = tlsFolder(o.dataDir);
  const certPath = join(folder, TLS_FILES.cert);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
  } catch (error) {
    throw new AsepsisError('DATA_READ_ONLY', `Cannot write ${folder}.`, { cause: error });
  }
  const before = await readFile(certPath, 'utf8').then(
    (pem) => certificateNames(new NodeCertificate(pem)),
    () => [],
  );
  const names = cleanNames(o.names.length > 0 ? o.names : before.length > 0 ? before : o.defaults);
  const nowMs = o.clock.now();
  const known = o.newAuthority ? null : await readAuthority(folder);
  const permittedPath = join(folder, 'ca.names');
  if (known !== null) {
    const permitted = (await readFile(permittedPath, 'utf8').catch(() => '')).split('\n').filter(Boolean);
    if (!coversNames(permitted, names)) {
      throw new AsepsisError(
        'CONFLICT',
        `The authority in ${folder} is for ${permitted.join(', ')} only; --new-authority makes one for other names, to be installed anew.`,
      );
    }
  }
  const authority = known ?? (await makeAuthority(folder, names, nowMs));
  if (known === null) await writeWhole(permittedPath, `${names.join('\n')}\n`, 0o644);
  const { endMs } = await makeServerCertificate(folder, authority, names, nowMs);
  const fingerprint = new NodeCertificate(authority.certificate.toString('pem')).fingerprint256;
  return {
    authorityPath: join(folder, TLS_FILES.ca),
    certPath,
    names,
    newAuthority: known === null,
    fingerprint,
    expiresMs: endMs,
  };
}
