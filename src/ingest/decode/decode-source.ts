/** Sigma log sources as shared objects: one object for each combination, so that rules can be chosen by identity. */

import type { LogSource } from '../../core/index.ts';

const KNOWN_MAX = 1024;
const known = new Map<string, LogSource>();

/** The log source of this combination; absent parts are left out. Beyond the limit a fresh object is given. */
export function logSource(product?: string, category?: string, service?: string): LogSource {
  const key = `${product ?? ''}\n${category ?? ''}\n${service ?? ''}`;
  const found = known.get(key);
  if (found) return found;
  const source: { product?: string; category?: string; service?: string } = {};
  if (product) source.product = product;
  if (category) source.category = category;
  if (service) source.service = service;
  Object.freeze(source);
  if (known.size < KNOWN_MAX) known.set(key, source);
  return source;
}

export const linux = (service: string): LogSource => logSource('linux', undefined, service);
