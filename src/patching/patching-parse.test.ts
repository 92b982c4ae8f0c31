import { expect, test } from 'vitest';
import { parseAptSimulation, parseDnfUpdates, parseDpkg, parseRpm } from './patching-parse.ts';

test('dpkg: only installed packages, with their source', () => {
  const text =
    'ii \topenssl\t3.0.17-1~deb12u2\tamd64\topenssl\t3.0.17-1~deb12u2\nrc \told\t1\tamd64\told\t1\niiR\tlibc6\t2.36\tamd64\tglibc\t2.36\n\n';
  expect(parseDpkg(text).map((item) => [item.name, item.source_name])).toEqual([
    ['openssl', 'openssl'],
    ['libc6', 'glibc'],
  ]);
});

test('rpm: the epoch "(none)" goes, the source package loses its version', () => {
  const [bash] = parseRpm(
    'bash\t(none):5.1.8-9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\ngpg-pubkey\t(none):1-2\t(none)\t(none)\n',
  );
  expect(bash).toMatchObject({ name: 'bash', version: '5.1.8-9.el9', source_name: 'bash' });
});

test('apt: security by origin, new dependencies are no updates', () => {
  const text = [
    'Reading package lists...',
    'Inst openssl [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64])',
    'Inst tzdata [2025a-0+deb12u1] (2025b-0+deb12u2 Debian:12.12/oldstable, Debian:12-updates [all])',
    'Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian-Security:12/stable-security [amd64])',
    'Conf openssl (3.0.17-1~deb12u2 Debian-Security:12/stable-security [amd64])',
    'Inst broken',
  ].join('\n');
  expect(parseAptSimulation(text)).toEqual([
    {
      name: 'openssl',
      installed: '3.0.15-1~deb12u1',
      candidate: '3.0.17-1~deb12u2',
      origin: 'Debian-Security:12/stable-security',
      security: true,
    },
    {
      name: 'tzdata',
      installed: '2025a-0+deb12u1',
      candidate: '2025b-0+deb12u2',
      origin: 'Debian:12.12/oldstable, Debian:12-updates',
      security: false,
    },
  ]);
});

test('dnf: one update a package, security wins', () => {
  const text =
    'RHBA-2026:1 bugfix openssl-libs-1:3.2.2-6.el9_5.x86_64\nRHSA-2026:2 Important/Sec. openssl-libs-1:3.2.2-7.el9_5.x86_64\nnonsense\n';
  expect(parseDnfUpdates(text)).toMatchObject([{ name: 'openssl-libs', candidate: '1:3.2.2-7.el9_5', security: true }]);
});
