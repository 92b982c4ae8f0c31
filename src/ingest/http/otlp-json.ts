/** Reads ExportLogsServiceRequest from OTLP's JSON encoding (OTLP 1.x specification, "JSON Protobuf Encoding"). */

import { LIMITS } from '../../core/index.ts';
import { OtlpFault } from './otlp-protobuf.ts';
import { emptyObject, type OtlpSink, type OtlpValue } from './otlp-record.ts';

type Json = Record<string, unknown>;

const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
/** 64-bit numbers come as decimal text, from some senders as numbers. */
const digits = (value: unknown): string => {
  if (typeof value === 'string' && /^[0-9]{1,20}$/.test(value)) return value;
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? BigInt(Math.round(value)).toString() : '0';
};

function keyValues(value: unknown, depth: number): Record<string, OtlpValue> {
  const into = emptyObject();
  for (const entry of list(value)) into[text(object(entry).key)] = anyValue(object(entry).value, depth + 1);
  return into;
}

function anyValue(value: unknown, depth: number): OtlpValue {
  if (depth > LIMITS.jsonDepthMax) throw new OtlpFault('a value is nested too deep');
  const any = object(value);
  if (typeof any.stringValue === 'string') return any.stringValue;
  if (typeof any.boolValue === 'boolean') return any.boolValue;
  if (any.intValue !== undefined) {
    const number = Number(any.intValue);
    return Number.isSafeInteger(number) ? number : text(any.intValue).slice(0, 32);
  }
  if (any.doubleValue !== undefined)
    return typeof any.doubleValue === 'number' ? any.doubleValue : text(any.doubleValue);
  if (any.arrayValue !== undefined) return list(object(any.arrayValue).values).map((item) => anyValue(item, depth + 1));
  if (any.kvlistValue !== undefined) return keyValues(object(any.kvlistValue).values, depth);
  return typeof any.bytesValue === 'string' ? any.bytesValue : null;
}

function scopeOf(value: unknown): Record<string, OtlpValue> {
  const scope = object(value);
  const attributes = keyValues(scope.attributes, 0);
  return {
    ...(typeof scope.name === 'string' && { name: scope.name }),
    ...(typeof scope.version === 'string' && { version: scope.version }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
  };
}

/** @throws OtlpFault when the text is not the message */
export function readOtlpJson(bytes: Buffer, sink: OtlpSink): void {
  let request: Json;
  try {
    request = object(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new OtlpFault('the body is not JSON');
  }
  for (const resourceLogs of list(request.resourceLogs)) {
    const resource = JSON.stringify(keyValues(object(object(resourceLogs).resource).attributes, 0));
    for (const scopeLogs of list(object(resourceLogs).scopeLogs)) {
      const scope = JSON.stringify(scopeOf(object(scopeLogs).scope));
      for (const entry of list(object(scopeLogs).logRecords)) {
        const log = object(entry);
        const record = {
          time: digits(log.timeUnixNano),
          observed: digits(log.observedTimeUnixNano),
          severityNumber: typeof log.severityNumber === 'number' ? log.severityNumber : 0,
          severityText: text(log.severityText),
          body: anyValue(log.body, 0),
          attributes: keyValues(log.attributes, 0),
          traceId: text(log.traceId).slice(0, 64),
          spanId: text(log.spanId).slice(0, 64),
          eventName: text(log.eventName),
        };
        sink(record, resource, scope);
      }
    }
  }
}
