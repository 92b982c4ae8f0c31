/** `POST /_bulk` as Elasticsearch has it: each document one event, each answered by its own item when it is on disk. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type AppendResult, AsepsisError, ERRORS, eventId } from '../../core/index.ts';
import { shortKey } from '../ingest-key.ts';
import { type Batch, type Door, firstRefusal, idempotencyKey } from './http-door.ts';
import { sendElastic } from './http-elastic.ts';
import { INGEST_ROUTE } from './http-route-config.ts';

/** Documents of one request: their answers are larger than they are, so a body of nothing but actions is refused. */
const ITEMS_MAX = 100_000;
/** One action line; clients send an index, an id and a few options. */
const ACTION_BYTES_MAX = 4096;

interface Action {
  readonly operation: string;
  readonly index: string | undefined;
  readonly id: string | undefined;
}

interface Item {
  readonly action: Action;
  /** Block of the batch and place in it; null when the document was refused by itself. */
  readonly block: number | null;
  readonly place: number;
  readonly refused?: string;
}

function parseAction(line: Buffer, number: number): Action {
  const malformed = () => new AsepsisError('BAD_REQUEST', `Malformed action/metadata line [${number}].`);
  if (line.length > ACTION_BYTES_MAX) throw malformed();
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString('utf8'));
  } catch {
    throw malformed();
  }
  const [operation, ...others] = Object.keys((parsed ?? {}) as object);
  if (operation === undefined || others.length > 0) throw malformed();
  if (!['index', 'create', 'update', 'delete'].includes(operation)) throw malformed();
  const meta = (parsed as Record<string, unknown>)[operation];
  const { _index, _id } = (typeof meta === 'object' && meta !== null ? meta : {}) as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 512) : undefined);
  return { operation, index: text(_index), id: text(_id) };
}

/** The lines of a body, without their LF or CR LF; an empty last one is none. */
function* linesOf(body: Buffer): Generator<readonly [number, number]> {
  for (let at = 0; at < body.length; ) {
    const lf = body.indexOf(10, at);
    const end = lf < 0 ? body.length : lf;
    yield [at, end > at && body[end - 1] === 13 ? end - 1 : end];
    at = end + 1;
  }
}

const isObject = (body: Buffer, start: number, end: number) => body[start] === 123 && body[end - 1] === 125;

/** Takes a bulk body apart into the batch; answers its items in order. */
function readBulk(body: Buffer, batch: Batch): Item[] {
  const items: Item[] = [];
  let action: Action | null = null;
  // Shippers repeat the same action line thousands of times.
  let sameLine: Buffer = Buffer.alloc(0);
  let same: Action | null = null;
  let number = 0;
  for (const [start, end] of linesOf(body)) {
    number++;
    if (action === null) {
      if (end === start) continue;
      const line = body.subarray(start, end);
      if (same === null || !line.equals(sameLine)) {
        same = parseAction(line, number);
        sameLine = line;
      }
      if (items.length >= ITEMS_MAX)
        throw new AsepsisError('TOO_LARGE', `A bulk request has at most ${ITEMS_MAX} actions.`);
      if (same.operation === 'delete')
        items.push({ action: same, block: null, place: 0, refused: 'events are never deleted' });
      else action = same;
      continue;
    }
    if (action.operation === 'update') {
      items.push({ action, block: null, place: 0, refused: 'events are never changed; use index or create' });
    } else if (!isObject(body, start, end)) {
      items.push({ action, block: null, place: 0, refused: 'the document is not a JSON object' });
    } else {
      items.push({ action, block: batch.blocks.length, place: batch.gather.count });
      if (!batch.gather.add(body, start, end)) batch.cut();
    }
    action = null;
  }
  if (action !== null)
    throw new AsepsisError('BAD_REQUEST', 'The last action has no document; the body must end with a newline.');
  return items;
}

const ERROR_TYPES: Partial<Record<string, string>> = {
  BUSY: 'es_rejected_execution_exception',
  RATE_LIMITED: 'es_rejected_execution_exception',
  DISK_FULL: 'cluster_block_exception',
  DATA_READ_ONLY: 'cluster_block_exception',
  UNAUTHENTICATED: 'security_exception',
  FORBIDDEN: 'security_exception',
  TOO_LARGE: 'content_too_long_exception',
  BAD_REQUEST: 'illegal_argument_exception',
  UNSUPPORTED_MEDIA: 'media_type_header_exception',
};

