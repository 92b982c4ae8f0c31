/**
 * What was seen, gathered by flow pair and application. Values of patients and secrets stop here: they are hashed with the
 * installation's key or dropped, and nothing of them is kept.
 */

import { deviceName } from './network-bytes.ts';
import { type CertificateWatch, createCertificateWatch } from './network-certificates.ts';
import type { Flow } from './network-flow.ts';
import type { Hash } from './network-hash.ts';
import type { Moment } from './network-packet.ts';
import type { Signs } from './network-signs.ts';
import type { FlowTable } from './network-table.ts';
import type { CertificateFacts } from './network-tls-certificate.ts';

export type Verdict = 'valid' | 'invalid';

/** One message with a patient in it, on its way to being counted. `identity` is hashed at once. */
export interface PatientRecord {
  readonly fields: Iterable<string>;
  readonly identity: string;
  /** Identities that `Report.digest` made already: of each person in the message. */
  readonly digests?: readonly string[];
  /** Check digits of the NHS numbers in it. */
  readonly nhs?: readonly Verdict[];
}

export type LeakKind =
  | 'clear-text-patient-data'
  | 'clear-text-clinical-protocol'
  | 'clear-text-credential'
  | 'clear-text-logs'
  | 'weak-authentication'
  | 'weak-tls';

/** How often; a number that is counted up where it stands. */
export interface Count {
  times: number;
}

export interface Leak {
  readonly kind: LeakKind;
  readonly client: string;
  readonly server: string;
  readonly port: number;
  readonly udp: boolean;
  readonly app: string;
  /** What of the application: `Basic`, `PASS`, `C-STORE`, `TLS 1.0` … */
  readonly what: Map<string, Count>;
  readonly fields: Map<string, Count>;
  readonly hashes: Set<string>;
  readonly names: Set<string>;
  nhsValid: number;
  nhsInvalid: number;
  messages: number;
  firstMs: number;
  lastMs: number;
  file: string;
  packet: number;
}

export interface TlsSeen {
  readonly version: string;
  readonly name: string;
  readonly ja4: string;
  readonly ja4s: string;
}

export interface Handshake extends TlsSeen {
  readonly client: string;
  readonly server: string;
  readonly port: number;
  count: number;
}

/** Where a machine says what it is. */
export type Said =
  | 'http-server'
  | 'http-realm'
  | 'http-title'
  | 'user-agent'
  | 'upnp-device'
  | 'banner'
  | 'sni'
  | 'dicom-title'
  | 'dicom-implementation'
  | 'hl7-application'
  | 'hl7-facility'
  | 'astm-sender'
  | 'certificate-name';

export type PairState = 'protected' | 'clear' | 'unknown';

/** What two machines were seen doing on one port, and when last. */
export interface PairSeen {
  readonly state: PairState;
  readonly atMs: number;
}

export interface Report {
  readonly leaks: ReadonlyMap<string, Leak>;
  /** Leaks that found no more room. */
  dropped(): number;
  /** Forgets what was gathered, for an inspection that goes on. */
  nextRound(): void;
  /** The keyed hash of an identity, for `PatientRecord.digests`. */
  digest(value: string | Uint8Array, from?: number, end?: number): string;
  patient(flow: Flow, app: string, what: string, record: PatientRecord, names?: readonly string[]): void;
  credential(flow: Flow, app: string, what: string, secret: string | Uint8Array, field?: string): void;
  /** A clinical protocol in clear, whether or not a patient was in it yet. */
  clinical(flow: Flow, app: string, what: string, names: readonly string[]): void;
  weakTls(flow: Flow, what: string, name: string): void;
  /** A log-in that is not readable, but that can be broken or passed on. */
  weakLogin(flow: Flow, app: string, what: string, user: string | Uint8Array, field: string): void;
  /** Log lines cross readable; nothing in this one is worse than that. */
  logs(flow: Flow): void;
  /** Something that the machine at this end says about itself: software, model, name. */
  said(flow: Flow, dir: number, what: Said, value: string): void;
  /** Whether a mail server offered to encrypt; `overwritten`: its offer arrived with other letters in its place. */
  starttls(flow: Flow, offer: 'offered' | 'none' | 'overwritten'): void;
  /** Two machines agreed on TLS. */
  handshake(flow: Flow, seen: TlsSeen): void;
  /** A server showed its certificate, `name` is what the client asked for. */
  certificate(flow: Flow, facts: CertificateFacts, name: string): void;
  readonly handshakes: ReadonlyMap<string, Handshake>;
  readonly certificates: CertificateWatch;
  /** This pair of machines talks protected. */
  protectedBy(flow: Flow): void;
  /** Something crossed, and nothing tells whether it was protected or mattered. */
  unknown(flow: Flow): void;
  /** By `client server port`. */
  readonly pairs: ReadonlyMap<string, PairSeen>;
}

