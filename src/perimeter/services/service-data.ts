/** Databases, caches and directories: are they there, do they ask who one is, do they encrypt. Nothing stored in them is read. */

import { exposed, type Probe, type ProbeContext, question, talk } from '../perimeter-probe.ts';
import { at, fix, oneLine, type ServiceView, type Software, type Weakness } from '../perimeter-weakness.ts';

const DATABASE_WHY = 'Databases are found and guessed at by scanners within hours.';

export function open(
  context: ProbeContext,
  service: string,
  name: string,
  why: string,
  seen: string,
  command: string,
  how: string,
): Weakness {
  const where = at(context.host, context.port);
  return {
    kind: 'no-authentication',
    key: service,
    severity: 'critical',
    title: `${name} on ${where} asks nobody who they are`,
    why,
    seen,
    command,
    fix: fix(`Protect ${name} on ${where}`, how, 'minutes', true),
  };
}

export function inClear(
  context: ProbeContext,
  service: string,
  name: string,
  command: string,
  how: string,
): Weakness[] {
  if (context.tls) return [];
  const where = at(context.host, context.port);
  return [
    {
      kind: 'database-without-tls',
      key: service,
      severity: context.outside ? 'medium' : 'low',
      title: `${name} on ${where} does not encrypt`,
      why: 'Queries, answers and often passwords are readable in the path.',
      seen: 'TLS is not offered',
      command,
      fix: fix(`Encrypt ${name} on ${where}`, how, 'hours', true),
    },
  ];
}

export const view = (
  service: string,
  context: ProbeContext,
  banner: string | null,
  software: Software[],
  facts: ServiceView['facts'],
  weaknesses: readonly Weakness[],
): ServiceView => ({
  service,
  tls: context.tls,
  banner: banner === null ? null : oneLine(banner),
  software,
  facts,
  weaknesses,
});

export const redis: Probe = {
  service: 'redis',
  ports: [6379, 16379, 6380],
  anywhere: true,
  look: async (context) => {
    const link = await talk(context, 'redis');
    if (!link) return null;
    try {
      link.write('*1\r\n$4\r\nPING\r\n');
      const pong = await link.line();
      if (pong === null || !/^(\+PONG|-NOAUTH|-DENIED|-NOPERM|-WRONGPASS|-ERR operation not permitted)/.test(pong))
        return null;
      const free = pong.startsWith('+PONG');
      let version = '';
      if (free) {
        link.write('*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n');
        for (let i = 0; i < 12 && version === ''; i++)
          version = /^redis_version:([\w.]+)/.exec((await link.line()) ?? '')?.[1] ?? '';
      }
      const weaknesses = [...exposed(context, 'redis', 'Redis', 'high', 'It is made for trusted networks only.')];
      if (free)
        weaknesses.push(
          open(
            context,
            'redis',
            'Redis',
            'Anybody who reaches it reads everything and can run commands on the machine.',
            'PING was answered without a password',
            `redis-cli -h ${context.host} -p ${context.port} ping`,
            'redis.conf: requirepass (or ACL users), bind 127.0.0.1 -::1, protected-mode yes; then restart.',
          ),
        );
      return view(
        'redis',
        context,
        pong,
        version === '' ? [] : [{ name: 'redis', version }],
        { authentication: !free },
        weaknesses,
      );
    } finally {
      link.close();
    }
  },
};

export const memcached: Probe = {
  service: 'memcached',
  ports: [11211],
  anywhere: true,
  look: async (context) => {
    const answer = (await question(context, 'memcached', 'version\r\n'))?.toString('latin1') ?? '';
    const version = /^VERSION ([\w.-]+)/.exec(answer)?.[1];
    if (version === undefined) return null;
    return view('memcached', context, answer, [{ name: 'memcached', version }], {}, [
      open(
        context,
        'memcached',
        'memcached',
        'Anybody reads what is cached, and it amplifies attacks on others.',
        `VERSION ${version} without a log-in`,
        `printf 'version\\r\\n' | nc ${context.host} ${context.port}`,
        'Start it with -l 127.0.0.1 -U 0, or with SASL (-S).',
      ),
    ]);
  },
};

/** OP_MSG with one document ({command: 1, $db: "admin"}). */
function mongoMessage(command: string): Buffer {
  const name = Buffer.from(`${command}\0`, 'latin1');
  const db = Buffer.from('\x02$db\0\x06\0\0\0admin\0', 'latin1');
  const body = Buffer.concat([Buffer.from([0x10]), name, Buffer.from([1, 0, 0, 0]), db, Buffer.from([0])]);
  const document = Buffer.concat([Buffer.alloc(4), body]);
  document.writeUInt32LE(document.length);
  const head = Buffer.alloc(21);
  head.writeUInt32LE(21 + document.length, 0);
  head.writeUInt32LE(1, 4);
  head.writeUInt32LE(2013, 12);
  return Buffer.concat([head, document]);
}

