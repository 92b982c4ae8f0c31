/** What the route files share: the typed instance, page queries and the answers that every route may give. */

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import { type TSchema, Type } from 'typebox';
import { LIMITS, ROLES } from '../core/index.ts';

export type TypedApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

export const closed = { additionalProperties: false } as const;
export const Username = Type.String({
  minLength: 2,
  maxLength: 64,
  // No underscore: ids have one, and an invitation tells a name from an id by it.
  pattern: '^[A-Za-z0-9](?:[A-Za-z0-9.@-]*[A-Za-z0-9])?$',
  description: 'Letters, digits, dot, hyphen and @; upper and lower case are the same name',
});
/** A password on its way in; how good it must be is decided elsewhere, with a reason. */
export const Password = Type.String({ minLength: 1, maxLength: 1024 });
export const Opaque = Type.String({ minLength: 1, maxLength: 128 });
export const DisplayName = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f]+$' });
export const oneOf = <const T extends string>(words: readonly T[]) =>
  Type.Unsafe<T>({ type: 'string', enum: [...words] });
export const RoleSchema = oneOf(ROLES);
export const PageQuery = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: LIMITS.pageRowsMax, default: 100 }),
    after: Type.Optional(Type.String({ maxLength: 1024, description: 'The `next` of the page before' })),
  },
  closed,
);
export const listOf = <S extends TSchema>(item: S) => Type.Object({ items: Type.Array(item), next: Type.Null() });
export const Done = Type.Object({ ok: Type.Literal(true) });
export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
