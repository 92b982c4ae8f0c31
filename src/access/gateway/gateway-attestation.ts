/** Which models of keys may be enrolled, and whether a device proves its model (WebAuthn Level 3 sections 6.5 and 8.2). */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeAttestationObject } from '@simplewebauthn/server/helpers';
import type { GatewayConfig } from './gateway-schema.ts';

const CHAIN_MAX = 6;

/**
 * True when the policy allows the model. The signature over the attestation has been verified before; here it is about
 * who vouches: a statement without certificates vouches for itself, so with a list of models it counts for nothing.
 */
export function modelAllowed(
  config: GatewayConfig['passkeys'],
  registered: { readonly aaguid: string; readonly attestationObject: Uint8Array },
  nowMs: number,
): boolean {
  const { allowed_aaguids: allowed, attestation_roots_file: rootsFile } = config;
  if (allowed.length === 0) return true;
  if (!allowed.includes(registered.aaguid)) return false;
  const object = decodeAttestationObject(Uint8Array.from(registered.attestationObject));
  const chain = object.get('attStmt').get('x5c') ?? [];
  if (chain.length === 0 || chain.length > CHAIN_MAX) return false;
  if (rootsFile === undefined) return true;
  try {
    const roots = certificatesOf(readFileSync(rootsFile, 'utf8'));
    return endsIn(
      chain.map((bytes) => new X509Certificate(bytes)),
      roots,
      nowMs,
    );
  } catch {
    // A certificate that cannot be read vouches for nobody, nor does a list of roots that is gone.
    return false;
  }
}

const certificatesOf = (pem: string): X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );

/** Each certificate is issued by the next, the last by a root or is one, and all are in their time. */
function endsIn(chain: readonly X509Certificate[], roots: readonly X509Certificate[], nowMs: number): boolean {
  const issuedBy = (one: X509Certificate, by: X509Certificate) =>
    by.ca && one.checkIssued(by) && one.verify(by.publicKey);
  for (const [index, one] of chain.entries()) {
    if (nowMs < Date.parse(one.validFrom) || nowMs > Date.parse(one.validTo)) return false;
    if (roots.some((root) => root.fingerprint256 === one.fingerprint256 || issuedBy(one, root))) return true;
    const next = chain[index + 1];
    if (next === undefined || !issuedBy(one, next)) return false;
  }
  return false;
}
