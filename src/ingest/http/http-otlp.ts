/** `POST /v1/logs`: OTLP/HTTP logs in protobuf or JSON, answered in the same encoding (OTLP 1.x, "OTLP/HTTP Response"). */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AsepsisError, ERRORS, LIMITS } from '../../core/index.ts';
import { type Door, firstRefusal, idempotencyKey } from './http-door.ts';
import { INGEST_ROUTE } from './http-route-config.ts';
import { readOtlpJson } from './otlp-json.ts';
import { OtlpFault, readOtlpProtobuf, writeNumberAndText, writeOtlpResponse } from './otlp-protobuf.ts';
import { type OtlpSink, otlpLine } from './otlp-record.ts';

/** A resource is repeated with each record: without this, a small request could become a very large one. */
const LINES_BYTES_MAX = 2 * LIMITS.ingestBodyBytesMax;

type Encoding = 'protobuf' | 'json';

function encodingOf(request: FastifyRequest): Encoding | null {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  return type === 'application/x-protobuf' ? 'protobuf' : type === 'application/json' ? 'json' : null;
}

function send(reply: FastifyReply, encoding: Encoding, status: number, protobuf: Buffer, json: object): FastifyReply {
  reply.code(status);
  return encoding === 'protobuf'
    ? reply.type('application/x-protobuf').send(protobuf)
    : reply.type('application/json').send(JSON.stringify(json));
}

/** Codes of google.rpc.Code. */
const RPC_CODES: Record<number, number> = { 400: 3, 401: 16, 403: 7, 413: 3, 415: 3, 429: 8, 503: 14 };

function answerOtlpError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error =
    thrown instanceof AsepsisError ? thrown : new AsepsisError('INTERNAL', ERRORS.INTERNAL.title, { cause: thrown });
  if (error.code === 'INTERNAL') request.log.error({ err: thrown }, 'an OTLP request failed');
  if (error.retryAfterSec !== undefined)
    reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSec))));
  if (error.status === 401) reply.header('www-authenticate', 'Bearer, Basic realm="asepsis", ApiKey');
  const code = RPC_CODES[error.status] ?? 13;
  const json = { code, message: error.message };
  send(reply, encodingOf(request) ?? 'json', error.status, writeNumberAndText(code, error.message), json);
}

async function logs(door: Door, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const encoding = encodingOf(request);
  if (!encoding) throw new AsepsisError('UNSUPPORTED_MEDIA', 'Send application/x-protobuf or application/json.');
  const key = idempotencyKey(request);
  return door.receive(request, reply, 'otlp', async (bytes, from) => {
    const batch = door.batch(from, 'otlp');
    let rejected = 0;
    let written = 0;
    const sink: OtlpSink = (record, resource, scope) => {
      const line = Buffer.from(otlpLine(record, resource, scope));
      written += line.length;
      if (written > LINES_BYTES_MAX)
        throw new AsepsisError('TOO_LARGE', 'The records with their resources are too large.');
      if (line.length <= LIMITS.recordBytesMax) batch.gather.add(line, 0, line.length);
      else rejected++;
    };
    try {
      if (encoding === 'protobuf') readOtlpProtobuf(bytes, sink);
      else readOtlpJson(bytes, sink);
    } catch (error) {
      if (!(error instanceof OtlpFault)) throw error;
      throw new AsepsisError('BAD_REQUEST', `This is no ExportLogsServiceRequest: ${error.message}.`);
    }
    const refusal = firstRefusal(await door.deliver(batch, key));
    if (refusal) throw refusal;
    const message = rejected === 0 ? '' : `records over ${LIMITS.recordBytesMax / 1024} KiB`;
    const partialSuccess = rejected === 0 ? {} : { rejectedLogRecords: String(rejected), errorMessage: message };
    return send(reply, encoding, 200, writeOtlpResponse(rejected, message), { partialSuccess });
  });
}

export function registerOtlp(app: FastifyInstance, door: Door): void {
  app.post(
    '/v1/logs',
    {
      ...INGEST_ROUTE,
      errorHandler: answerOtlpError,
      schema: {
        tags: ['ingest'],
        summary: 'Takes OpenTelemetry logs (OTLP/HTTP)',
        consumes: ['application/x-protobuf', 'application/json'],
      } as object,
    },
    (request, reply) => logs(door, request, reply),
  );
}
