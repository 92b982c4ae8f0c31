/**
 * More than ten times what can be worked off, for a minute: memory, how clients are told to wait, and what became of
 * everything acknowledged. The desk gets a tenth of the machine (it is stopped and continued, as a small quota would), so
 * that senders on the same cores can want ten times what it manages.
 */

import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { enrol, eventually, FREE_PORTS, newDataDir, startDesk } from '../test/harness/desk.ts';
import { BATCH_LINES, type HttpSender, type Sent, type TcpSender } from './load/overload-sender.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    /** Lines a second that all senders want together. */
    rate: { type: 'string', default: '400000' },
    json: { type: 'boolean' },
  },
});
const SECONDS = Number(values.seconds);
const TCP_SENDERS = 4;
const HTTP_SENDERS = 4;
const HTTP_BATCHES_PER_SEC = 20;
const RUN_MS = 10;
const STOP_MS = 90;

const folder = await newDataDir();
// A small log, so that the minute fills it: the bound must hold, not the disk.
const desk = await startDesk(folder.path, { config: `${FREE_PORTS}stream: { segment_mb: 8, retention_mb: 64 }\n` });
let rssMaxMb = 0;
const rss = setInterval(() => {
  const status = readFileSync(`/proc/${desk.child.pid}/status`, 'utf8');
  rssMaxMb = Math.max(rssMaxMb, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}, 200);

/** A tenth of the time; answers how to give it everything again. */
function slowDown(): () => void {
  let over = false;
  let timer: NodeJS.Timeout;
  const turn = (run: boolean) => {
    if (over) return;
    desk.child.kill(run ? 'SIGCONT' : 'SIGSTOP');
    timer = setTimeout(() => turn(!run), run ? RUN_MS : STOP_MS);
  };
  turn(false);
  return () => {
    over = true;
    clearTimeout(timer);
    desk.child.kill('SIGCONT');
  };
}

const send = (workerData: TcpSender | HttpSender) =>
  new Promise<Sent>((resolve, reject) => {
    const worker = new Worker(new URL('./load/overload-sender.ts', import.meta.url), { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
  });

let quick = () => {};
try {
  const person = await enrol(desk);
  const { token } = await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'overload', scope: 'ingest' });
  const pipeline = () => person.get<{ events: number; durable_seq: number; last_seq: number }>('/v1/pipeline');
  const before = await pipeline();
  const { host, port } = desk.listener('syslog-tcp');
  const httpLines = HTTP_SENDERS * HTTP_BATCHES_PER_SEC * BATCH_LINES;
  const linesPerSec = (Number(values.rate) - httpLines) / TCP_SENDERS;
  quick = slowDown();
  const [tcp, http] = await Promise.all([
    Promise.all(
      Array.from({ length: TCP_SENDERS }, (_, i) =>
        send({ kind: 'tcp', name: `tcp${i}`, seconds: SECONDS, host, port, linesPerSec }),
      ),
    ),
    Promise.all(
      Array.from({ length: HTTP_SENDERS }, (_, i) =>
        send({
          kind: 'http',
          name: `http${i}`,
          seconds: SECONDS,
          origin: desk.origin,
          token,
          batchesPerSec: HTTP_BATCHES_PER_SEC,
          patient: i % 2 === 0,
        }),
      ),
    ),
  ]);
  const after = await eventually('the desk to answer', pipeline, 60_000);
  quick();
  const workedOff = after.events - before.events;
  await eventually(
    'the backlog',
    async () => {
      const now = await pipeline();
      return now.durable_seq >= now.last_seq ? now : null;
    },
    600_000,
  );
  const day = 86_400_000;
  const { items } = await person.get<{ items: { count: number }[] }>(
    `/v1/events/histogram?query=host:overload-http&from=${new Date(Date.now() - day).toISOString()}&bucket_ms=${day}`,
  );
  const sum = (of: (sent: Sent) => number, list: readonly Sent[]) => list.reduce((all, sent) => all + of(sent), 0);
  const wanted = sum((sent) => sent.wanted, [...tcp, ...http]);
  const statuses: Record<string, number> = {};
  for (const sent of http)
    for (const [status, count] of Object.entries(sent.statuses)) statuses[status] = (statuses[status] ?? 0) + count;
  process.stdout.write(
    `${JSON.stringify({
      bench: 'overload',
      seconds: SECONDS,
      deskShare: RUN_MS / (RUN_MS + STOP_MS),
      wanted,
      workedOffInThatTime: workedOff,
      times: Math.round((wanted / workedOff) * 10) / 10,
      tcpTaken: sum((sent) => sent.taken, tcp),
      tcpPausedShare: Math.round((sum((sent) => sent.pausedMs, tcp) / (TCP_SENDERS * SECONDS * 1000)) * 100) / 100,
      httpAcknowledged: sum((sent) => sent.taken, http),
      httpPresent: items.reduce((all, item) => all + item.count, 0),
      httpToldToWait: sum((sent) => sent.refused, http),
      httpToldToWaitWithoutRetryAfter: sum((sent) => sent.refusedWithoutAdvice, http),
      httpStatuses: statuses,
      rssMaxMb: Math.round(rssMaxMb),
      load: loadavg()[0],
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      date: new Date().toISOString(),
    })}\n`,
  );
} finally {
  quick();
  clearInterval(rss);
  await desk.stop();
  await folder.remove();
}
