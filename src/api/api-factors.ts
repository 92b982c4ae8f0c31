/** Second factors that are typed: time-based codes (RFC 6238) and single-use recovery codes. */

import { createHash } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';

const STEP_SEC = 30;
/** One step to either side, for clocks that differ (RFC 6238 section 5.2). */
const WINDOW = 1;
const RECOVERY_CODES = 10;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

function totpOf(secret: Uint8Array, label: string): TOTP {
  return new TOTP({
    issuer: 'Asepsis',
    label,
    secret: new Secret({ buffer: Uint8Array.from(secret).buffer }),
    algorithm: 'SHA1',
    digits: 6,
    period: STEP_SEC,
  });
}

/** A new secret (160 bits, RFC 4226 section 4) in the two forms that authenticator apps take. */
export function newTotp(label: string, random: (n: number) => Uint8Array) {
  const bytes = random(20);
  const totp = totpOf(bytes, label);
  return { bytes, secret: totp.secret.base32, uri: totp.toString() };
}

/** The time step that a code is right for, or null. The caller takes the step once. */
export function totpStep(secret: Uint8Array, code: string, nowMs: number): number | null {
  const digits = code.replaceAll(' ', '');
  if (!/^[0-9]{6}$/.test(digits)) return null;
  const delta = totpOf(secret, '').validate({ token: digits, timestamp: nowMs, window: WINDOW });
  return delta === null ? null : Math.floor(nowMs / 1000 / STEP_SEC) + delta;
}

/** Ten codes of 80 random bits, `xxxx-xxxx-xxxx-xxxx`; so much chance in each that a plain hash keeps it (ASVS 5.0, 11.4). */
export function newRecoveryCodes(random: (n: number) => Uint8Array): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => {
    const letters = Array.from(random(16), (byte) => ALPHABET.charAt(byte & 31)).join('');
    return (letters.match(/.{4}/g) as string[]).join('-');
  });
}

/** Null when the text cannot be one of our codes. Reads `o`, `i` and `l` as Crockford's base 32 does. */
export function recoveryHash(code: string): string | null {
  const plain = code.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1');
  if (plain.length !== 16 || Array.from(plain).some((letter) => !ALPHABET.includes(letter))) return null;
  return createHash('sha256').update(`recovery:${plain}`).digest('hex');
}