function errorBody(error: AsepsisError) {
  const cause = { type: ERROR_TYPES[error.code] ?? 'exception', reason: error.message };
  return { error: { root_cause: [cause], ...cause }, status: error.status };
}

/** What went wrong with the whole request, in Elasticsearch's words. */
function answerElasticError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error =
    thrown instanceof AsepsisError ? thrown : new AsepsisError('INTERNAL', ERRORS.INTERNAL.title, { cause: thrown });
  if (error.code === 'INTERNAL') request.log.error({ err: thrown }, 'a bulk request failed');
  if (error.retryAfterSec !== undefined)
    reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSec))));
  if (error.status === 401) reply.header('www-authenticate', 'Basic realm="asepsis", ApiKey, Bearer');
  sendElastic(request, reply, error.status, errorBody(error));
}

/** Whether the client asked for nothing of an item but its status and error, as Beats and Logstash do. */
const wantsLean = (query: unknown) => {
  const paths = (query as { filter_path?: unknown }).filter_path;
  return (
    typeof paths === 'string' && paths.includes('items.') && !paths.includes('_id') && !paths.includes('items.*.*')
  );
};

function answerItem(
  item: Item,
  o: { streamId: string; results: readonly (AppendResult | AsepsisError)[]; index: string | undefined; lean: boolean },
): object {
  const { operation, id, index = o.index } = item.action;
  const result = item.block === null ? null : o.results[item.block];
  if (result == null) {
    const error = { type: 'document_parsing_exception', reason: item.refused ?? 'refused' };
    return { [operation]: { _index: index, _id: id, status: 400, error } };
  }
  if (result instanceof AsepsisError) {
    const error = { type: ERROR_TYPES[result.code] ?? 'exception', reason: result.message };
    return { [operation]: { _index: index, _id: id, status: result.status === 503 ? 503 : 429, error } };
  }
  if (o.lean) return { [operation]: { status: 201 } };
  return {
    [operation]: {
      _index: index,
      _id: id ?? eventId(o.streamId, result.seq, item.place),
      _version: 1,
      result: 'created',
      _shards: { total: 1, successful: 1, failed: 0 },
      _seq_no: result.seq,
      _primary_term: 1,
      status: 201,
    },
  };
}

async function bulk(door: Door, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const given = idempotencyKey(request);
  const started = performance.now();
  return door.receive(request, reply, 'bulk', async (body, from) => {
    const batch = door.batch(from, 'json');
    const items = readBulk(body, batch);
    // Documents that all have an id are the same documents when they come again (Elasticsearch would say so by the id).
    const identified = items.every((item) => item.action.id !== undefined);
    if (items.length === 0) throw new AsepsisError('BAD_REQUEST', 'The request body is empty.');
    const results = await door.deliver(batch, given ?? (identified ? shortKey(body) : undefined));
    const refusal = firstRefusal(results);
    // Nothing was taken: the whole is answered as refused, which every client understands.
    if (refusal && results.every((result) => result instanceof AsepsisError)) throw refusal;
    if (refusal) reply.header('retry-after', String(Math.max(1, Math.ceil(refusal.retryAfterSec ?? 1))));
    const index = (request.params as { index?: string }).index;
    const o = { streamId: door.stream.streamId, results, index, lean: wantsLean(request.query) };
    const errors = refusal !== null || items.some((item) => item.block === null);
    const answers = items.map((item) => answerItem(item, o));
    return sendElastic(request, reply, 200, { took: Math.round(performance.now() - started), errors, items: answers });
  });
}

export function registerBulk(app: FastifyInstance, door: Door): void {
  for (const url of ['/_bulk', '/:index/_bulk']) {
    for (const method of ['POST', 'PUT'] as const) {
      app.route({
        ...INGEST_ROUTE,
        method,
        url,
        errorHandler: answerElasticError,
        schema: {
          tags: ['ingest'],
          summary: 'Takes events as Elasticsearch’s bulk API does (index and create)',
          hide: url !== '/_bulk' || method !== 'POST',
          consumes: ['application/x-ndjson'],
        } as object,
        handler: (request, reply) => bulk(door, request, reply),
      });
    }
  }
}
