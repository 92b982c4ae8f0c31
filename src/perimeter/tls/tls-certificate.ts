/** What a certificate and its chain say: names, key, signature, time, timestamps, revocation; hostile text is cut and cleaned. */

import { createHash, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { children, der, derTime } from './tls-der.ts';

export interface CertificateView {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly serial: string;
  readonly sha256: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly keyType: string;
  readonly keyBits: number | null;
  readonly curve: string | null;
  readonly signature: string;
  readonly selfSigned: boolean;
  readonly authority: boolean;
  readonly timestamps: number;
  readonly mustStaple: boolean;
  readonly ocspUrl: boolean;
}

export interface ChainView {
  readonly certificates: readonly CertificateView[];
  /** `trusted` ends at a root of this machine's list; otherwise why not. */
  readonly trust: 'trusted' | 'self-signed' | 'unknown-authority' | 'incomplete' | 'unreadable';
  readonly nameMatches: boolean | null;
  readonly faults: readonly string[];
}

export interface OcspView {
  readonly status: 'good' | 'revoked' | 'unknown' | 'unreadable';
  readonly nextUpdateMs: number | null;
}

const NAMES_MAX = 100;
/** SignedCertificateTimestampList (RFC 6962 section 3.3) and TLS feature (RFC 7633). */
const SCT_OID = Buffer.from('060a2b06010401d679020402', 'hex');
const FEATURE_OID = Buffer.from('06082b06010505070118', 'hex');

/** Text from a certificate is for people to read: no control characters, no direction marks, no more than fits a line. */
export function cleanText(text: string, max = 200): string {
  return text
    .slice(0, max * 4)
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, max);
}

function extensionValue(raw: Buffer, oid: Buffer): Buffer | null {
  const certificate = der(raw);
  const tbs = certificate ? children(certificate.body)[0] : undefined;
  const list = tbs ? children(tbs.body).find(({ tag }) => tag === 0xa3) : undefined;
  const all = list ? der(list.body) : null;
  for (const extension of all ? children(all.body) : []) {
    if (!extension.body.subarray(0, oid.length).equals(oid)) continue;
    return children(extension.body).find(({ tag }) => tag === 0x04)?.body ?? null;
  }
  return null;
}

/** How many timestamps a SignedCertificateTimestampList holds. */
export function countTimestamps(list: Buffer | null): number {
  if (!list || list.length < 2) return 0;
  let count = 0;
  for (let at = 2; at + 2 <= list.length && count < 64; count++) at += 2 + list.readUInt16BE(at);
  return count;
}

function viewOf(certificate: X509Certificate): CertificateView {
  const key = certificate.publicKey;
  const details = key.asymmetricKeyDetails;
  const sct = extensionValue(certificate.raw, SCT_OID);
  const inner = sct ? der(sct) : null;
  return {
    subject: cleanText(certificate.subject ?? '').replaceAll('\n', ', '),
    issuer: cleanText(certificate.issuer ?? '').replaceAll('\n', ', '),
    names: (certificate.subjectAltName ?? '')
      .split(', ')
      .filter((name) => /^(DNS|IP Address):/.test(name))
      .slice(0, NAMES_MAX)
      .map((name) => cleanText(name.replace(/^(DNS|IP Address):/, ''), 253)),
    serial: certificate.serialNumber.slice(0, 64),
    sha256: createHash('sha256').update(certificate.raw).digest('hex'),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    keyType: key.asymmetricKeyType ?? 'unknown',
    keyBits:
      details?.modulusLength ?? curveBits(details?.namedCurve) ?? (key.asymmetricKeyType === 'ed25519' ? 256 : null),
    curve: details?.namedCurve ?? null,
    signature: certificate.signatureAlgorithm ?? certificate.signatureAlgorithmOid ?? 'unknown',
    selfSigned: certificate.subject === certificate.issuer && verifies(certificate, certificate),
    authority: certificate.ca,
    timestamps: countTimestamps(inner?.tag === 0x04 ? inner.body : null),
    mustStaple: extensionValue(certificate.raw, FEATURE_OID)?.includes(Buffer.from([2, 1, 5])) ?? false,
    ocspUrl: /OCSP - URI:/.test(certificate.infoAccess ?? ''),
  };
}

