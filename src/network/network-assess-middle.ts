/** Findings about who sits on the path: signs of somebody in the middle, changed certificates, routers made for homes. Pure. */

import { type Evidence, type FindingObservation, rfc3339, type Severity } from '../core/index.ts';
import type { AssessOptions } from './network-assess.ts';
import type { CertificateConflict } from './network-certificates.ts';
import type { DhcpServer } from './network-dhcp.ts';
import type { Inspection } from './network-inspect.ts';
import type { Leak } from './network-report.ts';
import { judgeRouters } from './network-routers.ts';
import type { Sign, SignKind } from './network-signs.ts';
import { clearFlows, cut, quoted, safeMs } from './network-text.ts';
import type { ArpConflict, Router } from './network-watch.ts';

type Observation = FindingObservation;

interface Middle {
  readonly kind: string;
  readonly key: string;
  readonly asset: string;
  readonly title: string;
  readonly detail: string;
  readonly what: string;
  readonly filter: string;
  readonly severity: Severity;
  readonly fix: { title: string; how: string };
  readonly affected: ReadonlySet<string>;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly packet: number;
  readonly file: string;
  readonly data: Record<string, string | number | boolean>;
}

const worse = (severity: Severity): Severity =>
  severity === 'low' ? 'medium' : severity === 'medium' ? 'high' : severity;

/** What was readable on the path meanwhile makes it worse, and is named. */
function finding(one: Middle, leaks: readonly Leak[]): Observation {
  const flows = clearFlows(leaks, one.affected, one.firstMs);
  const from = one.file === '-' ? 'CAPTURE' : one.file;
  const evidence: Evidence = {
    what: cut(one.what, 1000),
    seen: rfc3339(safeMs(one.lastMs)),
    command: `tshark -r ${from} -Y ${quoted(one.filter)}`,
    data: {
      ...one.data,
      packet: one.packet,
      first: rfc3339(safeMs(one.firstMs)),
      clear_flows: flows.length,
      ...(flows.length > 0 ? { flows: cut(flows.slice(0, 8).join('; '), 1000) } : {}),
    },
  };
  return {
    room: 'network',
    kind: one.kind,
    key: one.key,
    severity: flows.length > 0 ? worse(one.severity) : one.severity,
    asset: { name: one.asset },
    title: cut(one.title, 250),
    detail: `${one.detail} ${flows.length} clear-text flows crossed the path meanwhile.`,
    evidence: [evidence],
    fix: { ...one.fix, title: cut(one.fix.title, 250), effort: 'hours', disrupts: false },
    due: null,
    exercise: false,
  };
}

const FIND_PORT =
  'Look the MAC up in the switch. Ask who uses that port before it is taken out: a device at a bed may hang on it.';

interface Words {
  readonly severity: Severity;
  title(sign: Sign): string;
  readonly detail: string;
  filter(sign: Sign): string;
  readonly how: string;
}

const WORDS: Readonly<
  Record<Exclude<SignKind, 'arp-conflict' | 'unexpected-router-advertisement' | 'rogue-dhcp-server'>, Words>
