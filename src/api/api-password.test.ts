import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isCommonPassword } from '../core/index.ts';
import { createPasswordHasher, judgePassword } from './api-password.ts';

describe('judgePassword', () => {
  test.each([
    'password',
    'Password1',
    'P@ssw0rd!',
    'p4ssw0rd2026',
    'Summer2026!',
    'Krankenhaus1',
    'Hospital#2025',
    'qwertyuiop',
    'Qwerty123!',
    '1qaz2wsx',
    '1qaz2wsx3edc',
    '12345678',
    '123456789012',
    'iloveyou',
    'ILoveYou2',
    'abcabcabc',
    'aaaaaaaaaaaa',
    'letmein123',
    'welcome1234',
    'Welcome@123',
    'dragon19850412',
    'football99',
    'trustno1',
    '24.12.1985',
    'passwordpassword',
    'Winter2025Winter',
    'zxcvbnm1',
    'abcdefgh',
    'superman!!',
    'asdfghjkl',
    'MyPassword!',
    'changeme',
    'hospitalnurse1',
    '0987654321',
    'azertyuiop',
  ])('refuses %s', (password) => {
    expect(judgePassword(password, []).ok).toBe(false);
  });

  test.each([
    'kiwi lamp orbit 71',
    'tR7#vw9qLm',
    'correct horse battery staple',
    'ßäöüñçø9',
    'Gläserner Zug fährt nachts',
  ])('accepts %s', (password) => {
    expect(judgePassword(password, ['marta.keller', 'Asepsis'])).toEqual({ ok: true });
  });

  test('refuses names that belong to the person, and lengths out of bounds', () => {
    expect(judgePassword('martakeller7', ['martakeller']).ok).toBe(false);
    expect(judgePassword('Keller-2291x', ['marta.keller']).ok).toBe(false);
    expect(judgePassword('kj3#mz', []).ok).toBe(false);
    expect(judgePassword('x7'.repeat(129), []).ok).toBe(false);
    expect(judgePassword('Tz9 wombat pylon '.repeat(15), []).ok).toBe(true);
  });

  test('counts characters, not bytes, after NFKC', () => {
    expect(judgePassword('🦔🦔🦉🦉🦇', []).ok).toBe(false);
    expect(isCommonPassword('ｐａｓｓｗｏｒｄ'.normalize('NFKC'))).toBe(true);
  });
});

describe('the hasher', () => {
  test('argon2id in the PHC form, verified in any spelling that NFKC makes the same', async () => {
    const hasher = await createPasswordHasher((n) => randomBytes(n));
    const stored = await hasher.hash('Zürich pylon 81');
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await hasher.verify(stored, 'Zu\u0308rich pylon 81')).toBe(true);
    expect(await hasher.verify(stored, 'Zürich pylon 82')).toBe(false);
    expect(await hasher.verify(null, 'Zürich pylon 81')).toBe(false);
  });

  test('many at once are queued, too many are told to wait', async () => {
    const hasher = await createPasswordHasher((n) => randomBytes(n));
    const results = await Promise.allSettled(Array.from({ length: 90 }, () => hasher.verify(null, 'x')));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBe(90 - 67);
    expect(refused.every((result) => (result as PromiseRejectedResult).reason.code === 'BUSY')).toBe(true);
  });
});
