/** The full TLS profile of one server: versions, suites in the server's order, groups, extras, certificates. */

import type { Gate } from '../perimeter-gate.ts';
import type { Answer, Flight, ServerHello } from './tls-answer.ts';
import { type ChainView, countTimestamps, type OcspView, viewChain, viewOcsp } from './tls-certificate.ts';
import { CIPHER_NAMES, cipherName, isTls13Cipher, SSL2_CIPHERS } from './tls-ciphers.ts';
import {
  ALL_GROUPS,
  ECDSA_SIGNATURES,
  EXT,
  groupName,
  type Hello,
  RSA_SIGNATURES,
  ssl2Hello,
  VERSIONS,
  type VersionName,
} from './tls-hello.ts';
import { clientRenegotiates } from './tls-renegotiate.ts';
import { createTalker, type Talker, type TlsTarget } from './tls-talk.ts';
import { chosenAlpn, type Thirteen, thirteen } from './tls-thirteen.ts';

export interface VersionProfile {
  readonly version: VersionName | 'SSL 2.0';
  /** Names of the registry, in the order in which the server prefers them where it has one. */
  readonly ciphers: readonly string[];
  readonly order: 'server' | 'client' | 'only one';
  /** What made the enumeration end before an answer did; null when it is complete. */
  readonly cut: string | null;
}

export interface TlsProfile {
  readonly versions: readonly VersionProfile[];
  readonly groups: readonly string[];
  readonly dhBits: number | null;
  readonly dhPrime: string | null;
  readonly sha1Signature: boolean;
  readonly secureRenegotiation: boolean | null;
  /** A client may ask for the handshake again; null where it could not be asked. */
  readonly clientRenegotiation: boolean | null;
  readonly compression: boolean;
  readonly alpn: readonly string[];
  readonly tickets: boolean;
  readonly sessionIds: boolean;
  readonly extendedMasterSecret: boolean | null;
  readonly encryptThenMac: boolean | null;
  readonly heartbeat: boolean;
  readonly fallbackScsv: boolean | null;
  readonly asksClientCertificate: boolean;
  readonly chains: readonly ChainView[];
  readonly ocsp: OcspView | null;
  readonly timestampsBeside: number;
  readonly connections: number;
  readonly notSeen: readonly string[];
}

const OLD_CIPHERS = [...CIPHER_NAMES.keys()].filter((code) => !isTls13Cipher(code));
const NEW_CIPHERS = [...CIPHER_NAMES.keys()].filter(isTls13Cipher);
/** Some servers read no more than so many suites; nmap asks for as many at a time. */
const CHUNK = 64;
const SCSV = { renegotiation: 0x00ff, fallback: 0x5600 } as const;
const ALPN_ASKED = [
  'h2',
  'http/1.1',
  'http/1.0',
  'h3',
  'spdy/3.1',
  'smtp',
  'imap',
  'pop3',
  'ftp',
  'postgresql',
  'acme-tls/1',
  'xmpp-client',
];
/** A server that picks what was not offered would keep an enumeration alive for ever. */
const ROUNDS_MAX = 400;

type Offer = (rest: readonly number[]) => Hello;

const plain = (version: VersionName, ciphers: readonly number[]): Hello => ({
  version,
  ciphers: version === 'TLS 1.3' ? ciphers : [...ciphers, SCSV.renegotiation],
});

const isHello = (answer: Answer | Flight): answer is { kind: 'hello'; hello: ServerHello } =>
  'kind' in answer && answer.kind === 'hello';

/** Offers what is left until the server takes nothing more; the order in which it took is the answer. */
async function peel(
  talker: Talker,
  all: readonly number[],
  offer: Offer,
  picked: (hello: ServerHello) => number | null,
  purpose: string,
): Promise<{ taken: number[]; end: Answer['kind']; first: ServerHello | null }> {
  let rest = [...all];
  const taken: number[] = [];
  let first: ServerHello | null = null;
  for (let i = 0; i < ROUNDS_MAX && rest.length > 0; i++) {
    const answer = await talker.say(offer(rest), purpose);
    if (!isHello(answer)) return { taken, end: answer.kind, first };
    const code = picked(answer.hello);
    // What was not offered, or offered before, is no answer.
    if (code === null || !rest.includes(code)) return { taken, end: first ? 'malformed' : 'alert', first };
    first ??= answer.hello;
    taken.push(code);
    rest = rest.filter((one) => one !== code);
  }
  return { taken, end: 'alert', first };
}