> = {
  'arp-spoofing': {
    severity: 'high',
    title: (sign) => `${sign.suspect} tells others that it is ${sign.address}`,
    detail: 'It answers questions that nobody asked, as tools do that redirect traffic to themselves.',
    filter: (sign) => `arp.opcode==2 && arp.src.proto_ipv4==${sign.address}`,
    how: `${FIND_PORT} Turn on dynamic ARP inspection.`,
  },
  'icmp-redirect': {
    severity: 'medium',
    title: (sign) => `${sign.suspect} redirects traffic for ${sign.address}`,
    detail: 'Routers seldom need to; whoever is believed puts itself, or its friend, on the path.',
    filter: () => 'icmp.type==5 || icmpv6.type==137',
    how: `${FIND_PORT} Let machines ignore redirects (accept_redirects=0), and routers send none.`,
  },
  'name-poisoning': {
    severity: 'high',
    title: (sign) => `${sign.suspect} answers for names that are not its own`,
    detail: 'Whoever believes it sends log-ins to it.',
    filter: () => 'llmnr || nbns || mdns',
    how: `${FIND_PORT} Turn off LLMNR and NetBIOS name service by group policy, and give WPAD a name of your own.`,
  },
  'dns-conflicting-answers': {
    severity: 'high',
    title: (sign) => `Two different answers to one DNS question from ${sign.address}`,
    detail: 'A resolver answers once. The other answer is forged.',
    filter: () => 'dns.flags.response==1',
    how: 'Find out which machine sent the other answer (its MAC is in the evidence), and use a resolver over TLS or with DNSSEC.',
  },
  'relayed-traffic': {
    severity: 'medium',
    title: (sign) => `${sign.suspect} passes on packets of ${sign.address}`,
    detail: 'The same connection is seen before and behind this machine, inside one network.',
    filter: (sign) => `eth.src==${sign.suspect}`,
    how: 'When it is a router or firewall of yours, name it with `asepsis inspect --router MAC`. Otherwise look its switch port up.',
  },
  'starttls-stripped': {
    severity: 'high',
    title: (sign) => `Somebody takes the offer to encrypt out of the answers of ${sign.address}`,
    detail: 'The server offers STARTTLS to others, or its offer arrives overwritten: log-ins then cross readable.',
    filter: (sign) => `ip.addr==${sign.address} && (smtp || imap || pop)`,
    how: 'Look for a firewall with "SMTP inspection" on the path first, then for somebody in the middle. Let clients refuse log-ins without TLS.',
  },
};

export function middleFindings(seen: Inspection, o: AssessOptions): Observation[] {
  const shared = o.shared ?? new Set<string>();
  const allowed = (one: string) => shared.has(one) || o.routers.has(one);
  return [
    ...seen.conflicts
      .filter((conflict) => !allowed(conflict.address) && ![...conflict.macs].every(allowed))
      .map((conflict) => arpFinding(conflict, seen.leaks)),
    ...seen.signs
      .filter((sign) => !allowed(sign.suspect) && !allowed(sign.address))
      .map((sign) => signFinding(sign, seen.leaks)),
    ...routerFindings(seen.routers, o, seen.leaks),
    ...dhcpFindings(seen, allowed),
  ];
}

function signFinding(sign: Sign, leaks: readonly Leak[]): Observation {
  const words = WORDS[sign.kind as keyof typeof WORDS];
  const facts = Object.fromEntries(sign.facts);
  const some = [...sign.affected].slice(0, 8).join(', ');
  return finding(
    {
      kind: sign.kind,
      key: `${sign.suspect}/${sign.address}/vlan${sign.vlan}`,
      asset: sign.address,
      severity: words.severity,
      title: words.title(sign),
      detail: words.detail,
      what: `${sign.count} times, first in packet ${sign.packet}${some === '' ? '' : `; concerns ${some}`}`,
      filter: words.filter(sign),
      fix: { title: `Find ${sign.suspect}`, how: words.how },
      affected: sign.affected,
      firstMs: sign.firstMs,
      lastMs: sign.lastMs,
      packet: sign.packet,
      file: sign.file,
      data: { suspect: sign.suspect, vlan: sign.vlan, times: sign.count, ...facts },
    },
    leaks,
  );
}

function arpFinding(conflict: ArpConflict, leaks: readonly Leak[]): Observation {
  const macs = [...conflict.macs].join(', ');
  return finding(
    {
      kind: 'arp-conflict',
      key: `${conflict.address}/vlan${conflict.vlan}`,
      asset: conflict.address,
      severity: conflict.returns > 0 ? 'high' : 'medium',
      title: `Two machines say that they are ${conflict.address}: ${macs}`,
      detail: `The claim changed ${conflict.count} times, ${conflict.returns} times back.`,
      what: `ARP for ${conflict.address} came from ${macs}, first change in packet ${conflict.packet}`,
      filter: `arp.src.proto_ipv4==${conflict.address}`,
      fix: {
        title: `Find both machines behind ${conflict.address}`,
        how: 'Look both MACs up in the switch. A fail-over pair is harmless: name it with `asepsis inspect --shared ADDRESS`. A replaced device is too. Anything else may be reading along: take that port out after asking who uses it, and turn on dynamic ARP inspection.',
      },
      affected: new Set([conflict.address]),
      firstMs: conflict.firstMs,
      lastMs: conflict.lastMs,
      packet: conflict.packet,
      file: conflict.file,
      data: { macs, changes: conflict.count, returns: conflict.returns },
    },
    leaks,
  );
}

