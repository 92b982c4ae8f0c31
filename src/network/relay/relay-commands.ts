/** `asepsis relay`: make a pair of relays, try the way, and run one end. */

import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  AsepsisError,
  type Clock,
  EXIT,
  type FindingId,
  rfc3339,
  type Store,
  type Terminal,
} from '../../core/index.ts';
import { loadRelayConfig, networks, RELAY_KINDS, type RelayEnd, type RelayKind } from './relay-config.ts';
import { type PairPlan, STATUS_USUAL } from './relay-files.ts';
import { writePair } from './relay-pair.ts';
import type { RelayRecord } from './relay-proof.ts';
import { openTls } from './relay-route.ts';
import { startRelay } from './relay-serve.ts';

export interface RelayDeps {
  readonly openStore: (dataDir: string) => Promise<Store>;
  readonly clock: Clock;
}

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

/** `host:port`, with an IPv6 address in brackets. */
function endOf(text: string, option: string): RelayEnd {
  const found = /^(?:\[([0-9A-Fa-f:.%]{2,64})\]|([^\s:[\]]{1,255})):(\d{1,5})$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port > 65_535)
    throw new AsepsisError('BAD_REQUEST', `${option} must be HOST:PORT, such as 10.0.0.5:11112.`);
  return { host: (found[1] ?? found[2]) as string, port };
}

interface PairOptions {
  name?: string;
  kind?: string;
  listen?: string;
  tunnel?: string;
  to?: string;
  from: string[];
  seenAs?: string;
  status?: string;
  finding?: string;
  data?: string;
}

/** What a finding of clear text says about its flow. */
function flowOf(key: string): { client: string; server: RelayEnd; kind: RelayKind } {
  const flow = /^([0-9A-Fa-f:.]{2,64})>([0-9A-Fa-f:.]{2,64}):(\d{1,5})\/tcp\/([a-z0-9-]{1,32})$/.exec(key);
  if (!flow)
    throw new AsepsisError(
      'BAD_REQUEST',
      'A relay is made for clear text over TCP between two machines; this finding is about something else.',
    );
  const app = flow[4] as string;
  const kind =
    app === 'hl7' ? 'mllp' : app === 'dicom' ? 'dicom' : ['http', 'fhir', 'dicomweb'].includes(app) ? 'http' : 'tcp';
  return { client: flow[1] as string, server: { host: flow[2] as string, port: Number(flow[3]) }, kind };
}

async function pair(folder: string, o: PairOptions, terminal: Terminal, deps: RelayDeps): Promise<void> {
  const name = o.name ?? basename(resolve(folder)).toLowerCase();
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name))
    throw new AsepsisError('BAD_REQUEST', `--name ${name}: lower-case letters, digits and hyphens, at most 32.`);
  const store = o.finding === undefined ? null : await deps.openStore(o.data ?? './data');
  try {
    const finding = store === null ? null : await store.findings.get(o.finding as FindingId);
    if (store !== null && finding === null) throw new AsepsisError('NOT_FOUND', `There is no finding ${o.finding}.`);
    const flow = finding === null ? null : flowOf(finding.key);
    const renewing = !o.listen && !o.tunnel && !o.to && flow === null;
    const plan = renewing ? null : planOf(name, o, flow);
    const made = await writePair({ folder, name, plan, clock: deps.clock });
    if (store !== null && finding !== null && flow !== null && plan !== null) {
      const record: RelayRecord = {
        name,
        kind: plan.kind,
        finding: finding.id,
        client: flow.client,
        server: flow.server,
        near: plan.near,
        far: plan.far,
        ...(plan.nearSeenAs === undefined ? {} : { nearSeenAs: plan.nearSeenAs }),
        made: rfc3339(deps.clock.now()),
      };
      await store.records.put('network-relays', [
        { id: finding.id, order: deps.clock.now(), tag: name, search: finding.title, doc: record },
      ]);
    }
    terminal.say(
      made.renewed
        ? `New certificates for both ends are in ${folder}; copy each end’s cert.pem and key.pem over the old ones. Running relays take them up by themselves.`
        : `${made.files.length} files in ${folder}. STEPS.md says how to switch over, and back.`,
    );
  } finally {
    await store?.close();
  }
}

