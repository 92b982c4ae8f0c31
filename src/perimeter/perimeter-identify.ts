/** Finds out what an open port is: listens first, then asks what its number suggests, then what may be asked anywhere. */

import { isIP } from 'node:net';
import { rfc3339 } from '../core/index.ts';
import type { Gate } from './perimeter-gate.ts';
import { AGENT } from './perimeter-http.ts';
import { type Probe, type ProbeContext, question, talk } from './perimeter-probe.ts';
import type { ActiveCheck } from './perimeter-schema.ts';
import { NOTHING, oneLine, type PortView, type ServiceView } from './perimeter-weakness.ts';
import { xmpp } from './services/service-chat.ts';
import { dicom, mllp, printer, SILENT_PORTS } from './services/service-clinical.ts';
import { ldap, memcached, mongodb, mssql, mysql, postgresql, redis, rsync, x11 } from './services/service-data.ts';
import { http } from './services/service-http.ts';
import { ftp, imap, pop3, smtp, telnet, vnc } from './services/service-lines.ts';
import { amqp, epmd, mqtt, nats } from './services/service-queues.ts';
import { rdp, smb } from './services/service-remote.ts';
import { ssh } from './services/service-ssh.ts';
import { activeChecks } from './tls/tls-active.ts';
import { gradeTls, tlsWeaknesses } from './tls/tls-grade.ts';
import { tlsProfile } from './tls/tls-profile.ts';
import type { StartTls } from './tls/tls-starttls.ts';
import { createTalker } from './tls/tls-talk.ts';

const PROBES: readonly Probe[] = [
  ssh,
  ftp,
  smtp,
  imap,
  pop3,
  telnet,
  vnc,
  mysql,
  rsync,
  nats,
  dicom,
  mllp,
  printer,
  http,
  redis,
  postgresql,
  rdp,
  smb,
  ldap,
  mssql,
  mongodb,
  memcached,
  mqtt,
  amqp,
  epmd,
  xmpp,
  x11,
];
/** Where nothing is ever sent, whatever else is asked of the host. */
const SILENT: readonly Probe[] = [mllp, printer];
const GREETING_MS = 500;
/** How long a server that kept silent is listened to once more. */
const PATIENT_MS = 8000;
/** Silence after a first hello, where nothing suggests that TLS is there. */
const FIRST_MS = 1500;
/** Protocols of RFC 3207 and its kin, by what was recognised in clear. */
const STARTTLS_OF: Readonly<Record<string, StartTls>> = {
  smtp: 'smtp',
  imap: 'imap',
  pop3: 'pop3',
  ftp: 'ftp',
  ldap: 'ldap',
  postgresql: 'postgresql',
  mysql: 'mysql',
};
/** XMPP asks differently between servers. */
const startTlsOf = (view: ServiceView, port: number): StartTls | undefined =>
  view.service === 'xmpp' ? (port === 5269 ? 'xmpp-server' : 'xmpp') : STARTTLS_OF[view.service];

export interface IdentifyInput {
  readonly gate: Gate;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly nowMs: number;
  readonly outside: boolean;
  /** Nothing is asked that the port does not suggest: a clinical machine is near. */
  readonly gentle: boolean;
  readonly active: readonly ActiveCheck[];
  readonly mayGuess?: (address: string) => boolean;
  /** How many silent ports of this host may still be waited for; a host that opens every port is not waited for each. */
  readonly patience?: { left: number };
}

async function greeting(context: Omit<ProbeContext, 'banner'>): Promise<Buffer | null> {
  const link = await talk({ ...context, banner: null }, 'greeting', { timeMs: 2500, bytesMax: 16 * 1024 });
  if (!link) return null;
  try {
    return await link.some(GREETING_MS);
  } finally {
    link.close();
  }
}

/** Any TLS record in answer to a hello, an alert too, says that the port speaks TLS from the first byte. */
async function speaksTls(input: IdentifyInput): Promise<boolean> {
  const { host, address, port } = input;
  const talker = createTalker(input.gate, { host, port, ...(isIP(host) ? {} : { address }) }, FIRST_MS);
  const answer = await talker.say(
    { version: 'TLS 1.2', ciphers: [0xc02f, 0xc02b, 0xc030, 0x009c, 0x002f, 0x0035, 0x000a, 0x00ff], compression: [0] },
    'is it TLS',
  );
  return answer.kind === 'hello' || (answer.kind === 'alert' && answer.code !== 0);
}

async function firstOf(probes: readonly Probe[], context: ProbeContext): Promise<ServiceView | null> {
  for (const probe of probes) {
    if (context.gate.stopped() !== null) return null;
    // A probe that meets something it did not expect leaves the others their turn.
    const view = await probe.look(context).catch(() => null);
    if (view) return view;
  }
  return null;
}

/** In clear, or inside TLS: what greets is recognised by its greeting, what keeps silent is asked what its port suggests. */
async function recognise(
  input: IdentifyInput,
  tls: boolean,
): Promise<{ view: ServiceView | null; context: ProbeContext }> {
  const base = {
    gate: input.gate,
    host: input.host,
    address: input.address,
    port: input.port,
    tls,
    nowMs: input.nowMs,
    outside: input.outside,
    ...(input.mayGuess ? { mayGuess: input.mayGuess } : {}),
  };
  const banner = await greeting(base);
  const context: ProbeContext = { ...base, banner };
  if (banner) {
    const view = await firstOf(
      PROBES.filter((probe) => probe.greets?.(banner, input.port)),
      context,
    );
    return { context, view: view ?? { ...NOTHING, tls, banner: oneLine(banner.toString('latin1')) } };
  }
  return { context, view: await firstOf(hinted(input.port), context) };
}