function routerFindings(all: readonly Router[], o: AssessOptions, leaks: readonly Leak[]): Observation[] {
  return all
    .filter((router) => !o.routers.has(router.mac))
    .map((router) => {
      const others = new Set(
        all.filter((one) => one.vlan === router.vlan && one.mac !== router.mac).map((one) => one.mac),
      );
      const severity: Severity = router.valid ? (others.size > 0 ? 'medium' : 'low') : 'high';
      // Only what leaves the network over IPv6 would pass it.
      const six = new Set(leaks.filter((leak) => leak.client.includes(':')).map((leak) => leak.client));
      return finding(
        {
          kind: 'unexpected-router-advertisement',
          key: `${router.mac}/${router.address}/vlan${router.vlan}`,
          asset: router.address,
          severity,
          title: `${router.mac} says that it is an IPv6 router`,
          detail:
            others.size > 0
              ? `${others.size} other machines say the same in this network. Whoever is believed sees all traffic that leaves it.`
              : 'Nobody else does. Where IPv6 is not meant to be used, whoever says this sees all traffic that leaves the network.',
          what: `Router advertisements from ${router.address} (${router.mac}), first in packet ${router.packet}${router.valid ? '' : '; not valid by RFC 4861'}`,
          filter: `icmpv6.type==134 && ipv6.src==${router.address}`,
          fix: {
            title: `Confirm or remove the router ${router.mac}`,
            how: 'When it is yours, name it with `asepsis inspect --router MAC`. Otherwise find its switch port, and turn on RA Guard (RFC 6105).',
          },
          affected: six.size > 0 ? six : new Set(['none']),
          firstMs: router.firstMs,
          lastMs: router.lastMs,
          packet: router.packet,
          file: router.file,
          data: { mac: router.mac, count: router.count, valid: router.valid },
        },
        leaks,
      );
    });
}

/**
 * IPv6 is on everywhere and often nobody's: whoever alone answers DHCPv6 and names itself as the name server, without being the
 * network's router or its DHCP server, gets every name asked (as mitm6 does).
 */
function namesItself(server: DhcpServer, seen: Inspection): boolean {
  const known =
    seen.routers.some((router) => router.mac === server.mac && router.valid) ||
    seen.dhcpServers.some((one) => one.version === 4 && one.mac === server.mac);
  return server.version === 6 && !known && server.resolvers.has(server.address);
}

