import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { has } from '../testing/perimeter-lab.ts';
import { collectFolder } from './hardening-collect.ts';
import { CHECKS, hardeningFindings, judgeServer, scoreOf, windowsFindings } from './hardening-judge.ts';
import { changeScript } from './hardening-script.ts';
import { judgeAuditpol, judgeRegistry, parseRegistry } from './hardening-windows.ts';

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

/** A server that somebody set up in a hurry. */
const WEAK: Readonly<Record<string, string>> = {
  '/etc/ssh/sshd_config':
    'Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nPasswordAuthentication yes\nPermitEmptyPasswords yes\nIgnoreRhosts no\nHostbasedAuthentication yes\nMaxAuthTries 10\nLoginGraceTime 300\nX11Forwarding yes\nPermitUserEnvironment yes\nLogLevel QUIET',
  '/etc/ssh/sshd_config.d/cloud.conf': 'PasswordAuthentication yes\n',
  '/etc/sysctl.conf': 'net.ipv4.conf.all.accept_redirects = 1\nkernel.randomize_va_space=0\n',
  '/etc/fstab':
    '/dev/sda1 / ext4 defaults 0 1\ntmpfs /tmp tmpfs defaults 0 0\ntmpfs /dev/shm tmpfs rw,nosuid 0 0\n/dev/sda2 /var/tmp ext4 defaults 0 2\n/dev/sda3 /home ext4 defaults 0 2\n',
  '/etc/security/pwquality.conf': '# minlen = 8\n',
  '/etc/security/faillock.conf': 'deny = 0\n',
  '/etc/login.defs': 'UMASK\t\t022\nENCRYPT_METHOD MD5\n',
  '/etc/pam.d/common-auth':
    'auth required pam_faillock.so preauth\nauth [success=1 default=ignore] pam_unix.so nullok\n',
  '/etc/sudoers': 'root ALL=(ALL:ALL) ALL\ndeploy ALL=(ALL) NOPASSWD: ALL\n',
  '/etc/sudoers.d/x': 'ops ALL=(ALL) NOPASSWD:ALL\n',
  '/etc/apt/apt.conf.d/20auto-upgrades': 'APT::Periodic::Unattended-Upgrade "0";\n',
  '/etc/systemd/journald.conf': '[Journal]\n#Storage=auto\nStorage=volatile\n',
  '/etc/audit/auditd.conf': 'max_log_file_action = IGNORE\n',
  '/etc/systemd/system/multi-user.target.wants/cron.service': '',
  '/etc/ufw/ufw.conf': 'ENABLED=no\nLOGLEVEL=low\n',
  '/etc/inetd.conf': 'telnet stream tcp nowait root /usr/sbin/in.telnetd\n',
  '/etc/nginx/nginx.conf': 'events {}\nhttp {\n  ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n  autoindex on;\n}\n',
  '/etc/apache2/apache2.conf': 'Listen 80\nTraceEnable On\nServerSignature On\n',
  '/etc/apache2/mods-enabled/ssl.conf': 'SSLProtocol all -SSLv3\n',
  '/etc/postgresql/15/main/postgresql.conf': 'ssl = off\npassword_encryption = md5\n',
  '/etc/postgresql/15/main/pg_hba.conf': 'local all postgres peer\nhost all all 0.0.0.0/0 trust\n',
  '/etc/redis/redis.conf': 'bind 0.0.0.0\nprotected-mode no\n',
  '/etc/samba/smb.conf':
    '[global]\n   workgroup = X\n   server min protocol = NT1\n   map to guest = Bad User\n[share]\n   path = /srv\n',
  '/etc/passwd': 'root:x:0:0::/:/bin/sh\n',
  '/etc/shadow': 'root:*:1::::::\n',
  '/etc/crontab': '',
  '/etc/group': '',
  '/etc/gshadow': '',
  '/etc/ssh/ssh_host_ed25519_key': 'k',
  '/etc/ssh/ssh_host_rsa_key': 'k',
  '/etc/ssh/ssh_host_ecdsa_key': 'k',
};

function server(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'hardening-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(
      join(root, path),
      /^\/etc\/(passwd|shadow|group|gshadow|crontab|sudoers$|ssh\/(ssh_host|sshd_config$))/.test(path) ? 0o666 : 0o644,
    );
  }
  return root;
}
/** All bytes and permissions of a folder, without what scripts keep. */
const picture = (root: string) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('var') && statSync(join(root, path)).isFile())
    .toSorted()
    .map((path) => `${statSync(join(root, path)).mode.toString(8)} ${path} ${readFileSync(join(root, path), 'base64')}`)
    .join('\n');

test('a weak server: every check that applies is bad, and has a source, a reason and a command', () => {
  const evidence = collectFolder(server(WEAK));
  const judged = judgeServer(evidence);
  expect(judged.filter(({ verdict }) => verdict.state === 'good').map(({ check }) => check.id)).toEqual([]);
  expect(judged.filter(({ verdict }) => verdict.state === 'bad').length).toBe(
    CHECKS.length - judged.filter(({ verdict }) => verdict.state === 'absent' || verdict.state === 'unknown').length,
  );
  expect(judged.filter(({ verdict }) => verdict.state === 'absent').map(({ check }) => check.id)).toEqual([]);
  for (const check of CHECKS) {
    expect(check.sources.length, check.id).toBeGreaterThan(0);
    expect(
      check.sources.every((source) => /^(CIS|BSI|ANSSI|DISA|Redis|Samba)/.test(source)),
      check.id,
    ).toBe(true);
    expect(check.why.length, check.id).toBeGreaterThan(10);
  }
  expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
  expect(scoreOf(judged).find(({ category }) => category === 'ssh')).toMatchObject({ good: 0, bad: 10 });
  const findings = hardeningFindings(judged, evidence, { name: 'srv' }, 0);
  expect(findings.every(({ fix }) => fix.how.length > 0)).toBe(true);
});