export const mongodb: Probe = {
  service: 'mongodb',
  ports: [27017, 27018],
  anywhere: true,
  look: async (context) => {
    const hello = await question(context, 'mongodb', mongoMessage('buildInfo'));
    if (!hello || hello.length < 26 || hello.readUInt32LE(12) !== 2013) return null;
    const said = hello.toString('latin1');
    const version = /version\0....(\d+\.\d+\.\d+)/s.exec(said)?.[1];
    // hostInfo needs a role; it says nothing about what is stored.
    const info = (await question(context, 'mongodb rights', mongoMessage('hostInfo')))?.toString('latin1') ?? '';
    const free =
      info.length > 0 && /hostname\0|cpuArch\0/.test(info) && !/Unauthorized|requires authentication/i.test(info);
    const weaknesses = [...exposed(context, 'mongodb', 'MongoDB', 'high', DATABASE_WHY)];
    if (free)
      weaknesses.push(
        open(
          context,
          'mongodb',
          'MongoDB',
          'It is found and ransomed by scanners.',
          'hostInfo was answered without a log-in',
          `mongosh mongodb://${at(context.host, context.port)}/admin --eval 'db.hostInfo()'`,
          'mongod.conf: security.authorization: enabled, net.bindIp: 127.0.0.1; make an administrator first.',
        ),
      );
    return view(
      'mongodb',
      context,
      null,
      version === undefined ? [] : [{ name: 'mongodb', version }],
      { authentication: !free },
      weaknesses,
    );
  },
};

export const postgresql: Probe = {
  service: 'postgresql',
  ports: [5432, 5433],
  anywhere: true,
  look: async (context) => {
    if (context.tls) return null;
    const ssl =
      (await question(context, 'postgresql', Buffer.from('0000000804d2162f', 'hex')))?.toString('latin1') ?? '';
    if (ssl !== 'S' && ssl !== 'N') return null;
    const parameters = Buffer.from('user\0asepsis_look\0database\0postgres\0\0', 'latin1');
    const start = Buffer.alloc(8);
    start.writeUInt32BE(8 + parameters.length, 0);
    start.writeUInt32BE(0x0003_0000, 4);
    const answer = await question(context, 'postgresql log-in', Buffer.concat([start, parameters]));
    const said = answer?.toString('latin1') ?? '';
    if (!answer || (said[0] !== 'R' && said[0] !== 'E')) return null;
    const kind = said[0] === 'R' && answer.length >= 9 ? answer.readUInt32BE(5) : null;
    // The look-up of the role comes after the log-in: to hear that it is missing is to have been let in.
    const trusted = kind === 0 || /RInitializeSessionUserId\0/.test(said);
    const where = at(context.host, context.port);
    const command = `psql "host=${context.host} port=${context.port} user=asepsis_look dbname=postgres sslmode=disable"`;
    const weaknesses = [...exposed(context, 'postgresql', 'PostgreSQL', 'high', DATABASE_WHY)];
    if (trusted)
      weaknesses.push(
        open(
          context,
          'postgresql',
          'PostgreSQL',
          'Anybody who guesses a name of a role is in.',
          'A role was looked up without a password ("trust" in pg_hba.conf)',
          command,
          'pg_hba.conf: replace trust by scram-sha-256 for every host line; then SELECT pg_reload_conf().',
        ),
      );
    if (kind === 3 || kind === 5)
      weaknesses.push({
        kind: 'weak-database-login',
        key: 'postgresql',
        severity: 'low',
        title: `PostgreSQL on ${where} asks for passwords the old way`,
        why: 'The password, or its MD5, can be read and replayed.',
        seen: kind === 3 ? 'AuthenticationCleartextPassword' : 'AuthenticationMD5Password',
        command,
        fix: fix(
          `Use SCRAM on ${where}`,
          "password_encryption = 'scram-sha-256', set the passwords anew, then scram-sha-256 in pg_hba.conf.",
          'hours',
          true,
        ),
      });
    if (ssl === 'N')
      weaknesses.push(
        ...inClear(
          context,
          'postgresql',
          'PostgreSQL',
          command,
          'postgresql.conf: ssl = on with ssl_cert_file and ssl_key_file; pg_hba.conf: hostssl instead of host.',
        ),
      );
    return view(
      'postgresql',
      context,
      null,
      [],
      { tls_offered: ssl === 'S', trust: trusted, login: kind ?? 'refused' },
      weaknesses,
    );
  },
};

