/** Puts the HTTP application together: plugins, guards, this part's routes, then what the other parts register. */

import { randomBytes } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import compress from '@fastify/compress';
import cookie from '@fastify/cookie';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Caller, Clock, Config, PersonId, SessionId, Store, TokenId } from '../core/index.ts';
import { AsepsisError, LIMITS } from '../core/index.ts';
import { registerAudit } from './api-audit-routes.ts';
import { registerCaller } from './api-caller.ts';
import { registerConsole } from './api-console.ts';
import type { Api } from './api-context.ts';
import { registerEnrol } from './api-enrol-routes.ts';
import { answerProblem } from './api-errors.ts';
import { createFlows } from './api-flow.ts';
import { registerHeaders } from './api-headers.ts';
import { type Probe, registerHealth } from './api-health-routes.ts';
import { registerMe } from './api-me-routes.ts';
import { createMetrics, registerMetrics } from './api-metrics.ts';
import { createPasswordHasher } from './api-password.ts';
import { registerPeople } from './api-people-routes.ts';
import { registerDocument, registerReference } from './api-reference.ts';
import { openSeal } from './api-seal.ts';
import type { Random } from './api-secrets.ts';
import { sessionStillGood } from './api-session.ts';
import { registerSignIn } from './api-sign-in-routes.ts';
import { createThrottle } from './api-throttle.ts';
import { tokenStillGood } from './api-token.ts';
import { registerTokens } from './api-token-routes.ts';
import { compileValidator } from './api-validate.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** For long answers: whether the session or token that began this one is still good. */
    callerStillGood(caller: Caller): Promise<boolean>;
  }
}

export interface AppOptions {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  readonly dataDir: string;
  /** The built console; null serves the API only. */
  readonly consoleDir: string | null;
  readonly log: Logger;
  /** Adds the other parts' routes; each must declare `config.access`. */
  readonly register: (app: FastifyInstance) => void | Promise<void>;
  /** Further checks of `/readyz`, by name; the store is always asked. */
  readonly probes?: Readonly<Record<string, Probe>>;
  /** Where other parts' metrics are; made when absent. */
  readonly metrics?: Registry;
  readonly random?: Random;
}

interface AppPlace {
  readonly origin: () => string;
  readonly names: ReadonlySet<string>;
  readonly secure: boolean;
  readonly https?: ServerOptions;
}

/** A slow sender holds a connection this long at most; the largest ingest request fits at 300 kB/s. */
const REQUEST_MS = 120_000;
/** Everything that is text, except event streams, which compression would hold back. */
const COMPRESSED =
  /^(?:text\/(?!event-stream)|application\/(?:json|problem\+json|javascript|openmetrics-text)|image\/svg)/;

function newApp(o: AppOptions, place: AppPlace): FastifyInstance {
  const { trusted_proxies } = o.config.http;
  const options = {
    loggerInstance: o.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.apiBodyBytesMax,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: 72_000,
    forceCloseConnections: true,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1500, ignoreTrailingSlash: false },
    trustProxy: trusted_proxies.length > 0 ? [...trusted_proxies] : false,
    // A request that cannot even be parsed is answered without repeating anything of it.
    frameworkErrors: answerProblem as never,
  };
  const app = place.https ? Fastify({ ...options, https: place.https }) : Fastify(options);
  return app as unknown as FastifyInstance;
}

function registerLogLine(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(
      {
        method: request.method,
        route: request.is404 ? null : request.routeOptions.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        by: request.caller?.id ?? null,
        address: request.ip,
      },
      'request',
    );
  });
}

/** Builds the application without listening. */
export async function buildApp(o: AppOptions, place: AppPlace): Promise<FastifyInstance> {
  const random: Random = o.random ?? ((n) => randomBytes(n));
  const api: Api = {
    config: o.config,
    store: o.store,
    clock: o.clock,
    random,
    origin: place.origin,
    names: place.names,
    secure: place.secure,
    seal: await openSeal(o.dataDir, random),
    passwords: await createPasswordHasher(random),
    throttle: createThrottle(o.clock),
    flows: createFlows(o.clock, random),
  };
  const app = newApp(o, place);
  app.setValidatorCompiler(compileValidator as never);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler(() => {
    throw new AsepsisError('NOT_FOUND', 'There is nothing at this address.');
  });
  // Text is what a form of another site can send without being asked first.
  app.removeContentTypeParser('text/plain');
  app.decorate('callerStillGood', (caller: Caller) =>
    caller.sessionId === null
      ? tokenStillGood(api, caller.id as TokenId)
      : sessionStillGood(api, caller.id as PersonId, caller.sessionId as SessionId),
  );
  await app.register(cookie);
  await app.register(compress, {
    customTypes: COMPRESSED,
    threshold: 2048,
    encodings: ['br', 'gzip'],
    // Compressed requests are for the ingest addresses, which unpack them under limits of their own.
    globalDecompression: false,
  });
  await registerHeaders(app, place.secure);
  registerLogLine(app);
  registerCaller(app, api);
  await registerDocument(app);

  const typed = app.withTypeProvider<TypeBoxTypeProvider>();
  registerHealth(typed, { store: () => o.store.ping().then(() => null), ...o.probes });
  registerMetrics(app, o.metrics ?? createMetrics());
  registerSignIn(typed, api);
  registerEnrol(typed, api);
  registerMe(typed, api);
  registerPeople(typed, api);
  registerTokens(typed, api);
  registerAudit(typed, api);
  await o.register(app);
  registerReference(app);
  await registerConsole(app, o.consoleDir, random);
  return app;
}