test.each(CHECKS.map((check) => [check.id, check] as const))(
  '%s: applied in a sandboxed root, checked, undone, checked',
  (_id, check) => {
    const root = server(WEAK);
    const evidence = collectFolder(root);
    const verdict = check.judge(evidence);
    if (verdict.state !== 'bad') throw new Error(`${check.id} is ${verdict.state} on a weak server`);
    if (verdict.changes.length === 0) {
      expect(verdict.how).toBeDefined();
      return;
    }
    const before = picture(root);
    const script = join(root, '..', `${check.id}-${Math.random().toString(36).slice(2)}.sh`);
    writeFileSync(script, changeScript(check, verdict.changes, evidence));
    roots.push(script);
    const run = (word: string) => spawnSync('sh', [script, word, root], { encoding: 'utf8' });
    expect(run('check').status).toBe(1);
    const applied = run('apply');
    expect(applied.stderr).toBe('');
    expect(applied.status).toBe(0);
    expect(run('check').status).toBe(0);
    expect(check.judge(collectFolder(root)).state === 'good' || check.id === 'redis-password').toBe(true);
    expect(run('apply').status, 'a second time is refused: the file is another one').toBe(3);
    expect(run('undo').status).toBe(0);
    expect(picture(root)).toBe(before);
    expect(check.judge(collectFolder(root)).state).toBe('bad');
  },
);

test('faillock.conf alone locks nobody out', () => {
  const check = CHECKS.find(({ id }) => id === 'faillock-deny');
  const files = {
    '/etc/security/faillock.conf': 'deny = 3\n',
    '/etc/pam.d/common-auth': 'auth required pam_unix.so\n',
  };
  expect(check?.judge(collectFolder(server(files)))).toMatchObject({ state: 'bad', changes: [] });
  const asked = { ...files, '/etc/pam.d/common-auth': 'auth required pam_faillock.so preauth\n' };
  expect(check?.judge(collectFolder(server(asked)))).toMatchObject({ state: 'good' });
});

test('a script refuses a file that changed since it was judged', () => {
  const root = server(WEAK);
  const evidence = collectFolder(root);
  const check = CHECKS.find(({ id }) => id === 'sshd-root-login');
  const verdict = check?.judge(evidence);
  if (!check || verdict?.state !== 'bad') throw new Error('not bad');
  const script = join(root, 'fix.sh');
  writeFileSync(script, changeScript(check, verdict.changes, evidence));
  writeFileSync(join(root, '/etc/ssh/sshd_config'), 'Port 2222\n');
  expect(spawnSync('sh', [script, 'apply', root]).status).toBe(3);
  expect(readFileSync(join(root, '/etc/ssh/sshd_config'), 'utf8')).toBe('Port 2222\n');
});

test.skipIf(!has('sshd', 'ssh-keygen'))('what sshd itself reads from the changed file is what was wanted', () => {
  const root = server({ '/etc/ssh/sshd_config': WEAK['/etc/ssh/sshd_config']?.split('\n').slice(1).join('\n') ?? '' });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(root, 'key')]);
  for (const check of CHECKS.filter(({ category }) => category === 'ssh')) {
    const verdict = check.judge(collectFolder(root));
    if (verdict.state === 'bad')
      for (const change of verdict.changes)
        if (change.kind === 'file') writeFileSync(join(root, change.path), change.text);
  }
  const path = join(root, '/etc/ssh/sshd_config');
  mkdirSync('/run/sshd', { recursive: true });
  const out = execFileSync('/usr/sbin/sshd', ['-T', '-f', path, '-h', join(root, 'key')], { encoding: 'utf8' });
  for (const line of [
    'permitrootlogin no',
    'passwordauthentication no',
    'permitemptypasswords no',
    'maxauthtries 4',
    'logingracetime 60',
    'x11forwarding no',
    'loglevel VERBOSE',
  ])
    expect(out.toLowerCase()).toContain(line.toLowerCase());
});

test('Windows exports: SMB 1, LSA, NLA and logging are judged, in UTF-16 too; what was not exported is unknown', () => {
  const text =
    'Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters]\r\n"SMB1"=dword:00000001\r\n"RequireSecuritySignature"=dword:00000001\r\n\r\n[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Lsa]\r\n"RunAsPPL"=dword:00000000\r\n"LmCompatibilityLevel"=dword:00000005\r\n';
  for (const bytes of [Buffer.from(text), Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])]) {
    const states = new Map(judgeRegistry(parseRegistry(bytes)).map(({ check, state }) => [check.id, state]));
    expect(states.get('windows-smb1')).toBe('bad');
    expect(states.get('windows-smb-signing')).toBe('good');
    expect(states.get('windows-lsa-protection')).toBe('bad');
    expect(states.get('windows-lm-level')).toBe('good');
    expect(states.get('windows-nla')).toBe('unknown');
  }
  const audit =
    'Machine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting\r\nS,System,Anmelden,{0CCE9215-69AE-11D9-BED3-505054503030},Success and Failure,\r\nS,System,X,{0CCE922B-69AE-11D9-BED3-505054503030},No Auditing,\r\n';
  expect(judgeAuditpol(audit).map(({ name, state }) => `${name}: ${state}`)).toEqual([
    'Logon: good',
    'Credential Validation: unknown',
    'Process Creation: bad',
    'Security Group Management: unknown',
    'Audit Policy Change: unknown',
  ]);
  expect(windowsFindings({ registry: Buffer.from(text), auditpol: audit }, { name: 'srv' }, 0).findings).toHaveLength(
    4,
  );
});
