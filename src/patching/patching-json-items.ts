/**
 * JSON files of any size in pieces: the members of the outermost object, and of arrays in it (or of an outermost array)
 * each element by itself. Only one piece is in memory at a time; a piece that is too large or broken is a counted fault.
 */

const PIECE_BYTES_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 200;

export type JsonPiece =
  | { readonly kind: 'piece'; readonly key: string; readonly value: unknown }
  | { readonly kind: 'fault'; readonly what: string };

const QUOTE = 34;
const BACKSLASH = 92;
const isSpace = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9;

/** Yields `{key, value}`: the member's name ("" inside an outermost array) and one value. */
export async function* jsonPieces(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax = PIECE_BYTES_MAX,
): AsyncGenerator<JsonPiece> {
  const scan = createScan(bytesMax);
  let first = true;
  for await (const chunk of chunks) {
    const bytes = first && chunk[0] === 0xef && chunk[1] === 0xbb ? chunk.subarray(3) : chunk;
    first = false;
    const found: JsonPiece[] = [];
    scan.take(bytes, found);
    yield* found;
    if (scan.stopped()) return;
  }
  if (!scan.finished()) yield { kind: 'fault', what: 'The JSON ends in the middle' };
}

function createScan(bytesMax: number) {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let outer = 0;
  let done = false;
  let stop = false;
  let key = '';
  /** Where pieces are: 1 in the outermost value, 2 in an array that is a member of it. */
  let level = 1;
  let parts: Uint8Array[] = [];
  let size = 0;
  let start = -1;
  let tooLarge = false;

  const keep = (bytes: Uint8Array, end: number) => {
    if (start < 0 || end <= start) return;
    size += end - start;
    if (size > bytesMax) {
      tooLarge = true;
      parts = [];
    } else parts.push(bytes.slice(start, end));
  };
  const flush = (bytes: Uint8Array, end: number, out: JsonPiece[]) => {
    keep(bytes, end);
    start = -1;
    const text = tooLarge ? '' : Buffer.concat(parts).toString('utf8').trim();
    if (tooLarge) out.push({ kind: 'fault', what: 'A part is too large' });
    else if (text !== '') push(text, out);
    parts = [];
    size = 0;
    tooLarge = false;
  };
  const push = (text: string, out: JsonPiece[]) => {
    try {
      out.push({ kind: 'piece', key, value: JSON.parse(text) });
    } catch {
      out.push({ kind: 'fault', what: 'A part is not valid JSON' });
    }
  };
  const fail = (what: string, out: JsonPiece[]) => {
    out.push({ kind: 'fault', what });
    stop = true;
  };
  const open = (byte: number, i: number, out: JsonPiece[]) => {
    depth++;
    if (depth > DEPTH_MAX) fail('The JSON is nested too deeply', out);
    else if (depth === 1) {
      outer = byte;
      start = i + 1;
    } else if (depth === 2 && level === 1 && outer === 123 && byte === 91) {
      level = 2;
      start = i + 1;
      parts = [];
      size = 0;
    }
  };
  const close = (bytes: Uint8Array, i: number, out: JsonPiece[]) => {
    if (depth === level) flush(bytes, i, out);
    depth--;
    if (level === 2 && depth === 1) {
      level = 1;
      key = '';
      start = i + 1;
    } else if (depth === 0) {
      done = true;
      stop = true;
    }
  };
  /** A colon directly in the outermost object: what was kept so far is the member's name. */
  const name = (bytes: Uint8Array, i: number, out: JsonPiece[]) => {
    keep(bytes, i);
    try {
      key = String(JSON.parse(Buffer.concat(parts).toString('utf8')));
    } catch {
      fail('A member has no readable name', out);
    }
    parts = [];
    size = 0;
    start = i + 1;
  };
  return {
    finished: () => done,
    stopped: () => stop,
    take(bytes: Uint8Array, out: JsonPiece[]): void {
      if (start >= 0) start = 0;
      for (let i = 0; i < bytes.length && !stop; i++) {
        const byte = bytes[i] as number;
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) inString = false;
        } else if (byte === QUOTE) inString = true;
        else if (byte === 123 || byte === 91) open(byte, i, out);
        else if (byte === 125 || byte === 93) close(bytes, i, out);
        else if (byte === 58 && depth === 1 && outer === 123) name(bytes, i, out);
        else if (byte === 44 && depth === level) {
          flush(bytes, i, out);
          start = i + 1;
        } else if (depth === 0 && !isSpace(byte)) fail('The input is no JSON object or array', out);
      }
      keep(bytes, bytes.length);
    },
  };
}
