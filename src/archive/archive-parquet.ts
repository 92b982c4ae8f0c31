/**
 * Writes one Parquet file from finished column pages (Apache Parquet format 2.x: plain and dictionary pages, no
 * compression), because handing rows to DuckDB one by one costs several times what the whole event may cost.
 */

export const PARQUET_TYPE = { boolean: 0, int64: 2, byteArray: 6 } as const;
export const CONVERTED = { utf8: 0, timestampMicros: 10 } as const;
const ENCODING = { plain: 0, rle: 3, rleDictionary: 8 } as const;
const PAGE = { data: 0, dictionary: 2 } as const;

export interface ParquetColumn {
  readonly name: string;
  readonly type: number;
  readonly converted: number | null;
  readonly required: boolean;
  /** Bytes of the dictionary page in plain encoding, and how many values it has. */
  readonly dictionary: { readonly bytes: Uint8Array; readonly count: number } | null;
  /** Definition levels, then values: plain, or codes of the dictionary. */
  readonly data: readonly Uint8Array[];
}

/** Thrift's compact protocol, as far as Parquet's headers need it. */
function createThrift(capacity: number) {
  let bytes = Buffer.allocUnsafe(capacity);
  let at = 0;
  const fieldIds: number[] = [0];
  const room = (more: number) => {
    if (at + more <= bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, at + more));
    bytes.copy(larger, 0, 0, at);
    bytes = larger;
  };
  const byte = (value: number) => {
    room(1);
    bytes[at++] = value;
  };
  const varint = (value: number) => {
    let rest = value;
    while (rest >= 128) {
      byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    byte(rest);
  };
  const header = (id: number, type: number) => {
    const top = fieldIds.length - 1;
    byte(((id - (fieldIds[top] as number)) << 4) | type);
    fieldIds[top] = id;
  };
  const text = (value: string) => {
    const encoded = Buffer.from(value);
    varint(encoded.length);
    room(encoded.length);
    at += encoded.copy(bytes, at);
  };
  const open = () => fieldIds.push(0);
  const close = () => {
    byte(0);
    fieldIds.pop();
  };
  const listHeader = (id: number, type: number, count: number) => {
    header(id, 9);
    if (count < 15) byte((count << 4) | type);
    else {
      byte(0xf0 | type);
      varint(count);
    }
  };
  return {
    // Zigzag of a value that is never negative is its double.
    i32: (id: number, value: number) => {
      header(id, 5);
      varint(value * 2);
    },
    i64: (id: number, value: number) => {
      header(id, 6);
      varint(value * 2);
    },
    string: (id: number, value: string) => {
      header(id, 8);
      text(value);
    },
    struct: (id: number, write: () => void) => {
      header(id, 12);
      open();
      write();
      close();
    },
    structs: <T>(id: number, items: readonly T[], write: (item: T) => void) => {
      listHeader(id, 12, items.length);
      for (const item of items) {
        open();
        write(item);
        close();
      }
    },
    i32s: (id: number, items: readonly number[]) => {
      listHeader(id, 5, items.length);
      for (const item of items) varint(item * 2);
    },
    strings: (id: number, items: readonly string[]) => {
      listHeader(id, 8, items.length);
      for (const item of items) text(item);
    },
    end: () => {
      byte(0);
      return bytes.subarray(0, at);
    },
  };
}

function pageHeader(type: number, byteCount: number, values: number, encoding: number): Uint8Array {
  const thrift = createThrift(64);
  thrift.i32(1, type);
  thrift.i32(2, byteCount);
  thrift.i32(3, byteCount);
  thrift.struct(type === PAGE.data ? 5 : 7, () => {
    thrift.i32(1, values);
    thrift.i32(2, encoding);
    if (type === PAGE.data) {
      thrift.i32(3, ENCODING.rle);
      thrift.i32(4, ENCODING.rle);
    }
  });
  return thrift.end();
}

interface Chunk {
  readonly column: ParquetColumn;
  readonly start: number;
  readonly dataAt: number;
  readonly bytes: number;
}

function footer(chunks: readonly Chunk[], rows: number): Uint8Array {
  const thrift = createThrift(8192);
  thrift.i32(1, 2);
  thrift.structs<ParquetColumn | null>(2, [null, ...chunks.map((chunk) => chunk.column)], (column) => {
    if (column === null) {
      thrift.string(4, 'event');
      thrift.i32(5, chunks.length);
      return;
    }
    thrift.i32(1, column.type);
    thrift.i32(3, column.required ? 0 : 1);
    thrift.string(4, column.name);
    if (column.converted !== null) thrift.i32(6, column.converted);
  });
  thrift.i64(3, rows);
  thrift.structs(4, [chunks], (group) => {
    thrift.structs(1, group, (chunk) => {
      thrift.i64(2, chunk.start);
      thrift.struct(3, () => {
        const withDictionary = chunk.column.dictionary !== null;
        thrift.i32(1, chunk.column.type);
        thrift.i32s(2, withDictionary ? [ENCODING.plain, ENCODING.rle, ENCODING.rleDictionary] : [0, ENCODING.rle]);
        thrift.strings(3, [chunk.column.name]);
        thrift.i32(4, 0);
        thrift.i64(5, rows);
        thrift.i64(6, chunk.bytes);
        thrift.i64(7, chunk.bytes);
        thrift.i64(9, chunk.dataAt);
        if (withDictionary) thrift.i64(11, chunk.start);
      });
    });
    thrift.i64(
      2,
      group.reduce((sum, chunk) => sum + chunk.bytes, 0),
    );
    thrift.i64(3, rows);
  });
  thrift.string(6, 'asepsis');
  return thrift.end();
}

/** The pieces of the whole file in their order: one row group, one data page a column. */
export function parquetFile(columns: readonly ParquetColumn[], rows: number): Uint8Array[] {
  const magic = Buffer.from('PAR1');
  const pieces: Uint8Array[] = [magic];
  let at = magic.length;
  const push = (bytes: Uint8Array) => {
    pieces.push(bytes);
    at += bytes.length;
  };
  const chunks: Chunk[] = [];
  for (const column of columns) {
    const start = at;
    if (column.dictionary !== null) {
      push(pageHeader(PAGE.dictionary, column.dictionary.bytes.length, column.dictionary.count, ENCODING.plain));
      push(column.dictionary.bytes);
    }
    const dataAt = at;
    const size = column.data.reduce((sum, piece) => sum + piece.length, 0);
    push(pageHeader(PAGE.data, size, rows, column.dictionary === null ? ENCODING.plain : ENCODING.rleDictionary));
    for (const piece of column.data) push(piece);
    chunks.push({ column, start, dataAt, bytes: at - start });
  }
  const end = footer(chunks, rows);
  push(end);
  const tail = Buffer.alloc(8, 'PAR1', 'latin1');
  tail.writeUInt32LE(end.length, 0);
  push(tail);
  return pieces;
}

/** Header of one bit-packed run of the RLE hybrid encoding that holds `values` values. */
export function bitPackedHeader(values: number): Uint8Array {
  const out: number[] = [];
  let rest = (Math.ceil(values / 8) << 1) | 1;
  while (rest >= 128) {
    out.push((rest & 127) | 128);
    rest >>>= 7;
  }
  out.push(rest);
  return Uint8Array.from(out);
}
