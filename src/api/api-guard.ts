/** Where a request may come from: the Host allow-list (DNS rebinding), the origin of changes, the CSRF header. Pure. */

import { timingSafeEqual } from 'node:crypto';
import { isLoopback, parseHost } from './api-address.ts';

/** Same bytes, in time that does not tell where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A page elsewhere can point its own name at this machine; its name stays in the Host header, so it is not on the list. */
export function hostAllowed(header: string | undefined, names: ReadonlySet<string>): boolean {
  const parsed = parseHost(header ?? '');
  return parsed !== null && (isLoopback(parsed.host) || names.has(parsed.host));
}

interface OriginEvidence {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly secFetchSite: string | undefined;
}

/**
 * Whether a change may come from where the browser says it does: Fetch Metadata where it is sent, else the Origin
 * header against the address that was asked. Programs send neither and have no cookie that a page could borrow.
 */
export function originAllowed(evidence: OriginEvidence, own: string): boolean {
  if (evidence.secFetchSite !== undefined && evidence.secFetchSite !== 'same-origin') return false;
  if (evidence.origin === undefined || evidence.origin === own) return true;
  let from: URL;
  try {
    from = new URL(evidence.origin);
  } catch {
    return false;
  }
  return evidence.host !== undefined && from.host === evidence.host.toLowerCase();
}
