/** Checks of the configuration of servers: nginx, Apache, PostgreSQL, Samba, Redis; mostly tables. */

import { activeLines, lastSet, lastValue, replaceLines } from './hardening-formats.ts';
import type { HardeningCheck, HardeningEvidence } from './hardening-model.ts';
import { keyed } from './hardening-system.ts';

const NGINX = '/etc/nginx/nginx.conf';
const WEAK_TLS = /\b(SSLv2|SSLv3|TLSv1|TLSv1\.1)(?![.\d])/;

/** nginx.conf and the folders that it includes. */
const nginxFiles = (evidence: HardeningEvidence) =>
  [
    NGINX,
    ...evidence.folder('/etc/nginx/conf.d'),
    ...evidence.folder('/etc/nginx/sites-enabled'),
    ...evidence.folder('/etc/nginx/sites-available'),
  ].filter((path) => evidence.text(path) !== null);

function directive(
  id: string,
  name: string,
  isBad: (value: string) => boolean,
  standardBad: boolean,
  want: string,
  title: string,
  why: string,
  sources: readonly string[],
  severity: HardeningCheck['severity'],
): HardeningCheck {
  const pattern = new RegExp(`(^|[\\s{;])${name}\\s+([^;#]{1,500});`);
  return {
    id,
    category: 'web',
    sources,
    severity,
    title,
    why,
    command: `nginx -T | grep ${name}`,
    reload: 'nginx -t && systemctl reload nginx',
    judge: (evidence) => {
      const paths = nginxFiles(evidence);
      if (evidence.text(NGINX) === null) return { state: 'absent' };
      const lines = paths
        .flatMap((path) =>
          activeLines(evidence.text(path) ?? '').map(({ line }) => ({ path, value: pattern.exec(line)?.[2]?.trim() })),
        )
        .filter(({ value }) => value !== undefined);
      const wrong = lines.filter(({ value }) => isBad(value as string));
      if (wrong.length === 0 && (lines.length > 0 || !standardBad))
        return { state: 'good', seen: `${name} is ${lines[0]?.value ?? 'as nginx has it'}` };
      const changed = [...new Set(wrong.map(({ path }) => path))].map((path) => ({
        kind: 'file' as const,
        path,
        text: replaceLines(evidence.text(path) ?? '', (line) => {
          const value = pattern.exec(line)?.[2]?.trim();
          return value !== undefined && isBad(value) ? line.replace(pattern, `$1${name} ${want};`) : line;
        }),
      }));
      const main = evidence.text(NGINX) ?? '';
      const changes =
        changed.length > 0
          ? changed
          : [{ kind: 'file' as const, path: NGINX, text: main.replace(/^(\s*http\s*\{)/m, `$1\n  ${name} ${want};`) }];
      return {
        state: 'bad',
        seen: lines.length === 0 ? `${name} is not set` : `${name} is ${wrong[0]?.value} in ${wrong[0]?.path}`,
        changes,
      };
    },
  };
}

const nginx = [
  directive(
    'nginx-tokens',
    'server_tokens',
    (value) => value !== 'off',
    true,
    'off',
    'nginx tells its version',
    'Scanners pick servers by it.',
    ['CIS NGINX 2.5.1'],
    'information',
  ),
  directive(
    'nginx-tls-versions',
    'ssl_protocols',
    (value) => WEAK_TLS.test(value),
    false,
    'TLSv1.2 TLSv1.3',
    'nginx accepts old TLS',
    'TLS 1.0 and 1.1 are retired (RFC 8996).',
    ['CIS NGINX 4.1.4', 'BSI TR-02102-2'],
    'medium',
  ),
  directive(
    'nginx-autoindex',
    'autoindex',
    (value) => value === 'on',
    false,
    'off',
    'nginx lists folders',
    'Files that were never meant to be found are found.',
    ['CIS NGINX 2.3.2'],
    'medium',
  ),
];

function apache(
  id: string,
  key: string,
  isBad: (value: string) => boolean,
  standard: string,
  want: string,
  title: string,
  why: string,
  sources: readonly string[],
  severity: HardeningCheck['severity'],
): HardeningCheck {
  const path = '/etc/apache2/conf-enabled/security.conf';
  return {
    id,
    category: 'web',
    sources,
    severity,
    title,
    why,
    command: `grep -ri ${key} /etc/apache2`,
    reload: 'apachectl configtest && systemctl reload apache2',
    judge: (evidence) => {
      if (evidence.text('/etc/apache2/apache2.conf') === null) return { state: 'absent' };
      const files = [
        '/etc/apache2/apache2.conf',
        ...evidence.folder('/etc/apache2/mods-enabled'),
        ...evidence.folder('/etc/apache2/conf-enabled'),
        ...evidence.folder('/etc/apache2/sites-enabled'),
      ];
      let value: string | null = null;
      let where = path;
      for (const file of files) {
        const found = lastValue(evidence.text(file) ?? '', key);
        if (found !== null) [value, where] = [found, file];
      }
      const seen = `${key} is ${value ?? `not set (${standard})`}`;
      if (!isBad(value ?? standard)) return { state: 'good', seen };
      const target = value === null ? path : where;
      return {
        state: 'bad',
        seen,
        changes: [{ kind: 'file', path: target, text: lastSet(evidence.text(target) ?? '', `${key} ${want}`) }],
      };
    },
  };
}

const apaches = [
  apache(
    'apache-tokens',
    'ServerTokens',
    (value) => !/^prod/i.test(value),
    'Full',
    'Prod',
    'Apache tells its version',
    'Scanners pick servers by it.',
    ['CIS Apache 2.4 8.1'],
    'information',
  ),
  apache(
    'apache-signature',
    'ServerSignature',
    (value) => !/^off$/i.test(value),
    'Off',
    'Off',
    'Apache signs its pages',
    'Scanners pick servers by it.',
    ['CIS Apache 2.4 8.2'],
    'information',
  ),
  apache(
    'apache-trace',
    'TraceEnable',
    (value) => !/^off$/i.test(value),
    'On',
    'Off',
    'Apache answers TRACE',
    'It gives back what should stay hidden.',
    ['CIS Apache 2.4 5.8'],
    'low',
  ),
  apache(
    'apache-tls-versions',
    'SSLProtocol',
    (value) =>
      (/(^|\s)\+?all\b/i.test(value) && !/-TLSv1\.1\b/i.test(value)) ||
      /(^|\s)\+?(SSLv3|TLSv1|TLSv1\.1)(\s|$)/i.test(value),
    'all -SSLv3 -TLSv1 -TLSv1.1',
    '-all +TLSv1.2 +TLSv1.3',
    'Apache accepts old TLS',
    'TLS 1.0 and 1.1 are retired (RFC 8996).',
    ['CIS Apache 2.4 7.4', 'BSI TR-02102-2'],
    'medium',
  ),
];

/** PostgreSQL’s folder of the highest version that is there. */
function postgres(evidence: HardeningEvidence, name: string): string | null {
  for (let version = 20; version >= 11; version--)
    if (evidence.text(`/etc/postgresql/${version}/main/${name}`) !== null)
      return `/etc/postgresql/${version}/main/${name}`;
  return null;
}

function postgresSetting(
  id: string,
  key: string,
  standard: string,
  isGood: (value: string) => boolean,
  want: string,
  title: string,
  why: string,
  sources: readonly string[],
  severity: HardeningCheck['severity'],
): HardeningCheck {
  return {
    id,
    category: 'database',
    sources,
    severity,
    title,
    why,
    command: `sudo -u postgres psql -c 'show ${key}'`,
    reload: 'systemctl reload postgresql',
    judge: (evidence) => {
      const path = postgres(evidence, 'postgresql.conf');
      if (path === null) return { state: 'absent' };
      const value = lastValue(evidence.text(path) ?? '', key) ?? standard;
      return isGood(value)
        ? { state: 'good', seen: `${key} is ${value}` }
        : {
            state: 'bad',
            seen: `${key} is ${value}`,
            changes: [{ kind: 'file', path, text: lastSet(evidence.text(path) ?? '', `${key} = ${want}`) }],
          };
    },
  };
}

const databases: readonly HardeningCheck[] = [
  postgresSetting(
    'postgresql-tls',
    'ssl',
    'off',
    (value) => /^(on|true|yes|1)$/i.test(value),
    'on',
    'PostgreSQL does not encrypt',
    'Queries and answers are readable in the path.',
    ['CIS PostgreSQL 6.8'],
    'medium',
  ),
  postgresSetting(
    'postgresql-hash',
    'password_encryption',
    'scram-sha-256',
    (value) => /scram/i.test(value),
    "'scram-sha-256'",
    'PostgreSQL stores weak hashes',
    'MD5 hashes can be replayed.',
    ['CIS PostgreSQL 5.1'],
    'medium',
  ),
  postgresSetting(
    'postgresql-connections',
    'log_connections',
    'off',
    (value) => !/^(off|false|no|0)$/i.test(value),
    'on',
    'PostgreSQL does not log who connects',
    'Guessing and theft leave no trace.',
    ['CIS PostgreSQL 3.1.20'],
    'low',
  ),
  {
    id: 'postgresql-trust',
    category: 'database',
    sources: ['CIS PostgreSQL 5.4'],
    severity: 'critical',
    title: 'PostgreSQL trusts whoever connects',
    why: 'Anybody who guesses a name is in.',
    command: "grep -v '^#' pg_hba.conf",
    reload: 'systemctl reload postgresql',
    judge: (evidence) => {
      const path = postgres(evidence, 'pg_hba.conf');
      if (path === null) return { state: 'absent' };
      const text = evidence.text(path) ?? '';
      const trusting = /^\s*host\w*\s+\S+\s+\S+\s+\S+(\s+\d{1,3}(\.\d{1,3}){3})?\s+trust\b/;
      const found = activeLines(text).filter(({ line }) => trusting.test(line)).length;
      if (found === 0) return { state: 'good', seen: 'trust stands in no host line' };
      return {
        state: 'bad',
        seen: `${found} host lines say trust`,
        changes: [
          {
            kind: 'file',
            path,
            text: replaceLines(text, (line) =>
              trusting.test(line) ? line.replace(/\btrust\b/, 'scram-sha-256') : line,
            ),
          },
        ],
        how: 'See first that every role has a password.',
      };
    },
  },
  keyed({
    id: 'redis-password',
    category: 'database',
    path: '/etc/redis/redis.conf',
    key: 'requirepass',
    standard: null,
    isGood: (value) => value.length >= 16,
    line: `requirepass REPLACE-THIS-BY-A-LONG-RANDOM-ONE`,
    severity: 'high',
    title: 'Redis has no good password',
    why: 'Anybody who reaches it reads everything.',
    sources: ['Redis documentation, Security', 'BSI APP.4.3.A9'],
    reload: 'systemctl restart redis-server',
  }),
  keyed({
    id: 'redis-protected',
    category: 'database',
    path: '/etc/redis/redis.conf',
    key: 'protected-mode',
    standard: 'yes',
    isGood: (value) => value === 'yes',
    line: 'protected-mode yes',
    severity: 'high',
    title: 'Redis answers everybody',
    why: 'It is made for trusted networks only.',
    sources: ['Redis documentation, Security'],
    reload: 'systemctl restart redis-server',
  }),
  keyed({
    id: 'redis-bind',
    category: 'database',
    path: '/etc/redis/redis.conf',
    key: 'bind',
    standard: '*',
    isGood: (value) => value.split(/\s+/).every((one) => /^-?(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(one)),
    line: 'bind 127.0.0.1 -::1',
    severity: 'medium',
    title: 'Redis listens to other machines',
    why: 'It is made for trusted networks only.',
    sources: ['Redis documentation, Security'],
    reload: 'systemctl restart redis-server',
  }),
];

const SMB = '/etc/samba/smb.conf';
const smb = (
  id: string,
  key: string,
  standard: string,
  isGood: (value: string) => boolean,
  want: string,
  severity: HardeningCheck['severity'],
  title: string,
  why: string,
): HardeningCheck =>
  keyed({
    id: `samba-${id}`,
    category: 'shares',
    path: SMB,
    key,
    section: 'global',
    standard,
    isGood,
    line: `   ${key} = ${want}`,
    severity,
    title,
    why,
    sources: ['BSI APP.3.4.A2', 'Samba manual, smb.conf(5)'],
    reload: 'testparm -s && smbcontrol all reload-config',
  });
const shares: readonly HardeningCheck[] = [
  smb(
    'protocol',
    'server min protocol',
    'SMB2_02',
    (value) => /^SMB[23]/i.test(value),
    'SMB2_10',
    'high',
    'Samba accepts SMB 1',
    'WannaCry and NotPetya spread over it.',
  ),
  smb(
    'signing',
    'server signing',
    'default',
    (value) => /^(mandatory|required|force)/i.test(value),
    'mandatory',
    'medium',
    'Samba does not require signing',
    'Log-ins can be relayed.',
  ),
  smb(
    'guest',
    'map to guest',
    'Never',
    (value) => /^never$/i.test(value),
    'Never',
    'medium',
    'Samba lets wrong names in as guests',
    'Shares open to anybody.',
  ),
  smb(
    'anonymous',
    'restrict anonymous',
    '0',
    (value) => Number(value) >= 1,
    '2',
    'low',
    'Samba lists accounts to anybody',
    'Names are half of a log-in.',
  ),
];

export const SERVER_CHECKS: readonly HardeningCheck[] = [...nginx, ...apaches, ...databases, ...shares];
