/** `POST /v1/events`: events as NDJSON, JSON, text lines or Windows event XML; answered when they are on disk. */

import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { AsepsisError, type RecordHint } from '../../core/index.ts';
import { type SplitSink, splitEventXml, splitJson, splitLines } from '../ingest-split.ts';
import { type Batch, type Door, firstRefusal, idempotencyKey } from './http-door.ts';
import { INGEST_ROUTE } from './http-route-config.ts';

type Shape = 'lines' | 'json-lines' | 'json' | 'xml';
const HINTS: Record<Shape, RecordHint> = { lines: 'line', 'json-lines': 'json', json: 'json', xml: 'windows-xml' };

const SHAPES: Record<string, Shape> = {
  'application/x-ndjson': 'json-lines',
  'application/ndjson': 'json-lines',
  'application/jsonl': 'json-lines',
  'application/x-jsonlines': 'json-lines',
  'application/json-seq': 'json',
  'application/json': 'json',
  'text/plain': 'lines',
  'application/xml': 'xml',
  'text/xml': 'xml',
};

/** Named by the content type; without one, looked at: a program that sends no type sends JSON or lines. */
function shapeOf(contentType: string | undefined, bytes: Buffer): Shape {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === '' || type === 'application/octet-stream') {
    const first = bytes.toString('latin1', 0, 64).trimStart().charAt(0);
    return first === '{' ? 'json-lines' : first === '[' ? 'json' : 'lines';
  }
  const shape = SHAPES[type];
  if (!shape)
    throw new AsepsisError(
      'UNSUPPORTED_MEDIA',
      'Send application/x-ndjson, application/json, text/plain or application/xml.',
    );
  return shape;
}

function split(batch: Batch, shape: Shape, bytes: Buffer): void {
  const sink: SplitSink = {
    record: (from, start, end) => batch.gather.add(from, start, end),
    cut: () => batch.cut(),
  };
  const splitter = shape === 'json' ? splitJson(sink) : shape === 'xml' ? splitEventXml(sink) : splitLines(sink);
  splitter.push(bytes);
  const fault = splitter.end();
  if (fault !== null)
    throw new AsepsisError('BAD_REQUEST', `The body cannot be taken apart: ${fault}. Nothing of it was taken.`);
}

export function registerEvents(app: FastifyInstance, door: Door): void {
  app.post(
    '/v1/events',
    {
      ...INGEST_ROUTE,
      schema: {
        tags: ['ingest'],
        summary: 'Takes events: NDJSON, a JSON array or object, text lines, or Windows event XML',
        description:
          'Content-Encoding gzip, zstd or deflate. With an Idempotency-Key a request may be repeated: what was taken before ' +
          'is counted in `duplicate`. The answer comes when the events are on disk.',
        consumes: ['application/x-ndjson', 'application/json', 'text/plain', 'application/xml'],
        headers: Type.Object({ 'idempotency-key': Type.Optional(Type.String({ maxLength: 256 })) }),
        response: { 200: Type.Object({ accepted: Type.Integer(), duplicate: Type.Integer() }) },
      } as object,
    },
    async (request, reply) => {
      const key = idempotencyKey(request);
      return door.receive(request, reply, 'http', async (bytes, from) => {
        const shape = shapeOf(request.headers['content-type'], bytes);
        const batch = door.batch(from, HINTS[shape]);
        split(batch, shape, bytes);
        const results = await door.deliver(batch, key);
        const refusal = firstRefusal(results);
        if (refusal) throw refusal;
        let accepted = 0;
        let duplicate = 0;
        for (const [i, result] of results.entries()) {
          const count = batch.blocks[i]?.ends.length ?? 0;
          if ('duplicate' in result && result.duplicate) duplicate += count;
          else accepted += count;
        }
        return { accepted, duplicate };
      });
    },
  );
}
