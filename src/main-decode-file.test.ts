/** Files as the command line reads them: event logs, text, and both in archives, honest and not. */

import { Buffer } from 'node:buffer';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { text, writeEvtx } from './ingest/evtx/testing/evtx-writer.ts';
import { decodeFile } from './main-decode-file.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asepsis-decode-'));
});
afterAll(() => rm(dir, { recursive: true }));

const log = writeEvtx(
  [1, 2, 3].map((number) => ({
    eventId: 4625,
    channel: 'Security',
    provider: 'P',
    computer: 'c',
    number,
    timeMs: Date.UTC(2026, 4, 20),
    data: [['TargetUserName', text('ada')] as const],
  })),
);

interface Packed {
  readonly name: string;
  readonly bytes: Buffer;
  readonly stored?: boolean;
  /** What the directory says instead of the truth. */
  readonly size?: number;
  readonly flags?: number;
}

function zip(entries: readonly Packed[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, bytes, stored, size, flags } of entries) {
    const packed = stored ? bytes : deflateRawSync(bytes);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x0403_4b50, 0);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x0201_4b50, 0);
    central.writeUInt16LE(flags ?? 0, 8);
    central.writeUInt16LE(stored ? 0 : 8, 10);
    central.writeUInt32LE(crc32(bytes), 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(size ?? bytes.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    parts.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}

async function read(bytes: Buffer, carve = false) {
  const path = join(dir, 'file');
  await writeFile(path, bytes);
  const said: string[] = [];
  const formats: string[] = [];
  for await (const event of decodeFile(path, { carve, say: (sentence) => said.push(sentence) }))
    formats.push(event.format);
  return { formats, said };
}

const WINDOWS = ['windows/security', 'windows/security', 'windows/security'];
const LINE = Buffer.from('May 20 09:14:03 h sshd[1]: Failed password for a from 192.0.2.1 port 2 ssh2\n');

test('an event log, plain and packed', async () => {
  expect((await read(log)).formats).toEqual(WINDOWS);
  expect((await read(gzipSync(log))).formats).toEqual(WINDOWS);
});

test('an archive of event logs, text and packed text', async () => {
  const { formats, said } = await read(
    zip([
      { name: 'a/', bytes: Buffer.alloc(0), stored: true },
      { name: 'a/b.evtx', bytes: log },
      { name: 'c.evtx', bytes: log, stored: true },
      { name: 'auth.log', bytes: LINE },
      { name: 'auth.log.1.gz', bytes: gzipSync(LINE), stored: true },
    ]),
  );
  expect(formats).toEqual([...WINDOWS, ...WINDOWS, 'syslog/sshd', 'syslog/sshd']);
  expect(said).toEqual([]);
});

test('an archive that lies is read as far as it is honest', async () => {
  const { formats, said } = await read(
    zip([
      { name: 'secret', bytes: LINE, flags: 1 },
      { name: 'bomb', bytes: LINE, size: 0xffff_fffe },
      { name: 'short', bytes: Buffer.concat([LINE, LINE]), size: LINE.length },
      { name: 'torn', bytes: Buffer.from([7, 7, 7]), stored: true },
    ]),
  );
  expect(formats.filter((format) => format === 'syslog/sshd')).toHaveLength(1);
  expect(said).toHaveLength(2);
});

test('an archive without an end is refused by name', async () => {
  await expect(read(zip([{ name: 'a', bytes: LINE }]).subarray(0, 40))).rejects.toThrow('no end');
});

test('carving reads what has no head', async () => {
  expect((await read(Buffer.concat([Buffer.alloc(777, 'z'), log.subarray(4096)]), true)).formats).toEqual(WINDOWS);
});

test('damage is said', async () => {
  const bad = Buffer.from(log);
  bad[4096 + 700] = 0xff;
  expect((await read(bad)).said.join()).toContain('damaged');
});

test('an array of JSON and UTF-16 are read as an import reads them; what is cut off is said', async () => {
  const record = { EventID: 4625, Channel: 'Security', TargetUserName: 'ada', Hostname: 'dc-1' };
  const array = JSON.stringify([record, record], null, 2);
  expect((await read(Buffer.from(array))).formats).toEqual(WINDOWS.slice(1));
  const utf16 = Buffer.from(`\ufeff${LINE.toString()}${LINE.toString()}`, 'utf16le');
  expect((await read(utf16)).formats).toEqual(['syslog/sshd', 'syslog/sshd']);
  const { formats, said } = await read(Buffer.from(array.slice(0, -20)));
  expect(formats).toEqual(['windows/security', 'raw']);
  expect(said).toHaveLength(1);
});
