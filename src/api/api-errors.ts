/** One mapper from anything thrown to an RFC 9457 problem; what is not ours says nothing about its inside. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { AsepsisError, ERRORS, type ErrorCode } from '../core/index.ts';

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Names the kind of problem; stable' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What happened, in one sentence' }),
    code: Type.Unsafe<ErrorCode>({ type: 'string', enum: Object.keys(ERRORS) }),
    advice: Type.String({ description: 'What to do about it' }),
  },
  { $id: 'Problem', description: 'RFC 9457 problem details' },
);

const BY_STATUS: Record<number, ErrorCode> = {
  400: 'BAD_REQUEST',
  404: 'NOT_FOUND',
  405: 'NOT_FOUND',
  408: 'BAD_REQUEST',
  413: 'TOO_LARGE',
  414: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA',
  429: 'RATE_LIMITED',
  431: 'TOO_LARGE',
};

/** Sentences for faults that the framework finds; its own words may repeat what was sent. */
const SENTENCES: Partial<Record<ErrorCode, string>> = {
  BAD_REQUEST: 'The body cannot be read as what its content type says.',
  NOT_FOUND: 'There is nothing at this address.',
  TOO_LARGE: 'The request is larger than this address takes.',
  UNSUPPORTED_MEDIA: 'This address does not take that content type.',
  RATE_LIMITED: 'Too many requests.',
};

function known(error: unknown): AsepsisError {
  if (error instanceof AsepsisError) return error;
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  const code =
    typeof status === 'number' ? (BY_STATUS[status] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL')) : 'INTERNAL';
  return new AsepsisError(code, SENTENCES[code] ?? 'Something went wrong here.', { cause: error });
}

function problemOf(error: AsepsisError) {
  const { status, title, advice } = ERRORS[error.code];
  return {
    type: `urn:asepsis:problem:${error.code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    detail: error.code === 'INTERNAL' ? 'Something went wrong here.' : error.message,
    code: error.code,
    advice,
  };
}

/** Fastify's error handler. Only faults of ours are logged with where they come from, never with what was sent. */
export function answerProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = known(thrown);
  if (error.status >= 500) {
    const cause = (error.code === 'INTERNAL' ? (error.cause ?? error) : error) as Error & { code?: unknown };
    request.log.error(
      { code: error.code, fault: { name: cause.name, message: cause.message, code: cause.code, stack: cause.stack } },
      'a request failed',
    );
  }
  if (error.retryAfterSec !== undefined)
    reply.header('retry-after', String(Math.max(1, Math.ceil(error.retryAfterSec))));
  if (error.status === 401) {
    // RFC 9110 section 11.6.1. Basic only where programs send it: browsers would ask with a window of their own.
    const ingest = request.routeOptions.config.access === 'ingest';
    reply.header('www-authenticate', ingest ? 'Basic realm="asepsis", ApiKey, Bearer' : 'Bearer realm="asepsis"');
  }
  return reply.code(error.status).type('application/problem+json').send(problemOf(error));
}
