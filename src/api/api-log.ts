/** The log: JSON lines without secrets. Requests are logged by their route's pattern, so that no link, search or body gets in. */

import { type DestinationStream, type Logger, pino } from 'pino';

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  '["set-cookie"]',
  '["x-csrf-token"]',
  'password',
  'current_password',
  'new_password',
  'token',
  'secret',
  'code',
  'codes',
  'recovery_codes',
  'totp_code',
  'csrf',
  'flow',
  'response',
  'key',
];
/** `code` of a fault is its kind (`ENOSPC`), not a one-time code. */
const paths = SECRET_FIELDS.flatMap((field) => {
  const join = field.startsWith('[') ? field : `.${field}`;
  const own = field.startsWith('[') ? field : field;
  const nested = ['headers', 'req.headers', 'res.headers', 'body', 'req.body', 'query', 'params'].map(
    (place) => place + join,
  );
  return field === 'code' ? nested : [own, ...nested];
});

/** Makes the log; `destination` is stderr unless a test or the caller gives another. */
export function createLog(options: { level?: string; destination?: DestinationStream } = {}): Logger {
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: '[redacted]' },
    },
    options.destination ?? pino.destination({ dest: 2, sync: false }),
  );
}
