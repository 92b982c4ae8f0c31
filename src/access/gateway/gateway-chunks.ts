/** Where the chunks of an answer begin and end: they go on as they came, without extensions and trailers (RFC 9112 section 7.1). */

/** 256 MiB in one chunk at most. */
const DIGITS_MAX = 7;
const EXTENSION_BYTES_MAX = 1024;
const TRAILER_BYTES_MAX = 16 * 1024;
const CR = 0x0d;
const LF = 0x0a;

export interface Chunks {
  /**
   * Goes through the bytes from `from` to `to`; `keep(from, to)` is called for what the client gets. Answers where the
   * body ended, `to` when it goes on, or -1 when it is no chunked body.
   */
  read(bytes: Uint8Array, from: number, to: number, keep: (from: number, to: number) => void): number;
  readonly done: () => boolean;
}

type State =
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'line'
  | 'trailer'
  | 'trailer-lf'
  | 'end-lf'
  | 'done';

const digitOf = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
};

export function openChunks(): Chunks {
  let state: State = 'size';
  let size = 0;
  let digits = 0;
  let extension = 0;
  let trailer = 0;
  /** One byte of framing; answers whether the client gets it, or null when it may not stand there. */
  const step = (code: number): boolean | null => {
    switch (state) {
      case 'size': {
        const digit = digitOf(code);
        if (digit >= 0) {
          size = size * 16 + digit;
          return ++digits <= DIGITS_MAX ? true : null;
        }
        if (digits === 0) return null;
        if (code === CR) state = 'size-lf';
        else if (code === 0x3b || code === 0x20 || code === 0x09) state = 'extension';
        else return null;
        return code === CR;
      }
      case 'extension':
        if (code === CR) state = 'size-lf';
        else if (code === LF || ++extension > EXTENSION_BYTES_MAX) return null;
        return code === CR;
      case 'size-lf':
        if (code !== LF) return null;
        state = size > 0 ? 'data' : 'line';
        digits = 0;
        return true;
      case 'data-cr':
        state = 'data-lf';
        return code === CR ? true : null;
      case 'data-lf':
        state = 'size';
        return code === LF ? true : null;
      case 'line':
        // The empty line that ends the body, or a trailer, which nobody gets.
        state = code === CR ? 'end-lf' : 'trailer';
        return code === CR ? true : code === LF ? null : false;
      case 'trailer':
        if (code === CR) state = 'trailer-lf';
        else if (code === LF || code === 0 || ++trailer > TRAILER_BYTES_MAX) return null;
        return false;
      case 'trailer-lf':
        state = 'line';
        return code === LF ? false : null;
      default:
        state = 'done';
        return code === LF ? true : null;
    }
  };
  return {
    read(bytes, from, to, keep) {
      let start = from;
      let at = from;
      while (at < to && state !== 'done') {
        if (state === 'data') {
          const some = Math.min(size, to - at);
          at += some;
          size -= some;
          if (size === 0) state = 'data-cr';
          continue;
        }
        const mine = step(bytes[at] as number);
        if (mine === null) return -1;
        if (!mine) {
          if (start < at) keep(start, at);
          start = at + 1;
        }
        at++;
      }
      if (start < at) keep(start, at);
      return at;
    },
    done: () => state === 'done',
  };
}
