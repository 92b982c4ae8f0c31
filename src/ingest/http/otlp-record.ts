/** One OpenTelemetry log record as the JSON line that decoders read; what both encodings of OTLP are turned into. */

export type OtlpValue = string | number | boolean | null | OtlpValue[] | { [key: string]: OtlpValue };

export interface OtlpRecord {
  /** Nanoseconds since 1970 as decimal digits: they do not fit a number. */
  time: string;
  observed: string;
  severityNumber: number;
  severityText: string;
  body: OtlpValue;
  attributes: Record<string, OtlpValue>;
  traceId: string;
  spanId: string;
  eventName: string;
}

/** Called for each record with its resource and scope, already as JSON text: they are shared by many. */
export type OtlpSink = (record: OtlpRecord, resource: string, scope: string) => void;

export function otlpLine(record: OtlpRecord, resource: string, scope: string): string {
  const own = JSON.stringify({
    time_unix_nano: record.time,
    observed_time_unix_nano: record.observed,
    severity_number: record.severityNumber,
    severity_text: record.severityText,
    body: record.body,
    attributes: record.attributes,
    ...(record.traceId !== '' && { trace_id: record.traceId }),
    ...(record.spanId !== '' && { span_id: record.spanId }),
    ...(record.eventName !== '' && { event_name: record.eventName }),
  });
  return `${own.slice(0, -1)},"resource":${resource},"scope":${scope}}`;
}

/** A record without a prototype: a key named `__proto__` is a key. */
export const emptyObject = (): Record<string, OtlpValue> => Object.create(null) as Record<string, OtlpValue>;