const hinted = (port: number) => PROBES.filter((probe) => !probe.greets && probe.ports.includes(port));

/**
 * A server may greet late (a mail server that sifts out hurried senders, one that looks up who calls) or think long
 * before it answers: what kept silent is listened to once more, for longer.
 */
async function patiently(input: IdentifyInput, context: ProbeContext): Promise<ServiceView | null> {
  const { patience = { left: 1 } } = input;
  if (patience.left-- <= 0 || input.gate.stopped() !== null) return null;
  const slow: ProbeContext = { ...context, patient: true };
  const request = `GET / HTTP/1.1\r\nHost: ${input.host.includes(':') ? `[${input.host}]` : input.host}\r\nUser-Agent: ${AGENT}\r\nConnection: close\r\n\r\n`;
  const listen = async () => {
    const link = await talk(slow, 'late greeting', { timeMs: PATIENT_MS, bytesMax: 16 * 1024 });
    const said = (await link?.some(PATIENT_MS)) ?? null;
    link?.close();
    return said;
  };
  const [banner, answer] = await Promise.all([
    listen(),
    input.gentle ? null : question(slow, 'slow http', request, PATIENT_MS),
  ]);
  if (banner) {
    const probes = PROBES.filter((probe) => probe.greets?.(banner, input.port));
    const view = await firstOf(probes, { ...slow, banner });
    return view ?? { ...NOTHING, tls: context.tls, banner: oneLine(banner.toString('latin1')) };
  }
  const text = answer?.toString('latin1') ?? '';
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
  if (status === undefined) return null;
  const server = /^server: *(.{1,200})/im.exec(text)?.[1];
  return {
    ...NOTHING,
    service: 'http',
    tls: context.tls,
    banner: server === undefined ? null : oneLine(server),
    facts: { status: Number(status) },
    notSeen: [`Port ${input.port} answers so slowly that its pages were not looked at`],
  };
}

/** All at once: a port that is none of these costs one waiting time, not one for each. */
async function anything(context: ProbeContext): Promise<ServiceView | null> {
  const rest = PROBES.filter((probe) => probe.anywhere && !probe.ports.includes(context.port));
  const views = await Promise.all(rest.map((probe) => probe.look(context).catch(() => null)));
  return views.find((one) => one !== null) ?? null;
}

export async function identify(input: IdentifyInput): Promise<PortView> {
  const { gate, host, address, port, nowMs } = input;
  const bare = { transport: 'tcp' as const, port, profile: null, grade: null, certificate: null };
  if (SILENT_PORTS.includes(port)) {
    const context = { gate, host, address, port, tls: false, nowMs, outside: input.outside, banner: null };
    return {
      ...bare,
      ...((await firstOf(
        SILENT.filter((probe) => probe.ports.includes(port)),
        context,
      )) ?? NOTHING),
    };
  }
  const suggestsTls = [
    443, 465, 636, 853, 989, 990, 992, 993, 995, 2376, 2762, 3269, 5061, 5223, 5671, 6443, 6514, 8443, 8883, 9443,
    10443,
  ].includes(port);
  let tls = suggestsTls && (await speaksTls(input));
  const clear = tls ? null : await recognise(input, false);
  let view = clear?.view ?? null;
  if (clear && !view) {
    const [encrypted, other] = await Promise.all([
      suggestsTls ? false : speaksTls(input),
      input.gentle ? null : anything(clear.context),
    ]);
    tls = encrypted;
    view = encrypted ? null : (other ?? (await patiently(input, clear.context)) ?? NOTHING);
  }
  if (!view) {
    const inner = await recognise(input, true);
    view = inner.view ??
      (input.gentle ? null : await anything(inner.context)) ??
      (await patiently(input, inner.context)) ?? { ...NOTHING, tls };
  }
  const startTls = tls ? undefined : startTlsOf(view, port);
  if (!tls && startTls === undefined) return { ...bare, ...view };
  return { ...bare, ...view, ...(await tlsPart(input, startTls, view)) };
}

async function tlsPart(
  input: IdentifyInput,
  startTls: StartTls | undefined,
  view: ServiceView,
): Promise<Partial<PortView>> {
  const { gate, host, address, port, nowMs } = input;
  const target = { host, port, ...(isIP(host) ? {} : { address }), startTls };
  const profile = await tlsProfile(gate, target, nowMs);
  if (!profile) return {};
  const { grade, level, lapses } = gradeTls(profile, nowMs);
  const leaf = profile.chains[0]?.certificates[0];
  const found = [
    ...tlsWeaknesses(profile, host, port, nowMs, { ...(startTls ? { startTls } : {}), publicName: input.outside }),
    ...(await activeChecks(gate, target, profile, input.active)),
  ];
  return {
    tls: true,
    profile,
    grade,
    certificate:
      leaf && !Number.isNaN(leaf.notAfterMs)
        ? { sha256: leaf.sha256, subject: leaf.subject, issuer: leaf.issuer, until: rfc3339(leaf.notAfterMs) }
        : null,
    facts: {
      ...view.facts,
      tls_level: level,
      ...(lapses.length > 0 ? { tls_lapses: lapses.join('; ').slice(0, 500) } : {}),
    },
    weaknesses: [...view.weaknesses, ...found],
    notSeen: [...(view.notSeen ?? []), ...profile.notSeen.map((text) => `Port ${port}: ${text}`)],
  };
}
