/** State as bytes: numbers of variable length, floats and texts, written in order and read with every bound checked. */

export interface Writer {
  number(value: number): void;
  float(value: number): void;
  text(value: string): void;
  raw(value: Uint8Array): void;
  /** What was written, in pieces: state of a hundred megabytes is never copied as a whole. */
  pieces(): readonly Uint8Array[];
  bytes(): Uint8Array;
}

const PIECE_BYTES_MIN = 4096;
const PIECE_BYTES_MAX = 1 << 20;

export function createWriter(): Writer {
  const full: Uint8Array[] = [];
  let buffer = Buffer.allocUnsafe(PIECE_BYTES_MIN);
  let at = 0;
  const room = (more: number): void => {
    if (at + more <= buffer.length) return;
    if (at > 0) full.push(buffer.subarray(0, at));
    buffer = Buffer.allocUnsafe(Math.max(Math.min(buffer.length * 2, PIECE_BYTES_MAX), more));
    at = 0;
  };
  /** Seven bits a byte, the lowest first (LEB128); numbers up to 2^53. */
  const number = (value: number): void => {
    room(10);
    let rest = value;
    while (rest >= 128) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    buffer[at++] = rest;
  };
  return {
    number,
    float: (value) => {
      room(8);
      at = buffer.writeDoubleLE(value, at);
    },
    text: (value) => {
      const length = Buffer.byteLength(value);
      number(length);
      room(length);
      at += buffer.write(value, at);
    },
    raw: (value) => {
      room(value.length);
      buffer.set(value, at);
      at += value.length;
    },
    pieces: () => [...full, buffer.subarray(0, at)],
    bytes: () => new Uint8Array(Buffer.concat([...full, buffer.subarray(0, at)])),
  };
}

export function createReader(bytes: Uint8Array) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (more: number): void => {
    if (at + more > buffer.length) throw new RangeError('the state ends too early');
  };
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      need(1);
      const byte = buffer[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 49) throw new RangeError('a number of the state is too large');
    }
  };
  return {
    number,
    float: (): number => {
      need(8);
      at += 8;
      return buffer.readDoubleLE(at - 8);
    },
    text: (): string => {
      const length = number();
      need(length);
      at += length;
      return buffer.toString('utf8', at - length, at);
    },
    raw: (length: number): Uint8Array => {
      need(length);
      at += length;
      return new Uint8Array(buffer.subarray(at - length, at));
    },
  };
}
export type Reader = ReturnType<typeof createReader>;