/** One server in a network is its server; a second one that names another gateway takes traffic to itself. */
function dhcpFindings(seen: Inspection, allowed: (one: string) => boolean): Observation[] {
  return seen.dhcpServers.flatMap((server) => {
    if (allowed(server.mac) || allowed(server.address) || server.clients.size + server.count === 0) return [];
    const others = seen.dhcpServers.filter(
      (one) => one.version === server.version && one.vlan === server.vlan && one.mac !== server.mac,
    );
    const alone = others.length === 0;
    if (alone && !namesItself(server, seen)) return [];
    const named = new Set(others.flatMap((one) => [...one.gateways, ...one.resolvers]));
    const own = [...server.gateways, ...server.resolvers];
    const agrees = !alone && own.every((one) => named.has(one));
    const what = server.version === 4 ? 'DHCP' : 'DHCPv6';
    return [
      finding(
        {
          kind: 'rogue-dhcp-server',
          key: `${server.mac}/${server.address}/v${server.version}/vlan${server.vlan}`,
          asset: server.address,
          severity: agrees ? 'low' : alone ? 'medium' : 'high',
          title: alone
            ? `${server.address} (${server.mac}) answers DHCPv6 and names itself as name server`
            : `${others.length + 1} ${what} servers in one network, one of them ${server.address} (${server.mac})`,
          detail: agrees
            ? 'They name the same gateway and name servers, as a fail-over pair does.'
            : alone
              ? 'It is neither a router nor the DHCP server of this network. Whoever believes it asks it for every name.'
              : `It names ${own.join(', ') || 'no gateway'}, the others do not: whoever asks it sends traffic there.`,
          what: `${server.count} answers of ${server.address} (${server.mac}), first in packet ${server.packet}`,
          filter: server.version === 4 ? `dhcp.type==2 && eth.src==${server.mac}` : `dhcpv6 && eth.src==${server.mac}`,
          fix: {
            title: `Confirm or remove the ${what} server ${server.address}`,
            how: `When it is yours, name it with \`asepsis inspect --shared ADDRESS\`. Otherwise: ${FIND_PORT} Turn on DHCP snooping.`,
          },
          affected: server.clients.size > 0 ? server.clients : new Set(['none']),
          firstMs: server.firstMs,
          lastMs: server.lastMs,
          packet: server.packet,
          file: server.file,
          data: {
            mac: server.mac,
            gateways: [...server.gateways].join(', '),
            resolvers: [...server.resolvers].join(', '),
            clients: server.clients.size,
            servers: others.length + 1,
          },
        },
        seen.leaks,
      ),
    ];
  });
}

/** A certificate that only some clients see. */
export function tlsFindings(conflicts: readonly CertificateConflict[], leaks: readonly Leak[]): Observation[] {
  return conflicts.map((one) =>
    finding(
      {
        kind: 'certificate-differs',
        key: `${one.server}:${one.port}/${one.name}`,
        asset: one.server,
        severity: one.otherIssuer ? 'high' : 'medium',
        title: `${one.server} port ${one.port} shows some clients another certificate${one.otherIssuer ? ' of another issuer' : ''}`,
        detail: 'Either a proxy opens TLS for these clients, or somebody is in the middle.',
        what: `${one.clients.length} certificates at the same time, seen by ${one.clients.join(' and ')} clients; the rarer one by ${one.exposed.join(', ')}`,
        filter: `ip.addr==${one.server} && tls.handshake.type==11`,
        fix: {
          title: `Find out who answers for ${one.server}`,
          how: 'Compare the certificate on the server itself with what these clients get (openssl s_client). A proxy of yours should be known; anything else is an incident.',
        },
        affected: new Set(one.exposed),
        firstMs: one.firstMs,
        lastMs: one.lastMs,
        packet: one.packet,
        file: one.file,
        data: { clients: one.clients.join(', '), other_issuer: one.otherIssuer, name: one.name },
      },
      leaks,
    ),
  );
}

export function consumerRouterFindings(seen: Inspection, o: AssessOptions): Observation[] {
  return judgeRouters(seen).flatMap((router) => {
    const verdict = o.overrides?.get(router.mac)?.verdict ?? router.verdict;
    if (verdict !== 'consumer') return [];
    const named = router.addresses[0] ?? router.mac;
    return [
      finding(
        {
          kind: 'consumer-router',
          key: router.mac,
          asset: named,
          severity: router.forwards ? 'medium' : 'low',
          title: `A router made for homes: ${router.vendor ?? 'maker unknown'}, ${named} (${router.mac})`,
          detail: `It ${router.reasons.slice(0, 3).join('; ')}.`,
          what: router.reasons.join('; '),
          filter: `eth.addr==${router.mac}`,
          fix: {
            title: `Replace the router ${named} with one made for companies`,
            how: 'Routers for homes get updates for a short time and open ports on request. Plan the change with those who use this network. When it is a professional one after all, say so on the Network page, with your name.',
          },
          affected: new Set(router.addresses),
          firstMs: router.firstMs,
          lastMs: router.lastMs,
          packet: 0,
          file: '-',
          data: { mac: router.mac, vendor: router.vendor ?? '', addresses: router.addresses.join(', ') },
        },
        seen.leaks,
      ),
    ];
  });
}
