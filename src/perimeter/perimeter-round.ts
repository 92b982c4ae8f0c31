/** Looks at what this machine listens on, who holds it, whether it faces outside, and the TLS it offers there. */

import {
  type Evidence,
  type FindingObservation,
  isPrivateAddress,
  type MachineReader,
  type RoundContext,
  type RoundResult,
  rfc3339,
} from '../core/index.ts';
import { collectMachine } from './hardening/hardening-collect.ts';
import { HARDENING_KIND, hardeningFindings, judgeServer } from './hardening/hardening-judge.ts';
import { RISKY_SERVICES, TLS_PORTS } from './perimeter-services.ts';
import { type Listening, parseProcNet, reachOf } from './perimeter-sockets.ts';
import { type TlsView, viewTls } from './perimeter-tls.ts';

const DAY_MS = 86_400_000;
const EXPIRY_WARN_DAYS = 21;
const RSA_BITS_MIN = 2048;
const PROCESSES_MAX = 20_000;

export interface Service extends Listening {
  readonly process: string | null;
}

export async function perimeterRound(context: RoundContext): Promise<RoundResult> {
  const { machine, clock, asset, onProgress } = context;
  const now = clock.now();
  onProgress('Reading listening sockets');
  const services = await listening(machine);
  const addresses = await ownAddresses(machine);
  const notSeen: string[] = [];
  const nameless = services.filter((service) => service.process === null).length;
  const why = machine.isRoot ? 'the kernel or another container holds it' : 'run as root to see it';
  if (nameless > 0) notSeen.push(`The process behind ${nameless} of ${services.length} listening sockets: ${why}.`);
  if (services.length === 0) notSeen.push('Listening sockets: /proc/net cannot be read.');
  const findings: FindingObservation[] = [];
  const outside = services.filter((service) => reachOf(service.address) !== 'this machine');
  for (const service of unique(outside)) {
    const risky = RISKY_SERVICES[`${service.protocol}/${service.port}`];
    if (risky) findings.push(exposed(service, risky.name, risky.severity, risky.why, asset, now));
  }
  onProgress('Asking own TLS ports for their certificates');
  const tlsPorts = unique(services.filter((service) => service.protocol === 'tcp' && TLS_PORTS.includes(service.port)));
  for (const service of tlsPorts) {
    const host = service.address === '0.0.0.0' ? '127.0.0.1' : service.address === '::' ? '::1' : service.address;
    const view =
      (await viewTls(host, service.port)) ?? (host === '::1' ? await viewTls('127.0.0.1', service.port) : null);
    if (view) findings.push(...tlsFindings(view, service, asset, now));
    else notSeen.push(`TLS on port ${service.port}: no handshake was possible.`);
  }
  onProgress('Comparing this server’s configuration with hardening guides');
  const evidence = await collectMachine(machine);
  const judgements = judgeServer(evidence);
  findings.push(...hardeningFindings(judgements, evidence, asset, now));
  notSeen.push(
    ...judgements.flatMap(({ check, verdict }) =>
      verdict.state === 'unknown' ? [`${check.title}: ${verdict.why}.`] : [],
    ),
  );
  const publicAddress = addresses.some((address) => !isPrivateAddress(address));
  return {
    room: 'perimeter',
    judgedKinds: ['exposed-service', 'weak-tls', 'certificate-expiry', 'self-signed-certificate', HARDENING_KIND],
    findings,
    asset: {
      addresses: addresses.slice(0, 64),
      // A private address may still be reached through a forwarded port: only a public one settles it.
      external: publicAddress && outside.length > 0 ? true : null,
      reasons:
        services.length === 0
          ? []
          : [`${outside.length} of ${services.length} listening sockets accept clients from other machines`],
    },
    notSeen,
  };
}

async function listening(machine: MachineReader): Promise<Service[]> {
  const sockets: Listening[] = [];
  for (const protocol of ['tcp', 'udp'] as const)
    for (const version of ['', '6']) {
      const text = await machine.text(`/proc/net/${protocol}${version}`);
      if (text !== null) sockets.push(...parseProcNet(text, protocol));
    }
  const owners = await socketOwners(machine, new Set(sockets.map((socket) => socket.inode)));
  return sockets.map((socket) => ({ ...socket, process: owners.get(socket.inode) ?? null }));
}

/** Socket inode → name of a process that holds it; other users' processes are visible to root only. */
async function socketOwners(machine: MachineReader, wanted: Set<string>): Promise<Map<string, string>> {
  const owners = new Map<string, string>();
  const pids = ((await machine.names('/proc')) ?? []).filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX);
  for (const pid of pids) {
    for (const fd of (await machine.names(`/proc/${pid}/fd`)) ?? []) {
      const inode = /^socket:\[(\d+)\]$/.exec((await machine.link(`/proc/${pid}/fd/${fd}`)) ?? '')?.[1];
      if (inode === undefined || !wanted.has(inode) || owners.has(inode)) continue;
      owners.set(inode, (await machine.text(`/proc/${pid}/comm`))?.trim() ?? `process ${pid}`);
    }
  }
  return owners;
}

