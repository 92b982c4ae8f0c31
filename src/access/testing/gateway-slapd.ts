/** For tests: a real OpenLDAP server with a few people, on free ports, with and without TLS. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from './gateway-certificate.ts';
import { freePort, programOf, waitForPort } from './gateway-fronts.ts';

export const BASE = 'dc=hosp,dc=example';
export const LDAP_PASSWORD = 'quiet-harbour-lamp-33';
const READER = `cn=reader,${BASE}`;
const READER_PASSWORD = 'reader-password';
export const hasSlapd = (): boolean => programOf('slapd') !== null && programOf('slapadd') !== null;

const person = (uid: string, more = '') => `dn: uid=${uid},ou=people,${BASE}
objectClass: inetOrgPerson
objectClass: shadowAccount
uid: ${uid}
cn: ${uid} of the hospital
sn: ${uid}
mail: ${uid}@hosp.example
userPassword: ${LDAP_PASSWORD}
${more}
`;
const group = (cn: string, ...members: string[]) =>
  `dn: cn=${cn},ou=groups,${BASE}\nobjectClass: groupOfNames\ncn: ${cn}\n${members.map((one) => `member: ${one}\n`).join('')}\n`;

const LDIF = `dn: ${BASE}
objectClass: dcObject
objectClass: organization
dc: hosp
o: hospital

dn: ou=people,${BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,${BASE}
objectClass: organizationalUnit
ou: groups

dn: ${READER}
objectClass: simpleSecurityObject
objectClass: organizationalRole
cn: reader
userPassword: ${READER_PASSWORD}

${['anna', 'ben', 'cleo', 'lea', 'max'].map((uid) => person(uid)).join('')}${person('gone', 'shadowExpire: 1\n')}${group('icu', `uid=anna,ou=people,${BASE}`)}${group('doctors', `cn=icu,ou=groups,${BASE}`, `uid=ben,ou=people,${BASE}`)}${group('staff', `cn=doctors,ou=groups,${BASE}`, `cn=staff,ou=groups,${BASE}`)}${group('break-glass-approvers', `uid=lea,ou=people,${BASE}`, `uid=max,ou=people,${BASE}`)}`;

export interface Slapd {
  readonly port: number;
  readonly tlsPort: number;
  readonly ca: string;
  readonly passwordFile: string;
  /** The directory's part of `gateway.yaml`. */
  readonly config: (change?: Record<string, unknown>) => Record<string, unknown>;
  readonly stop: () => Promise<void>;
}

export async function startSlapd(): Promise<Slapd> {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-slapd-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  mkdirSync(join(folder, 'db'));
  makeCertificate(folder);
  const conf = file(
    'slapd.conf',
    `${['core', 'cosine', 'inetorgperson', 'nis'].map((name) => `include /etc/ldap/schema/${name}.schema`).join('\n')}
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${folder}/pid
TLSCertificateFile ${folder}/cert.pem
TLSCertificateKeyFile ${folder}/key.pem
database mdb
suffix "${BASE}"
rootdn "cn=admin,${BASE}"
rootpw admin-password
directory ${folder}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${READER}" read by * none
`,
  );
  const added = spawnSync(programOf('slapadd') as string, ['-f', conf, '-l', file('people.ldif', LDIF)]);
  if (added.status !== 0) throw new Error(String(added.stderr));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const child = spawn(
    programOf('slapd') as string,
    ['-f', conf, '-h', `ldap://127.0.0.1:${port}/ ldaps://127.0.0.1:${tlsPort}/`, '-d', '0'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  await waitForPort(port, child, () => said);
  const passwordFile = file('reader', `${READER_PASSWORD}\n`);
  return {
    port,
    tlsPort,
    ca: join(folder, 'cert.pem'),
    passwordFile,
    config: (change = {}) => ({
      type: 'ldap',
      name: 'hospital',
      url: `ldap://127.0.0.1:${port}`,
      bind_dn: READER,
      bind_password_file: passwordFile,
      base: BASE,
      filter: '(&(objectClass=inetOrgPerson)(uid={name}))',
      timeout_ms: 2000,
      ...change,
    }),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