function planOf(name: string, o: PairOptions, flow: ReturnType<typeof flowOf> | null): PairPlan {
  const kind = o.kind ?? flow?.kind ?? 'tcp';
  if (!(RELAY_KINDS as readonly string[]).includes(kind))
    throw new AsepsisError('BAD_REQUEST', `--kind is one of ${RELAY_KINDS.join(', ')}.`);
  const missing = (option: string) =>
    new AsepsisError('BAD_REQUEST', `${option} is needed: see asepsis relay pair --help.`);
  if (o.listen === undefined) throw missing('--listen');
  if (o.tunnel === undefined) throw missing('--tunnel');
  const server = o.to === undefined ? flow?.server : endOf(o.to, '--to');
  if (server === undefined) throw missing('--to');
  const devices = o.from.length > 0 ? o.from : flow === null ? [] : [flow.client];
  if (devices.length === 0) throw missing('--from');
  networks(devices, (entry) => new AsepsisError('BAD_REQUEST', `--from ${entry} is no address and no network.`));
  return {
    name,
    kind: kind as RelayKind,
    near: endOf(o.listen, '--listen'),
    far: endOf(o.tunnel, '--tunnel'),
    server,
    devices,
    status: o.status === undefined ? STATUS_USUAL : endOf(o.status, '--status'),
    ...(o.seenAs === undefined ? {} : { nearSeenAs: o.seenAs }),
  };
}

/** One handshake with each far relay; nothing is sent to the server behind it beyond opening a connection. */
async function check(path: string, terminal: Terminal): Promise<void> {
  const config = await loadRelayConfig(path);
  let failed = 0;
  for (const route of config.routes) {
    if (route.side === 'far') {
      terminal.out(
        `ok    ${route.name}: takes TLS on ${route.listen.host} port ${route.listen.port} for ${route.peers.join(', ')}\n`,
      );
      continue;
    }
    try {
      const socket = await openTls(route, config.material);
      terminal.out(
        `ok    ${route.name}: ${route.to.host} port ${route.to.port} answers as ${route.peers[0]} with ${socket.getProtocol()}\n`,
      );
      socket.destroy();
    } catch (error) {
      failed++;
      terminal.out(`BAD   ${route.name}: ${(error as Error).message}\n`);
    }
  }
  process.exitCode = failed > 0 ? EXIT.findings : EXIT.clean;
}

async function run(path: string, json: boolean, terminal: Terminal, clock: Clock): Promise<void> {
  const relay = await startRelay(path, { clock, say: terminal.say });
  const where = { ready: true, routes: relay.ports(), status: relay.statusPort };
  if (json) terminal.out(`${JSON.stringify(where)}\n`);
  else
    for (const [name, port] of Object.entries(where.routes)) terminal.say(`${name} takes connections on port ${port}`);
  process.on('SIGHUP', () => void relay.reload());
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await relay.close();
}

/** Adds `relay` to the program. */
export function relayCommands(program: Command, terminal: Terminal, deps: RelayDeps): void {
  const relay = program.command('relay').description('TLS between two sites for devices that know only clear text');
  relay
    .command('run')
    .description('runs one end; SIGHUP or a changed file takes a new configuration up')
    .argument('<config>', 'relay.yaml')
    .option('--json', 'one JSON line with the ports when it is ready')
    .action((path: string, o: { json?: boolean }) => run(path, o.json === true, terminal, deps.clock));
  relay
    .command('check')
    .description('tries the way to the other end, without sending anything')
    .argument('<config>', 'relay.yaml')
    .action((path: string) => check(path, terminal));
  relay
    .command('pair')
    .description(
      'writes certificates, both configurations (also for stunnel and HAProxy) and the steps of the switch-over; without ends it renews',
    )
    .argument('<folder>', 'where to write; made when it is not there')
    .option('--name <word>', 'what the pair is called (otherwise the folder’s name)')
    .option('--kind <kind>', RELAY_KINDS.join(', '))
    .option('--listen <host:port>', 'where the near relay takes the device’s clear text')
    .option('--tunnel <host:port>', 'where the far relay takes TLS')
    .option('--to <host:port>', 'the server that the device speaks to today')
    .option('--from <network>', 'a device, or a network of devices; may be repeated', collect, [])
    .option('--seen-as <address>', 'the near relay’s address as the far one sees it; others are refused there')
    .option(
      '--status <host:port>',
      'where both ends answer /healthz and /metrics (127.0.0.1:9465; a second pair on one machine needs another)',
    )
    .option('--finding <id>', 'takes the device, the server and the kind from this finding, and lets sensors judge it')
    .option('-d, --data <folder>', 'where the finding is kept', './data')
    .action((folder: string, o: PairOptions) => pair(folder, o, terminal, deps));
}
