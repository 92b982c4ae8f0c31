/** The detection room on a real desk: a list of indicators finds new and old events, alerts are kept silent and come back, rules answer why. */

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Desk, enrol, eventually, FREE_PORTS, newDataDir, type Person, startDesk } from './harness/desk.ts';

let folder: Awaited<ReturnType<typeof newDataDir>>;
let desk: Desk;
let person: Person;

interface Alert {
  id: string;
  title: string;
  retrospective: boolean;
  rule: { id: string };
  events: string[];
  entities: { type: string; value: string }[];
}
interface Page<T> {
  items: T[];
}
const alertsOf = (rule: string) => person.get<Page<Alert>>(`/v1/alerts?rule=${rule}`);

beforeAll(async () => {
  folder = await newDataDir();
  desk = await startDesk(folder.path, { config: FREE_PORTS });
  person = await enrol(desk);
});
afterAll(async () => {
  await desk?.stop();
  await folder?.remove();
});

let pid = 0;
async function send(lines: readonly string[], host = 'srv-9'): Promise<void> {
  const { host: address, port } = desk.listener('syslog-tcp');
  const socket = connect(port, address);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    for (const line of lines) socket.write(`<86>1 ${new Date().toISOString()} ${host} sshd ${++pid} - - ${line}\n`);
    socket.end(resolve);
  });
}
const guesses = (address: string, n: number) =>
  Array.from({ length: n }, (_, i) => `Failed password for root from ${address} port ${40_000 + i} ssh2`);

test('a hunt finds what came before the list was known; the kept list finds what comes after', async () => {
  await send(['Accepted password for kim from 203.0.113.66 port 40001 ssh2']);
  await eventually('the event is archived', async () => {
    const page = await person.get<Page<{ id: string }>>('/v1/events?query=src_ip:203.0.113.66');
    return page.items.length > 0;
  });
  const text = '203.0.113.66\n8.8.8.8\nevil.example\n';
  const hunt = await person.send<{ id: string }>('POST', '/v1/hunts', {
    kind: 'indicators',
    text,
    name: 'old friends',
  });
  const done = await eventually('the hunt is done', async () => {
    const now = await person.get<{ state: string; alerts: number; sentence: string }>(`/v1/hunts/${hunt.id}`);
    return now.state === 'done' ? now : null;
  });
  expect(done.alerts).toBe(1);
  const [old] = (await alertsOf('indicator')).items;
  expect(old?.retrospective).toBe(true);
  expect(old?.title).toContain('203.0.113.66');

  const summary = await person.send<{ added: number; allowed_count: number }>('POST', '/v1/indicators/import', {
    text,
    source: 'friends',
  });
  expect([summary.added, summary.allowed_count]).toEqual([2, 1]);
  await eventually('the engine has them', async () => {
    const state = await person.get<{ indicators: { loaded: number } | null }>('/v1/detection/state');
    return state.indicators?.loaded === 2;
  });
  await send(['Accepted password for kim from 203.0.113.66 port 40002 ssh2'], 'srv-10');
  await eventually('an alert of the new event', async () =>
    (await alertsOf('indicator')).items.some(
      ({ retrospective, entities }) => !retrospective && entities.some(({ value }) => value === 'srv-10'),
    ),
  );
});

