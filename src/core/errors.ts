/** The one error class for operational failures and the registry of its codes: HTTP status and what to do. */

interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  readonly advice: string;
}

/** Code → status on the API, a short title, and the remedy shown to whoever meets it. */
export const ERRORS = {
  CONFIG_INVALID: {
    status: 500,
    title: 'The configuration is not valid',
    advice: 'Correct the named setting and start again.',
  },
  CONFIG_UNREADABLE: {
    status: 500,
    title: 'The configuration cannot be read',
    advice: 'Check the path and its permissions.',
  },
  DATA_LOCKED: {
    status: 500,
    title: 'Another Asepsis uses this data folder',
    advice: 'Stop the other one, or give this one its own folder with --data.',
  },
  DATA_READ_ONLY: {
    status: 503,
    title: 'The data folder cannot be written',
    advice: 'Give the user that runs Asepsis write permission, or choose another folder with --data.',
  },
  DISK_FULL: {
    status: 503,
    title: 'The disk is full',
    advice: 'Free space or shorten the retention; intake resumes by itself.',
  },
  PORT_TAKEN: {
    status: 500,
    title: 'The port is already in use',
    advice: 'Stop the program that holds it, or choose another port in the configuration.',
  },
  PORT_FORBIDDEN: {
    status: 500,
    title: 'The port may not be opened',
    advice: 'Use a port above 1023 or grant CAP_NET_BIND_SERVICE.',
  },
  TLS_REQUIRED: {
    status: 500,
    title: 'A network address is served with TLS only',
    advice: 'Configure certificate files, ACME, or run `asepsis tls init`; or listen on 127.0.0.1.',
  },
  TLS_INVALID: {
    status: 500,
    title: 'The certificate or key cannot be used',
    advice: 'Check that both are PEM files and belong together.',
  },
  STORE_UNAVAILABLE: {
    status: 503,
    title: 'The database does not answer',
    advice: 'Check that it runs and that the address is right.',
  },
  STORE_NEWER: {
    status: 500,
    title: 'The data was written by a newer Asepsis',
    advice: 'Install that version or restore an older backup.',
  },
  STREAM_CORRUPT: {
    status: 500,
    title: 'A segment of the event log is damaged',
    advice: 'Run `asepsis doctor`; the records before the damage are kept.',
  },
  ARCHIVE_TAMPERED: {
    status: 500,
    title: 'The archive does not match its manifest',
    advice: 'Run `asepsis archive verify` and compare with a backup.',
  },
  BUSY: {
    status: 429,
    title: 'More is arriving than can be written',
    advice: 'Wait as long as Retry-After says and send again.',
  },
  RATE_LIMITED: { status: 429, title: 'Too many requests', advice: 'Wait as long as Retry-After says.' },
  TOO_LARGE: { status: 413, title: 'The request is too large', advice: 'Send it in smaller parts.' },
  UNSUPPORTED_MEDIA: {
    status: 415,
    title: 'The content type or encoding is not known',
    advice: 'Use one that the documentation of this address names.',
  },
  BAD_REQUEST: { status: 400, title: 'The request is not valid', advice: 'Correct the named field.' },
  BAD_QUERY: { status: 400, title: 'The search query cannot be read', advice: 'Correct it at the marked position.' },
  UNAUTHENTICATED: { status: 401, title: 'Sign in first', advice: 'Sign in, or send a valid token.' },
  FORBIDDEN: { status: 403, title: 'Not allowed', advice: 'Ask an administrator for the role that may do this.' },
  CSRF: { status: 403, title: 'The request did not come from this site', advice: 'Reload the page and try again.' },
  NOT_FOUND: { status: 404, title: 'Not found', advice: 'Check the address.' },
  CONFLICT: { status: 409, title: 'Somebody changed this meanwhile', advice: 'Reload and try again.' },
  INPUT_UNREADABLE: {
    status: 422,
    title: 'The input cannot be read',
    advice: 'Check the file; what could be read before the fault is kept.',
  },
  RULE_INVALID: { status: 422, title: 'The rule is not valid', advice: 'Correct it at the named line.' },
  RESPONSE_REFUSED: {
    status: 409,
    title: 'This response is not possible',
    advice: 'Read the reason; lists and limits stand under `responses` in the configuration.',
  },
  SCOPE_INVALID: {
    status: 422,
    title: 'The scope is not valid',
    advice: 'Correct the named setting; nothing is looked at until then.',
  },
  SCOPE_UNSIGNED: {
    status: 403,
    title: 'The scope is not signed by a trusted key',
    advice: 'Let the owner sign it with `asepsis perimeter scope sign`, and trust the key with `scope trust`.',
  },
  TOOL_MISSING: {
    status: 500,
    title: 'A program that this needs is not installed',
    advice: 'Install it with the system package manager.',
  },
  INTERNAL: {
    status: 500,
    title: 'Something went wrong here',
    advice: 'See the log for the same moment; report it if it repeats.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An operational failure. `detail` says what happened and where, in one sentence, without secrets or patient data. */
export class AsepsisError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSec: number | undefined;

  constructor(code: ErrorCode, detail: string, options: { cause?: unknown; retryAfterSec?: number } = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AsepsisError';
    this.code = code;
    this.retryAfterSec = options.retryAfterSec;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get advice(): string {
    return ERRORS[this.code].advice;
  }
}

/** One line for a terminal: what happened, and what to do. */
export function errorLine(error: unknown): string {
  if (error instanceof AsepsisError) return `${ERRORS[error.code].title}: ${error.message} ${error.advice}`;
  return error instanceof Error ? error.message : String(error);
}
