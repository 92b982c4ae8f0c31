/** Every decision as an event in OCSF, kept on disk until the desk has it; answers that repeat are counted, not repeated. */

import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../core/index.ts';

export interface GatewayEvent {
  /** Stable words: `sign-in`, `password`, `second-factor`, `step-up`, `access`, `refused`, `throttled`, `break-glass`, … */
  readonly what: string;
  readonly outcome: 'success' | 'failure' | 'denied';
  readonly account?: string;
  readonly address: string;
  readonly app?: string;
  readonly why?: string;
  readonly method?: string;
  readonly path?: string;
  readonly agent?: string;
  readonly factors?: readonly string[];
  readonly count?: number;
}

export type SendEvents = (records: readonly object[]) => Promise<void>;

/** OCSF: 3002 authentication, 3003 authorize session, 6002 … ; the words that detection's rules read. */
const AUTHENTICATION = new Set([
  'password',
  'second-factor',
  'sign-in',
  'throttled',
  'break-glass',
  'unlock',
  'step-up',
]);
const FLUSH_MS = 500;
const SUMMARY_MS = 60_000;
const QUEUE_MAX = 50_000;
/** Waiting events on disk: more than this is a desk that is down for days; the oldest go, and it is said. */
const SPOOL_BYTES_MAX = 256 * 1024 * 1024;
const SPOOL_FILE_BYTES = 1024 * 1024;
const SUMMARIES_MAX = 20_000;

export function toRecord(event: GatewayEvent, atMs: number, host: string): object {
  const logon = AUTHENTICATION.has(event.what);
  const severe = event.what === 'break-glass';
  return {
    time: atMs,
    class_uid: logon ? 3002 : 3003,
    severity_id: severe ? 5 : event.outcome === 'success' ? 1 : 2,
    activity_name: logon ? 'logon' : 'authorize',
    status: event.outcome,
    ...(event.account !== undefined && { user: { name: event.account.slice(0, 128) } }),
    src_endpoint: { ip: event.address },
    dst_endpoint: { svc_name: event.app ?? 'sign-in' },
    device: { hostname: host },
    ...(event.method !== undefined && {
      http_request: {
        http_method: event.method,
        url: { path: plainPath(event.path ?? '') },
        user_agent: (event.agent ?? '').slice(0, 256),
      },
    }),
    metadata: { product: { name: 'asepsis-access' }, event_code: event.what },
    message: sentence(event),
    access: {
      what: event.what,
      ...(event.why !== undefined && { why: event.why }),
      ...(event.factors && { factors: event.factors }),
      count: event.count ?? 1,
    },
  };
}

/** Without the query, and without numbers that may be a patient's. */
const plainPath = (path: string): string => (path.split('?')[0] as string).slice(0, 512).replace(/\d{6,}/g, '#');

function sentence(event: GatewayEvent): string {
  const who = event.account ?? 'Somebody';
  const where = event.app === undefined ? '' : ` for ${event.app}`;
  return `${who}: ${event.what} ${event.outcome}${where}${event.why === undefined ? '' : ` (${event.why})`}`;
}