export const mysql: Probe = {
  service: 'mysql',
  ports: [3306, 33060, 13306],
  greets: (banner) =>
    banner.length > 8 &&
    banner[3] === 0 &&
    (banner[4] === 10 || (banner[4] === 0xff && /not allowed to connect/.test(banner.toString('latin1')))),
  look: async (context) => {
    const { banner } = context;
    if (!banner || banner.length < 10) return null;
    const weaknesses = [...exposed(context, 'mysql', 'MySQL or MariaDB', 'high', DATABASE_WHY)];
    if (banner[4] === 0xff)
      return view('mysql', context, banner.toString('latin1', 7), [], { host_allowed: false }, weaknesses);
    const end = banner.indexOf(0, 5);
    if (end < 0 || end + 16 > banner.length) return null;
    const version = banner.toString('latin1', 5, end);
    const ssl = (banner.readUInt16LE(end + 14) & 0x0800) !== 0;
    if (!ssl)
      weaknesses.push(
        ...inClear(
          context,
          'mysql',
          'MySQL',
          `mysql -h ${context.host} -P ${context.port} --ssl-mode=REQUIRED -u asepsis_look`,
          'my.cnf: ssl_cert, ssl_key and require_secure_transport = ON.',
        ),
      );
    const maria = /MariaDB/i.test(version);
    const plain = /(?:5\.5\.5-)?(\d+\.\d+\.\d+)/.exec(version)?.[1];
    return view(
      'mysql',
      context,
      version,
      plain === undefined ? [] : [{ name: maria ? 'mariadb' : 'mysql', version: plain }],
      { tls_offered: ssl },
      weaknesses,
    );
  },
};

export const mssql: Probe = {
  service: 'mssql',
  ports: [1433],
  anywhere: true,
  look: async (context) => {
    // PRELOGIN with VERSION and ENCRYPTION ([MS-TDS] 2.2.6.5).
    const body = Buffer.from('00000b000601001100 01ff000000000000 02'.replaceAll(' ', ''), 'hex');
    const head = Buffer.from([0x12, 1, 0, 8 + body.length, 0, 0, 0, 0]);
    const answer = await question(context, 'mssql', Buffer.concat([head, body]));
    if (answer?.[0] !== 4 || answer.length < 20 || answer[8] !== 0) return null;
    const option = (token: number) => {
      for (let at = 8; at + 5 <= answer.length && answer[at] !== 0xff; at += 5)
        if (answer[at] === token) return 8 + answer.readUInt16BE(at + 1);
      return null;
    };
    const versionAt = option(0);
    const encryptionAt = option(1);
    const version =
      versionAt !== null && versionAt + 4 <= answer.length
        ? `${answer[versionAt]}.${answer[versionAt + 1]}.${answer.readUInt16BE(versionAt + 2)}`
        : null;
    const encryption = encryptionAt === null ? null : (answer[encryptionAt] ?? null);
    const weaknesses = [...exposed(context, 'mssql', 'Microsoft SQL Server', 'high', DATABASE_WHY)];
    if (encryption === 2 || encryption === 0)
      weaknesses.push(
        ...inClear(
          context,
          'mssql',
          'Microsoft SQL Server',
          `nmap -Pn -p ${context.port} --script ms-sql-ntlm-info,ms-sql-info ${context.host}`,
          'SQL Server Configuration Manager: Force Encryption = Yes with a certificate.',
        ),
      );
    return view(
      'mssql',
      context,
      null,
      version === null ? [] : [{ name: 'mssql', version }],
      { encryption: encryption ?? 'unknown' },
      weaknesses,
    );
  },
};

export const ldap: Probe = {
  service: 'ldap',
  ports: [389, 636, 3268, 3269],
  anywhere: true,
  look: async (context) => {
    // Anonymous bind (RFC 4513 section 5.1.1): no name, no password.
    const bind = await question(context, 'ldap', Buffer.from('300c020101600702010304008000', 'hex'));
    if (bind?.[0] !== 0x30) return null;
    const at1 = bind.indexOf(Buffer.from([0x0a, 0x01]));
    if (at1 < 0 || !bind.includes(0x61)) return null;
    const anonymous = bind[at1 + 2] === 0;
    const weaknesses = [
      ...exposed(context, 'ldap', 'LDAP', 'high', 'It lists the people of the hospital and takes their passwords.'),
    ];
    return view('ldap', context, null, [], { anonymous_bind: anonymous }, weaknesses);
  },
};

/** X11 without access control: the setup answer says 1 to anybody. */
export const x11: Probe = {
  service: 'x11',
  ports: [6000, 6001],
  anywhere: true,
  look: async (context) => {
    const answer = await question(context, 'x11', Buffer.from('6c000b000000000000000000', 'hex'));
    if (!answer || answer.length < 8 || answer.readUInt16LE(2) !== 11) return null;
    const free = answer[0] === 1;
    return view(
      'x11',
      context,
      null,
      [],
      { access_control: !free },
      free
        ? [
            open(
              context,
              'x11',
              'X11',
              'Anybody sees the screen and types on it.',
              'The display was opened without a cookie',
              `DISPLAY=${context.host}:${context.port - 6000} xdpyinfo`,
              'Start the server with -nolisten tcp, and remove xhost +.',
            ),
          ]
        : [],
    );
  },
};

export const rsync: Probe = {
  service: 'rsync',
  ports: [873],
  greets: (banner) => banner.toString('latin1').startsWith('@RSYNCD: '),
  look: async (context) =>
    view(
      'rsync',
      context,
      context.banner?.toString('latin1') ?? null,
      [],
      {},
      exposed(context, 'rsync', 'rsync', 'high', 'Modules are often open to everybody, backups among them.'),
    ),
};
