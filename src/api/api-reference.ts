/** The OpenAPI 3.1 document and its reference page; the page loads nothing from elsewhere and sends nothing anywhere. */

import { createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ProblemSchema } from './api-errors.ts';
import { contentSecurityPolicy } from './api-headers.ts';

const VERSION = '0.1.0';

/** Before the routes: collects what each declares. */
export async function registerDocument(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Asepsis',
        version: VERSION,
        description:
          'Lists answer `{items, next}`; `next` is passed as `after`. Problems are RFC 9457 documents with `code` and `advice`. ' +
          'Times are RFC 3339 in UTC. `x-access` says who may call: `public`, an `ingest` token, or a role and those above it ' +
          '(viewer < analyst < lead < administrator). Changes by a session carry its CSRF value in `x-csrf-token`.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } as { name: string },
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'An API token, `asp_…`' },
          session: { type: 'apiKey', in: 'cookie', name: '__Host-asepsis' },
        },
        schemas: { Problem: JSON.parse(JSON.stringify({ ...ProblemSchema, $id: undefined })) },
      },
    },
    transform: ({ schema, url, route }) => {
      const access = route.config?.access ?? 'public';
      const security =
        access === 'public'
          ? []
          : access === 'ingest' || route.config?.personOnly !== true
            ? [{ token: [] }, ...(access === 'ingest' ? [] : [{ session: [] }])]
            : [{ session: [] }];
      const own = (schema ?? {}) as Record<string, unknown>;
      const answers = Object.entries((own.response ?? { 200: {} }) as Record<string, object>);
      const described = answers.map(([status, answer]) => [status, { description: 'The answer', ...answer }]);
      const response = { ...Object.fromEntries(described), default: PROBLEM_ANSWER };
      return { schema: { ...own, response, security, 'x-access': access } as never, url };
    },
  });
}

const PROBLEM_ANSWER = {
  description: 'A problem',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** Hashes of the page's inline scripts, so that the policy need not allow inline scripts as such (CSP Level 3, 8.3). */
function inlineScriptHashes(html: string): string {
  const sources: string[] = [];
  for (const piece of html.split('<script').slice(1)) {
    const open = piece.indexOf('>');
    if (piece.slice(0, open).includes(' src=')) continue;
    const body = piece.slice(open + 1, piece.indexOf('</script>'));
    sources.push(`'sha256-${createHash('sha256').update(body).digest('base64')}'`);
  }
  return sources.join(' ');
}

/** The page's own small server, never on a network: made when somebody asks, because its script takes 20 MB of memory. */
async function openReference(): Promise<FastifyInstance> {
  const { default: reference } = await import('@scalar/fastify-api-reference');
  const inner = fastify();
  await inner.register(reference, {
    routePrefix: '/reference',
    configuration: {
      url: '/openapi.json',
      pageTitle: 'Asepsis API reference',
      withDefaultFonts: false,
      telemetry: false,
      proxyUrl: '',
      hideClientButton: true,
      hideTestRequestButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
    } as never,
  });
  await inner.ready();
  return inner;
}

/** After the routes: `/openapi.json` and `/reference`. */
export function registerReference(app: FastifyInstance): void {
  const open = { config: { access: 'public' as const }, schema: { hide: true } as never };
  app.get('/openapi.json', open, async () => app.swagger());
  let inner: Promise<FastifyInstance> | null = null;
  app.addHook('onClose', async () => (await inner)?.close());
  const page = async (request: FastifyRequest, reply: FastifyReply) => {
    inner ??= openReference();
    const { statusCode, headers, rawPayload } = await (await inner).inject({ method: 'GET', url: request.url });
    reply.status(statusCode);
    for (const name of ['content-type', 'location', 'cache-control', 'etag']) {
      if (headers[name] !== undefined) reply.header(name, headers[name]);
    }
    if (String(headers['content-type']).startsWith('text/html')) {
      // The page builds its styles in the browser; scripts stay under hashes.
      reply.header(
        'content-security-policy',
        contentSecurityPolicy({
          'script-src': `'self' ${inlineScriptHashes(rawPayload.toString('utf8'))}`,
          'style-src': "'self' 'unsafe-inline'",
        }),
      );
    }
    return reply.send(rawPayload);
  };
  for (const url of ['/reference', '/reference/', '/reference/js/scalar.js']) app.get(url, open, page);
}