interface VersionFound extends VersionProfile {
  readonly codes: readonly number[];
  readonly first: ServerHello | null;
}

async function enumerate(talker: Talker, version: VersionName): Promise<VersionFound | null> {
  const number = VERSIONS[version];
  const all = version === 'TLS 1.3' ? NEW_CIPHERS : OLD_CIPHERS;
  const picked = (hello: ServerHello) => (hello.version === number ? hello.cipher : null);
  const offer: Offer = (rest) => plain(version, rest);
  const purpose = `${version} suites`;
  let { taken, end, first } = await peel(talker, all, offer, picked, purpose);
  if (taken.length === 0 && end !== 'alert' && end !== 'refused' && end !== 'not-tls') {
    // No answer to a long hello may mean that it was too long.
    for (let at = 0; at < all.length; at += CHUNK) {
      const part = await peel(talker, all.slice(at, at + CHUNK), offer, picked, purpose);
      taken.push(...part.taken);
      first ??= part.first;
      end = part.end;
      if (at === CHUNK * 2 && taken.length === 0) break;
    }
  }
  if (taken.length === 0) return null;
  let order: VersionProfile['order'] = 'only one';
  if (taken.length > 1) {
    const reversed = await talker.say(offer([...taken].reverse()), purpose);
    order = isHello(reversed) && reversed.hello.cipher === taken[0] ? 'server' : 'client';
  }
  const cut = end === 'alert' || end === 'closed' || end === 'reset' ? null : end;
  return { version, ciphers: taken.map(cipherName), order, cut, codes: taken, first };
}

/** SSL 2.0 tells all its kinds in one answer. */
async function ssl2(talker: Talker): Promise<VersionProfile | null> {
  const link = await talker.connect('SSL 2.0');
  if (typeof link === 'string') return null;
  try {
    link.write(ssl2Hello([...SSL2_CIPHERS.keys()]));
    const head = await link.read(2);
    if (!head || (head.readUInt8(0) & 0x80) === 0) return null;
    const body = await link.read(head.readUInt16BE(0) & 0x7fff);
    // SERVER-HELLO: type, session hit, certificate type, version, three lengths.
    if (!body || body.length < 11 || body.readUInt8(0) !== 4 || body.readUInt16BE(3) !== 2) return null;
    const at = 11 + body.readUInt16BE(5);
    const ciphers: string[] = [];
    for (let i = at; i + 3 <= at + body.readUInt16BE(7) && i + 3 <= body.length; i += 3) {
      const name = SSL2_CIPHERS.get(body.readUIntBE(i, 3));
      if (name) ciphers.push(name);
    }
    return { version: 'SSL 2.0', ciphers, order: 'client', cut: null };
  } finally {
    link.close();
  }
}

const named = (codes: readonly number[], pattern: RegExp) => codes.filter((code) => pattern.test(cipherName(code)));

async function groupsOf(talker: Talker, found: ReadonlyMap<string, VersionFound>): Promise<number[]> {
  const groups: number[] = [];
  const add = (list: readonly number[]) => groups.push(...list.filter((group) => !groups.includes(group)));
  const new13 = found.get('TLS 1.3');
  if (new13) {
    const offer: Offer = (rest) => ({ version: 'TLS 1.3', ciphers: new13.codes, groups: rest, shares: [] });
    add((await peel(talker, ALL_GROUPS, offer, (hello) => hello.retryGroup, '1.3 groups')).taken);
  }
  const old = found.get('TLS 1.2') ?? found.get('TLS 1.1') ?? found.get('TLS 1.0');
  const ecdhe = named(old?.codes ?? [], /ECDHE_|ECDH_anon/);
  if (old && ecdhe.length > 0) {
    let rest = [...ALL_GROUPS];
    const taken: number[] = [];
    while (rest.length > 0) {
      const hello: Hello = { ...plain(old.version as VersionName, ecdhe), groups: rest };
      const answer = await talker.flight(hello, 'groups');
      const curve = 'kind' in answer ? null : (answer.keyExchange?.curve ?? null);
      if (curve === null || taken.includes(curve) || !GROUP_SET.has(curve)) break;
      taken.push(curve);
      if (!rest.includes(curve)) break; // a server that ignores what was offered
      rest = rest.filter((one) => one !== curve);
    }
    add(taken);
  }
  return groups;
}
const GROUP_SET = new Set(ALL_GROUPS);

