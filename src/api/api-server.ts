/** The HTTP server: which address, with TLS or without, under which origin; renewed certificates are taken up while it runs. */

import { unwatchFile, watchFile } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { SecureContextOptions, Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { AsepsisError, type Config } from '../core/index.ts';
import { isLoopback, parseHost } from './api-address.ts';
import { type AppOptions, buildApp } from './api-app.ts';
import { type AcmeKeeper, acmeOrder, createAcmeKeeper } from './tls-acme.ts';
import { type TlsMaterial, tlsMaterial } from './tls-material.ts';

const WATCH_MS = 30_000;
const ACME_LOOK_MS = 3600 * 1000;

export interface ApiServer {
  readonly app: FastifyInstance;
  /** Where browsers find it; with an ephemeral port right only after `listen`. */
  readonly origin: string;
  /** Resolves with the origin once it takes connections. */
  listen(): Promise<string>;
  /** Reads the certificate again now; it is also looked at every half minute. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

function secureOptions(material: TlsMaterial): SecureContextOptions & { requestCert?: boolean } {
  return {
    cert: material.cert,
    key: material.key,
    minVersion: 'TLSv1.2',
    ...(material.clientCa === undefined ? {} : { ca: material.clientCa, requestCert: true, rejectUnauthorized: true }),
  };
}

/** TLS material for this address: always on a network address, on loopback only when it is asked for. */
async function materialFor(
  http: Config['http'],
  dataDir: string,
  acme: AcmeKeeper | null,
): Promise<TlsMaterial | null> {
  const asked = http.tls.cert !== undefined || http.tls.key !== undefined || http.tls.acme !== undefined;
  if (isLoopback(http.host) && !asked) return null;
  await acme?.look();
  const material = await tlsMaterial(http.tls, dataDir);
  if (material === null) {
    const why = acme?.fault ? ` ACME: ${acme.fault}` : '';
    throw new AsepsisError('TLS_REQUIRED', `http.host is ${http.host}, and there is no certificate for it.${why}`);
  }
  return material;
}

function acmeFor(o: AppOptions): AcmeKeeper | null {
  const settings = o.config.http.tls.acme;
  if (settings === undefined || o.config.http.tls.cert !== undefined) return null;
  const { dataDir, clock } = o;
  const order = acmeOrder({ settings, dataDir, host: o.config.http.host });
  const log = (fields: object, sentence: string) => o.log.info(fields, sentence);
  return createAcmeKeeper({ names: settings.names, dataDir, clock, order, log });
}

/** The host name for the origin when the configuration names none: passkeys need a name, so names go before addresses. */
export function ownName(host: string, names: readonly string[], machine: string): string {
  if (isLoopback(host)) return 'localhost';
  const named = names.find((name) => isIP(name) === 0 && !isLoopback(name) && !name.startsWith('*'));
  if (named !== undefined) return named;
  if (host !== '0.0.0.0' && host !== '::') return isIP(host) === 6 ? `[${host}]` : host;
  return machine;
}

function listenProblem(error: unknown, where: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return new AsepsisError('PORT_TAKEN', `${where} is in use.`, { cause: error });
  if (code === 'EACCES') return new AsepsisError('PORT_FORBIDDEN', `${where} may not be opened.`, { cause: error });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new AsepsisError('CONFIG_INVALID', `http.host: this machine has no address ${where}.`, { cause: error });
  }
  return error;
}

/** Takes up renewed files without dropping a connection; what cannot be used leaves the old certificate in place. */
async function reloadCertificate(app: FastifyInstance, o: AppOptions): Promise<void> {
  try {
    const renewed = await tlsMaterial(o.config.http.tls, o.dataDir);
    if (renewed === null) return;
    (app.server as unknown as TlsServer).setSecureContext(secureOptions(renewed));
    o.log.info({ until: new Date(renewed.expiresMs).toISOString() }, 'certificate reloaded');
  } catch (error) {
    o.log.warn({ reason: (error as Error).message }, 'the renewed certificate cannot be used');
  }
}

/** Looks at the files now and then, and at the ACME authority; answers how to stop. */
function watchCertificate(reload: () => Promise<void>, material: TlsMaterial, acme: AcmeKeeper | null): () => void {
  const changed = () => void reload();
  for (const file of material.files) watchFile(file, { interval: WATCH_MS, persistent: false }, changed);
  const timer = setInterval(() => {
    void acme?.look().then((renewed) => (renewed ? reload() : undefined));
  }, ACME_LOOK_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    for (const file of material.files) unwatchFile(file, changed);
  };
}

/**
 * Makes the server; it listens only when told to.
 *
 * @throws AsepsisError `TLS_REQUIRED` for a network address without a certificate, `TLS_INVALID` for an unusable one
 */
export async function createServer(o: AppOptions): Promise<ApiServer> {
  const { http } = o.config;
  const acme = acmeFor(o);
  const material = await materialFor(http, o.dataDir, acme);
  const scheme = material === null ? 'http' : 'https';
  const configured = http.origin === undefined ? null : new URL(http.origin).origin;
  const name = ownName(http.host, material?.names ?? [], hostname());
  let port = http.port;
  const origin = () => {
    if (configured !== null) return configured;
    const usual = (scheme === 'https' && port === 443) || (scheme === 'http' && port === 80);
    return `${scheme}://${name}${usual ? '' : `:${port}`}`;
  };
  const names = new Set(
    [name, ...(material?.names ?? []), ...(http.tls.acme?.names ?? [])].map((one) => one.toLowerCase()),
  );
  const own = parseHost(new URL(origin()).host);
  if (own !== null) names.add(own.host);
  if (isIP(http.host) === 6) names.add(`[${http.host}]`);
  else names.add(http.host.toLowerCase());

  const app = await buildApp(o, {
    origin,
    names,
    secure: origin().startsWith('https:'),
    ...(material === null ? {} : { https: secureOptions(material) }),
  });
  const reload = () => (material === null ? Promise.resolve() : reloadCertificate(app, o));
  let unwatch = () => {};
  return {
    app,
    get origin() {
      return origin();
    },
    async listen() {
      try {
        await app.listen({ host: http.host, port: http.port });
      } catch (error) {
        throw listenProblem(error, `${http.host}:${http.port}`);
      }
      port = (app.server.address() as AddressInfo).port;
      if (material !== null) unwatch = watchCertificate(reload, material, acme);
      return origin();
    },
    reload,
    async close() {
      unwatch();
      await app.close();
    },
  };
}
