/** The head of an application's answer, read strictly: what could be framed in two ways is no answer (RFC 9112 sections 4 to 7). */

export interface AnswerHead {
  readonly status: number;
  readonly reason: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly framing:
    | { readonly kind: 'none' }
    | { readonly kind: 'length'; readonly bytes: number }
    | { readonly kind: 'chunked' }
    /** Until the application closes. */
    | { readonly kind: 'rest' };
  /** The connection may carry another request. */
  readonly keep: boolean;
  /** What `Connection` names, in lower case: not for the client. */
  readonly listed: ReadonlySet<string> | null;
}

const HEADERS_MAX = 512;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n/;
const FIELD = /([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}):([\t\x20-\x7e\x80-\xff]*)\r\n/y;

/**
 * @param text from the status line to the last field, with its line end, without the empty line
 * @returns null when it is no answer that can be trusted
 */
export function readAnswerHead(text: string, method: 'GET' | 'HEAD'): AnswerHead | null {
  const line = STATUS_LINE.exec(text);
  if (line === null) return null;
  const rawHeaders: string[] = [];
  let length: string | null = null;
  let coding: string | null = null;
  let connection = '';
  let at = line[0].length;
  while (at < text.length) {
    FIELD.lastIndex = at;
    const field = FIELD.exec(text);
    if (field === null || rawHeaders.length >= 2 * HEADERS_MAX) return null;
    const name = field[1] as string;
    const value = trimmed(field[2] as string);
    rawHeaders.push(name, value);
    at += field[0].length;
    // Only these lengths can be one of the three that are looked for.
    if (name.length !== 14 && name.length !== 17 && name.length !== 10) continue;
    const key = name.toLowerCase();
    if (key === 'content-length') {
      if (length !== null) return null;
      length = value;
    } else if (key === 'transfer-encoding') {
      if (coding !== null) return null;
      coding = value.toLowerCase();
    } else if (key === 'connection') connection = connection === '' ? value : `${connection},${value}`;
  }
  const status = Number(line[2]);
  const framing = framingOf(status, method, length, coding);
  if (framing === null) return null;
  const words = connection === '' ? [] : connection.toLowerCase().split(',').map(trimmed);
  const keep = line[1] === '1' ? !words.includes('close') : words.includes('keep-alive');
  return {
    status,
    reason: line[3] ?? '',
    rawHeaders,
    framing,
    keep: keep && framing.kind !== 'rest',
    listed: words.length === 0 ? null : new Set(words),
  };
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
/** Without spaces and tabs around it; a pattern would take quadratic time on many of them. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function framingOf(
  status: number,
  method: 'GET' | 'HEAD',
  length: string | null,
  coding: string | null,
): AnswerHead['framing'] | null {
  // Two ways of saying where it ends: one of them is somebody's trick (RFC 9112 section 6.3).
  if (coding !== null && (length !== null || coding !== 'chunked')) return null;
  if (length !== null && !/^\d{1,15}$/.test(length)) return null;
  if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return { kind: 'none' };
  if (coding !== null) return { kind: 'chunked' };
  return length === null ? { kind: 'rest' } : { kind: 'length', bytes: Number(length) };
}
