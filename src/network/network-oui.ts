/** The maker of a machine from its address on the wire. */

import { VENDORS, type VendorClass } from './network-oui-table.ts';

export interface Vendor {
  readonly name: string;
  readonly class: VendorClass;
}

const PREFIX_CHARS = 6;
let table: ReadonlyMap<string, Vendor> | null = null;

/** Built when it is first asked for: most inspections of a file never need it. */
function prefixes(): ReadonlyMap<string, Vendor> {
  if (table !== null) return table;
  const made = new Map<string, Vendor>();
  for (const [name, kind, text] of VENDORS) {
    const vendor: Vendor = { name, class: kind };
    for (let at = 0; at < text.length; at += PREFIX_CHARS) made.set(text.slice(at, at + PREFIX_CHARS), vendor);
  }
  table = made;
  return made;
}

/** Null when it is not listed, or when the address was made up by its owner (the local bit, IEEE 802 section 8.2). */
export function vendorOf(mac: string): Vendor | null {
  const bare = mac.toLowerCase().replaceAll(':', '');
  return isLocalMac(mac) ? null : (prefixes().get(bare.slice(0, PREFIX_CHARS)) ?? null);
}

export const isLocalMac = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 2) !== 0;