async function alpnOf(talker: Talker, found: ReadonlyMap<string, VersionFound>): Promise<string[]> {
  const old = found.get('TLS 1.2');
  const taken: string[] = [];
  let rest = [...ALPN_ASKED];
  while (rest.length > 0) {
    let chosen: string | null = null;
    if (old) {
      const answer = await talker.say({ ...plain('TLS 1.2', old.codes), alpn: rest }, 'ALPN');
      if (isHello(answer)) chosen = chosenAlpn(answer.hello.extensions);
    } else if (found.has('TLS 1.3')) {
      const answer = await thirteen(talker, { alpn: rest });
      if (!('kind' in answer)) chosen = answer.alpn;
    }
    if (chosen === null || !rest.includes(chosen)) break;
    taken.push(chosen);
    rest = rest.filter((one) => one !== chosen);
  }
  return taken;
}

interface Shown {
  readonly chains: Map<string, readonly Buffer[]>;
  ocsp: Buffer | null;
  timestamps: number;
  asksClientCertificate: boolean;
  flight: Flight | null;
  thirteen: Thirteen | null;
  sha1: boolean;
  dhBits: number | null;
  dhPrime: string | null;
}

/** Looks at the whole first flight, once for each kind of key that the server may hold. */
async function showOf(talker: Talker, found: ReadonlyMap<string, VersionFound>): Promise<Shown> {
  const shown: Shown = {
    chains: new Map(),
    ocsp: null,
    timestamps: 0,
    asksClientCertificate: false,
    flight: null,
    thirteen: null,
    sha1: false,
    dhBits: null,
    dhPrime: null,
  };
  const keep = (chain: readonly Buffer[]) => {
    const [leaf] = chain;
    if (leaf) shown.chains.set(leaf.toString('latin1'), shown.chains.get(leaf.toString('latin1')) ?? chain);
  };
  const old = ['TLS 1.2', 'TLS 1.1', 'TLS 1.0', 'SSL 3.0']
    .map((name) => found.get(name))
    .find((one) => one !== undefined);
  if (old) {
    const version = old.version as VersionName;
    const kinds = [/_RSA_WITH|^TLS_RSA_/, /_ECDSA_/, /_DSS_/].map((kind) => named(old.codes, kind));
    for (const ciphers of kinds) {
      if (ciphers.length === 0) continue;
      const answer = await talker.flight(
        { ...plain(version, ciphers), curious: true, compression: [1, 0] },
        'certificate',
      );
      if ('kind' in answer) continue;
      keep(answer.certificates);
      shown.flight ??= answer;
      shown.ocsp ??= answer.ocsp;
      shown.timestamps = Math.max(
        shown.timestamps,
        countTimestamps(answer.hello.extensions.get(EXT.timestamps) ?? null),
      );
      shown.asksClientCertificate ||= answer.asksClientCertificate;
    }
    const dhe = named(old.codes, /_DHE_|_DH_anon_/);
    if (dhe.length > 0) {
      const answer = await talker.flight(plain(version, dhe), 'DH size');
      if (!('kind' in answer)) {
        shown.dhBits = answer.keyExchange?.dhBits ?? null;
        shown.dhPrime = answer.keyExchange?.dhPrime ?? null;
      }
    }
    if (version === 'TLS 1.2') {
      const ephemeral = named(old.codes, /_E?C?DHE_(RSA|ECDSA)_/);
      const answer =
        ephemeral.length > 0
          ? await talker.flight({ ...plain(version, ephemeral), signatures: [0x0201, 0x0203] }, 'SHA-1 signature')
          : null;
      const scheme = answer && !('kind' in answer) ? answer.keyExchange?.signature : null;
      shown.sha1 = scheme === 0x0201 || scheme === 0x0203;
    }
  }
  if (found.has('TLS 1.3'))
    for (const signatures of shown.chains.size === 0 ? [RSA_SIGNATURES, ECDSA_SIGNATURES] : []) {
      const answer = await thirteen(talker, { signatures });
      if ('kind' in answer) continue;
      keep(answer.certificates);
      shown.thirteen ??= answer;
      shown.ocsp ??= answer.ocsp;
      shown.timestamps = Math.max(shown.timestamps, countTimestamps(answer.timestamps));
      shown.asksClientCertificate ||= answer.asksClientCertificate;
    }
  return shown;
}

