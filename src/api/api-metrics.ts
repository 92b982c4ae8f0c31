/** Prometheus metrics: the process, the requests by route and status, and what other parts add to the registry. */

import type { FastifyInstance } from 'fastify';
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export function createMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Counts by the route's pattern, never by the address that was asked: there are as many series as routes. */
export function registerMetrics(app: FastifyInstance, registry: Registry): void {
  const seconds = new Histogram({
    name: 'asepsis_http_request_seconds',
    help: 'Time from the first byte of a request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.25, 1, 2.5, 10],
    registers: [registry],
  });
  const problems = new Counter({
    name: 'asepsis_http_problems_total',
    help: 'Answers with a status of 400 or more',
    labelNames: ['status'],
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    const status = String(reply.statusCode);
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    seconds.observe({ method: request.method, route, status }, reply.elapsedTime / 1000);
    if (reply.statusCode >= 400) problems.inc({ status });
  });
  app.get(
    '/metrics',
    {
      config: { access: 'viewer', loopback: true },
      schema: { tags: ['operation'], summary: 'Prometheus metrics; for this machine itself, or with a read token' },
    },
    async (_request, reply) => {
      reply.type(registry.contentType);
      return registry.metrics();
    },
  );
}