async function ownAddresses(machine: MachineReader): Promise<string[]> {
  const answer = await machine.run('ip', ['-o', 'addr', 'show', 'scope', 'global']);
  const found = [...(answer?.stdout ?? '').matchAll(/ inet6? ([0-9a-f.:]{2,45})\//g)].map(
    (match) => match[1] as string,
  );
  return [...new Set(found)];
}

/** The same port on IPv4 and IPv6 is one service. */
function unique(services: readonly Service[]): Service[] {
  const byPort = new Map<string, Service>();
  for (const service of services) {
    const key = `${service.protocol}/${service.port}`;
    const before = byPort.get(key);
    if (!before || (before.process === null && service.process !== null)) byPort.set(key, service);
  }
  return [...byPort.values()];
}

type AssetRef = RoundContext['asset'];

function exposed(
  service: Service,
  name: string,
  severity: FindingObservation['severity'],
  why: string,
  asset: AssetRef,
  now: number,
): FindingObservation {
  const reach = reachOf(service.address);
  const evidence: Evidence = {
    what: `${service.process ?? 'A process'} listens on ${service.protocol} ${service.address}:${service.port}`,
    seen: rfc3339(now),
    command: `sudo ss -lnp${service.protocol === 'tcp' ? 't' : 'u'} 'sport = :${service.port}'`,
    data: { address: service.address, port: service.port, process: service.process ?? 'not visible', reach },
  };
  return {
    room: 'perimeter',
    kind: 'exposed-service',
    key: `${service.protocol}/${service.port}`,
    severity: reach === 'the local network' && severity === 'critical' ? 'high' : severity,
    asset,
    title: `${name} on ${asset.name} accepts clients from ${reach}`,
    detail: `Port ${service.port}/${service.protocol}: ${why}. Whether a firewall in front of the machine closes it is not known from here.`,
    evidence: [evidence],
    fix: {
      title: `Close ${name} on ${asset.name} to other machines`,
      how: `Bind ${service.process ?? 'the service'} to 127.0.0.1 in its configuration, or allow port ${service.port} in the firewall only from the machines that need it. Ask who uses it first.`,
      effort: 'minutes',
      disrupts: true,
    },
    due: rfc3339(now + (severity === 'critical' ? 2 : severity === 'high' ? 7 : 30) * DAY_MS),
    exercise: false,
  };
}

function tlsFindings(view: TlsView, service: Service, asset: AssetRef, now: number): FindingObservation[] {
  const where = `port ${service.port} of ${asset.name}`;
  const command = `openssl s_client -connect 127.0.0.1:${service.port} </dev/null`;
  const make = (
    kind: string,
    severity: FindingObservation['severity'],
    title: string,
    how: string,
    dueDays: number,
  ): FindingObservation => ({
    room: 'perimeter',
    kind,
    key: `tcp/${service.port}`,
    severity,
    asset,
    title,
    evidence: [
      {
        what: `${view.protocol} ${view.cipher}, certificate "${view.subject}"`,
        seen: rfc3339(now),
        command,
        data: {
          protocol: view.protocol,
          cipher: view.cipher,
          valid_to: Number.isNaN(view.validToMs) ? 'unknown' : rfc3339(view.validToMs),
        },
      },
    ],
    fix: { title: `Renew or strengthen TLS on ${where}`, how, effort: 'hours', disrupts: true },
    due: rfc3339(now + dueDays * DAY_MS),
    exercise: false,
  });
  const found: FindingObservation[] = [];
  const days = Math.floor((view.validToMs - now) / DAY_MS);
  if (days < 0)
    found.push(
      make(
        'certificate-expiry',
        'high',
        `The certificate on ${where} expired ${-days} days ago`,
        'Renew the certificate and reload the service.',
        2,
      ),
    );
  else if (days < EXPIRY_WARN_DAYS)
    found.push(
      make(
        'certificate-expiry',
        'medium',
        `The certificate on ${where} expires in ${days} days`,
        'Renew the certificate and reload the service.',
        Math.max(1, days - 3),
      ),
    );
  if (view.oldProtocols)
    found.push(
      make(
        'weak-tls',
        'medium',
        `TLS 1.0 or 1.1 is still accepted on ${where}`,
        'Allow TLS 1.2 and 1.3 only (RFC 8996). Check old devices before.',
        30,
      ),
    );
  else if (view.keyBits !== null && view.keyBits >= 512 && view.keyBits < RSA_BITS_MIN && /RSA/.test(view.cipher))
    found.push(
      make(
        'weak-tls',
        'medium',
        `The key on ${where} has only ${view.keyBits} bits`,
        'Issue a certificate with a 2048-bit RSA or an ECDSA P-256 key.',
        30,
      ),
    );
  if (view.selfSigned && reachOf(service.address) !== 'this machine')
    found.push(
      make(
        'self-signed-certificate',
        'low',
        `The certificate on ${where} is self-signed: people learn to click warnings away`,
        'Use a certificate of an authority that the clients trust.',
        60,
      ),
    );
  return found;
}
