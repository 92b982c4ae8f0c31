/** How far each consumer has acknowledged: one small file each, two slots written in turn, so that one is always whole. */

import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { AsepsisError, ensureFolder, syncFolder } from '../core/index.ts';
import { diskError } from './stream-disk.ts';
import type { LogKey } from './stream-record.ts';

/** Apart by a page, so that a torn write of one slot cannot reach the other. */
const SLOT_BYTES = 4096;
const USED_BYTES = 32;
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export interface Offset {
  acked(): number;
  /** Durable when it resolves; acknowledgements that arrive during a write share the next one. */
  ack(seq: number): Promise<void>;
  close(): Promise<void>;
}

/*
 * A slot: 0 crc over the rest, seeded with the stream's salt (a slot of another stream does not count) · 4 zero ·
 * 8 number of the write · 16 acknowledged sequence number.
 */
function encodeSlot(write: number, acked: number, key: LogKey): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.writeDoubleLE(write, 8);
  slot.writeDoubleLE(acked, 16);
  slot.writeUInt32LE(crc32(slot.subarray(4, USED_BYTES), key.salt), 0);
  return slot;
}

function newestSlot(file: Buffer, key: LogKey): { write: number; acked: number } | null {
  let best: { write: number; acked: number } | null = null;
  for (const at of [0, SLOT_BYTES]) {
    if (file.length < at + USED_BYTES) break;
    if (crc32(file.subarray(at + 4, at + USED_BYTES), key.salt) !== file.readUInt32LE(at)) continue;
    const write = file.readDoubleLE(at + 8);
    if (best === null || write > best.write) best = { write, acked: file.readDoubleLE(at + 16) };
  }
  return best;
}

const folder = (dir: string): string => join(dir, 'consumers');

/** The stored positions of all consumers, whoever has them open. */
export async function readOffsets(dir: string, key: LogKey): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const name of await readdir(folder(dir)).catch(() => [])) {
    if (!NAME.test(name)) continue;
    const slot = newestSlot(await readFile(join(folder(dir), name)), key);
    if (slot !== null) all[name] = slot.acked;
  }
  return all;
}

/**
 * @param initial where a consumer starts that has no stored position
 * @param durable the log's end: a stored position behind it (the disk lost the end) is moved back there, because
 *   what is written next under those numbers was never delivered
 */
export async function openOffset(o: {
  dir: string;
  name: string;
  key: LogKey;
  initial: number;
  durable: number;
}): Promise<Offset> {
  const { dir, name, key, initial } = o;
  if (!NAME.test(name)) throw new AsepsisError('BAD_REQUEST', `A consumer cannot be called ${JSON.stringify(name)}.`);
  await ensureFolder(folder(dir));
  const path = join(folder(dir), name);
  const stored = newestSlot(await readFile(path).catch(() => Buffer.alloc(0)), key);
  const handle = await open(path, stored === null ? 'w+' : 'r+');
  let write = stored?.write ?? 0;
  let acked = stored?.acked ?? initial;
  let wanted = acked;
  let writing: Promise<void> | null = null;

  async function save(seq: number): Promise<void> {
    write++;
    await handle.write(encodeSlot(write, seq, key), 0, SLOT_BYTES, (write % 2) * SLOT_BYTES);
    await handle.datasync();
    acked = seq;
  }

  async function drain(): Promise<void> {
    try {
      while (acked < wanted) await save(wanted);
    } catch (error) {
      wanted = acked;
      throw diskError(error, `Storing the position of ${name}`);
    } finally {
      writing = null;
    }
  }

  if (stored === null) {
    // Both slots at once: later writes overwrite and need no space, so that a full disk still takes positions.
    await save(initial);
    await save(initial);
    await syncFolder(folder(dir));
    await syncFolder(dir);
  }
  if (acked > o.durable) {
    wanted = o.durable;
    await save(o.durable);
  }
  return {
    acked: () => acked,
    async ack(seq) {
      if (seq > wanted) wanted = seq;
      while (acked < seq) {
        writing ??= drain();
        await writing;
      }
    },
    async close() {
      await writing?.catch(() => {});
      await handle.close();
    },
  };
}
