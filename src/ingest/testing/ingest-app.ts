/** For tests: a real HTTP server with the ingest routes, and callers as the API part makes them from tokens. */

import compress from '@fastify/compress';
import Fastify, { type FastifyInstance } from 'fastify';
import { AsepsisError, rfc3339, type SourceId, type TokenId } from '../../core/index.ts';
import { registerIngestRoutes } from '../http/http-routes.ts';
import type { Harness } from './ingest-harness.ts';

export const TOKEN = 'asp_test';

function secretOf(header: string | undefined): string {
  const [scheme, value = ''] = (header ?? '').split(' ');
  if (scheme === 'Bearer') return value;
  return Buffer.from(value, 'base64').toString().split(':').at(-1) ?? '';
}

export async function startIngestApp(
  harness: Harness,
  o: { eventsPerSecMax?: number } = {},
): Promise<{ app: FastifyInstance; url: string; source: SourceId }> {
  const at = rfc3339(harness.clock.now());
  const source = await harness.store.sources.ensure({ kind: 'http', name: 'test shipper' }, at);
  const app = Fastify({ bodyLimit: 1024, forceCloseConnections: true });
  await app.register(compress);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    if (request.routeOptions.config.access !== 'ingest') return;
    if (secretOf(request.headers.authorization) !== TOKEN) throw new AsepsisError('UNAUTHENTICATED', 'No token.');
    const id = 'tok_test' as TokenId;
    request.caller = { kind: 'token', id, name: 'test shipper', role: null, sessionId: null, source: source.id };
  });
  app.setErrorHandler((error, _request, reply) => {
    const bad = (error as { statusCode?: number }).statusCode === 400 ? 'BAD_REQUEST' : 'INTERNAL';
    const known = error instanceof AsepsisError ? error : new AsepsisError(bad, String(error));
    if (known.retryAfterSec !== undefined) reply.header('retry-after', String(known.retryAfterSec));
    return reply.code(known.status).send({ code: known.code, detail: known.message });
  });
  registerIngestRoutes(app, { ...harness, exercise: false, eventsPerSecMax: o.eventsPerSecMax ?? 1_000_000 });
  app.get('/*', async (_request, reply) => reply.type('text/html').send('<!doctype html>'));
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url, source: source.id };
}
