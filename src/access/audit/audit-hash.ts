/** Reused and default passwords, by comparing hashes that a system hands over; no password is ever guessed at or kept. */

import type { AuditAccount } from './audit-record.ts';

/** MD4 (RFC 1320): NT hashes are MD4 over UTF-16, and OpenSSL no longer has it. */
function md4(bytes: Uint8Array): string {
  const length = bytes.length;
  const blocks = new Uint8Array((((length + 8) >> 6) + 1) << 6);
  blocks.set(bytes);
  blocks[length] = 0x80;
  const view = new DataView(blocks.buffer);
  view.setUint32(blocks.length - 8, length * 8, true);
  let [a, b, c, d] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  const turn = (value: number, by: number) => (value << by) | (value >>> (32 - by));
  for (let at = 0; at < blocks.length; at += 64) {
    const x = Array.from({ length: 16 }, (_, i) => view.getUint32(at + i * 4, true));
    const before = [a, b, c, d] as const;
    const round = (
      mix: (p: number, q: number, r: number) => number,
      add: number,
      order: readonly number[],
      shifts: readonly number[],
    ) => {
      for (const [i, k] of order.entries()) {
        const sum = (a + mix(b, c, d) + (x[k] as number) + add) | 0;
        [a, b, c, d] = [d, turn(sum, shifts[i % 4] as number), b, c];
      }
    };
    round((p, q, r) => (p & q) | (~p & r), 0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [3, 7, 11, 19]);
    round(
      (p, q, r) => (p & q) | (p & r) | (q & r),
      0x5a827999,
      [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
      [3, 5, 9, 13],
    );
    round((p, q, r) => p ^ q ^ r, 0x6ed9eba1, [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], [3, 9, 11, 15]);
    [a, b, c, d] = [(a + before[0]) | 0, (b + before[1]) | 0, (c + before[2]) | 0, (d + before[3]) | 0];
  }
  const out = Buffer.alloc(16);
  for (const [i, word] of [a, b, c, d].entries()) out.writeInt32LE(word | 0, i * 4);
  return out.toString('hex');
}

export const ntHash = (password: string): string => md4(Buffer.from(password, 'utf16le'));

/** What installers and manuals set; the names of accounts are tried too. */
const DEFAULTS = [
  '',
  'password',
  'Password1',
  'Password123',
  'Passw0rd',
  'P@ssw0rd',
  'P@ssw0rd1',
  'Welcome1',
  'Welcome123',
  'Changeme',
  'ChangeMe1',
  'changeme123',
  'admin',
  'administrator',
  'Admin123',
  'letmein',
  'hospital',
  'Hospital1',
  'Hospital123',
  'Summer2024',
  'Summer2025',
  'Summer2026',
  'Winter2024',
  'Winter2025',
  'Winter2026',
  'Start123',
  'Start1234',
  'Willkommen1',
  'Passwort1',
  'Qwerty123',
  '12345678',
  '123456',
  'Test1234',
  'test',
  'guest',
  'service',
  'backup',
  'scanner',
];

/** Marks accounts that share a hash, or have the hash of a default. */
export function markHashes(accounts: AuditAccount[]): void {
  const owners = Map.groupBy(
    accounts.filter((one) => one.secretHash !== undefined),
    (one) => one.secretHash as string,
  );
  const defaults = new Set(DEFAULTS.map(ntHash));
  for (const [index, one] of accounts.entries()) {
    const hash = one.secretHash;
    if (hash === undefined) continue;
    const nt = /^[0-9a-f]{32}$/.test(hash);
    const marks = [...one.marks];
    if ((owners.get(hash)?.length ?? 0) > 1) marks.push('password-reused');
    if (nt && (defaults.has(hash) || ntHash(one.name) === hash || ntHash(one.name.toLowerCase()) === hash))
      marks.push('password-default');
    const { secretHash: _, ...rest } = one;
    accounts[index] = { ...rest, marks };
  }
}