test('guessing alerts, is kept silent for one address only, and comes back after the undo', async () => {
  await send(guesses('198.51.100.1', 30));
  const rule = await eventually('an alert of guessing', async () =>
    (await person.get<Page<Alert>>('/v1/alerts')).items.find(({ entities }) =>
      entities.some(({ value }) => value === '198.51.100.1'),
    ),
  );
  const made = await person.send<{ id: string }>('POST', '/v1/detection/suppressions', {
    rule: null,
    conditions: [{ field: 'entity.address', op: 'equals', value: '198.51.100.2' }],
    until: new Date(Date.now() + 3_600_000).toISOString(),
    reason: 'the scanner of the auditors',
  });
  await send(guesses('198.51.100.2', 30));
  await send(guesses('198.51.100.3', 30));
  await eventually('an alert of the other address', async () =>
    (await person.get<Page<Alert>>('/v1/alerts')).items.some(({ entities }) =>
      entities.some(({ value }) => value === '198.51.100.3'),
    ),
  );
  const shown = await eventually('the suppression has counted', async () => {
    const { items } = await person.get<Page<{ id: string; count: number }>>('/v1/detection/suppressions');
    return items.find(({ count }) => count > 0);
  });
  expect(shown.id).toBe(made.id);
  const { items } = await person.get<Page<Alert>>('/v1/alerts');
  expect(items.some(({ entities }) => entities.some(({ value }) => value === '198.51.100.2'))).toBe(false);

  // Both survive a restart.
  await desk.stop();
  desk = await startDesk(folder.path, { config: FREE_PORTS });
  person = { ...person };
  expect(rule.rule.id).toBeTruthy();
});

test('why a rule fired, what a change would have said, and the story of the incident', async () => {
  person = await resumed();
  const { items } = await person.get<Page<Alert & { incident?: string }>>('/v1/alerts');
  const alert = items.find(
    ({ entities, rule }) => entities.some(({ value }) => value === '198.51.100.1') && rule.id !== 'indicator',
  );
  expect(alert).toBeDefined();
  const why = await person.send<{ fires: boolean; sentence: string }>('POST', '/v1/detection/explain', {
    rule: alert?.rule.id,
    event: alert?.events[0],
  });
  expect(why.fires).toBe(true);
  const text =
    'title: Failures\nid: failures\nlogsource: { category: authentication }\ndetection: { s: { outcome: failure, src_ip: 198.51.100.1 }, condition: s }\n';
  const back = await person.send<{ alerts: number; complete: boolean; days: { alerts: number }[] }>(
    'POST',
    '/v1/detection/backtest',
    { text },
  );
  expect([back.alerts, back.complete]).toEqual([30, true]);
  const story = await person.get<Page<{ kind: string; time: string }>>(`/v1/incidents/${alert?.incident}/timeline`);
  expect(new Set(story.items.map(({ kind }) => kind))).toEqual(new Set(['alert', 'event']));
  expect(story.items.map(({ time }) => time)).toEqual(story.items.map(({ time }) => time).toSorted());
  const rules = await person.get<Page<{ id: string; alerts: number }>>('/v1/detection/rules');
  expect(rules.items.find(({ id }) => id === alert?.rule.id)?.alerts).toBeGreaterThan(0);
  const { items: cells } = await person.get<Page<{ technique: string }>>('/v1/detection/attack');
  expect(cells.map(({ technique }) => technique)).toContain('T1110.001');
  const { items: kept } = await person.get<Page<{ id: string }>>('/v1/detection/suppressions');
  await person.send('DELETE', `/v1/detection/suppressions/${kept[0]?.id}`);
  await send(guesses('198.51.100.2', 30), 'srv-11');
  await eventually('the address alerts again', async () =>
    (await person.get<Page<Alert>>('/v1/alerts')).items.some(({ entities }) =>
      entities.some(({ value }) => value === '198.51.100.2'),
    ),
  );
});

/** The same session on the restarted desk, which has other ports. */
async function resumed(): Promise<Person> {
  const call = async <T>(method: string, path: string, body?: unknown, csrf?: string): Promise<T> => {
    const response = await fetch(`${desk.origin}${path}`, {
      method,
      headers: {
        cookie: person.cookie,
        origin: desk.origin,
        ...(csrf === undefined ? {} : { 'x-csrf-token': csrf }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.slice(0, 400)}`);
    return (answer === '' ? undefined : JSON.parse(answer)) as T;
  };
  const { csrf } = await call<{ csrf: string }>('GET', '/v1/session');
  return {
    ...person,
    csrf,
    get: (path) => call('GET', path),
    send: (method, path, body) => call(method, path, body, csrf),
  };
}
