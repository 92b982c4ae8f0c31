/** The key, the findings and the coverage over a real store; the database holds no planted value. */

import { createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, type Terminal } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { createNetwork, networkCommands, readCapture } from './index.ts';
import { keyedHash } from './network-hash.ts';
import { CANARY, connection, MLLP, pcap, said } from './network-testing.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'network-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
  process.exitCode = undefined;
});

const CAPTURE = pcap([
  ...connection([said('client', MLLP)]),
  ...connection([said('client', `GET / HTTP/1.1\r\nAuthorization: Bearer ${CANARY.secret}\r\n\r\n`)], {
    clientPort: 52_000,
  }),
]);

async function inspect(...args: string[]) {
  let out = '';
  let said = '';
  const terminal: Terminal = {
    out: (text) => {
      out += text;
    },
    say: (line) => {
      said += `${line}\n`;
    },
    progress: () => undefined,
    colour: false,
  };
  const program = new Command().exitOverride();
  networkCommands(program, terminal, {
    openStore: (dataDir) => openStore({ dataDir, clock: systemClock }),
    clock: systemClock,
  });
  await program.parseAsync(['node', 'asepsis', 'inspect', ...args]);
  return { out, said, code: process.exitCode };
}

test('the keyed hash is HMAC-SHA-256', () => {
  for (const length of [0, 1, 32, 64, 65, 200]) {
    const key = Buffer.alloc(length, 3);
    const want = createHmac('sha256', key).update('value ä').digest('hex').slice(0, 16);
    expect(keyedHash(key)('value ä')).toBe(want);
    expect(keyedHash(key)(Buffer.from('value ä'))).toBe(want);
  }
});

describe('asepsis inspect', () => {
  test('prints findings, and nothing of the planted values', async () => {
    const file = join(dir, `${CANARY.family} of ward 7.pcap.gz`);
    writeFileSync(file, gzipSync(CAPTURE));
    const { out, said, code } = await inspect(file, '--json');
    const findings = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; id: string; evidence: { command: string }[] });
    expect(findings.map((one) => one.kind)).toEqual(['clear-text-patient-data', 'clear-text-credential']);
    expect(findings[0]?.id).toMatch(/^fnd_/);
    expect(findings[0]?.evidence[0]?.command).toMatch(/^tshark -r capture-[0-9a-f]{8} -d tcp\.port==40001,hl7/);
    expect(code).toBe(1);
    const people = await inspect(file, file);
    for (const canary of Object.values(CANARY)) expect(out + said + people.out + people.said).not.toContain(canary);
  });

  test('keeps findings and coverage; the data folder holds none of the planted values', async () => {
    const file = join(dir, 'capture.pcap');
    const data = join(dir, 'data');
    writeFileSync(file, CAPTURE);
    await openStore({ dataDir: dir, clock: systemClock }).then(async (store) => {
      expect((await createNetwork({ store, clock: systemClock }).coverage()).state).toBe('no-evidence');
      await store.close();
    });
    const { mkdir } = await import('node:fs/promises');
    await mkdir(data);
    const first = await inspect(file, '--json', '--data', data);
    const second = await inspect(file, '--json', '--data', data);
    const ids = (text: string) =>
      text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: string }).id);
    const hashes = (text: string) => /"hashes":"([0-9a-f ]+)"/.exec(text)?.[1];
    expect(ids(second.out)).toEqual(ids(first.out));
    expect(hashes(second.out)).toBe(hashes(first.out));
    const store = await openStore({ dataDir: data, clock: systemClock });
    const coverage = await createNetwork({ store, clock: systemClock }).coverage();
    expect(coverage).toMatchObject({ state: 'measured', in_scope: 1, not_covered: 1, covered: 0 });
    await store.close();
    for (const name of readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
      const bytes = readFileSync(join(name.parentPath, name.name));
      for (const canary of Object.values(CANARY)) expect(bytes.includes(canary)).toBe(false);
    }
  });

  test('a finding is fixed by a later capture that shows the same two protected, and comes back with clear text', async () => {
    const data = join(dir, 'data');
    const { mkdir } = await import('node:fs/promises');
    await mkdir(data);
    const record = `\x17\x03\x03\0\x40${'z'.repeat(64)}`;
    const capture = (name: string, text: string, atSec: number) => {
      writeFileSync(join(dir, name), pcap(connection([said('client', text), said('server', text)]), { atSec }));
      return join(dir, name);
    };
    const states = async () => {
      const store = await openStore({ dataDir: data, clock: systemClock });
      const { items } = await store.findings.list({ room: 'network' }, { limit: 10 });
      await store.close();
      return items.map((one) => one.state);
    };
    const clear = capture('clear.pcap', MLLP, 1_780_000_000);
    expect((await inspect(clear, '--data', data)).code).toBe(1);
    expect((await inspect(capture('early.pcap', record, 1_770_000_000), '--data', data)).code).toBe(0);
    expect(await states()).toEqual(['open']);
    await inspect(capture('later.pcap', record, 1_790_000_000), '--data', data);
    expect(await states()).toEqual(['fixed']);
    await inspect(capture('again.pcap', MLLP, 1_795_000_000), '--data', data);
    expect(await states()).toEqual(['open']);
  });

  test('what is no capture fails; what is cut says so', async () => {
    const wrong = join(dir, 'wrong.pcap');
    writeFileSync(wrong, 'this is no capture at all, only text that goes on');
    expect(await inspect(wrong)).toMatchObject({ code: 2 });
    await expect(inspect(join(dir, 'missing.pcap'))).rejects.toThrow('missing.pcap');
    const cut = join(dir, 'cut.pcap.gz');
    writeFileSync(cut, gzipSync(CAPTURE).subarray(0, -40));
    const { said, code } = await inspect(cut);
    expect(said).toContain('packets read');
    expect(code).toBe(1);
  });
});

test('a pipe is read like a file, also compressed', async () => {
  for (const bytes of [CAPTURE, gzipSync(CAPTURE)]) {
    let packets = 0;
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
    const end = await readCapture('-', () => packets++, { stdin: Readable.from(pieces) });
    expect(end).toMatchObject({ packets, fault: null });
    expect(packets).toBeGreaterThan(9);
  }
});
