/** What the room does while `serve` runs: this machine's own inventory, feeds once a day, tickets out. */

import { createHmac } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { type AssetId, allRecords, type FindingId, type RoomServices, rfc3339 } from '../core/index.ts';
import { arrivingFolder } from './patching-arriving.ts';
import { updateSentence } from './patching-feed-routes.ts';
import { openLibrary } from './patching-library.ts';
import { TICKETS } from './patching-plan-routes.ts';
import { countInventories, pausedFindings } from './patching-records.ts';
import type { PatchingDeps } from './patching-routes.ts';
import { observeStale } from './patching-stale.ts';
import { feedFolder } from './patching-workbench.ts';

const LOOK_EVERY_MS = 5_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const SEND_MS_MAX = 15_000;
const ATTEMPTS_MAX = 30;
const AT_ONCE = 20;

interface Ticket {
  readonly plan: string;
  readonly plan_name: string;
  readonly task: unknown;
  readonly attempts: number;
  readonly last_error: string | null;
}

export async function startWork(deps: PatchingDeps): Promise<() => Promise<void>> {
  const { services, bench } = deps;
  // What a crash left half written.
  await rm(arrivingFolder(services.dataDir), { recursive: true, force: true });
  await renamePending(services);
  const end = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const again = () => {
    timer = setTimeout(() => {
      running = round(deps)
        .catch((error: unknown) => {
          if (!end.signal.aborted)
            services.log.warn({ error: String(error) }, 'patching work failed; it is tried again');
        })
        .then(() => {
          if (!end.signal.aborted) again();
        });
    }, LOOK_EVERY_MS);
  };
  again();
  return async () => {
    end.abort();
    clearTimeout(timer);
    await bench.close();
    await running;
    clearTimeout(timer);
  };
}

async function round(deps: PatchingDeps): Promise<void> {
  await sendTickets(deps.services);
  await hourly(deps);
  await daily(deps);
  await ownOnce(deps);
}

const OWN_KEY = 'patching.own-ms';

/** This machine's own packages, once a day, where it may look at itself. */
async function ownOnce({ services, bench, desk }: PatchingDeps): Promise<void> {
  if (services.config.this_machine.check !== 'daily' || services.exercise) return;
  const last = Number((await services.store.values.get(OWN_KEY)) ?? 0);
  if (services.clock.now() - last < DAY_MS) return;
  await services.store.values.set(OWN_KEY, String(services.clock.now()));
  await bench.takeOwn({ source: 'this machine' });
  desk.forget();
}

const HOURLY_KEY = 'patching.hourly-ms';

/** Feeds grow old, and clocks that stand still move their day, also when nobody sends anything. */
async function hourly({ services, bench, desk }: PatchingDeps): Promise<void> {
  const { store, clock, dataDir, exercise } = services;
  const last = Number((await store.values.get(HOURLY_KEY)) ?? 0);
  if (clock.now() - last < HOUR_MS) return;
  await store.values.set(HOURLY_KEY, String(clock.now()));
  await observeStale({ store, clock, library: openLibrary(feedFolder(dataDir)), exercise });
  const assets = new Set<AssetId>();
  for (const id of await pausedFindings(store)) {
    const asset = (await store.findings.get(id as FindingId))?.asset.id;
    if (asset) assets.add(asset);
  }
  for (const asset of assets) await bench.judgeOne({ asset });
  if (assets.size > 0) desk.forget();
}

const DAILY_KEY = 'patching.feeds-fetched-ms';

/** New feeds where that is wanted; and all assets anew in any case: exposure, ends of support and the day have moved on. */
async function daily({ services, bench, jobs, desk }: PatchingDeps): Promise<void> {
  const { store, clock, config, exercise } = services;
  const last = Number((await store.values.get(DAILY_KEY)) ?? 0);
  if (exercise || clock.now() - last < DAY_MS || jobs.running() !== null) return;
  await store.values.set(DAILY_KEY, String(clock.now()));
  if (config.patching.update !== 'daily') {
    if ((await countInventories(store)) > 0) await bench.judgeAll({});
  } else {
    const end = await jobs.start('update', async (progress) => {
      const result = await bench.updateFeeds({}, progress);
      services.alarm(
        'patching-feeds',
        result.failed.length === 0
          ? null
          : `Feeds that could not be brought: ${result.failed.map((one) => one.id).join(', ')}.`,
      );
      return updateSentence(result);
    });
    if (end.failed) services.alarm('patching-feeds', `Feeds could not be brought: ${end.sentence}`);
  }
  desk.forget();
}

/** Signed as notifications are: HMAC-SHA256 over time and body. A ticket that does not arrive is tried again, then shown. */
async function sendTickets(services: RoomServices): Promise<void> {
  const { tickets } = services.config.patching;
  if (tickets === undefined) return;
  const due = await services.store.records.list(
    TICKETS,
    { tag: 'due', to: services.clock.now() + 1 },
    { limit: AT_ONCE },
  );
  for (const record of due.items) {
    const ticket = record.doc as Ticket;
    const body = JSON.stringify({
      kind: 'patching-task',
      id: record.id,
      plan: ticket.plan,
      plan_name: ticket.plan_name,
      task: ticket.task,
      status_to: `/v1/patching/plans/${ticket.plan}/tasks`,
    });
    const failure = await send(tickets, body, services);
    const attempts = ticket.attempts + 1;
    const tag = failure === null ? 'sent' : attempts >= ATTEMPTS_MAX ? 'given-up' : 'due';
    const wait = failure === null ? 0 : Math.min(3_600_000, 15_000 * 2 ** attempts);
    await services.store.records.put(TICKETS, [
      { id: record.id, order: services.clock.now() + wait, tag, doc: { ...ticket, attempts, last_error: failure } },
    ]);
    if (failure !== null)
      services.log.warn({ ticket: record.id, attempts, failure }, 'a ticket could not be delivered');
  }
  const lost = await services.store.records.count(TICKETS, { tag: 'given-up' });
  services.alarm('patching-tickets', lost === 0 ? null : `${lost} tickets of patching plans could not be delivered.`);
}

async function send(
  tickets: { url: string; secret_file: string },
  body: string,
  services: RoomServices,
): Promise<string | null> {
  try {
    const secret = (await readFile(tickets.secret_file, 'utf8')).trim();
    const time = rfc3339(services.clock.now());
    const signature = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
    const answer = await fetch(tickets.url, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(SEND_MS_MAX),
      headers: {
        'content-type': 'application/json',
        'x-asepsis-time': time,
        'x-asepsis-signature': `sha256=${signature}`,
      },
    });
    await answer.body?.cancel();
    return answer.ok ? null : `answered ${answer.status}`;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, 300);
  }
}

/** What the round of this machine found until now stood under the kind of the feeds' findings, whose keys name an ecosystem. */
async function renamePending(services: RoomServices): Promise<void> {
  const old = [];
  for await (const finding of allRecords((page) =>
    services.store.findings.list({ room: 'patching', kind: 'missing-update', state: 'open' }, page),
  ))
    if (!finding.key.includes('/')) old.push(finding.id);
  const at = rfc3339(services.clock.now());
  for (const id of old)
    await services.store.findings.fix(id, { what: 'Shown as "pending-update" from this version on', seen: at }, at);
}
