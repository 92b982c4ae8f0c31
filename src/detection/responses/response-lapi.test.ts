/** The decision API as bouncers speak it, over a real store: keys, filters, the stream, metrics, and who is turned away. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RoomServices, Store, TypedApp } from '../../core/index.ts';
import { openStore } from '../../store/index.ts';
import { addBouncer, listBouncers } from './response-bouncers.ts';
import { expired, proposed } from './response-decide.ts';
import { registerLapi } from './response-lapi.ts';
import type { Preview } from './response-schema.ts';
import { insertResponse, readResponse, replaceResponse } from './response-store.ts';

const clock = { ms: Date.parse('2026-11-24T02:00:00Z'), now: () => clock.ms };
const PREVIEW: Preview = {
  touches: [],
  affected: [],
  disrupts: false,
  reasons: [],
  refused: null,
  undo: '',
  simulated: false,
};
let folder = '';
let store: Store;
let app: TypedApp;
let key = '';
const allowed = new Set<string>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-lapi-'));
  store = await openStore({ dataDir: folder, clock });
  app = Fastify() as unknown as TypedApp;
  registerLapi(app, { store, clock } as unknown as RoomServices, async ({ base }) => allowed.has(String(base)));
  key = (await addBouncer(store, clock, randomBytes, { name: 'edge-1', by: 'test' })).key;
});
afterEach(async () => {
  await app.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

let number = 0;
async function block(target: string, simulated = false): Promise<string> {
  const id = `rsp_${String(++number).padStart(26, '0')}`;
  const made = proposed({
    id,
    number,
    proposal: { kind: 'block', target, reason: 'x' },
    target,
    named: null,
    preview: { ...PREVIEW, simulated },
    by: { name: 'lead', role: 'lead' },
    nowMs: clock.ms,
    config: { duration_minutes_default: 10, duration_minutes_max: 60 } as never,
    exercise: false,
  });
  await insertResponse(store, clock, { response: made.response, pending: null });
  return id;
}
const ask = async (url: string, headers: Record<string, string> = { 'x-api-key': key }) => app.inject({ url, headers });
const values = (list: { value: string }[]) => list.map((one) => one.value).sort();

test('a bouncer is told what is in force, and null when nothing is', async () => {
  const nothing = await ask('/v1/decisions?ip=203.0.113.7');
  expect([nothing.statusCode, nothing.body]).toEqual([200, 'null']);
  await block('203.0.113.7');
  await block('198.51.100.0/24');
  await block('203.0.113.9', true);
  expect((await ask('/v1/decisions?ip=203.0.113.7')).json()).toMatchObject([
    { value: '203.0.113.7', type: 'ban', scope: 'Ip', duration: '10m0s', origin: 'asepsis' },
  ]);
  expect((await ask('/v1/decisions?ip=198.51.100.77')).json()).toHaveLength(1);
  expect((await ask('/v1/decisions?ip=203.0.113.9')).body).toBe('null');
  expect((await ask('/v1/decisions?ip=portal')).statusCode).toBe(400);
  const head = await app.inject({ method: 'HEAD', url: '/v1/decisions', headers: { 'x-api-key': key } });
  expect(head.statusCode).toBe(200);
});

test('the stream: all at the start, then only what changed, and what became protected is let go', async () => {
  const first = await block('203.0.113.7');
  expect(values((await ask('/v1/decisions/stream?startup=true')).json().new)).toEqual(['203.0.113.7']);
  expect((await ask('/v1/decisions/stream')).json()).toEqual({ new: [], deleted: [] });
  clock.ms += 1000;
  await block('203.0.113.8');
  expect(values((await ask('/v1/decisions/stream?startup=false')).json().new)).toEqual(['203.0.113.8']);
  clock.ms += 11 * 60_000;
  const known = await readResponse(store, first);
  const over = known && expired(known.response, clock.ms);
  if (!known || !over) throw new Error('not over');
  await replaceResponse(store, clock, known.version, { ...over, pending: null });
  expect(values((await ask('/v1/decisions/stream')).json().deleted)).toContain('203.0.113.7');
  allowed.add(String(0xcb00710dn));
  await block('203.0.113.13');
  expect((await ask('/v1/decisions?ip=203.0.113.13')).body).toBe('null');
});

test('ranges are told whole: by scope, by an address inside, in the stream, and one by one to whom knows no ranges', async () => {
  await block('198.51.100.0/29');
  const decisions = async (query: string) =>
    (await ask(`/v1/decisions?${query}`)).json() as { value: string; scope: string }[] | null;
  for (const query of [
    'scope=Range',
    'scopes=range',
    'ip=198.51.100.5',
    'range=198.51.100.4/30',
    'range=198.51.100.0/29',
  ])
    expect(await decisions(query), query).toMatchObject([{ value: '198.51.100.0/29', scope: 'Range' }]);
  expect(await decisions('range=198.51.0.0/16&contains=false')).toHaveLength(1);
  for (const query of ['scope=Ip', 'ip=198.51.100.8', 'range=198.51.100.0/28'])
    expect(await decisions(query), query).toBeNull();
  const start = '/v1/decisions/stream?startup=true';
  expect(values((await ask(start)).json().new)).toEqual(['198.51.100.0/29']);
  const old = { 'x-api-key': key, 'user-agent': 'crowdsec-firewall-bouncer/v0.0.25' };
  const told = values((await ask(start, old)).json().new);
  expect(told).toEqual(Array.from({ length: 8 }, (_, i) => `198.51.100.${i}`));
});

test('what became protected is let go within seconds, also where nothing else changed', async () => {
  await block('203.0.113.21');
  expect((await ask('/v1/decisions?ip=203.0.113.21')).json()).toHaveLength(1);
  allowed.add(String(0xcb007115n));
  clock.ms += 6000;
  expect((await ask('/v1/decisions?ip=203.0.113.21')).body).toBe('null');
});

test('without the key nothing is told; many wrong keys have to wait; the log is not flooded', async () => {
  for (const headers of [{}, { 'x-api-key': 'abn_wrong-key-of-some-length' }, { 'x-api-key': 'x' }])
    expect((await ask('/v1/decisions', headers as Record<string, string>)).statusCode).toBe(403);
  for (let i = 0; i < 20; i++) await ask('/v1/decisions', { 'x-api-key': `abn_wrong-key-number-${i}` });
  const waiting = await ask('/v1/decisions', {});
  expect([waiting.statusCode, waiting.headers['retry-after']]).toEqual([429, '60']);
  const { items } = await store.audit.list({ action: 'bouncer.refused' }, { limit: 50 });
  expect(items).toHaveLength(1);
});

test('usage metrics are added up, whatever else is in them; keys are nowhere in the database', async () => {
  const send = (body: object) =>
    app.inject({ method: 'POST', url: '/v1/usage-metrics', headers: { 'x-api-key': key }, payload: body });
  const dropped = (value: unknown, unit: string) => ({ name: 'dropped', value, unit, labels: { origin: 'asepsis' } });
  const items = [
    dropped(5, 'packet'),
    dropped(300, 'byte'),
    dropped(-1, 'packet'),
    dropped('x', 'byte'),
    { name: 'other' },
  ];
  expect((await send({ remediation_components: [{ type: 'x', metrics: [{ items }] }] })).statusCode).toBe(201);
  expect((await send({ remediation_components: 'nonsense' })).statusCode).toBe(201);
  expect(await listBouncers(store)).toMatchObject([{ name: 'edge-1', dropped_packets: 5, dropped_bytes: 300 }]);
  const { items: records } = await store.records.list('detection-bouncers', {}, { limit: 5 });
  expect(JSON.stringify(records)).not.toContain(key);
});