const LEAKS_MAX = 20_000;
const PAIRS_MAX = 50_000;
const HANDSHAKES_MAX = 20_000;
/** Distinct patients told apart for one pair; beyond it "at least". */
export const HASHES_MAX = 50_000;
/** Hashes of all pairs together. */
const HASHES_TOTAL_MAX = 1_000_000;
const NAMES_MAX = 8;
/** Clients remembered of one mail server. */
const OFFERED_MAX = 1024;

export function createReport(o: {
  table: FlowTable;
  moment: Moment;
  hash: Hash;
  said?: (address: string, what: Said, value: string) => void;
  signs?: Signs;
}): Report {
  const { table, moment } = o;
  const leaks = new Map<string, Leak>();
  const pairs = new Map<string, PairSeen>();
  const handshakes = new Map<string, Handshake>();
  const certificates = createCertificateWatch(moment);
  const offers = new Map<string, { offered: Set<string>; none: Set<string> }>();
  let dropped = 0;
  let hashes = 0;
  /** What flows remember of an earlier round is not theirs any more. */
  let round = 0;

  const ends = (flow: Flow): { client: string; server: string; port: number } => {
    // Without the beginning of a connection the lower port is taken for the server's.
    const client = flow.client >= 0 ? flow.client : table.port(flow, 0) > table.port(flow, 1) ? 0 : 1;
    return {
      client: table.address(flow, client),
      server: table.address(flow, client ^ 1),
      port: table.port(flow, client ^ 1),
    };
  };
  const pair = (flow: Flow, state: PairState): void => {
    const { memo } = flow;
    if (
      state === 'clear' &&
      memo !== null &&
      memo.pair !== null &&
      memo.round === round &&
      memo.client === flow.client
    ) {
      (memo.pair as { atMs: number }).atMs = moment.timeMs;
      return;
    }
    const { client, server, port } = ends(flow);
    const key = `${client} ${server} ${port}`;
    const known = pairs.get(key);
    if (known === undefined && pairs.size >= PAIRS_MAX) return;
    // Once clear stays clear: one protected connection does not protect the other.
    if (known !== undefined && (state === 'unknown' || (known.state === 'clear' && state !== 'clear'))) return;
    const seen = { state, atMs: moment.timeMs };
    pairs.set(key, seen);
    if (state === 'clear' && memo !== null && memo.round === round && memo.client === flow.client) memo.pair = seen;
  };
  const leakOf = (flow: Flow, kind: LeakKind, app: string): Leak | null => {
    const { memo } = flow;
    if (
      memo !== null &&
      memo.kind === kind &&
      memo.app === app &&
      memo.round === round &&
      memo.client === flow.client
    ) {
      const leak = memo.leak as Leak;
      leak.messages++;
      leak.firstMs = Math.min(leak.firstMs, moment.timeMs);
      leak.lastMs = Math.max(leak.lastMs, moment.timeMs);
      return leak;
    }
    const { client, server, port } = ends(flow);
    const key = `${kind}|${client}|${server}|${port}|${flow.udp ? 'udp' : 'tcp'}|${app}`;
    let leak = leaks.get(key);
    if (!leak) {
      if (leaks.size >= LEAKS_MAX) {
        dropped++;
        return null;
      }
      leak = {
        kind,
        client,
        server,
        port,
        udp: flow.udp,
        app,
        what: new Map(),
        fields: new Map(),
        hashes: new Set(),
        names: new Set(),
        nhsValid: 0,
        nhsInvalid: 0,
        messages: 0,
        firstMs: moment.timeMs,
        lastMs: moment.timeMs,
        file: moment.file,
        packet: moment.packet,
      };
      leaks.set(key, leak);
    }
    leak.messages++;
    leak.firstMs = Math.min(leak.firstMs, moment.timeMs);
    leak.lastMs = Math.max(leak.lastMs, moment.timeMs);
    flow.memo = {
      kind,
      app,
      client: flow.client,
      round,
      leak,
      pair: null,
      names: [],
      what: '',
      whatCount: null,
      fields: null,
      fieldCounts: [],
    };
    return leak;
  };
  const addDigest = (leak: Leak, made: string): void => {
    if (leak.hashes.size >= HASHES_MAX || hashes >= HASHES_TOTAL_MAX) return;
    const before = leak.hashes.size;
    leak.hashes.add(made);
    hashes += leak.hashes.size - before;
  };
  const addHash = (leak: Leak, value: string | Uint8Array): void => {
    if (value.length > 0) addDigest(leak, o.hash(value));
  };

  return {
    leaks,
    pairs,
    digest: o.hash,
    dropped: () => dropped,
    nextRound() {
      round++;
      dropped = 0;
      hashes = 0;
      leaks.clear();
      pairs.clear();
      handshakes.clear();
    },
    patient(flow, app, what, record, names = []) {
      const leak = leakOf(flow, 'clear-text-patient-data', app);
      pair(flow, 'clear');
      if (!leak) return;
      countWhat(flow, leak, what);
      countFields(flow, leak, record.fields);
      for (const made of record.digests ?? []) addDigest(leak, made);
      for (const verdict of record.nhs ?? []) {
        if (verdict === 'valid') leak.nhsValid++;
        else leak.nhsInvalid++;
      }
      addHash(leak, record.identity);
      addNames(flow, leak, names);
    },
    clinical(flow, app, what, names) {
      const leak = leakOf(flow, 'clear-text-clinical-protocol', app);
      pair(flow, 'clear');
      if (!leak) return;
      count(leak.what, what);
      addNames(flow, leak, names);
    },
    credential(flow, app, what, secret, field = '') {
      const leak = leakOf(flow, 'clear-text-credential', app);
      pair(flow, 'clear');
      if (!leak) return;
      count(leak.what, what);
      if (field !== '') count(leak.fields, field);
      addHash(leak, secret);
    },
    weakTls(flow, what, name) {
      const leak = leakOf(flow, 'weak-tls', 'tls');
      if (!leak) return;
      count(leak.what, what);
      addNames(flow, leak, [name]);
    },
    weakLogin(flow, app, what, user, field) {
      const leak = leakOf(flow, 'weak-authentication', app);
      if (!leak) return;
      count(leak.what, what);
      if (field !== '') count(leak.fields, field);
      addHash(leak, user);
    },
    logs(flow) {
      const leak = leakOf(flow, 'clear-text-logs', 'syslog');
      pair(flow, 'clear');
      if (leak) count(leak.what, 'log lines');
    },
    starttls(flow, offer) {
      const { client, server, port } = ends(flow);
      const key = `${server}:${port}`;
      const known = offers.get(key) ?? { offered: new Set<string>(), none: new Set<string>() };
      if (offers.size < PAIRS_MAX) offers.set(key, known);
      if (offer !== 'overwritten' && known[offer].size < OFFERED_MAX) known[offer].add(client);
      const odd = offer === 'none' && known.offered.size > 0 && !known.offered.has(client);
      if (offer === 'overwritten' || odd) o.signs?.add('starttls-stripped', server, server, client);
    },
    handshakes,
    certificates,
    handshake(flow, seen) {
      const { client, server, port } = ends(flow);
      const name = deviceName(seen.name, 64);
      const key = `${client}|${server}|${port}|${name}|${seen.ja4}|${seen.ja4s}`;
      const known = handshakes.get(key);
      if (known) known.count++;
      else if (handshakes.size < HANDSHAKES_MAX) handshakes.set(key, { ...seen, name, client, server, port, count: 1 });
    },
    certificate(flow, facts, name) {
      const { client, server, port } = ends(flow);
      certificates.seen({ client, server, port, name: deviceName(name, 64), issuer: facts.issuer, key: facts.key });
    },
    said: (flow, dir, what, value) => o.said?.(table.address(flow, dir), what, value),
    protectedBy: (flow) => pair(flow, 'protected'),
    unknown: (flow) => pair(flow, 'unknown'),
  };
}

