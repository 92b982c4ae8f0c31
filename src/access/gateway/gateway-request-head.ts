/**
 * The plain request: a head that every reader of HTTP/1.1 reads alike. Whatever else comes is left to Node's own server.
 *
 * Only speed is won here (docs/adr/0006): a request that this reads, Node's parser reads too, with the same method, target
 * and headers, and without a body; `gateway-request-head.test.ts` holds the two against each other.
 */

/** What is read of a request's head, whichever server read it. */
export interface Head {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly socket: { readonly remoteAddress?: string | undefined };
}

export interface PlainHead {
  readonly method: 'GET' | 'HEAD';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  /** The client wants the connection closed after the answer. */
  readonly close: boolean;
  /** Bytes of the head, with its empty line. */
  readonly length: number;
}

/** Longer heads are Node's to refuse; a browser with many cookies stays far below. */
const PLAIN_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 64;
const REQUEST_LINE = /^(GET|HEAD) (\/[\x21-\x7e]*) HTTP\/1\.1\r\n/;
/** One way of writing a field (RFC 9112 section 5), of the many: no underscores, one space, nothing at the end. */
const FIELD = /([A-Za-z][A-Za-z0-9-]{0,63}): ([\x21-\x7e]+(?: +[\x21-\x7e]+)*)\r\n/y;
/** Whatever says something of framing, protocols or connections is not plain. */
const NOT_PLAIN = new Set([
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'trailer',
  'keep-alive',
  'http2-settings',
  'proxy-connection',
]);

/** An object of no prototype that keeps its shape: one from `Object.create(null)` is a slow table. */
class Fields {
  [name: string]: string;
}
Object.setPrototypeOf(Fields.prototype, null);
Reflect.deleteProperty(Fields.prototype, 'constructor');

/** `more` when the head is not complete yet, `other` when Node has to read it. */
export function readPlainHead(bytes: Buffer): PlainHead | 'more' | 'other' {
  // A method that is not ours needs no waiting for the rest.
  if (bytes[0] !== 0x47 && bytes[0] !== 0x48) return 'other';
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return bytes.length > PLAIN_BYTES_MAX ? 'other' : 'more';
  if (end > PLAIN_BYTES_MAX) return 'other';
  const text = bytes.toString('latin1', 0, end + 2);
  const line = REQUEST_LINE.exec(text);
  if (line === null) return 'other';
  const headers = new Fields();
  const rawHeaders: string[] = [];
  let close = false;
  let at = line[0].length;
  while (at < text.length) {
    FIELD.lastIndex = at;
    const field = FIELD.exec(text);
    if (field === null || rawHeaders.length >= 2 * HEADERS_MAX) return 'other';
    const [whole, name, value] = field as unknown as [string, string, string];
    const key = name.toLowerCase();
    if (NOT_PLAIN.has(key) || headers[key] !== undefined) return 'other';
    if (key === 'connection') {
      const word = value.toLowerCase();
      if (word !== 'close' && word !== 'keep-alive') return 'other';
      close = word === 'close';
    }
    // Firefox says so at every request over HTTP/2, and proxies hand it on; anything else is about codings.
    if (key === 'te' && value.toLowerCase() !== 'trailers') return 'other';
    headers[key] = value;
    rawHeaders.push(name, value);
    at += whole.length;
  }
  if (headers.host === undefined) return 'other';
  return { method: line[1] as 'GET' | 'HEAD', url: line[2] as string, headers, rawHeaders, close, length: end + 4 };
}
