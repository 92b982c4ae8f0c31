/** Reads exports: tells each file's format by its content, folders of one machine as a whole; a bad file hides no other. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { googleUser, keycloakRealm, oktaUsers } from './audit-cloud.ts';
import { entraAccounts, entraPolicy, entraRegistration, entraSignIn, entraUser, newEntra } from './audit-entra.ts';
import { directoryAccounts, ldifEntries } from './audit-ldif.ts';
import {
  type AuditInput,
  account,
  fault,
  isJson,
  type Json,
  listOf,
  newInput,
  type SeenLogin,
  textOf,
  timeMs,
} from './audit-record.ts';
import {
  fortiGate,
  freeRadius,
  isFortiGate,
  isFreeRadius,
  isOpenVpn,
  isStrongSwan,
  openVpn,
  strongSwan,
} from './audit-remote.ts';
import { unixAccounts } from './audit-unix.ts';

/** The largest export that is read whole: 200,000 accounts are about 100 MB of JSON. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;
const FILES_MAX = 2000;
const DEPTH_MAX = 6;
const COLUMNS_MAX = 256;

const UNIX_NAMES = /^(?:passwd|shadow|group|sshd_config|sshd-T|sshd_effective)(?:\.txt)?$/;

/** Every file below the paths, in order; folders are walked. */
async function filesOf(paths: readonly string[], input: AuditInput): Promise<string[]> {
  const found: string[] = [];
  const walk = async (path: string, depth: number): Promise<void> => {
    if (found.length >= FILES_MAX || depth > DEPTH_MAX) return fault(input, 'more files or folders than are read');
    const info = await stat(path);
    if (!info.isDirectory()) return void found.push(path);
    for (const name of (await readdir(path)).sort()) await walk(join(path, name), depth + 1);
  };
  for (const path of paths) await walk(path, 0);
  return found;
}

export async function readExports(paths: readonly string[], o: { host?: string } = {}): Promise<AuditInput> {
  const input = newInput();
  const entra = newEntra();
  const machines = new Map<string, { host: string; files: Map<string, string>; pam: Map<string, string> }>();
  let entraSource = '';
  for (const path of await filesOf(paths, input)) {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) {
      fault(input, `${basename(path)}: larger than 512 MiB`);
      continue;
    }
    const text = decoded(await readFile(path));
    const name = basename(path);
    const unix = unixPlace(path, name, text);
    if (unix !== null) {
      const host = o.host ?? basename(unix.root);
      const machine = machines.get(unix.root) ?? { host, files: new Map(), pam: new Map() };
      machines.set(unix.root, machine);
      if (unix.pam) machine.pam.set(name, text);
      else machine.files.set(unix.kind, text);
      input.formats.set(path, unix.pam ? 'PAM stack' : unix.kind);
      continue;
    }
    try {
      const format = readOne(text, name, input, entra);
      if (format === null) fault(input, `${name}: no format that is known`);
      else {
        input.formats.set(path, format);
        if (format.startsWith('Entra')) entraSource = name;
      }
    } catch (error) {
      fault(input, `${name}: ${(error as Error).message.slice(0, 120)}`);
    }
  }
  for (const machine of machines.values()) {
    const one = (kind: string) => machine.files.get(kind);
    const optional = (key: string, value: string | undefined) => (value === undefined ? {} : { [key]: value });
    unixAccounts(
      {
        host: machine.host,
        pam: machine.pam,
        source: machine.host,
        ...optional('passwd', one('passwd')),
        ...optional('shadow', one('shadow')),
        ...optional('group', one('group')),
        ...optional('sshd', one('sshd')),
      },
      input,
    );
  }
  entraAccounts(entra, input, entraSource);
  return input;
}

