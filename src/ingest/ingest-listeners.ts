/** Starts everything that listens or follows, as configured, and stops it so that what was taken is durable. */

import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { AsepsisError, type Clock, type Config, type Store, type Stream } from '../core/index.ts';
import { followConfigured } from './files/follow-configured.ts';
import { createSources } from './ingest-sources.ts';
import { createHouse, type House, type Listener } from './syslog/syslog-house.ts';
import { listenSyslogStream } from './syslog/syslog-stream-server.ts';
import { listenSyslogUdp } from './syslog/syslog-udp.ts';

/** How long closing waits for a stream that is busy or stopped. */
const CLOSE_MS = 10_000;

export interface ListenerOptions {
  readonly config: Config;
  readonly stream: Stream;
  readonly store: Store;
  readonly clock: Clock;
  readonly dataDir: string;
  readonly exercise: boolean;
  /** PEM; used where the configuration names no files for syslog itself. */
  readonly tlsMaterial?: { cert: string; key: string; clientCa?: string };
  readonly log: (o: object, msg: string) => void;
}

async function syslogTls(o: ListenerOptions) {
  const { cert, key, client_ca } = o.config.syslog.tls.tls;
  let material = o.tlsMaterial;
  if (cert && key) {
    const read = (path: string) =>
      readFile(path, 'utf8').catch((cause) => {
        throw new AsepsisError('TLS_INVALID', `Cannot read ${path}.`, { cause });
      });
    const [certPem, keyPem, caPem] = await Promise.all([read(cert), read(key), client_ca ? read(client_ca) : null]);
    material = { cert: certPem, key: keyPem, ...(caPem !== null && { clientCa: caPem }) };
  }
  if (!material) return null;
  const { clientCa } = material;
  const tls = {
    cert: material.cert,
    key: material.key,
    ...(clientCa && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
  };
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new AsepsisError('TLS_INVALID', 'The certificate and key for syslog over TLS do not make a usable pair.', {
      cause,
    });
  }
  return tls;
}

async function listenSyslog(o: ListenerOptions, house: House, opened: Listener[]): Promise<void> {
  const { udp, tcp, tls } = o.config.syslog;
  if (udp.enabled) opened.push(await listenSyslogUdp({ host: udp.host, port: udp.port, house }));
  if (tcp.enabled) {
    opened.push(await listenSyslogStream({ name: 'syslog-tcp', host: tcp.host, port: tcp.port, house }));
  }
  if (!tls.enabled) return;
  const material = await syslogTls(o);
  if (material === null) {
    o.log(
      { listener: 'syslog-tls' },
      'syslog over TLS is not offered: there is no certificate yet (`asepsis tls init`)',
    );
    return;
  }
  opened.push(await listenSyslogStream({ name: 'syslog-tls', host: tls.host, port: tls.port, house, tls: material }));
}

/**
 * Opens the syslog listeners and begins to follow files and the journal.
 *
 * @returns what listens, with its address, and `close`, which resolves when what was taken is durable
 * @throws AsepsisError `PORT_TAKEN`, `PORT_FORBIDDEN`, `TLS_INVALID` or `CONFIG_INVALID`; nothing is left open then
 */
export async function startListeners(
  o: ListenerOptions,
): Promise<{ listeners: { name: string; address: string }[]; close(): Promise<void> }> {
  const ending = new AbortController();
  const sources = createSources({ ...o, signal: ending.signal });
  const house = createHouse({
    ...o,
    sources,
    eventsPerSecMax: o.config.limits.source_events_per_sec,
    signal: ending.signal,
  });
  const opened: Listener[] = [];
  const close = async () => {
    const giveUp = setTimeout(() => ending.abort(new Error('closing')), CLOSE_MS);
    await Promise.all(opened.map((listener) => listener.close()));
    clearTimeout(giveUp);
    await sources.close();
  };
  try {
    await listenSyslog(o, house, opened);
    opened.push(...(await followConfigured({ ...o, sources })));
  } catch (error) {
    await close();
    throw error;
  }
  return { listeners: opened.map(({ name, address }) => ({ name, address })), close };
}
