/**
 * The gate: the only file of the perimeter from which a packet leaves for another machine. Every connection and every
 * datagram is decided here, at the moment it would leave and by the address it really goes to; names are resolved
 * again each time. Nothing else in this room may import `node:net`, `node:tls` or `node:dgram` (a test holds that).
 */

import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';
import type { Clock } from '../core/index.ts';
import { canonicalAddress } from './perimeter-cidr.ts';
import { createPacer, type Pacer } from './perimeter-pace.ts';
import { canonicalName, type Decision, decideName, decidePacket, decideTime, type Scope } from './perimeter-scope.ts';

export interface Target {
  /** An address or a name; a name is resolved anew for each packet. */
  readonly host: string;
  readonly port: number;
  /** Fixes the address where a host has several; the name is still checked and still has to lead there. */
  readonly address?: string;
}

export interface ProbeEntry {
  readonly at: number;
  readonly host: string;
  readonly address: string | null;
  readonly port: number;
  readonly transport: 'tcp' | 'udp';
  readonly purpose: string;
  readonly outcome: string;
}

export type Opened =
  | { readonly kind: 'open'; readonly socket: Socket; readonly address: string }
  | { readonly kind: 'closed' | 'silent' | 'unreachable'; readonly why: string }
  /** The scope, the clock or the kill switch says no: no packet left. */
  | { readonly kind: 'refused'; readonly why: string };

export interface Gate {
  open(target: Target, purpose: string, timeoutMs?: number): Promise<Opened>;
  /** Sends one datagram and collects the answers of that address and port only. */
  ask(
    target: Target,
    payload: Buffer,
    purpose: string,
    o?: { timeoutMs?: number; repliesMax?: number },
  ): Promise<Buffer[]>;
  /** Asks this machine's own resolver: where every name look-up goes anyway, and no scanned machine. */
  askResolver(payload: Buffer): Promise<Buffer | null>;
  /** What would happen, without a packet to the target. */
  preview(host: string, port: number): Promise<{ address: string | null; decision: Decision }[]>;
  /** The addresses of a host that the scope allows. */
  addresses(host: string): Promise<{ allowed: string[]; refused: string[] }>;
  readonly counts: { sent: number; refused: number; refusals: Map<string, number> };
  /** Ends all connections and lets none begin. */
  stop(why: string): void;
  readonly stopped: () => string | null;
}

