/** Real sockets into the listeners: order, limits, overload, ports that cannot be had. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../core/index.ts';
import { startListeners } from '../ingest-listeners.ts';
import { type Harness, openHarness, testConfig, until } from '../testing/ingest-harness.ts';
import { udpDrops } from './syslog-udp-drops.ts';

let harness: Harness;
let stops: (() => unknown)[];
beforeEach(async () => {
  harness = await openHarness();
  stops = [];
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  await harness.stop();
});

async function start(change?: Parameters<typeof testConfig>[0]) {
  const started = await startListeners({
    ...harness,
    config: testConfig(change),
    dataDir: harness.dir,
    exercise: false,
  });
  stops.push(() => started.close());
  const port = (name: string) =>
    Number(
      started.listeners
        .find((l) => l.name === name)
        ?.address.split(':')
        .at(-1),
    );
  return { ...started, port };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  stops.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('lines and octet-counted frames over TCP arrive in order, from one source named by its address', async () => {
  const { port } = await start();
  const lines = await dial(port('syslog-tcp'));
  lines.write('<13>one\n<13>two\n');
  await harness.arrived(2);
  const counted = await dial(port('syslog-tcp'));
  counted.write('9 <13>three8 <13>four');
  expect(await harness.arrived(4)).toEqual(['<13>one', '<13>two', '<13>three', '<13>four']);
  const [source, ...others] = await harness.store.sources.list({});
  expect(others).toEqual([]);
  expect(source).toMatchObject({ kind: 'syslog', name: '127.0.0.1' });
  expect(harness.stream.blocks[0]).toMatchObject({ source: source?.id, hint: 'syslog', peer: '127.0.0.1' });
});

test('a line of 64 KiB and one with NUL bytes come over TCP as they were sent', async () => {
  const { port } = await start();
  const socket = await dial(port('syslog-tcp'));
  const long = `<13>${'é'.repeat(32 * 1024)}`;
  socket.write(`<13>a\0b\0\n${long}\n`);
  expect(await harness.arrived(2)).toEqual(['<13>a\0b', Buffer.from(long).toString('latin1')]);
});

test('what is over the record limit is cut and counted', async () => {
  const started = await start();
  const { port } = started;
  const socket = await dial(port('syslog-tcp'));
  socket.write(`<13>${'x'.repeat(LIMITS.recordBytesMax)}\n<13>next\n`);
  await harness.arrived(2);
  stops.pop();
  socket.destroy();
  await started.close();
  const [source] = await harness.store.sources.list({});
  expect(source).toMatchObject({ dropped: 1, faults: [{ what: 'records longer than 256 KiB were cut', count: 1 }] });
  stops = [];
});

test('a connection cut in the middle of a record keeps what came', async () => {
  const { port } = await start();
  const socket = await dial(port('syslog-tcp'));
  socket.end('<13>whole\n<13>half');
  expect(await harness.arrived(2)).toEqual(['<13>whole', '<13>half']);
});

test('while the stream refuses nothing is lost or reordered, and the sender is held', async () => {
  const { port } = await start();
  const socket = await dial(port('syslog-tcp'));
  harness.stream.refuse = 'BUSY';
  const lines = Array.from({ length: 200_000 }, (_, i) => `<13>line ${i} ${'-'.repeat(100)}`);
  for (let at = 0; at < lines.length; at += 1000) socket.write(`${lines.slice(at, at + 1000).join('\n')}\n`);
  const all = socket.writableLength;
  // The kernel's buffers and ours take some; the rest stays with the sender.
  let last = all;
  await until(
    () => {
      const still = socket.writableLength === last && last < all;
      last = socket.writableLength;
      return still;
    },
    () => 'reading never began or never stopped',
  );
  expect(socket.writableLength).toBeGreaterThan(1_000_000);
  harness.stream.refuse = null;
  expect(await harness.arrived(lines.length)).toEqual(lines);
});

test('a full disk is waited for', async () => {
  const { port } = await start();
  harness.stream.refuse = 'DISK_FULL';
  const socket = await dial(port('syslog-tcp'));
  socket.write('<13>one\n');
  await until(
    () => socket.writableLength === 0,
    () => 'not read',
  );
  socket.write('<13>two\n');
  harness.stream.refuse = null;
  expect(await harness.arrived(2)).toEqual(['<13>one', '<13>two']);
});

test('a source over its rate is held back, not lost', async () => {
  const { port } = await start((config) => {
    config.limits.source_events_per_sec = 1000;
  });
  const socket = await dial(port('syslog-tcp'));
  for (let part = 0; part < 3; part++) {
    socket.write(Array.from({ length: 500 }, (_, i) => `<13>${part}/${i}\n`).join(''));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(await harness.arrived(1500)).toHaveLength(1500);
});

test('datagrams over UDP are records, their trailers gone', async () => {
  const { port } = await start();
  const socket = createSocket('udp4');
  stops.push(() => socket.close());
  const texts = ['<13>plain', '<13>with lf\n', '<13>nul\0', '\n', `<13>${'z'.repeat(60_000)}`];
  for (const text of texts) {
    await new Promise((resolve) => socket.send(text, port('syslog-udp'), '127.0.0.1', resolve));
  }
  const records = await harness.arrived(4);
  expect(records).toEqual(['<13>plain', '<13>with lf', '<13>nul', `<13>${'z'.repeat(60_000)}`]);
});

test('connections beyond the limit are refused, and room comes back', async () => {
  const { port } = await start();
  const most = LIMITS.syslogConnectionsMax / 4;
  const sockets = await Promise.all(Array.from({ length: most }, () => dial(port('syslog-tcp'))));
  const refused = await dial(port('syslog-tcp'));
  refused.on('error', () => {});
  await until(
    () => refused.closed,
    () => 'the connection was not refused',
  );
  expect(harness.logged.some((line) => line.msg.includes('too many syslog connections'))).toBe(true);
  sockets[0]?.end('<13>last words\n');
  await harness.arrived(1);
  await until(
    async () => {
      const again = await dial(port('syslog-tcp'));
      again.on('error', () => {});
      again.write('<13>again\n');
      await new Promise((resolve) => setTimeout(resolve, 30));
      return harness.records().length > 1;
    },
    () => 'no room came back',
  );
});

test('an occupied port is named', async () => {
  const { port } = await start();
  const again = start((config) => {
    config.syslog.tcp.port = port('syslog-tcp');
  });
  await expect(again).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining(`127.0.0.1:${port('syslog-tcp')}`),
  });
  const udp = start((config) => {
    config.syslog.udp.port = port('syslog-udp');
  });
  await expect(udp).rejects.toMatchObject({ code: 'PORT_TAKEN' });
});

test('TLS without a certificate is a notice, a wrong one an error', async () => {
  const { listeners } = await start();
  expect(listeners.map((listener) => listener.name)).toEqual(['syslog-udp', 'syslog-tcp']);
  expect(harness.logged.some((line) => line.msg.includes('asepsis tls init'))).toBe(true);
  const wrong = startListeners({
    ...harness,
    config: testConfig(),
    dataDir: harness.dir,
    exercise: false,
    tlsMaterial: { cert: 'no', key: 'no' },
  });
  await expect(wrong).rejects.toMatchObject({ code: 'TLS_INVALID' });
});

test('the kernel’s drops of a port are summed over its sockets', () => {
  const table = [
    '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
    ' 1062: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23456 2 0000000000000000 17',
    ' 1063: 00000000:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23457 2 0000000000000000 3',
    ' 1064: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23458 2 0000000000000000 99',
    'torn',
  ].join('\n');
  expect(udpDrops(table, 5514)).toBe(20);
  expect(udpDrops(table, 5515)).toBe(0);
});
