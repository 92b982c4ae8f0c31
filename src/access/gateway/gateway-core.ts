/** What the gateway's parts share: its settings, its file, its keys. One of these a process. */

import { join } from 'node:path';
import type { Clock } from '../../core/index.ts';
import { type Accounts, openAccounts } from './gateway-accounts.ts';
import { type NetworkSet, networkSet } from './gateway-address.ts';
import { ARRIVAL_TIMES, type ArrivalTimes } from './gateway-body.ts';
import { type Db, openDb } from './gateway-db.ts';
import { type Directory, ldapDirectory, localDirectory } from './gateway-directory.ts';
import { type Events, openEvents, type SendEvents } from './gateway-events.ts';
import type { Party } from './gateway-factors.ts';
import { type Keys, openKeys } from './gateway-keys.ts';
import { type Once, openOnce } from './gateway-once.ts';
import { closeHeld, type Held, openSessionsOf, rejudge } from './gateway-open.ts';
import { openPasswords, type Passwords } from './gateway-passwords.ts';
import { compilePolicy, type Policy } from './gateway-policy.ts';
import type { GatewayConfig } from './gateway-schema.ts';
import { openSeal, type Seal } from './gateway-secrets.ts';
import { openSessions, type Sessions } from './gateway-sessions.ts';
import { openThrottle, type Throttle } from './gateway-throttle.ts';

/** What follows from the configuration, replaced as a whole when the file changes. */
export interface Settings {
  readonly config: GatewayConfig;
  readonly policy: Policy;
  readonly trusted: NetworkSet;
  readonly workstations: NetworkSet;
  readonly directories: readonly Directory[];
  readonly origin: string;
  /** Host (and port) where people sign in. */
  readonly host: string;
  readonly secure: boolean;
  readonly party: Party;
  readonly cookies: Readonly<Record<'session' | 'flow' | 'state' | 'device', string>>;
  readonly cookieNames: readonly string[];
}

export interface Gateway {
  readonly settings: () => Settings;
  readonly clock: Clock;
  readonly seal: Seal;
  readonly durable: Db;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly throttle: Throttle;
  readonly once: Once;
  readonly passwords: Passwords;
  readonly keys: Keys;
  readonly events: Events;
  /** Answers under way, streams and sockets. */
  readonly held: Set<Held>;
  /** Something that a person must know now: break-glass, copied keys, a directory that is down. */
  readonly alarm: (what: string, sentence: string | null) => void;
  readonly reload: (config: GatewayConfig) => void;
  readonly times: ArrivalTimes;
  readonly close: () => Promise<void>;
}

export interface GatewayOptions {
  /** `<data>/access`: the file, the key, what waits for the desk. */
  readonly folder: string;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly send: SendEvents | null;
  readonly alarm: (what: string, sentence: string | null) => void;
  readonly times?: ArrivalTimes;
}

function settingsOf(config: GatewayConfig, clock: Clock, accounts: Accounts, passwords: Passwords): Settings {
  const url = new URL(config.origin);
  const secure = url.protocol === 'https:';
  // `__Host-` cookies cannot come from a sibling domain or another path (RFC 6265bis section 4.1.3.2).
  const prefix = secure ? '__Host-' : '';
  const cookies = {
    session: `${prefix}asepsis-access`,
    flow: `${prefix}asepsis-flow`,
    state: `${prefix}asepsis-state`,
    device: `${prefix}asepsis-known`,
  };
  return {
    config,
    policy: compilePolicy(config),
    trusted: networkSet(config.trusted_proxies) as NetworkSet,
    workstations: networkSet(config.workstations.networks.flatMap((name) => config.networks[name] ?? [])) as NetworkSet,
    directories: config.directories.flatMap((one) =>
      one.type === 'ldap'
        ? [ldapDirectory(one, clock)]
        : one.type === 'local'
          ? [localDirectory(one.name, accounts, passwords)]
          : [],
    ),
    origin: url.origin,
    host: url.host,
    secure,
    party: { id: url.hostname, name: config.organisation, origin: url.origin },
    cookies,
    cookieNames: Object.values(cookies),
  };
}

export async function openGateway(o: GatewayOptions): Promise<Gateway> {
  const { clock } = o;
  const file = join(o.folder, 'gateway.db');
  const durable = openDb(file, true);
  const quick = openDb(file, false);
  const seal = openSeal(o.folder);
  const accounts = openAccounts(durable, clock);
  const passwords = await openPasswords(o.config.passwords);
  const sessions = openSessions(quick, clock);
  const events = openEvents({
    folder: join(o.folder, 'events'),
    clock,
    send: o.send,
    onFault: (sentence) => o.alarm('access-gateway-events', sentence),
  });
  let settings = settingsOf(o.config, clock, accounts, passwords);
  const gateway: Gateway = {
    held: new Set(),
    settings: () => settings,
    clock,
    seal,
    durable,
    accounts,
    passwords,
    sessions,
    events,
    throttle: openThrottle(quick, clock),
    once: openOnce(durable, clock),
    keys: openKeys(durable, seal, clock),
    alarm: o.alarm,
    times: o.times ?? ARRIVAL_TIMES,
    reload: (config) => {
      settings = settingsOf(config, clock, accounts, passwords);
      rejudge(gateway, null);
    },
    close: async () => {
      sessions.close();
      await events.close();
      durable.close();
      quick.close();
    },
  };
  sessions.onClose(
    (ids) => closeHeld(gateway, ids),
    () => openSessionsOf(gateway),
  );
  // Groups that somebody lost close what is open too.
  sessions.onRegroup((session) => rejudge(gateway, session));
  return gateway;
}
