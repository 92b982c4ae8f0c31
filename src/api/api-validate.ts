/** Validation of bodies, parameters and queries by their TypeBox schemas; a refusal names the field, never its value. */

import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { AsepsisError } from '../core/index.ts';

const NAMED_MAX = 3;

interface Fault {
  readonly instancePath: string;
  readonly message: string;
  readonly params?: {
    readonly requiredProperties?: readonly string[];
    readonly additionalProperties?: readonly string[];
  };
}

function sentence(part: string, faults: readonly Fault[]): string {
  const named = faults.slice(0, NAMED_MAX).map((fault) => {
    const missing = fault.params?.requiredProperties ?? fault.params?.additionalProperties ?? [];
    const path = [part, ...fault.instancePath.split('/').slice(1, 6)].join('.').slice(0, 120);
    return missing.length > 0
      ? `${path} ${fault.message} (${missing.slice(0, 5).join(', ').slice(0, 120)})`
      : `${path} ${fault.message}`;
  });
  return `${named.join('; ')}.`;
}

/** Defaults are filled in; text is read as number or truth only in parameters and queries, where there is only text. */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = Compile(schema);
  const part = httpPart === 'querystring' ? 'query' : (httpPart ?? 'body');
  return (input: unknown) => {
    let value = Value.Default(schema, structuredClone(input));
    if (httpPart !== 'body') value = Value.Convert(schema, value);
    if (check.Check(value)) return { value };
    const faults = check.Errors(value) as unknown as readonly Fault[];
    return { error: new AsepsisError('BAD_REQUEST', sentence(part, faults)) };
  };
};