function curveBits(curve: string | undefined): number | null {
  const bits = /(\d{3})/.exec(curve ?? '')?.[1];
  return bits === undefined ? null : Number(bits);
}

function verifies(certificate: X509Certificate, by: X509Certificate): boolean {
  try {
    return certificate.verify(by.publicKey);
  } catch {
    return false;
  }
}

let roots: Map<string, X509Certificate[]> | null = null;
/** Roots of the platform's list, by subject; read once. */
function rootsBySubject(): Map<string, X509Certificate[]> {
  if (roots) return roots;
  roots = new Map();
  for (const pem of rootCertificates) {
    const root = new X509Certificate(pem);
    roots.set(root.subject, [...(roots.get(root.subject) ?? []), root]);
  }
  return roots;
}

/**
 * Reads a chain as it was sent, and whether it leads to a root of this machine.
 *
 * @param host the name or address that clients use; null when none is known
 */
export function viewChain(chain: readonly Buffer[], host: string | null, nowMs: number): ChainView {
  const faults: string[] = [];
  const read: X509Certificate[] = [];
  for (const raw of chain)
    try {
      read.push(new X509Certificate(raw));
    } catch {
      faults.push('a certificate of the chain cannot be read');
    }
  const views: CertificateView[] = [];
  for (const certificate of read)
    try {
      views.push(viewOf(certificate));
    } catch {
      faults.push('a certificate of the chain cannot be understood');
    }
  const [leaf] = read;
  if (!leaf || views.length === 0) return { certificates: views, trust: 'unreadable', nameMatches: null, faults };
  let nameMatches: boolean | null = null;
  if (host !== null)
    try {
      nameMatches = (isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host, { subject: 'never' })) !== undefined;
    } catch {
      nameMatches = false;
    }
  let trust: ChainView['trust'] = 'incomplete';
  let current = leaf;
  for (let i = 0; i < 10; i++) {
    const root = rootsBySubject()
      .get(current.issuer)
      ?.find((one) => verifies(current, one));
    if (root) {
      trust = 'trusted';
      break;
    }
    if (current.subject === current.issuer) {
      trust = current === leaf ? 'self-signed' : 'unknown-authority';
      break;
    }
    const next = read.find((one) => one !== current && one.subject === current.issuer && verifies(current, one));
    if (!next) {
      trust = read.length > 1 && current !== leaf ? 'unknown-authority' : 'incomplete';
      break;
    }
    if (read.indexOf(next) !== read.indexOf(current) + 1 && !faults.includes('the chain is out of order'))
      faults.push('the chain is out of order');
    if (Date.parse(next.validTo) < nowMs) faults.push('an intermediate certificate has expired');
    current = next;
  }
  if (read.length > 1 && read.at(-1)?.subject === read.at(-1)?.issuer) faults.push('the root is sent along');
  return { certificates: views, trust, nameMatches, faults };
}

/** The first answer of a stapled OCSPResponse (RFC 6960 section 4.2.1). */
export function viewOcsp(bytes: Buffer | null): OcspView | null {
  if (!bytes || bytes.length === 0) return null;
  const unreadable: OcspView = { status: 'unreadable', nextUpdateMs: null };
  const outer = der(bytes);
  const wrapped = outer ? children(outer.body).find(({ tag }) => tag === 0xa0) : undefined;
  const octets = wrapped
    ? children(der(wrapped.body)?.body ?? Buffer.alloc(0)).find(({ tag }) => tag === 0x04)
    : undefined;
  const basic = octets ? der(octets.body) : null;
  const data = basic ? children(basic.body)[0] : undefined;
  for (const list of data ? children(data.body).filter(({ tag }) => tag === 0x30) : []) {
    const single = children(list.body)[0];
    const parts = single ? children(single.body) : [];
    const status = parts[1];
    if (!status || ![0x80, 0xa1, 0x82].includes(status.tag)) continue;
    const next = parts.find(({ tag }) => tag === 0xa0);
    const time = next ? der(next.body) : null;
    return {
      status: status.tag === 0x80 ? 'good' : status.tag === 0xa1 ? 'revoked' : 'unknown',
      nextUpdateMs: time ? derTime(time) : null,
    };
  }
  return unreadable;
}
