/** The NHS number's check digit: Modulus 11 (NHS Data Dictionary, "NHS NUMBER"). */

import type { Verdict } from './network-report.ts';

/** The same over bytes where they lie. */
export function nhsVerdictAt(b: Uint8Array, from: number, end: number): Verdict | null {
  let sum = 0;
  let digits = 0;
  let last = 0;
  for (let i = from; i < end; i++) {
    const code = b[i]!;
    if (code === 32 || code === 45) continue;
    if (code < 48 || code > 57 || digits === 10) return null;
    last = code - 48;
    if (digits < 9) sum += last * (10 - digits);
    digits++;
  }
  return verdict(digits, sum, last);
}

/** The verdict over ten digits, spaces and dashes aside; null when there are not ten. */
export function nhsVerdict(text: string): Verdict | null {
  let sum = 0;
  let digits = 0;
  let last = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 32 || code === 45) continue;
    if (code < 48 || code > 57 || digits === 10) return null;
    last = code - 48;
    if (digits < 9) sum += last * (10 - digits);
    digits++;
  }
  return verdict(digits, sum, last);
}

function verdict(digits: number, sum: number, last: number): Verdict | null {
  if (digits !== 10) return null;
  const check = 11 - (sum % 11);
  return (check === 11 ? 0 : check) === last ? 'valid' : 'invalid';
}
