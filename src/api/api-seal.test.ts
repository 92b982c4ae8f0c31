import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newRecoveryCodes, newTotp, recoveryHash, totpStep } from './api-factors.ts';
import { openSeal } from './api-seal.ts';

const random = (n: number) => randomBytes(n);
let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'asepsis-seal-'));
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

test('what is sealed opens with the same key file, in its own place, unchanged, and not otherwise', async () => {
  const seal = await openSeal(dataDir, random);
  const path = join(dataDir, 'keys', 'seal.key');
  await chmod(path, 0o644);
  const again = await openSeal(dataDir, random);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (secret, at) => {
      const sealed = seal.seal(secret, 'per_a');
      expect(Buffer.from(again.open(sealed, 'per_a'))).toEqual(Buffer.from(secret));
      expect(() => again.open(sealed, 'per_b')).toThrow();
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ 1;
      expect(() => again.open(`v1.${bytes.toString('base64url')}`, 'per_a')).toThrow();
    }),
  );
  for (const bad of ['', 'v1.', 'v2.AAAA', 'v1.!!!!']) expect(() => seal.open(bad, 'per_a')).toThrow();
  expect(seal.mac('x')).toBe(again.mac('x'));
  const other = await mkdtemp(join(tmpdir(), 'asepsis-seal-'));
  const stranger = await openSeal(other, random);
  expect(() => stranger.open(seal.seal(random(20), 'per_a'), 'per_a')).toThrow();
  await writeFile(join(other, 'keys', 'seal.key'), 'short');
  await expect(openSeal(other, random)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await rm(other, { recursive: true, force: true });
});

test('time-based codes as in RFC 6238, appendix B (SHA-1), one step to either side', () => {
  const secret = Buffer.from('12345678901234567890');
  for (const [seconds, code] of [
    [59, '287082'],
    [1111111109, '081804'],
    [1234567890, '005924'],
    [20000000000, '353130'],
  ] as const) {
    const step = Math.floor(seconds / 30);
    expect(totpStep(secret, code, seconds * 1000)).toBe(step);
    expect(totpStep(secret, code, (seconds + 30) * 1000)).toBe(step);
    expect(totpStep(secret, code, (seconds - 30) * 1000)).toBe(step);
    expect(totpStep(secret, code, (seconds + 60) * 1000)).toBeNull();
  }
  for (const bad of ['', '28708', '2870822', 'abcdef', '２８７０８２'])
    expect(totpStep(secret, bad, 59_000)).toBeNull();
  expect(newTotp('marta', random).uri).toMatch(/^otpauth:\/\/totp\/Asepsis:marta\?/);
});

test('recovery codes are read in every spelling and nothing else is one', () => {
  const codes = newRecoveryCodes(random);
  for (const code of codes) {
    expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{4}(?:-[0-9a-hjkmnp-tv-z]{4}){3}$/);
    const loose = code.toUpperCase().replaceAll('-', '').replaceAll('0', 'O').replaceAll('1', 'l');
    expect(recoveryHash(loose)).toBe(recoveryHash(code));
  }
  fc.assert(fc.property(fc.string({ maxLength: 15 }), (text) => recoveryHash(text) === null));
});