/** Whether a lower version with the fallback signal is turned down (RFC 7507); null when only one version is there. */
async function fallbackOf(talker: Talker, found: ReadonlyMap<string, VersionFound>): Promise<boolean | null> {
  const versions = [...found.values()].filter(({ version }) => version !== 'TLS 1.3');
  const lowest = versions[0];
  if (!lowest || found.size < 2) return null;
  // A server that also speaks 1.3 protects a fall back to 1.2 by the random value (RFC 8446 section 4.1.3).
  if (lowest.version === 'TLS 1.2') return null;
  const version = lowest.version as VersionName;
  const answer = await talker.say(
    { version, ciphers: [...lowest.codes, SCSV.fallback, SCSV.renegotiation] },
    'fallback signal',
  );
  return answer.kind === 'alert' && answer.code === 86;
}

/** A profile, or null when nothing on this port speaks TLS. */
export async function tlsProfile(gate: Gate, target: TlsTarget, nowMs: number): Promise<TlsProfile | null> {
  const talker = createTalker(gate, target);
  const names = Object.keys(VERSIONS) as VersionName[];
  const [old, ...listed] = await Promise.all([ssl2(talker), ...names.map((version) => enumerate(talker, version))]);
  const found = new Map(listed.filter((one) => one !== null).map((one) => [one.version as string, one] as const));
  if (found.size === 0 && !old) return null;
  const [groups, alpn, shown, fallbackScsv] = await Promise.all([
    groupsOf(talker, found),
    alpnOf(talker, found),
    showOf(talker, found),
    fallbackOf(talker, found),
  ]);
  const older = ['TLS 1.2', 'TLS 1.1', 'TLS 1.0'].some((version) => found.has(version));
  // Alone and last: some servers pause after they have refused it.
  const clientRenegotiation = older ? await clientRenegotiates(talker) : null;
  const hello = shown.flight?.hello ?? null;
  const has = (extension: number) => hello?.extensions.has(extension) ?? false;
  const host = talker.name ?? target.host;
  const notSeen = [...found.values()].flatMap(({ version, cut }) =>
    cut === null ? [] : [`${version}: the list of suites may be incomplete (${cut})`],
  );
  if (found.size > 0 && shown.chains.size === 0) notSeen.push('No certificate was shown.');
  if (!hello && found.has('TLS 1.3'))
    notSeen.push('Tickets of TLS 1.3 come after the handshake and were not waited for.');
  return {
    versions: [
      ...(old ? [old] : []),
      ...[...found.values()].map(({ version, ciphers, order, cut }) => ({ version, ciphers, order, cut })),
    ],
    groups: groups.map(groupName),
    dhBits: shown.dhBits,
    dhPrime: shown.dhPrime,
    sha1Signature: shown.sha1,
    secureRenegotiation: hello ? has(EXT.renegotiation) : null,
    clientRenegotiation,
    compression: hello?.compression === 1,
    alpn,
    tickets: has(EXT.sessionTicket),
    sessionIds: (hello?.sessionId.length ?? 0) > 0,
    extendedMasterSecret: hello ? has(EXT.extendedMasterSecret) : null,
    encryptThenMac: hello ? has(EXT.encryptThenMac) : null,
    heartbeat: has(EXT.heartbeat),
    fallbackScsv,
    asksClientCertificate: shown.asksClientCertificate,
    chains: [...shown.chains.values()].map((chain) => viewChain(chain, host, nowMs)),
    ocsp: viewOcsp(shown.ocsp),
    timestampsBeside: shown.timestamps,
    connections: talker.connections(),
    notSeen,
  };
}
