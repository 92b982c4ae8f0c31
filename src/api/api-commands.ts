/** Commands of this part: `tls init`, `people invite`, `token create`; they work while `serve` runs and while it does not. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  AsepsisError,
  audited,
  ROLES,
  type Role,
  rfc3339,
  type Store,
  systemClock,
  type Terminal,
} from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { plainAddress } from './api-address.ts';
import { createInvitation } from './api-invitation.ts';
import { createToken } from './api-token.ts';
import { initTls } from './tls-authority.ts';

const DATA = ['--data <dir>', 'the data folder', './data'] as const;
const ORIGIN = ['--origin <url>', 'where browsers find the desk', 'http://localhost:8420'] as const;
const random = (n: number) => randomBytes(n);

/** Names that this machine has: its host name, localhost, and its addresses. */
function ownNames(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => !one.internal && !one.address.toLowerCase().startsWith('fe80:'))
    .map((one) => plainAddress(one.address));
  return [hostname().toLowerCase(), 'localhost', '127.0.0.1', '::1', ...addresses].slice(0, 64);
}

async function withStore<T>(o: { data: string; store?: string }, work: (store: Store) => Promise<T>): Promise<T> {
  const url = o.store;
  if (url === undefined && !existsSync(join(resolve(o.data), 'asepsis.db'))) {
    throw new AsepsisError(
      'CONFIG_UNREADABLE',
      `There is no database in ${resolve(o.data)}; --data names the folder of serve.`,
    );
  }
  const store = await openStore({
    dataDir: resolve(o.data),
    clock: systemClock,
    ...(url === undefined ? {} : { url }),
  });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

function tlsCommand(program: Command, terminal: Terminal): void {
  const tls = program.command('tls').description('certificates for listeners on the network');
  tls
    .command('init')
    .description('make (or renew) a server certificate from an authority of your own')
    .option('--name <name...>', 'host names and addresses of this machine; its own when absent')
    .option(...DATA)
    .option('--new-authority', 'replace the authority; it must then be installed anew', false)
    .action(async (o: { name?: string[]; data: string; newAuthority: boolean }) => {
      const made = await initTls({
        dataDir: resolve(o.data),
        names: o.name ?? [],
        defaults: ownNames(),
        clock: systemClock,
        newAuthority: o.newAuthority,
      });
      terminal.out(`${made.certPath}\n`);
      terminal.say(`Certificate for ${made.names.join(', ')}, good until ${rfc3339(made.expiresMs)}.`);
      terminal.say(
        made.newAuthority
          ? `Install the authority on every computer that opens the desk or sends logs: ${made.authorityPath}`
          : `The authority is the one that was there: ${made.authorityPath}`,
      );
      terminal.say(`SHA-256 of the authority, to compare before installing it: ${made.fingerprint}`);
      terminal.say(
        '  Windows   certutil -addstore -f Root ca.crt (or Group Policy: Trusted Root Certification Authorities)',
      );
      terminal.say('  Debian    cp ca.crt /usr/local/share/ca-certificates/asepsis.crt && update-ca-certificates');
      terminal.say('  Red Hat   cp ca.crt /etc/pki/ca-trust/source/anchors/asepsis.crt && update-ca-trust');
      terminal.say(
        '  macOS     security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ca.crt',
      );
      terminal.say('  Firefox   Settings, Privacy and Security, Certificates, Authorities, Import');
    });
}

interface InviteOptions {
  readonly role?: Role;
  readonly username?: string;
  readonly reset?: string;
  readonly data: string;
  readonly origin: string;
  readonly store?: string;
}

async function invite(store: Store, o: InviteOptions): Promise<string> {
  const username = o.username?.toLowerCase();
  const wanted = o.reset?.toLowerCase() ?? username;
  const known = wanted === undefined ? null : await store.people.byUsername(wanted);
  if (o.reset !== undefined && (known === null || known.disabled)) {
    throw new AsepsisError('NOT_FOUND', `There is no enabled person ${o.reset}.`);
  }
  if (o.reset === undefined && known !== null) throw new AsepsisError('CONFLICT', `${username} is taken.`);
  const role = known?.role ?? o.role;
  if (role === undefined) throw new AsepsisError('BAD_REQUEST', `--role is one of ${ROLES.join(', ')}.`);
  const { token, expires } = await createInvitation(store, systemClock, random, {
    role,
    createdBy: 'command line',
    ...(username === undefined ? {} : { username }),
    ...(known === null ? {} : { reset: known.id }),
  });
  await audited({ store, clock: systemClock }, null, {
    action: known === null ? 'person.invite' : 'person.invite-reset',
    actor: 'command line',
    target: wanted ?? 'anybody',
    detail: `role ${role}, until ${expires}`,
  });
  return `${new URL(o.origin).origin}/enrol/${token}`;
}

function peopleCommand(program: Command, terminal: Terminal): void {
  const people = program.command('people').description('accounts of the desk');
  people
    .command('invite')
    .description('print a one-time link with which somebody makes an account, good for seven days')
    .addOption(new Option('--role <role>', 'what the person may do').choices([...ROLES]))
    .option('--username <name>', 'the only name that may be chosen')
    .option('--reset <name>', 'let this person set password and second factor anew, in the role they have')
    .option(...DATA)
    .option('--store <url>', 'the database when it is not in the data folder')
    .option(...ORIGIN)
    .action(async (o: InviteOptions) => {
      terminal.out(`${await withStore(o, (store) => invite(store, o))}\n`);
      terminal.say('The link works once, for seven days. Give it to that person only.');
    });
}

function tokenCommand(program: Command, terminal: Terminal): void {
  const token = program.command('token').description('tokens for programs');
  token
    .command('create')
    .description('print a new API token; it is shown this once')
    .requiredOption('--name <name>', 'what it is for')
    .addOption(
      new Option('--scope <scope>', 'send logs, read, or write').choices(['ingest', 'read', 'write']).default('ingest'),
    )
    .addOption(new Option('--role <role>', 'for read and write').choices([...ROLES]).default('viewer'))
    .option('--source <name>', 'for ingest: the source it speaks for; the name when absent')
    .option('--expires-days <days>', 'ends after this many days; 90 for read and write, never for ingest')
    .option(...DATA)
    .option('--store <url>', 'the database when it is not in the data folder')
    .option('--json', 'print id and token as JSON', false)
    .action(
      async (o: {
        name: string;
        scope: 'ingest' | 'read' | 'write';
        role: Role;
        source?: string;
        expiresDays?: string;
        data: string;
        store?: string;
        json: boolean;
      }) => {
        const days = o.expiresDays === undefined ? (o.scope === 'ingest' ? null : 90) : Number(o.expiresDays);
        if (days !== null && !(Number.isInteger(days) && days >= 1 && days <= 3650)) {
          throw new AsepsisError('BAD_REQUEST', '--expires-days is a whole number from 1 to 3650.');
        }
        const made = await withStore(o, async (store) => {
          const source =
            o.scope === 'ingest'
              ? (await store.sources.ensure({ name: o.source ?? o.name, kind: 'http' }, rfc3339(systemClock.now()))).id
              : null;
          const role = o.scope === 'ingest' ? null : o.role;
          const order = { name: o.name.slice(0, 128), scope: o.scope, role, source };
          const result = await createToken(
            { store, clock: systemClock, random },
            { ...order, expiresDays: days, createdBy: 'command line' },
          );
          await audited({ store, clock: systemClock }, null, {
            action: 'token.create',
            actor: 'command line',
            target: `${result.token.id} ${o.name}`,
            detail: `scope ${o.scope}${role === null ? '' : `, role ${role}`}`,
          });
          return { id: result.token.id, token: result.secret, expires: result.token.expires };
        });
        terminal.out(o.json ? `${JSON.stringify(made)}\n` : `${made.token}\n`);
        terminal.say(`Id ${made.id}, ${made.expires === null ? 'until it is revoked' : `until ${made.expires}`}.`);
      },
    );
}

/** Adds this part's commands. */
export function apiCommands(program: Command, terminal: Terminal): void {
  tlsCommand(program, terminal);
  peopleCommand(program, terminal);
  tokenCommand(program, terminal);
}
