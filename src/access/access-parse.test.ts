import { expect, test } from 'vitest';
import { judgeSshd, membersOf, pamAsksSecondFactor, parsePasswd, parseSshd, passwordStates } from './access-parse.ts';

const verdict = (text: string, pam = false) => judgeSshd(parseSshd(text), pam);

test('defaults let a password alone in', () => {
  expect(verdict('')).toMatchObject({ passwordAlone: true, secondFactor: false, rootByPassword: false });
  expect(verdict('passwordauthentication yes\npermitrootlogin yes')).toMatchObject({ rootByPassword: true });
});

test('keys only is not "password alone"', () => {
  expect(verdict('PasswordAuthentication no\nKbdInteractiveAuthentication no').passwordAlone).toBe(false);
});

test('keyboard-interactive through PAM is a password too', () => {
  const text = 'passwordauthentication no\nkbdinteractiveauthentication yes\nusepam yes';
  expect(verdict(text).passwordAlone).toBe(true);
  expect(verdict(text, true)).toMatchObject({ passwordAlone: false, secondFactor: true });
});

test('chains of two methods are two factors only when every chain is', () => {
  expect(verdict('authenticationmethods publickey,password')).toMatchObject({
    passwordAlone: false,
    secondFactor: true,
  });
  expect(verdict('authenticationmethods publickey,password password')).toMatchObject({
    passwordAlone: true,
    secondFactor: false,
  });
});

test('the first value counts and a Match block ends it', () => {
  expect(
    verdict('PasswordAuthentication no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no').passwordAlone,
  ).toBe(false);
  expect(
    verdict('KbdInteractiveAuthentication no\nPasswordAuthentication no\nMatch User x\n PermitEmptyPasswords yes')
      .emptyPasswords,
  ).toBe(false);
});

test('PAM: only a module that nobody can walk around counts', () => {
  expect(pamAsksSecondFactor('auth required pam_google_authenticator.so')).toBe(true);
  expect(pamAsksSecondFactor('auth required pam_google_authenticator.so nullok')).toBe(false);
  expect(pamAsksSecondFactor('auth sufficient pam_u2f.so')).toBe(false);
  expect(pamAsksSecondFactor('# auth required pam_oath.so')).toBe(false);
  expect(pamAsksSecondFactor('auth [success=done default=die] pam_oath.so usersfile=/etc/users.oath')).toBe(true);
});

test('accounts, groups and password states', () => {
  const passwd =
    'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nada:x:1000:1000::/home/ada:/bin/zsh\nbroken\n';
  expect(parsePasswd(passwd).map((account) => account.name)).toEqual(['root', 'ada']);
  expect([...membersOf('sudo:x:27:ada,ben\nother:x:5:eve\n', ['sudo'])]).toEqual(['ada', 'ben']);
  expect(passwordStates('root:*:1::\nada:$y$j9T$x:1::\nben::1::\n')).toEqual(
    new Map([
      ['root', 'locked'],
      ['ada', 'set'],
      ['ben', 'empty'],
    ]),
  );
});
