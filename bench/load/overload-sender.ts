/** One sender of the overload benchmark, in a thread of its own: wants to send at a fixed rate, whatever it is answered. */

import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

interface Base {
  readonly name: string;
  readonly seconds: number;
}
export interface TcpSender extends Base {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
  readonly linesPerSec: number;
}
export interface HttpSender extends Base {
  readonly kind: 'http';
  readonly origin: string;
  readonly token: string;
  readonly batchesPerSec: number;
  /** Waits as long as Retry-After says and sends the same again; otherwise it comes with the next batch at once. */
  readonly patient: boolean;
}
export interface Sent {
  /** Lines that the sender had at its rate, and those that were taken from it. */
  readonly wanted: number;
  readonly taken: number;
  /** Time in which a TCP sender could not write. */
  readonly pausedMs: number;
  readonly refused: number;
  readonly refusedWithoutAdvice: number;
  readonly statuses: Record<string, number>;
}

export const BATCH_LINES = 200;
const CHUNK_LINES = 1000;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function sendTcp(o: TcpSender): Promise<Sent> {
  const line = (n: number) =>
    `<86>1 ${new Date().toISOString()} flood-${n % 50} sshd ${n % 30_000} - - Accepted publickey for staff${n % 600} from 10.20.3.${n % 250} port ${1024 + (n % 60_000)} ssh2\n`;
  const chunks = Array.from({ length: 16 }, (_, i) =>
    Buffer.from(Array.from({ length: CHUNK_LINES }, (_, j) => line(i * CHUNK_LINES + j)).join('')),
  );
  const socket = connect(o.port, o.host);
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  const began = performance.now();
  const end = began + o.seconds * 1000;
  let written = 0;
  let pausedMs = 0;
  for (let now = began; now < end; now = performance.now()) {
    const due = ((now - began) / 1000) * o.linesPerSec;
    if (written > due) {
      await sleep(5);
      continue;
    }
    const fits = socket.write(chunks[(written / CHUNK_LINES) % chunks.length] as Buffer);
    written += CHUNK_LINES;
    if (fits) continue;
    const drained = new Promise((resolve) => socket.once('drain', resolve));
    await Promise.race([drained, sleep(Math.max(0, end - performance.now()))]);
    pausedMs += performance.now() - now;
  }
  const left = Math.ceil(written * (socket.writableLength / Math.max(1, socket.bytesWritten + socket.writableLength)));
  socket.destroy();
  const wanted = Math.round(o.seconds * o.linesPerSec);
  return { wanted, taken: written - left, pausedMs, refused: 0, refusedWithoutAdvice: 0, statuses: {} };
}

async function sendHttp(o: HttpSender): Promise<Sent> {
  const began = performance.now();
  const end = began + o.seconds * 1000;
  const statuses: Record<string, number> = {};
  let taken = 0;
  let refused = 0;
  let refusedWithoutAdvice = 0;
  let batch = 0;
  const once = async (key: number): Promise<number> => {
    const body = Array.from(
      { length: BATCH_LINES },
      (_, i) => `<38>1 ${new Date().toISOString()} overload-http cron 7 - - run ${o.name}-${key}-${i}.`,
    ).join('\n');
    const response = await fetch(`${o.origin}/v1/events`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${o.token}`,
        'content-type': 'text/plain',
        'idempotency-key': `${o.name}-${key}`,
      },
      body,
    });
    await response.arrayBuffer();
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    if (response.ok) {
      taken += BATCH_LINES;
      return 0;
    }
    refused++;
    const advice = Number(response.headers.get('retry-after') ?? Number.NaN);
    if (!(advice >= 0)) refusedWithoutAdvice++;
    return advice >= 0 ? advice * 1000 : 1000;
  };
  while (performance.now() < end) {
    const due = ((performance.now() - began) / 1000) * o.batchesPerSec;
    if (batch > due) {
      await sleep(5);
      continue;
    }
    const key = batch++;
    let waitMs = await once(key);
    while (o.patient && waitMs > 0 && performance.now() + waitMs < end) {
      await sleep(waitMs);
      waitMs = await once(key);
    }
  }
  const wanted = Math.round(o.seconds * o.batchesPerSec * BATCH_LINES);
  return { wanted, taken, pausedMs: 0, refused, refusedWithoutAdvice, statuses };
}

const sender = workerData as TcpSender | HttpSender;
parentPort?.postMessage(await (sender.kind === 'tcp' ? sendTcp(sender) : sendHttp(sender)));