/** UTF-8, or UTF-16 with its mark, as Windows tools write it. */
function decoded(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le');
  const text = bytes.toString('utf8');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Whether the file is part of a machine's configuration, and of which machine: the folder above `etc`, or its own. */
function unixPlace(path: string, name: string, text: string): { root: string; kind: string; pam: boolean } | null {
  const parts = path.split('/');
  const etc = parts.lastIndexOf('etc');
  const folder = basename(dirname(path));
  const root =
    etc > 0
      ? parts.slice(0, etc).join('/')
      : folder === 'pam.d' || folder === 'ssh'
        ? dirname(dirname(path))
        : dirname(path);
  if (folder === 'pam.d' || (/^(?:common-auth|system-auth|password-auth)$/.test(name) && /^\s*-?auth\s/m.test(text)))
    return { root, kind: name, pam: true };
  if (UNIX_NAMES.test(name)) {
    const kind = name.replace(/\.txt$/, '');
    return { root, kind: kind.startsWith('sshd') ? 'sshd' : kind, pam: false };
  }
  if (/sshd_config/.test(name) || (name.endsWith('.conf') && folder === 'sshd_config.d'))
    return { root: folder === 'sshd_config.d' ? dirname(root) : root, kind: 'sshd', pam: false };
  if (
    /^\s*(?:PasswordAuthentication|AuthenticationMethods|PermitRootLogin|KbdInteractiveAuthentication)\s/im.test(
      text,
    ) &&
    !text.trimStart().startsWith('{')
  )
    return { root, kind: 'sshd', pam: false };
  if (/^root:[^:]*:0:0:/m.test(text)) return { root, kind: 'passwd', pam: false };
  return null;
}

/** Reads one file that stands for itself; the format's name, or null when it is none that is known. */
function readOne(text: string, name: string, input: AuditInput, entra: ReturnType<typeof newEntra>): string | null {
  const start = text.trimStart().slice(0, 1);
  if (start === '{' || start === '[') return readJson(text, name, input, entra);
  if (/^(?:version:\s*1\s*$|dn::? )/im.test(text.slice(0, 4096))) {
    directoryAccounts(ldifEntries(text, input), input, name);
    return 'LDIF';
  }
  if (isFortiGate(text)) {
    fortiGate(input, text, name);
    return 'FortiGate';
  }
  if (isOpenVpn(text)) {
    openVpn(input, text, name);
    return 'OpenVPN';
  }
  if (isFreeRadius(text)) {
    freeRadius(input, text, name);
    return 'FreeRADIUS';
  }
  if (isStrongSwan(text)) {
    strongSwan(input, text, name);
    return 'strongSwan';
  }
  if (/^[^:\n]{1,256}:\d{1,10}:[0-9a-fA-F]{32}:[0-9a-fA-F]{32}:::/m.test(text)) return readNtHashes(text, name, input);
  return readTable(text, name, input, entra);
}

function readJson(text: string, name: string, input: AuditInput, entra: ReturnType<typeof newEntra>): string | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return readLines(text, input, entra);
  }
  if (
    isJson(value) &&
    Array.isArray(value.users) &&
    (textOf(value.realm) !== '' || Array.isArray(value.authenticationFlows))
  ) {
    keycloakRealm(input, value, name);
    return 'Keycloak';
  }
  if (
    Array.isArray(value) &&
    value.some((one) => isJson(one) && textOf(one.realm) !== '' && Array.isArray(one.users))
  ) {
    for (const realm of value.filter(isJson)) keycloakRealm(input, realm, name);
    return 'Keycloak';
  }
  if (
    isJson(value) &&
    typeof value.isEnabled === 'boolean' &&
    /securitydefaults/i.test(JSON.stringify(value).slice(0, 4096))
  ) {
    entra.securityDefaults = value.isEnabled;
    return 'Entra security defaults';
  }
  const root: Json = isJson(value) ? value : {};
  const rows = Array.isArray(value) ? value : listOf(root.value ?? root.users ?? root.signIns);
  const okta = rows.filter(
    (row) =>
      isJson(row) &&
      isJson(row.profile) &&
      (textOf((row.profile as Json).login) !== '' || row.credentials !== undefined),
  );
  if (okta.length > 0) {
    oktaUsers(input, okta, root, name);
    return 'Okta';
  }
  let format: string | null = null;
  for (const row of rows.length > 0 ? rows : [value])
    if (isJson(row)) format = readRow(row, name, input, entra) ?? format;
  return format;
}

function readLines(text: string, input: AuditInput, entra: ReturnType<typeof newEntra>): string | null {
  let format: string | null = null;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    try {
      const row: unknown = JSON.parse(line);
      if (isJson(row)) format = readRow(row, 'lines', input, entra) ?? format;
    } catch {
      fault(input, 'a line that is no JSON');
    }
  }
  return format;
}

/** One object, by the fields that only it has. */
function readRow(row: Json, name: string, input: AuditInput, entra: ReturnType<typeof newEntra>): string | null {
  if ('isMfaRegistered' in row || 'isMfaCapable' in row || 'methodsRegistered' in row) {
    entraRegistration(entra, row);
    return 'Entra registration details';
  }
  if ('clientAppUsed' in row || 'authenticationRequirement' in row) {
    entraSignIn(input, row);
    return 'Entra sign-ins';
  }
  if ('grantControls' in row && 'conditions' in row) {
    entraPolicy(entra, row);
    return 'Entra conditional access';
  }
  if ('primaryEmail' in row || 'isEnrolledIn2Sv' in row)
    return googleUser(input, row, name) ? 'Google Workspace' : null;
  if ('userPrincipalName' in row && ('accountEnabled' in row || 'signInActivity' in row)) {
    entraUser(entra, row);
    return 'Entra users';
  }
  if ('class_uid' in row || 'ocsf' in row) return seenEvent(row, input) ? 'events' : null;
  return null;
}

/** A log-in of our own event stream: the gateway's decisions and everything else that detection reads. */
export function seenEvent(row: Json, input: AuditInput): boolean {
  const flat = isJson(row.ocsf) ? row.ocsf : null;
  const at = (path: string): unknown =>
    flat ? flat[path] : path.split('.').reduce<unknown>((held, key) => (isJson(held) ? held[key] : undefined), row);
  const user = textOf(flat ? flat.user : at('user.name'));
  const status = textOf(flat ? flat.outcome : row.status).toLowerCase();
  if (user === '' || status !== 'success') return false;
  const access = isJson(row.access) ? row.access : {};
  const factors = listOf(access.factors).map(textOf);
  const gateway = textOf(access.what);
  if (gateway !== '' && gateway !== 'sign-in') return true;
  const service = textOf(flat ? (flat.service ?? flat.host) : (at('dst_endpoint.svc_name') ?? at('device.hostname')));
  const multi = gateway === 'sign-in' && (factors.length > 1 || factors.includes('passkey'));
  const seen: SeenLogin = {
    service: service || null,
    name: user,
    atMs: timeMs(row.time) ?? 0,
    factors: multi ? 'multi' : 'unknown',
    legacy: null,
  };
  input.seen.push(seen);
  return true;
}

