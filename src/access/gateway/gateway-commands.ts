/** `asepsis access gateway` and the small commands beside it: invitations, sealed codes, sessions, proxy configuration. */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { AsepsisError, systemClock, type Terminal } from '../../core/index.ts';
import { canonicalName } from './gateway-accounts.ts';
import { loadGatewayConfig } from './gateway-config.ts';
import { type Gateway, openGateway } from './gateway-core.ts';
import { listEmergencies, makeEmergencyCodes } from './gateway-emergency.ts';
import { sendToDesk } from './gateway-events.ts';
import { PROXIES, type ProxyName, proxyConfig } from './gateway-proxy-config.ts';
import { listen } from './gateway-server.ts';

const RELOAD_MS = 2000;
const CODES_MAX = 100;
const DATA = ['-d, --data <folder>', 'the folder that holds everything', './data'] as const;
const CONFIG = [
  '-c, --config <file>',
  'the gateway’s file (otherwise access/gateway.yaml in the data folder)',
] as const;

interface Options {
  readonly data: string;
  readonly config?: string;
  readonly json?: boolean;
}

const folderOf = (o: Options): string => join(resolve(o.data), 'access');
export const gatewayFile = (data: string, file?: string): string =>
  file ?? join(resolve(data), 'access', 'gateway.yaml');

/** Opens the gateway's data for one command; nothing is sent and nothing listens. */
async function withGateway<T>(o: Options, work: (gateway: Gateway) => T | Promise<T>): Promise<T> {
  const config = await loadGatewayConfig(gatewayFile(o.data, o.config));
  const gateway = await openGateway({ folder: folderOf(o), config, clock: systemClock, send: null, alarm: () => {} });
  try {
    return await work(gateway);
  } finally {
    await gateway.close();
  }
}

function accountName(raw: string): string {
  const name = canonicalName(raw);
  if (name === null) throw new InvalidArgumentError(`"${raw}" cannot be the name of an account.`);
  return name;
}

export function gatewayCommands(access: Command, terminal: Terminal): void {
  access
    .command('gateway')
    .description('the gateway that puts a second factor in front of applications')
    .option(...DATA)
    .option(...CONFIG)
    .option('--json', 'one JSON line when ready')
    .action((o: Options) => runGateway(o, terminal));
  access
    .command('invite')
    .description('a one-time link with which an account sets up its second factor')
    .argument('<account>')
    .option(...DATA)
    .option(...CONFIG)
    .option('--local', 'makes the account when it is not there: its password is chosen with the link')
    .option('--name <text>', 'the person’s name, for a new account')
    .option('--groups <names...>', 'groups of a new account')
    .option('--reset', 'ends the factors and sessions that the account has')
    .option('--json', 'as one JSON object')
    .action(
      async (account: string, o: Options & { local?: boolean; name?: string; groups?: string[]; reset?: boolean }) => {
        await withGateway(o, (gateway) => {
          const name = accountName(account);
          if (o.local && gateway.accounts.get(name) === null)
            gateway.accounts.put({
              name,
              display: o.name ?? name,
              email: '',
              directory: 'local',
              groups: o.groups ?? [],
            });
          if (o.reset) {
            gateway.accounts.clearFactors(name);
            gateway.sessions.endAll(name);
          }
          const { secret, expires } = gateway.accounts.invite(name, 'link', 'command line');
          const link = `${gateway.settings().origin}/enrol?code=${secret}`;
          terminal.out(
            o.json
              ? `${JSON.stringify({ account: name, link, expires: new Date(expires).toISOString() })}\n`
              : `${link}\n`,
          );
        });
      },
    );
  access
    .command('sealed-codes')
    .description('break-glass codes for sealed envelopes; they are shown only now')
    .argument('<application>')
    .option(...DATA)
    .option(...CONFIG)
    .option('--count <number>', 'how many', (text) => Number(text), 5)
    .action(async (app: string, o: Options & { count: number }) => {
      await withGateway(o, (gateway) => {
        const found = gateway.settings().config.apps.find((one) => one.name === app);
        if (found?.emergency !== 'break-glass')
          throw new AsepsisError('BAD_REQUEST', `"${app}" is no application with "emergency: break-glass".`);
        if (!Number.isInteger(o.count) || o.count < 1 || o.count > CODES_MAX)
          throw new AsepsisError('BAD_REQUEST', `Between 1 and ${CODES_MAX} codes.`);
        terminal.out(`${makeEmergencyCodes(gateway, app, o.count).join('\n')}\n`);
      });
    });
  access
    .command('sessions')
    .description('who is signed in; --end signs an account out everywhere')
    .option(...DATA)
    .option(...CONFIG)
    .option('--end <account>', 'ends every session of the account')
    .option('--json', 'one session a line')
    .action(async (o: Options & { end?: string }) => {
      await withGateway(o, (gateway) => {
        if (o.end !== undefined) terminal.say(`${gateway.sessions.endAll(accountName(o.end))} sessions ended.`);
        for (const session of gateway.sessions.list()) {
          const { id, account, address, createdMs, lastSeenMs, strength, locked } = session;
          const factors = session.factors.map((factor) => factor.kind);
          terminal.out(
            o.json
              ? `${JSON.stringify({ id, account, address, created: new Date(createdMs).toISOString(), last_seen: new Date(lastSeenMs).toISOString(), strength, factors, locked })}\n`
              : `${account.padEnd(24)} ${address.padEnd(24)} ${factors.join('+').padEnd(20)} since ${new Date(createdMs).toISOString()}${locked ? ' locked' : ''}\n`,
          );
        }
      });
    });
  access
    .command('emergencies')
    .description('uses of break-glass, the newest first')
    .option(...DATA)
    .option(...CONFIG)
    .action(async (o: Options) => {
      await withGateway(o, (gateway) => {
        for (const one of listEmergencies(gateway)) terminal.out(`${JSON.stringify(one)}\n`);
      });
    });
  access
    .command('proxy-config')
    .description(`forward-auth configuration for ${PROXIES.join(', ')}`)
    .argument('<proxy>', PROXIES.join(', '))
    .option(...DATA)
    .option(...CONFIG)
    .option('--gateway <address>', 'host:port under which the proxy reaches the gateway', '127.0.0.1:8430')
    .action(async (proxy: string, o: Options & { gateway: string }) => {
      if (!PROXIES.includes(proxy as ProxyName)) throw new InvalidArgumentError(`One of ${PROXIES.join(', ')}.`);
      terminal.out(
        proxyConfig(proxy as ProxyName, await loadGatewayConfig(gatewayFile(o.data, o.config)), { gateway: o.gateway }),
      );
    });
}

