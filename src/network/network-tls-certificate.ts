/** What a server's certificate says about itself, judged at the time of the packet. */

import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';

export interface CertificateFacts {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly selfSigned: boolean;
  readonly sha1: boolean;
  readonly shortKey: boolean;
  /** Who signed it, and a digest of its key: what changes when somebody sits in between. */
  readonly issuer: string;
  readonly key: string;
  /** It was made for this name. */
  fits(host: string): boolean;
}

const CERTIFICATE_BYTES_MAX = 16 * 1024;
const cache = new LRUCache<string, { facts: CertificateFacts | null }>({ max: 2048 });

/** sha1WithRSAEncryption, md5WithRSAEncryption, ecdsa-with-SHA1 (RFC 3279 section 2.2) as DER. */
const WEAK_SIGNATURES = ['06092a864886f70d010105', '06092a864886f70d010104', '06072a8648ce3d0401'].map((text) =>
  Buffer.from(text, 'hex'),
);

/** Null when it cannot be read. A certificate that is seen often is parsed once. */
export function certificateFacts(der: Uint8Array): CertificateFacts | null {
  if (der.length > CERTIFICATE_BYTES_MAX) return null;
  const key = createHash('sha256').update(der).digest('base64');
  const known = cache.get(key);
  if (known) return known.facts;
  const facts = parse(der);
  cache.set(key, { facts });
  return facts;
}

function parse(der: Uint8Array): CertificateFacts | null {
  try {
    const certificate = new X509Certificate(der);
    const key = certificate.publicKey;
    const bits = key.asymmetricKeyDetails?.modulusLength;
    const tail = Buffer.from(der.buffer, der.byteOffset, der.length);
    const common = /^CN=(.*)$/m.exec(certificate.subject ?? '')?.[1] ?? '';
    return {
      name: common.slice(0, 32),
      fromMs: Date.parse(certificate.validFrom),
      toMs: Date.parse(certificate.validTo),
      selfSigned: certificate.subject === certificate.issuer && certificate.verify(key),
      // The name of the algorithm stands twice: inside, and before the signature.
      sha1: WEAK_SIGNATURES.some((oid) => tail.indexOf(oid) >= 0 && tail.indexOf(oid) !== tail.lastIndexOf(oid)),
      issuer: createHash('sha256').update(certificate.issuer).digest('hex').slice(0, 16),
      key: createHash('sha256')
        .update(key.export({ type: 'spki', format: 'der' }))
        .digest('hex')
        .slice(0, 16),
      fits: (host) => (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined,
      shortKey: bits !== undefined && bits < 2048 && key.asymmetricKeyType === 'rsa',
    };
  } catch {
    return null;
  }
}
