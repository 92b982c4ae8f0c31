/** What every route file shares, in the server and in the rooms: the typed instance, page queries, small schemas, absent filters. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import { type TSchema, Type } from 'typebox';
import { AsepsisError } from './errors.ts';
import { LIMITS } from './limits.ts';

export type TypedApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export const closed = { additionalProperties: false } as const;
export const oneOf = <const T extends string>(words: readonly T[]) =>
  Type.Unsafe<T>({ type: 'string', enum: [...words] });
export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
export const PageQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: LIMITS.pageRowsMax, default: 100 }),
    after: Type.Optional(Type.String({ maxLength: 1024, description: 'The `next` of the page before' })),
  },
  closed,
);
/** A list that is always whole. */
export const listOf = <S extends TSchema>(item: S) => Type.Object({ items: Type.Array(item), next: Type.Null() });
/** One page of a list. */
export const pageOf = <S extends TSchema>(item: S) =>
  Type.Object({ items: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) });
export const Done = Type.Object({ ok: Type.Literal(true) });
export const optionalText = (maxLength: number = LIMITS.nameCharsMax) => Type.Optional(Type.String({ maxLength }));
export const optionalOf = <const T extends string>(values: readonly T[]) => Type.Optional(oneOf(values));

export function pageRequest(query: { limit: number; after?: string }): { limit: number; after?: string } {
  return query.after === undefined ? { limit: query.limit } : { limit: query.limit, after: query.after };
}

/** Keeps only what is set: an absent filter is absent, not `undefined`. */
export function given<T extends object>(filter: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** The record, or 404 with its name. */
export function found<T>(value: T | null, what: string): T {
  if (value === null) throw new AsepsisError('NOT_FOUND', `There is no such ${what}.`);
  return value;
}
