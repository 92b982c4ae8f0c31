/** DuckDB as the archive uses it: closed to the outside, bounded in memory, never fetching anything from a network. */

import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';

export interface Duck {
  readonly connection: DuckDBConnection;
  rows(sql: string, values?: DuckDBValue[]): Promise<DuckDBValue[][]>;
  close(): void;
}

export interface DuckInstance {
  connect(): Promise<Duck>;
  close(): void;
}

export async function openDuck(o: { threads: number; memoryMb: number; temporary?: string }): Promise<DuckInstance> {
  if (o.temporary !== undefined) await mkdir(o.temporary, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(o.threads),
    memory_limit: `${o.memoryMb}MB`,
    temp_directory: o.temporary ?? '',
    // One thread keeps the order anyway; without the promise of it, less is held in memory.
    preserve_insertion_order: 'false',
    // The operating system caches files already.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  return {
    async connect() {
      const connection = await instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      return {
        connection,
        async rows(sql, values) {
          const reader = await connection.runAndReadAll(sql, values);
          return reader.getRows();
        },
        close: () => connection.closeSync(),
      };
    },
    close: () => instance.closeSync(),
  };
}

/** A text literal of names that we made ourselves; what people typed is always a bound parameter. */
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A table of Parquet files. Folder names are ours, not columns. */
export const parquetTable = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(literal).join(', ')}], hive_partitioning = false)`;

/** Timestamps beyond this do not fit into microseconds that a number can hold. */
const TIME_MS_MAX = 8.64e12;

export const clampTime = (ms: number): number => Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, Math.trunc(ms)));

/** A time literal of Unix milliseconds. */
export const timestamp = (ms: number): string => `make_timestamp(${Math.round(ms * 1000)}::BIGINT)`;

/** SHA-256 of a file, read in pieces. */
export async function fileHash(path: string): Promise<{ sha256: string; bytes: number }> {
  const handle = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(1024 * 1024);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, bytes);
      if (bytesRead === 0) break;
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    await handle.close();
  }
}
