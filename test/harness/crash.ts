/** Kills a desk again and again while records are sent to it, and counts afterwards what was acknowledged and what is there. */

import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type Desk, enrol, eventually, type Person, startDesk } from './desk.ts';

export interface CrashResult {
  readonly kills: number;
  readonly sent: number;
  readonly acknowledged: number;
  /** Acknowledged records that are not in the archive. */
  readonly missing: number;
  /** Records that are there more than once. */
  readonly repeated: number;
  /** Alerts that share an id or cover the same first event by the same rule. */
  readonly repeatedAlerts: number;
  readonly alerts: number;
}

const BATCH = 25;
/** Between batches: a load that goes on all the time, not one that a life of a second cannot work off. */
const PAUSE_MS = 50;
const SENDERS = 4;

/** One sender: batches with an idempotency key, sent again with the same key until they are acknowledged. */
async function sendBatches(o: {
  desk: () => Desk;
  token: string;
  name: string;
  acknowledged: Set<string>;
  sent: Set<string>;
  stop: AbortSignal;
}): Promise<void> {
  for (let batch = 0; !o.stop.aborted; batch++) {
    const key = `${o.name}-${batch}`;
    const ids = Array.from({ length: BATCH }, (_, i) => `${key}-${i}`);
    for (const id of ids) o.sent.add(id);
    const attacker = `198.51.100.${1 + (batch % 200)}`;
    const body = ids
      .map(
        (id, i) =>
          `<86>1 ${new Date().toISOString()} crash-1 sshd ${1000 + i} - - Failed password for invalid user u${id} from ${attacker} port ${1024 + i} ssh2`,
      )
      .join('\n');
    while (!o.stop.aborted) {
      const ok = await fetch(`${o.desk().origin}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${o.token}`, 'content-type': 'text/plain', 'idempotency-key': key },
        body,
        signal: AbortSignal.any([o.stop, AbortSignal.timeout(5000)]),
      }).then(
        async (response) => {
          await response.arrayBuffer();
          return response.ok;
        },
        () => false,
      );
      if (ok) {
        for (const id of ids) o.acknowledged.add(id);
        await wait(PAUSE_MS);
        break;
      }
      await wait(20);
    }
  }
}

/** Runs `kills` rounds on `dataDir`; the desk gets the same port each time, so that senders find it again. */
export async function crashRounds(
  dataDir: string,
  kills: number,
  config: string,
  onRound: (done: number) => void,
): Promise<CrashResult> {
  let desk = await startDesk(dataDir, { config });
  const person = await enrol(desk);
  const { token } = await person.send<{ token: string }>('POST', '/v1/tokens', { name: 'crash', scope: 'ingest' });
  const acknowledged = new Set<string>();
  const sent = new Set<string>();
  const stop = new AbortController();
  const senders = Array.from({ length: SENDERS }, (_, i) =>
    sendBatches({ desk: () => desk, token, name: `s${i}`, acknowledged, sent, stop: stop.signal }),
  );
  for (let i = 0; i < kills; i++) {
    await wait(100 + ((randomBytes(2).readUInt16LE(0) % 1500) | 0));
    await desk.kill();
    desk = await startDesk(dataDir, { config });
    onRound(i + 1);
  }
  await wait(500);
  stop.abort();
  await Promise.all(senders.map((sender) => sender.catch(() => {})));
  try {
    return { kills, ...(await count(desk, person, sent, acknowledged)) };
  } finally {
    await desk.stop();
  }
}

export interface ShownAlert {
  readonly id: string;
  readonly rule: { readonly id: string };
  readonly events: readonly string[];
  readonly entities: readonly { readonly type: string; readonly value: string }[];
}

/** What makes an alert one: its rule, the event it begins with, and whom it is about (a rule may judge each entity). */
export const keyOf = ({ rule, events, entities }: ShownAlert): string =>
  `${rule.id} ${events[0]} ${entities[0]?.type}:${entities[0]?.value}`;

async function count(
  desk: Desk,
  person: Person,
  sent: Set<string>,
  acknowledged: Set<string>,
): Promise<Omit<CrashResult, 'kills'>> {
  const who = { ...person, get: <T>(path: string) => get<T>(desk, person, path) };
  await eventually(
    'the pipeline to have everything',
    async () => {
      const state = await who.get<{ last_seq: number; durable_seq: number }>('/v1/pipeline');
      return state.durable_seq >= state.last_seq && state.last_seq > 0;
    },
    600_000,
  );
  const seen = new Map<string, number>();
  let next: string | null = null;
  do {
    const after: string = next === null ? '' : `&after=${encodeURIComponent(next)}`;
    const page: { items: { raw: string }[]; next: string | null } = await who.get(
      `/v1/events?query=host:crash-1&limit=500${after}`,
    );
    for (const { raw } of page.items) {
      const id = /invalid user u(\S+) from/.exec(raw)?.[1] ?? '';
      seen.set(id, (seen.get(id) ?? 0) + 1);
    }
    next = page.next;
  } while (next !== null);
  const alerts: ShownAlert[] = [];
  next = null;
  do {
    const after: string = next === null ? '' : `&after=${encodeURIComponent(next)}`;
    const page: { items: typeof alerts; next: string | null } = await who.get(`/v1/alerts?limit=500${after}`);
    alerts.push(...page.items);
    next = page.next;
  } while (next !== null);
  const keys = alerts.map(keyOf);
  return {
    sent: sent.size,
    acknowledged: acknowledged.size,
    missing: [...acknowledged].filter((id) => !seen.has(id)).length,
    repeated: [...seen.values()].filter((times) => times > 1).length,
    alerts: alerts.length,
    repeatedAlerts:
      alerts.length - new Set(keys).size + (alerts.length - new Set(alerts.map((alert) => alert.id)).size),
  };
}

/** Sessions survive a crash: the cookie still holds at the new process. */
async function get<T>(desk: Desk, person: Person, path: string): Promise<T> {
  const response = await fetch(`${desk.origin}${path}`, { headers: { cookie: person.cookie } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