export interface GateDeps {
  readonly scope: Scope;
  readonly clock: Clock;
  /** Whether the inventory calls an address a medical device. */
  readonly medical?: (address: string) => boolean;
  /** The kill switch: a sentence stops everything. */
  readonly killed?: () => string | null;
  readonly log?: (entry: ProbeEntry) => void;
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

const CONNECT_MS = 3000;
const REPLY_MS = 1500;
const KILL_EVERY_MS = 100;
/** Hosts whose pace is remembered; the oldest idle one goes first. */
const HOSTS_MAX = 8192;
const ADDRESSES_MAX = 16;
const DATAGRAM_BYTES_MAX = 65_535;
/** A host that resets connections is left alone for longer each time, up to this factor. */
const SLOW_MAX = 64;
const REFUSALS_MAX = 512;

interface Host {
  readonly pacer: Pacer;
  open: number;
  slow: number;
  readonly waiting: (() => void)[];
}

const monotonic = () => performance.now();
const systemResolve = async (name: string): Promise<string[]> =>
  (await lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address);

export function createGate(deps: GateDeps): Gate {
  const { scope, clock } = deps;
  const { rate } = scope.file;
  const medical = deps.medical ?? (() => false);
  const later = (work: () => void, ms: number) => void setTimeout(work, ms);
  const overall = createPacer(rate.per_sec, monotonic, later);
  const hosts = new Map<string, Host>();
  const sockets = new Set<Socket>();
  const counts = { sent: 0, refused: 0, refusals: new Map<string, number>() };
  let stoppedBy: string | null = null;
  let timeChecked = 0;
  let time: Decision = { allowed: true };

  const stop = (why: string) => {
    stoppedBy ??= why;
    for (const socket of sockets) socket.destroy();
    for (const host of hosts.values()) {
      host.pacer.release();
      for (const next of host.waiting.splice(0)) next();
    }
    overall.release();
  };
  /** The kill switch ends what is under way too, not only what would begin. */
  const watch = setInterval(() => {
    const why = deps.killed?.() ?? null;
    if (why !== null) stop(why);
  }, KILL_EVERY_MS);
  watch.unref();

  const mayNow = (): Decision => {
    const killed = stoppedBy ?? deps.killed?.() ?? null;
    if (killed !== null) {
      stop(killed);
      return { allowed: false, reason: killed };
    }
    const now = clock.now();
    // The calendar is asked once a second: the hours of a scope are whole minutes.
    if (Math.abs(now - timeChecked) >= 1000 || !time.allowed) {
      time = decideTime(scope, now);
      timeChecked = now;
    } else if (now >= scope.expiresMs) time = decideTime(scope, now);
    return time;
  };
  const hostOf = (address: string): Host => {
    let host = hosts.get(address);
    if (host) return host;
    if (hosts.size >= HOSTS_MAX)
      for (const [key, old] of hosts) {
        if (old.open > 0 || old.waiting.length > 0 || old.slow > 1) continue;
        hosts.delete(key);
        break;
      }
    host = { pacer: createPacer(rate.per_host_per_sec, monotonic, later), open: 0, slow: 1, waiting: [] };
    hosts.set(address, host);
    return host;
  };
  const backOff = (host: Host) => {
    host.slow = Math.min(SLOW_MAX, host.slow * 2);
    host.pacer.slow(host.slow);
  };
  const recover = (host: Host) => {
    if (host.slow === 1) return;
    host.slow = Math.max(1, host.slow / 2);
    host.pacer.slow(host.slow);
  };
  const note = (target: Target, address: string | null, transport: 'tcp' | 'udp', purpose: string, outcome: string) =>
    deps.log?.({ at: clock.now(), host: target.host, address, port: target.port, transport, purpose, outcome });
  const refuse = (target: Target, address: string | null, transport: 'tcp' | 'udp', purpose: string, why: string) => {
    counts.refused++;
    if (counts.refusals.size < REFUSALS_MAX || counts.refusals.has(why))
      counts.refusals.set(why, (counts.refusals.get(why) ?? 0) + 1);
    note(target, address, transport, purpose, `refused: ${why}`);
    return { kind: 'refused', why } as const;
  };

  /** The address that a packet would go to now, decided. */
  const settle = async (target: Target): Promise<{ address: string | null; decision: Decision }[]> => {
    const literal = canonicalAddress(target.host);
    if (literal !== null) {
      const packet = { address: literal, port: target.port };
      return [{ address: literal, decision: decidePacket(scope, packet, medical) }];
    }
    const name = canonicalName(target.host);
    if (name === null || name.startsWith('*.'))
      return [{ address: null, decision: { allowed: false, reason: 'this is no name and no address' } }];
    const named = decideName(scope, name);
    if (!named.allowed) return [{ address: null, decision: named }];
    let found: readonly string[];
    try {
      found = await (deps.resolve ?? systemResolve)(name);
    } catch {
      return [{ address: null, decision: { allowed: false, reason: `the name ${name} does not resolve` } }];
    }
    const all = found.slice(0, ADDRESSES_MAX).map((text) => canonicalAddress(text) ?? text);
    const wanted = target.address === undefined ? null : (canonicalAddress(target.address) ?? target.address);
    if (wanted !== null && !all.includes(wanted))
      return [{ address: wanted, decision: { allowed: false, reason: `${name} no longer leads to ${wanted}` } }];
    return (wanted === null ? all : [wanted]).map((address) => ({
      address,
      decision: decidePacket(scope, { address, port: target.port, name }, medical),
    }));
  };
  const allowedAddress = async (
    target: Target,
  ): Promise<{ address: string } | { why: string; address: string | null }> => {
    const settled = await settle(target);
    for (const { address, decision } of settled) if (decision.allowed && address !== null) return { address };
    const first = settled[0];
    return {
      address: first?.address ?? null,
      why: first && !first.decision.allowed ? first.decision.reason : `${target.host} has no address`,
    };
  };
  const turn = (host: Host) =>
    new Promise<void>((resolve) => {
      const begin = () => host.pacer.take(() => overall.take(resolve));
      if (host.open < rate.per_host_connections) {
        host.open++;
        begin();
      } else
        host.waiting.push(() => {
          host.open++;
          begin();
        });
    });
  const leave = (host: Host) => {
    host.open--;
    host.waiting.shift()?.();
  };

  const connect = (address: string, port: number, timeoutMs: number, host: Host): Promise<Opened> =>
    new Promise((resolve) => {
      const socket = new Socket();
      let connected = false;
      let outcome: Opened = { kind: 'closed', why: 'closed' };
      const timer = setTimeout(() => {
        outcome = { kind: 'silent', why: 'no answer' };
        socket.destroy();
      }, timeoutMs);
      sockets.add(socket);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (connected) {
          if (error.code === 'ECONNRESET') backOff(host);
          return;
        }
        const silent = error.code === 'ETIMEDOUT';
        const closed = error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET';
        outcome = { kind: closed ? 'closed' : silent ? 'silent' : 'unreachable', why: error.code ?? 'failed' };
      });
      socket.on('close', () => {
        clearTimeout(timer);
        sockets.delete(socket);
        leave(host);
        if (!connected) resolve(outcome);
      });
      socket.on('connect', () => {
        clearTimeout(timer);
        connected = true;
        recover(host);
        resolve({ kind: 'open', socket, address });
      });
      socket.setNoDelay(true);
      socket.connect({ host: address, port, family: isIP(address), autoSelectFamily: false });
    });

  const open: Gate['open'] = async (target, purpose, timeoutMs = CONNECT_MS) => {
    const early = mayNow();
    if (!early.allowed) return refuse(target, null, 'tcp', purpose, early.reason);
    const first = await allowedAddress(target);
    if ('why' in first) return refuse(target, first.address, 'tcp', purpose, first.why);
    const host = hostOf(first.address);
    await turn(host);
    // Waiting took time: the moment, and where the name leads, are asked again. This is the one that counts.
    const now = mayNow();
    // An address leads to itself: what was decided of it holds, for a scope never changes.
    const literal = canonicalAddress(target.host) !== null;
    const again = !now.allowed ? null : literal ? first : await allowedAddress({ ...target, address: first.address });
    const stillNow = mayNow();
    if (!now.allowed || !again || 'why' in again || !stillNow.allowed) {
      leave(host);
      const why = !now.allowed
        ? now.reason
        : again && 'why' in again
          ? again.why
          : stillNow.allowed
            ? ''
            : stillNow.reason;
      return refuse(target, first.address, 'tcp', purpose, why);
    }
    counts.sent++;
    const opened = await connect(again.address, target.port, timeoutMs, host);
    note(target, again.address, 'tcp', purpose, opened.kind);
    return opened;
  };

  const ask: Gate['ask'] = async (target, payload, purpose, o = {}) => {
    const early = mayNow();
    const first = early.allowed ? await allowedAddress(target) : { why: early.reason, address: null };
    if ('why' in first) {
      refuse(target, first.address, 'udp', purpose, first.why);
      return [];
    }
    const host = hostOf(first.address);
    await turn(host);
    const again = await allowedAddress({ ...target, address: first.address });
    const now = mayNow();
    if ('why' in again || !now.allowed) {
      leave(host);
      refuse(target, first.address, 'udp', purpose, 'why' in again ? again.why : now.allowed ? '' : now.reason);
      return [];
    }
    counts.sent++;
    const replies = await datagram(again.address, target.port, payload, o.timeoutMs ?? REPLY_MS, o.repliesMax ?? 1);
    leave(host);
    note(target, again.address, 'udp', purpose, replies.length > 0 ? 'answered' : 'silent');
    return replies;
  };

  return {
    open,
    ask,
    askResolver: async (payload) => {
      if (!mayNow().allowed) return null;
      const [server] = getServers();
      const [, address = '', port = '53'] = /^\[?([\da-fA-F.:]+?)\]?(?::(\d{1,5}))?$/.exec(server ?? '') ?? [];
      if (isIP(address) === 0) return null;
      return (await datagram(address, Number(port), payload, REPLY_MS, 1))[0] ?? null;
    },
    counts,
    stop,
    stopped: () => stoppedBy,
    preview: async (host, port) => {
      const now = mayNow();
      return now.allowed ? settle({ host, port }) : [{ address: null, decision: now }];
    },
    addresses: async (host) => {
      const port = scope.ports?.[0]?.first ?? 443;
      const settled = await settle({ host, port });
      const allowed = settled.filter((one) => one.decision.allowed).map((one) => one.address as string);
      const refused = settled
        .map(({ decision }) => (decision.allowed ? '' : decision.reason))
        .filter((why) => why !== '');
      return { allowed, refused };
    },
  };
}

function datagram(
  address: string,
  port: number,
  payload: Buffer,
  timeoutMs: number,
  repliesMax: number,
): Promise<Buffer[]> {
  return new Promise((resolve) => {
    const replies: Buffer[] = [];
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      socket.close();
      resolve(replies);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.on('error', end);
    socket.on('message', (message) => {
      if (message.length <= DATAGRAM_BYTES_MAX) replies.push(message);
      if (replies.length >= repliesMax) end();
    });
    // A connected socket: the kernel hands over what this address and port sent, and nobody else's.
    const connected = (failed?: Error) => {
      if (failed || ended) return end();
      socket.send(payload, (error) => (error ? end() : undefined));
    };
    socket.connect(port, address, connected as () => void);
  });
}