async function runGateway(o: Options, terminal: Terminal): Promise<void> {
  const file = gatewayFile(o.data, o.config);
  if (!existsSync(file))
    throw new AsepsisError(
      'CONFIG_UNREADABLE',
      `${file} is not there; docs/operate/gateway.md shows one to begin with.`,
    );
  const running = await startGateway({
    folder: folderOf(o),
    file,
    say: (line) => terminal.say(line),
    send: null,
    alarm: (_what, sentence) => sentence && terminal.say(`ALARM: ${sentence}`),
  });
  if (o.json)
    terminal.out(`${JSON.stringify({ ready: true, origin: running.gateway.settings().origin, port: running.port })}\n`);
  else terminal.say(`The gateway is at ${running.gateway.settings().origin} (port ${running.port}).`);
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await running.close();
}

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Opens and listens; a changed file is taken over while it runs, a broken one is refused and the old one stays. */
export async function startGateway(o: {
  folder: string;
  file: string;
  say: (line: string) => void;
  send: ((records: readonly object[]) => Promise<void>) | null;
  alarm: (what: string, sentence: string | null) => void;
}): Promise<RunningGateway> {
  const config = await loadGatewayConfig(o.file);
  const desk = config.events;
  const send =
    o.send ?? (desk === undefined ? null : sendToDesk(desk.url, readFileSync(desk.token_file, 'utf8').trim()));
  const gateway = await openGateway({ folder: o.folder, config, clock: systemClock, send, alarm: o.alarm });
  const server = await listen(gateway, (entry, message) => o.say(`${message}: ${JSON.stringify(entry)}`));
  let changed = statSync(o.file).mtimeMs;
  const look = async () => {
    const now = statSync(o.file, { throwIfNoEntry: false })?.mtimeMs ?? changed;
    if (now === changed) return;
    changed = now;
    try {
      gateway.reload(await loadGatewayConfig(o.file));
      o.alarm('access-gateway-config', null);
      o.say('The gateway took over its changed file.');
    } catch (error) {
      o.alarm('access-gateway-config', `The gateway keeps its old settings: ${(error as Error).message}`);
    }
  };
  const timer = setInterval(() => void look(), RELOAD_MS);
  return {
    gateway,
    port: server.port,
    close: async () => {
      clearInterval(timer);
      await server.close();
      await gateway.close();
    },
  };
}
