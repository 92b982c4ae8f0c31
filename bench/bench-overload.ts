/** More than ten times what can be worked off, for a minute: memory, how clients are told to wait, and what became of everything acknowledged. */

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { enrol, eventually, FREE_PORTS, newDataDir, startDesk } from '../test/harness/desk.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, json: { type: 'boolean' } } });
const SECONDS = Number(values.seconds);
const BATCH = 200;

const folder = await newDataDir();
// A small log, so that the minute fills it: the bound must hold, not the disk.
const desk = await startDesk(folder.path, { config: `${FREE_PORTS}stream: { segment_mb: 16, retention_mb: 512 }\n` });
let rssMaxMb = 0;
const rss = setInterval(() => {
  const status = readFileSync(`/proc/${desk.child.pid}/status`, 'utf8');
  rssMaxMb = Math.max(rssMaxMb, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}, 200);
try {
  const person = await enrol(desk);
  const { token } = await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'overload', scope: 'ingest' });
  const end = performance.now() + SECONDS * 1000;
  const line = (n: number) =>
    `<86>1 ${new Date().toISOString()} flood-${n % 50} sshd ${n % 30_000} - - Accepted publickey for staff${n % 600} from 10.20.3.${n % 250} port ${1024 + (n % 60_000)} ssh2\n`;
  const chunks = Array.from({ length: 16 }, (_, i) =>
    Buffer.from(Array.from({ length: 4000 }, (_, j) => line(i * 4000 + j)).join('')),
  );
  let tcpLines = 0;
  const flood = async () => {
    const { host, port } = desk.listener('syslog-tcp');
    const socket = connect(port, host);
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    for (let turn = 0; performance.now() < end; turn++) {
      const fits = socket.write(chunks[turn % chunks.length] as Buffer);
      tcpLines += 4000;
      if (!fits) {
        const drained = new Promise((resolve) => socket.once('drain', resolve));
        await Promise.race([
          drained,
          new Promise((resolve) => setTimeout(resolve, Math.max(0, end - performance.now()))),
        ]);
      }
    }
    socket.destroy();
  };
  let acknowledged = 0;
  let toldToWait = 0;
  let longestWaitMs = 0;
  const client = async (name: number) => {
    for (let batch = 0; performance.now() < end; batch++) {
      const body = Array.from(
        { length: BATCH },
        (_, i) => `<38>1 ${new Date().toISOString()} overload-http cron 7 - - run ${name}-${batch}-${i}.`,
      ).join('\n');
      const since = performance.now();
      for (;;) {
        const response = await fetch(`${desk.origin}/v1/events`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'text/plain',
            'idempotency-key': `${name}-${batch}`,
          },
          body,
        });
        await response.arrayBuffer();
        if (response.ok) {
          acknowledged += BATCH;
          break;
        }
        if (!response.headers.has('retry-after')) throw new Error(`HTTP ${response.status} without Retry-After`);
        toldToWait++;
        if (performance.now() > end) break;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      longestWaitMs = Math.max(longestWaitMs, performance.now() - since);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.all([flood(), flood(), flood(), flood(), client(0), client(1)]);
  const state = await eventually(
    'the backlog',
    async () => {
      const now = await person.get<{ events: number; durable_seq: number; last_seq: number }>('/v1/pipeline');
      return now.durable_seq >= now.last_seq ? now : null;
    },
    600_000,
  );
  const day = 86_400_000;
  const { items } = await person.get<{ items: { count: number }[] }>(
    `/v1/events/histogram?query=host:overload-http&from=${new Date(Date.now() - day).toISOString()}&bucket_ms=${day}`,
  );
  const present = items.reduce((sum, item) => sum + item.count, 0);
  process.stdout.write(
    `${JSON.stringify({
      bench: 'overload',
      seconds: SECONDS,
      tcpLinesOffered: tcpLines,
      eventsWorkedOff: state.events,
      httpAcknowledged: acknowledged,
      httpPresent: present,
      httpToldToWait: toldToWait,
      longestWaitMs: Math.round(longestWaitMs),
      rssMaxMb: Math.round(rssMaxMb),
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      date: new Date().toISOString(),
    })}\n`,
  );
} finally {
  clearInterval(rss);
  await desk.stop();
  await folder.remove();
}