/** `name:rid:lm:nt:::`: kept only for comparison. */
function readNtHashes(text: string, name: string, input: AuditInput): string {
  for (const line of text.split('\n')) {
    const match = /^([^:\n]{1,256}):\d{1,10}:[0-9a-fA-F]{32}:([0-9a-fA-F]{32}):::/.exec(line.trim());
    if (match === null) continue;
    const user = (match[1] as string).replace(/^.*\\/, '');
    if (user.endsWith('$') || /^krbtgt$/i.test(user)) continue;
    input.accounts.push(
      account({
        service: `hashes ${name}`,
        name: user,
        factor: 'unknown',
        why: 'a password hash was handed over for comparison',
        source: name,
        secretHash: (match[2] as string).toLowerCase(),
      }),
    );
  }
  return 'NT hashes';
}

function readTable(text: string, name: string, input: AuditInput, entra: ReturnType<typeof newEntra>): string | null {
  let format: string | null = null;
  for (const row of tableRows(text)) {
    const csv = normalised(row);
    if (Object.keys(row).some((key) => /^email address/i.test(key)) && Object.keys(row).some((key) => /2sv/i.test(key)))
      format = googleUser(input, row, name) ? 'Google Workspace' : format;
    else if ('isMfaRegistered' in csv || 'methodsRegistered' in csv || 'isMfaCapable' in csv)
      format = readRow(csv, name, input, entra) ?? format;
    else if ('clientAppUsed' in csv || 'authenticationRequirement' in csv)
      format = readRow(csv, name, input, entra) ?? format;
    else return format;
  }
  return format;
}

const HEADINGS: Readonly<Record<string, string>> = {
  userprincipalname: 'userPrincipalName',
  upn: 'userPrincipalName',
  username: 'userPrincipalName',
  userdisplayname: 'userDisplayName',
  displayname: 'userDisplayName',
  ismfaregistered: 'isMfaRegistered',
  mfaregistered: 'isMfaRegistered',
  multifactorauthenticationregistered: 'isMfaRegistered',
  ismfacapable: 'isMfaCapable',
  multifactorauthenticationcapable: 'isMfaCapable',
  methodsregistered: 'methodsRegistered',
  isadmin: 'isAdmin',
  usertype: 'userType',
  clientapp: 'clientAppUsed',
  clientappused: 'clientAppUsed',
  authenticationrequirement: 'authenticationRequirement',
  date: 'createdDateTime',
  createddatetime: 'createdDateTime',
  dateutc: 'createdDateTime',
};
/** Portal downloads name their columns for people; Graph for programs. */
function normalised(row: Json): Json {
  const found: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(row))
    found[HEADINGS[key.toLowerCase().replace(/[^a-z]/g, '')] ?? key] = value;
  if (textOf(row.Status) !== '' && found.status === undefined)
    found.status = { errorCode: /success/i.test(textOf(row.Status)) ? 0 : 1 };
  if (/^multi/i.test(textOf(found.authenticationRequirement)))
    found.authenticationRequirement = 'multiFactorAuthentication';
  if (/^single/i.test(textOf(found.authenticationRequirement)))
    found.authenticationRequirement = 'singleFactorAuthentication';
  return found;
}

/** Rows of comma, semicolon or tab separated text with one heading line (RFC 4180). */
export function* tableRows(text: string): Generator<Json> {
  const line = text.slice(0, text.indexOf('\n') < 0 ? undefined : text.indexOf('\n'));
  const separator = [',', ';', '\t'].sort((a, b) => line.split(b).length - line.split(a).length)[0] as string;
  let headings: string[] | null = null;
  let fields: string[] = [];
  let at = 0;
  while (at < text.length) {
    let value = '';
    if (text[at] === '"') {
      let from = at + 1;
      for (;;) {
        const quote = text.indexOf('"', from);
        if (quote < 0) return;
        value += text.slice(from, quote);
        if (text[quote + 1] !== '"') {
          at = quote + 1;
          break;
        }
        value += '"';
        from = quote + 2;
      }
    } else {
      const from = at;
      while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at++;
      value = text.slice(from, at);
    }
    if (fields.length < COLUMNS_MAX) fields.push(value.trim());
    while (text[at] === '\r') at++;
    if (text[at] === separator) {
      at++;
      continue;
    }
    at++;
    if (headings === null) headings = fields;
    else if (fields.length > 1 || fields[0] !== '')
      yield Object.fromEntries(headings.map((heading, i) => [heading, fields[i] ?? '']));
    fields = [];
  }
}
