/** NTLM log-ins inside other protocols (MS-NLMP section 2.2.1.3): which answer crossed, and whether it can be passed on. */

import { le16, le32 } from './network-bytes.ts';

export interface NtlmLogin {
  /** `NTLMv1`: the answer is broken by trying; `NTLMv2`: only weak passwords are. */
  readonly version: 'NTLMv1' | 'NTLMv2';
  /** Signing or sealing was agreed on: whoever sits in the middle cannot use the log-in elsewhere. */
  readonly signed: boolean;
  /** The user's name as it stands in the message, to be hashed. */
  readonly user: Uint8Array;
}

/** `NTLMSSP` and a zero. */
const SIGNATURE = [0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0];
const AUTHENTICATE_BYTES = 64;
const NTLMV1_BYTES = 24;
const SIGN = 0x10;
const SEAL = 0x20;
/** Names are short; a longer one is cut before it is hashed. */
const USER_BYTES_MAX = 512;

/** The first AUTHENTICATE message between `at` and `end`; null when there is none, or when it is the anonymous log-in. */
export function ntlmLogin(b: Uint8Array, at: number, end: number): NtlmLogin | null {
  for (let i = at; i + AUTHENTICATE_BYTES <= end; i++) {
    if (b[i] !== 0x4e || b[i + 8] !== 3 || !SIGNATURE.every((byte, n) => b[i + n] === byte)) continue;
    const answer = le16(b, i + 20);
    const userLength = Math.min(le16(b, i + 36), USER_BYTES_MAX);
    const userAt = i + le32(b, i + 40);
    // Without an answer it is the anonymous log-in (section 3.2.5.1.2).
    if (answer < NTLMV1_BYTES || userAt + userLength > end) return null;
    return {
      version: answer === NTLMV1_BYTES ? 'NTLMv1' : 'NTLMv2',
      signed: (le32(b, i + 60) & (SIGN | SEAL)) !== 0,
      user: b.slice(userAt, userAt + userLength),
    };
  }
  return null;
}
