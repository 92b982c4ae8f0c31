/** Servers that show some clients another certificate than others: a proxy that opens TLS, or somebody in the middle. */

import type { Moment } from './network-packet.ts';

const SERVERS_MAX = 20_000;
const KEYS_MAX = 16;
const CLIENTS_MAX = 64;

interface Shown {
  readonly issuer: string;
  readonly clients: Set<string>;
  firstMs: number;
  lastMs: number;
  packet: number;
  file: string;
}

export interface CertificateConflict {
  readonly server: string;
  readonly port: number;
  readonly name: string;
  /** How many clients saw each certificate. */
  readonly clients: readonly number[];
  readonly otherIssuer: boolean;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly packet: number;
  readonly file: string;
  /** Clients that saw the rarer one. */
  readonly exposed: readonly string[];
}

/** A server, and by key what it showed to whom. */
export interface CertificateServer {
  readonly server: string;
  readonly port: number;
  readonly name: string;
  readonly keys: Map<string, Shown>;
}

export interface CertificateWatch {
  seen(one: { client: string; server: string; port: number; name: string; issuer: string; key: string }): void;
  /** Of all servers; those that showed one certificate only cannot be judged yet. */
  servers(): CertificateServer[];
}

export function createCertificateWatch(moment: Moment): CertificateWatch {
  const servers = new Map<string, CertificateServer>();
  return {
    seen({ client, server, port, name, issuer, key }) {
      const id = `${server}|${port}|${name}`;
      let known = servers.get(id);
      if (!known) {
        if (servers.size >= SERVERS_MAX) return;
        known = { server, port, name, keys: new Map() };
        servers.set(id, known);
      }
      let shown = known.keys.get(key);
      if (!shown) {
        if (known.keys.size >= KEYS_MAX) return;
        const { timeMs, packet, file } = moment;
        shown = { issuer, clients: new Set(), firstMs: timeMs, lastMs: timeMs, packet, file };
        known.keys.set(key, shown);
      }
      shown.lastMs = Math.max(shown.lastMs, moment.timeMs);
      if (shown.clients.size < CLIENTS_MAX) shown.clients.add(client);
    },
    servers: () => [...servers.values()],
  };
}

/** A renewal replaces one certificate by the next for everybody; a farm shows all of its own to everybody. */
export function conflictsOf(known: CertificateServer): CertificateConflict[] {
  const shown = [...known.keys.values()].toSorted((a, b) => a.clients.size - b.clients.size);
  const [rarest, ...others] = shown;
  if (!rarest || others.length === 0) return [];
  const shared = others.some((other) => [...rarest.clients].some((client) => other.clients.has(client)));
  const replaced = others.every((other) => other.lastMs < rarest.firstMs || rarest.lastMs < other.firstMs);
  if (shared || replaced) return [];
  return [
    {
      server: known.server,
      port: known.port,
      name: known.name,
      clients: shown.map((one) => one.clients.size),
      otherIssuer: others.some((other) => other.issuer !== rarest.issuer),
      firstMs: Math.min(...shown.map((one) => one.firstMs)),
      lastMs: Math.max(...shown.map((one) => one.lastMs)),
      packet: rarest.packet,
      file: rarest.file,
      exposed: [...rarest.clients].slice(0, 16),
    },
  ];
}
