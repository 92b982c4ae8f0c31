import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { addPerson, browser, LOGIN_HOST, startTestGateway } from '../testing/gateway-harness.ts';
import { isBreached, openPasswords } from './gateway-passwords.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-breached-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'pwned.txt');
const write = (passwords: readonly string[], end = '\r\n') =>
  writeFileSync(
    file,
    passwords
      .map((one, index) => `${hash('sha1', one, 'hex').toUpperCase()}:${index * 7919 + 1}`)
      .sort()
      .map((line) => line + end)
      .join(''),
  );

test('every password of the list is found in it, and no other, whatever its size and line ends', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 60 }),
      fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 10 }),
      fc.constantFrom('\n', '\r\n'),
      async (inside, others, end) => {
        write(inside, end);
        for (const one of inside) expect(await isBreached(file, one)).toBe(true);
        for (const one of others) expect(await isBreached(file, one)).toBe(inside.includes(one));
      },
    ),
    { numRuns: 60 },
  );
});

test('a password of the list is refused at enrolment, in words, and another is taken', async () => {
  const leaked = 'correct-horse-battery-staple-9';
  write([leaked, 'x', 'y']);
  const it = await startTestGateway({ passwords: { breached_file: file } });
  try {
    await addPerson(it.gateway, 'anna');
    it.gateway.accounts.put({ name: 'new', display: 'New', email: '', directory: 'local', groups: [] });
    const { secret } = it.gateway.accounts.invite('new', 'link', 'test');
    const visitor = browser(it);
    await visitor.go(`http://${LOGIN_HOST}/enrol?code=${secret}`);
    const set = (password: string) =>
      visitor.post(`http://${LOGIN_HOST}/enrol`, { code: secret, password, again: password });
    const refused = await set(leaked);
    expect(refused.status).toBe(401);
    expect(refused.body).toContain('list of stolen passwords');
    expect((await set('quiet-window-paper-71')).status).toBe(303);
  } finally {
    await it.stop();
  }
});

test('a list that is not there is a fault of the file, and one that is lost later keeps nobody out', async () => {
  await expect(openPasswords({ min_chars: 8, breached_file: join(folder, 'gone') })).rejects.toThrow(/breached_file/);
  write(['only-this-one-leaked']);
  const passwords = await openPasswords({ min_chars: 8, breached_file: file });
  expect(await passwords.judge('only-this-one-leaked', [])).toBe('breached');
  rmSync(file);
  expect(await passwords.judge('only-this-one-leaked', [])).toBeNull();
});
