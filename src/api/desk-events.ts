/** Events: search with the query language, the histogram above it, and one event with its raw record. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { AsepsisError, EventSchema, found, LIMITS, PageQuery, pageOf, pageRequest } from '../core/index.ts';
import type { DeskDeps } from './desk-deps.ts';

const BUCKETS_MAX = 2000;
const DAY_MS = 86_400_000;
/** Without a range, a search covers what is kept. */
const EARLIEST_MS = 0;

const Range = {
  query: Type.String({ maxLength: LIMITS.queryCharsMax, default: '' }),
  from: Type.Optional(Type.String({ maxLength: 40, description: 'RFC 3339, inclusive' })),
  to: Type.Optional(Type.String({ maxLength: 40, description: 'RFC 3339, exclusive' })),
};

function rangeOf(query: { from?: string; to?: string }, nowMs: number): { fromMs: number; toMs: number } {
  const read = (name: 'from' | 'to', otherwise: number) => {
    const text = query[name];
    if (text === undefined) return otherwise;
    const ms = Date.parse(text);
    if (Number.isNaN(ms)) throw new AsepsisError('BAD_REQUEST', `"${name}" is not an RFC 3339 time.`);
    return ms;
  };
  const fromMs = read('from', EARLIEST_MS);
  const toMs = read('to', nowMs + LIMITS.futureSkewMsMax);
  if (toMs < fromMs) throw new AsepsisError('BAD_REQUEST', '"to" lies before "from".');
  return { fromMs, toMs };
}

export function deskEvents(deps: DeskDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/v1/events',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Search events, newest first',
          description: 'The query language is in docs/operate/search.md.',
          tags: ['events'],
          querystring: Type.Object({ ...PageQuery.properties, ...Range }),
          response: { 200: Type.Intersect([pageOf(EventSchema), Type.Object({ took_ms: Type.Number() })]) },
        },
      },
      async (request, reply) => {
        const abort = new AbortController();
        reply.raw.once('close', () => abort.abort());
        const { query } = request;
        const page = await deps.archive.search(
          { query: query.query, ...rangeOf(query, deps.clock.now()), ...pageRequest(query) },
          abort.signal,
        );
        return { items: [...page.items], next: page.next, took_ms: page.tookMs };
      },
    );
    app.get(
      '/v1/events/histogram',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'How many events match in each slice of time',
          tags: ['events'],
          querystring: Type.Object({
            ...Range,
            bucket_ms: Type.Integer({ minimum: 1000, maximum: 366 * DAY_MS, default: 3_600_000 }),
          }),
          response: {
            200: Type.Object({ items: Type.Array(Type.Object({ start: Type.String(), count: Type.Integer() })) }),
          },
        },
      },
      async (request, reply) => {
        const { query } = request;
        const now = deps.clock.now();
        const { fromMs, toMs } = rangeOf({ from: new Date(now - DAY_MS).toISOString(), ...query }, now);
        if ((toMs - fromMs) / query.bucket_ms > BUCKETS_MAX)
          throw new AsepsisError('BAD_REQUEST', `More than ${BUCKETS_MAX} slices; choose a larger bucket_ms.`);
        const abort = new AbortController();
        reply.raw.once('close', () => abort.abort());
        const buckets = await deps.archive.histogram(
          { query: query.query, fromMs, toMs },
          query.bucket_ms,
          abort.signal,
        );
        return {
          items: buckets.map(({ startMs, count }) => ({ start: new Date(startMs).toISOString(), count })),
        };
      },
    );
    app.get(
      '/v1/events/:id',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'One event: normalised columns, original fields and the raw record',
          tags: ['events'],
          params: Type.Object({ id: Type.String({ maxLength: 40 }) }),
          response: { 200: EventSchema },
        },
      },
      async ({ params }) => found(await deps.archive.get(params.id), 'event'),
    );
  };
}