export function openEvents(o: {
  folder: string;
  clock: Clock;
  send: SendEvents | null;
  onFault: (sentence: string | null) => void;
}) {
  mkdirSync(o.folder, { recursive: true, mode: 0o700 });
  const host = hostname();
  let queue: string[] = [];
  let lost = 0;
  let number = 0;
  let sending = false;
  const summaries = new Map<string, { event: GatewayEvent; count: number; sinceMs: number }>();

  const spooled = () =>
    readdirSync(o.folder)
      .filter((name) => name.endsWith('.ndjson'))
      .sort();
  const flush = () => {
    if (queue.length === 0) return;
    const text = `${queue.join('\n')}\n`;
    queue = [];
    const names = spooled();
    const last = names.at(-1);
    const fits = last !== undefined && !sending && statSync(join(o.folder, last)).size + text.length < SPOOL_FILE_BYTES;
    const name = fits
      ? last
      : `${String(o.clock.now()).padStart(15, '0')}-${process.pid}-${String(number++).padStart(6, '0')}.ndjson`;
    appendFileSync(join(o.folder, name), text, { mode: 0o600 });
    let bytes = 0;
    for (const one of names.toReversed()) {
      bytes += statSync(join(o.folder, one), { throwIfNoEntry: false })?.size ?? 0;
      if (bytes > SPOOL_BYTES_MAX) {
        rmSync(join(o.folder, one), { force: true });
        o.onFault('The desk has been away so long that the oldest decisions of the gateway are no longer kept.');
      }
    }
  };
  const drain = async () => {
    if (sending || o.send === null) return;
    sending = true;
    try {
      for (const name of spooled()) {
        const file = join(o.folder, name);
        // Taken by renaming, so that two processes never send the same file.
        const mine = `${file}.${process.pid}.sending`;
        try {
          renameSync(file, mine);
        } catch {
          continue;
        }
        const lines = readFileSync(mine, 'utf8')
          .split('\n')
          .filter((line) => line !== '');
        try {
          await o.send(lines.map((line) => JSON.parse(line) as object));
          rmSync(mine);
          o.onFault(null);
        } catch (error) {
          renameSync(mine, file);
          o.onFault(`The desk does not take the gateway's events (${(error as Error).message}); they wait on disk.`);
          return;
        }
      }
    } finally {
      sending = false;
    }
  };
  const summarise = (everything: boolean) => {
    const now = o.clock.now();
    for (const [key, held] of summaries) {
      if (!everything && now - held.sinceMs < SUMMARY_MS) continue;
      summaries.delete(key);
      if (held.count > 0) push({ ...held.event, count: held.count });
    }
  };
  const push = (event: GatewayEvent) => {
    if (queue.length >= QUEUE_MAX) {
      lost++;
      return;
    }
    if (lost > 0) {
      queue.push(
        JSON.stringify(
          toRecord({ what: 'events-lost', outcome: 'failure', address: '', count: lost }, o.clock.now(), host),
        ),
      );
      lost = 0;
    }
    queue.push(JSON.stringify(toRecord(event, o.clock.now(), host)));
  };
  // What an earlier process was sending when it died is sent again.
  for (const name of readdirSync(o.folder).filter((one) => one.endsWith('.sending'))) {
    const pid = Number(/\.(\d+)\.sending$/.exec(name)?.[1]);
    if (!alive(pid)) renameSync(join(o.folder, name), join(o.folder, name.replace(/\.\d+\.sending$/, '')));
  }
  const timer = setInterval(() => {
    summarise(false);
    flush();
    drain().catch(() => {});
  }, FLUSH_MS);
  timer.unref();

  return {
    /** One event for each decision that a person makes or meets. */
    emit: push,
    /** For what happens at every request: the first at once, the rest of the minute as one with a count. */
    often(event: GatewayEvent): void {
      const key = `${event.what} ${event.outcome} ${event.account ?? ''} ${event.address} ${event.app ?? ''} ${event.why ?? ''}`;
      const held = summaries.get(key);
      if (held !== undefined) held.count++;
      else {
        if (summaries.size >= SUMMARIES_MAX) summarise(true);
        summaries.set(key, { event, count: 0, sinceMs: o.clock.now() });
        push(event);
      }
    },
    async close(): Promise<void> {
      clearInterval(timer);
      summarise(true);
      flush();
      await drain().catch(() => {});
    },
  };
}
export type Events = ReturnType<typeof openEvents>;

function alive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Sends to a desk over HTTP, as any log shipper does. */
export function sendToDesk(url: string, token: string): SendEvents {
  return async (records) => {
    const answer = await fetch(new URL('/v1/events', url), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: records.map((record) => JSON.stringify(record)).join('\n'),
      signal: AbortSignal.timeout(10_000),
      redirect: 'error',
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  };
}