function addNames(flow: Flow, leak: Leak, names: readonly string[]): void {
  if (flow.memo?.names === names) return;
  if (flow.memo !== null) flow.memo.names = names;
  for (const name of names) {
    const clean = deviceName(name);
    if (clean !== '' && leak.names.size < NAMES_MAX) leak.names.add(clean);
  }
}

/** Kinds and field paths come from our own tables; the ceiling is for programming errors. */
function counter(map: Map<string, Count>, key: string): Count | null {
  const known = map.get(key);
  if (known !== undefined || map.size >= 64) return known ?? null;
  const made = { times: 0 };
  map.set(key, made);
  return made;
}

function count(map: Map<string, Count>, key: string): void {
  const known = counter(map, key);
  if (known !== null) known.times++;
}

/** Mostly a flow says the same as before: then nothing is looked up. */
function countWhat(flow: Flow, leak: Leak, what: string): void {
  const memo = flow.memo?.leak === leak ? flow.memo : null;
  if (memo === null) count(leak.what, what);
  else {
    if (memo.what !== what || memo.whatCount === null) {
      memo.what = what;
      memo.whatCount = counter(leak.what, what);
    }
    if (memo.whatCount !== null) memo.whatCount.times++;
  }
}

/** The same for fields, where a parser hands over the same list again. */
function countFields(flow: Flow, leak: Leak, fields: Iterable<string>): void {
  const memo = flow.memo?.leak === leak ? flow.memo : null;
  if (memo === null || !Array.isArray(fields)) {
    for (const field of fields) count(leak.fields, field);
    return;
  }
  if (memo.fields !== fields) {
    memo.fields = fields;
    memo.fieldCounts = fields.flatMap((field) => counter(leak.fields, String(field)) ?? []);
  }
  for (const known of memo.fieldCounts) known.times++;
}
