/** The handshake of Elasticsearch clients: what Beats, Logstash, Vector and the official clients ask before they send. */

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { INGEST_ROUTE } from './http-route-config.ts';

/** Clients of 8.x and 9.x talk to it; Beats do unless `output.elasticsearch.allow_older_versions` is false. */
const VERSION = '8.17.0';
const CLUSTER = 'asepsis';

/** Sends JSON as the client asked for it: 8.x and 9.x clients want their own media type back. */
export function sendElastic(request: FastifyRequest, reply: FastifyReply, status: number, body: unknown): FastifyReply {
  const accept = String(request.headers.accept ?? '');
  const compatible = /application\/vnd\.elasticsearch\+json; ?compatible-with=([0-9]{1,2})/.exec(accept);
  return (
    reply
      .code(status)
      .header('x-elastic-product', 'Elasticsearch')
      .type(compatible ? `application/vnd.elasticsearch+json;compatible-with=${compatible[1]}` : 'application/json')
      // As bytes: a text would have its media type rewritten.
      .send(Buffer.from(JSON.stringify(body)))
  );
}

const isElastic = (headers: IncomingHttpHeaders): boolean => {
  const accept = headers.accept ?? '';
  return !accept.includes('text/html') && (headers.authorization !== undefined || accept.includes('json'));
};

/** `/` is the console's page for browsers and the cluster's name for Elasticsearch clients: the headers tell them apart. */
export function addElasticConstraint(app: FastifyInstance): void {
  app.addConstraintStrategy({
    name: 'elastic',
    storage() {
      const handlers = new Map<unknown, unknown>();
      return {
        get: (key: unknown) => (handlers.get(key) ?? null) as never,
        set: (key: unknown, handler: unknown) => void handlers.set(key, handler),
      };
    },
    deriveConstraint: (request) => (isElastic(request.headers) ? 'yes' : undefined) as never,
    mustMatchWhenDerived: false,
  });
}

type Answer = (name: string, request: FastifyRequest) => unknown;

const root = {
  name: CLUSTER,
  cluster_name: CLUSTER,
  cluster_uuid: 'asepsisasepsisasepsis0',
  version: {
    number: VERSION,
    build_flavor: 'default',
    build_type: 'tar',
    build_hash: '0000000000000000000000000000000000000000',
    build_date: '2025-01-01T00:00:00.000Z',
    build_snapshot: false,
    lucene_version: '9.12.0',
    minimum_wire_compatibility_version: '7.17.0',
    minimum_index_compatibility_version: '7.0.0',
  },
  tagline: 'You Know, for Search',
};
const license = { status: 'active', uid: 'asepsis', type: 'basic', mode: 'basic', issued_to: CLUSTER, issuer: CLUSTER };
const available = { available: true, enabled: true };

const nodes: Answer = (_name, request) => ({
  _nodes: { total: 1, successful: 1, failed: 0 },
  cluster_name: CLUSTER,
  nodes: {
    asepsis: {
      name: CLUSTER,
      version: VERSION,
      roles: ['data', 'ingest', 'master'],
      http: { publish_address: String(request.headers.host ?? '').slice(0, 256) },
    },
  },
});
const health: Answer = () => ({
  cluster_name: CLUSTER,
  status: 'green',
  timed_out: false,
  number_of_nodes: 1,
  number_of_data_nodes: 1,
  active_primary_shards: 1,
  active_shards: 1,
});

/** Path (below it, anything is the name) → what reading it answers. Writing to it is acknowledged and changes nothing. */
const READS: Record<string, Answer> = {
  _license: () => ({ license }),
  _xpack: () => ({ license, features: { ilm: available, security: available, monitoring: { available: false } } }),
  '_cluster/health': health,
  '_cluster/settings': () => ({ persistent: {}, transient: {} }),
  _nodes: nodes,
  '_ilm/policy': (name) => ({ [name]: { version: 1, policy: { phases: {} } } }),
  _index_template: (name) => ({ index_templates: [{ name, index_template: { index_patterns: [name] } }] }),
  _component_template: (name) => ({ component_templates: [{ name, component_template: { template: {} } }] }),
  _template: (name) => ({ [name]: { index_patterns: [name], order: 0 } }),
  '_ingest/pipeline': (name) => ({ [name]: { processors: [] } }),
  _data_stream: (name) => ({ data_streams: [{ name, generation: 1, status: 'GREEN', indices: [] }] }),
  _alias: () => ({}),
};

/** Adds `/`, the READS table and `/_cat`. HEAD follows GET by itself. */
export function registerElastic(app: FastifyInstance): void {
  const schema = { hide: true } as object;
  app.get('/', { ...INGEST_ROUTE, schema, constraints: { elastic: 'yes' } }, (request, reply) =>
    sendElastic(request, reply, 200, root),
  );
  for (const [path, answer] of Object.entries(READS)) {
    for (const url of [`/${path}`, `/${path}/*`]) {
      const nameOf = (request: FastifyRequest) => ((request.params as Record<string, string>)['*'] ?? '').slice(0, 256);
      app.get(url, { ...INGEST_ROUTE, schema }, (request, reply) =>
        sendElastic(request, reply, 200, answer(nameOf(request), request)),
      );
      app.route({
        ...INGEST_ROUTE,
        schema,
        method: ['PUT', 'POST'],
        url,
        handler: (request, reply) => sendElastic(request, reply, 200, { acknowledged: true }),
      });
    }
  }
  for (const url of ['/_cat/health', '/_cat/*']) {
    app.get(url, { ...INGEST_ROUTE, schema }, (request, reply) => {
      const json = (request.query as Record<string, string>).format === 'json';
      if (json)
        return sendElastic(request, reply, 200, url === '/_cat/health' ? [{ cluster: CLUSTER, status: 'green' }] : []);
      return reply
        .header('x-elastic-product', 'Elasticsearch')
        .type('text/plain')
        .send(url === '/_cat/health' ? `${CLUSTER} green 1 1\n` : '');
    });
  }
}
