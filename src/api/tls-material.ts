/** Certificate and key of a TLS listener: configured files, what ACME fetched, or what `asepsis tls init` made. */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { AsepsisError, type Config } from '../core/index.ts';

export interface TlsMaterial {
  /** PEM: the certificate and the chain up to the authority. */
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
  /** DNS names and addresses in the certificate. */
  readonly names: readonly string[];
  readonly expiresMs: number;
  /** What to watch for a renewed certificate. */
  readonly files: readonly string[];
}

export const TLS_FILES = {
  ca: 'ca.crt',
  caKey: 'ca.key',
  cert: 'server.crt',
  key: 'server.key',
  acmeCert: 'acme.crt',
  acmeKey: 'acme.key',
  acmeAccount: 'acme-account.key',
} as const;

export const tlsFolder = (dataDir: string) => join(dataDir, 'tls');

async function readPem(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new AsepsisError('TLS_INVALID', `Cannot read ${path}.`, { cause: error });
  }
}

/** Names of a certificate's subjectAltName, addresses included (RFC 5280 section 4.2.1.6). */
export function certificateNames(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => entry.replace(/^(?:DNS|IP Address):/, ''))
    .filter((name) => name !== '');
}

async function load(certPath: string, keyPath: string, clientCaPath?: string): Promise<TlsMaterial | null> {
  const [cert, key] = await Promise.all([readPem(certPath), readPem(keyPath)]);
  if (cert === null || key === null) return null;
  const clientCa = clientCaPath === undefined ? null : await readPem(clientCaPath);
  if (clientCaPath !== undefined && clientCa === null)
    throw new AsepsisError('TLS_INVALID', `There is no ${clientCaPath}.`);
  try {
    const leaf = new X509Certificate(cert);
    if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key belongs to another certificate');
    createSecureContext({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
    return {
      cert,
      key,
      ...(clientCa === null ? {} : { clientCa }),
      names: certificateNames(leaf),
      expiresMs: leaf.validToDate.getTime(),
      files: [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])],
    };
  } catch (error) {
    throw new AsepsisError('TLS_INVALID', `${certPath} and ${keyPath} do not make a usable pair.`, { cause: error });
  }
}

/**
 * What a TLS listener serves; null when nothing is configured and no own authority was made.
 *
 * @throws AsepsisError `TLS_INVALID` when files are named that are not there or do not fit
 */
export async function tlsMaterial(tls: Config['http']['tls'], dataDir: string): Promise<TlsMaterial | null> {
  const folder = tlsFolder(dataDir);
  if (tls.cert !== undefined || tls.key !== undefined) {
    if (tls.cert === undefined || tls.key === undefined) {
      throw new AsepsisError('TLS_INVALID', 'tls.cert and tls.key go together.');
    }
    const named = await load(tls.cert, tls.key, tls.client_ca);
    if (named === null) throw new AsepsisError('TLS_INVALID', `There is no ${tls.cert} or no ${tls.key}.`);
    return named;
  }
  if (tls.acme !== undefined) {
    const fetched = await load(join(folder, TLS_FILES.acmeCert), join(folder, TLS_FILES.acmeKey), tls.client_ca);
    if (fetched !== null) return fetched;
  }
  return load(join(folder, TLS_FILES.cert), join(folder, TLS_FILES.key), tls.client_ca);
}
