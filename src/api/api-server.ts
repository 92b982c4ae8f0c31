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
import { type TlsMaterial, tlsMaterial } from './tls-material.ts';

const WATCH_MS = 30_000;

export interface ApiServer {
  readonly app: FastifyInstance;
  /** Where browsers find it; with an ephemeral port right only after `listen`. */
  readonly origin: string;
  /** Resolves with the origin once it takes connections. */
  listen(): Promise<string>;
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
async function materialFor(http: Config['http'], dataDir: string): Promise<TlsMaterial | null> {
  const asked = http.tls.cert !== undefined || http.tls.key !== undefined || http.tls.acme !== undefined;
  if (isLoopback(http.host) && !asked) return null;
  const material = await tlsMaterial(http.tls, dataDir);
  if (material === null) {
    throw new AsepsisError('TLS_REQUIRED', `http.host is ${http.host}, and there is no certificate for it.`);
  }
  return material;
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

function watchCertificate(app: FastifyInstance, o: AppOptions, material: TlsMaterial): () => void {
  const reload = () => {
    tlsMaterial(o.config.http.tls, o.dataDir).then(
      (renewed) => {
        if (renewed === null) return;
        (app.server as unknown as TlsServer).setSecureContext(secureOptions(renewed));
        o.log.info({ until: new Date(renewed.expiresMs).toISOString() }, 'certificate reloaded');
      },
      (error: unknown) => o.log.warn({ reason: (error as Error).message }, 'the renewed certificate cannot be used'),
    );
  };
  for (const file of material.files) watchFile(file, { interval: WATCH_MS, persistent: false }, reload);
  return () => {
    for (const file of material.files) unwatchFile(file, reload);
  };
}

/**
 * Makes the server; it listens only when told to.
 *
 * @throws AsepsisError `TLS_REQUIRED` for a network address without a certificate, `TLS_INVALID` for an unusable one
 */
export async function createServer(o: AppOptions): Promise<ApiServer> {
  const { http } = o.config;
  const material = await materialFor(http, o.dataDir);
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
      if (material !== null) unwatch = watchCertificate(app, o, material);
      return origin();
    },
    async close() {
      unwatch();
      await app.close();
    },
  };
}
