/** Routes of the Network page: flows that leak, who talks clear text to whom, routers with their verdicts, relays. */

import { Type } from 'typebox';
import {
  audited,
  closed,
  type Finding,
  found,
  listOf,
  nullable,
  oneOf,
  type RoomServices,
  rfc3339,
  SEVERITIES,
  severityRank,
  type TypedApp,
} from '../core/index.ts';
import type { RouterDoc } from './network-service.ts';

const FLOWS_MAX = 2000;
const ROUTERS_MAX = 500;
const LEAKS = new Set([
  'clear-text-patient-data',
  'clear-text-clinical-protocol',
  'clear-text-credential',
  'clear-text-logs',
  'weak-authentication',
  'weak-tls',
]);

const FlowSchema = Type.Object({
  finding: Type.String(),
  kind: Type.String(),
  severity: oneOf(SEVERITIES),
  client: Type.String(),
  server: Type.String(),
  port: Type.Integer(),
  transport: Type.String(),
  application: Type.String(),
  what: Type.String(),
  fields: Type.String(),
  names: Type.String(),
  messages: Type.Integer(),
  patients: Type.Integer({ description: 'Told apart by a keyed hash' }),
  first_seen: Type.String(),
  last_seen: Type.String(),
  relay: nullable(
    Type.Object({
      name: Type.String(),
      state: oneOf(['fixed', 'still-clear', 'waiting'] as const),
      why: Type.String(),
    }),
  ),
});

const VERDICTS = ['consumer', 'professional', 'unknown'] as const;
const RouterSchema = Type.Object({
  mac: Type.String(),
  addresses: Type.Array(Type.String()),
  vendor: nullable(Type.String()),
  verdict: oneOf(VERDICTS),
  reasons: Type.Array(Type.String()),
  seen: Type.String(),
  override: nullable(
    Type.Object({ verdict: oneOf(VERDICTS), owner: Type.String(), reason: Type.String(), at: Type.String() }),
  ),
});

interface RelayDoc {
  readonly name: string;
  readonly finding: string;
  readonly state?: 'fixed' | 'still-clear' | 'waiting';
  readonly why?: string;
}

function flowOf(finding: Finding, relays: ReadonlyMap<string, RelayDoc>) {
  const key = /^([^>]{1,64})>(.{1,64}):(\d{1,5})\/(tcp|udp)\/(\w{1,20})$/.exec(finding.key);
  if (!key || !LEAKS.has(finding.kind)) return [];
  const data = finding.evidence.at(-1)?.data ?? {};
  const text = (name: string) => String(data[name] ?? '');
  const count = (name: string) => (typeof data[name] === 'number' ? data[name] : 0);
  const relay = relays.get(finding.id);
  return [
    {
      finding: finding.id,
      kind: finding.kind,
      severity: finding.severity,
      client: key[1] as string,
      server: key[2] as string,
      port: Number(key[3]),
      transport: key[4] as string,
      application: key[5] as string,
      what: text('kinds'),
      fields: text('fields'),
      names: text('names'),
      messages: count('messages'),
      patients: count('patients'),
      first_seen: finding.first_seen,
      last_seen: finding.last_seen,
      relay: relay
        ? {
            name: relay.name,
            state: relay.state ?? ('waiting' as const),
            why: relay.why ?? 'No capture since then shows it in use.',
          }
        : null,
    },
  ];
}

export function networkRoutes(app: TypedApp, services: RoomServices): void {
  const { store, clock } = services;
  const tags = ['network'];

  app.get(
    '/v1/network/flows',
    {
      config: { access: 'viewer' },
      schema: { tags, summary: 'Flows with an open finding, the worst first', response: { 200: listOf(FlowSchema) } },
    },
    async () => {
      const relays = new Map<string, RelayDoc>();
      for (const row of (await store.records.list('network-relays', {}, { limit: ROUTERS_MAX })).items)
        relays.set((row.doc as RelayDoc).finding, row.doc as RelayDoc);
      const findings: Finding[] = [];
      for (let after: string | undefined; findings.length < FLOWS_MAX; ) {
        const page = await store.findings.list(
          { room: 'network', state: 'open' },
          after === undefined ? { limit: 500 } : { limit: 500, after },
        );
        findings.push(...page.items);
        if (page.next === null) break;
        after = page.next;
      }
      const items = findings
        .slice(0, FLOWS_MAX)
        .flatMap((finding) => flowOf(finding, relays))
        .toSorted((a, b) => severityRank(a.severity) - severityRank(b.severity) || b.patients - a.patients);
      return { items, next: null };
    },
  );

  const routerOf = (doc: RouterDoc) => ({
    mac: doc.mac,
    addresses: [...doc.addresses],
    vendor: doc.vendor,
    verdict: doc.override?.verdict ?? doc.verdict,
    reasons: [...doc.reasons],
    seen: doc.seen,
    override: doc.override ?? null,
  });

  app.get(
    '/v1/network/routers',
    {
      config: { access: 'viewer' },
      schema: {
        tags,
        summary: 'Routers and access points that captures showed, with verdict and reasons',
        response: { 200: listOf(RouterSchema) },
      },
    },
    async () => {
      const page = await store.records.list('network-routers', {}, { limit: ROUTERS_MAX }, true);
      return { items: page.items.map((row) => routerOf(row.doc as RouterDoc)), next: null };
    },
  );

  app.post(
    '/v1/network/routers/:mac/verdict',
    {
      config: { access: 'analyst' },
      schema: {
        tags,
        summary: 'Says what a router is, against or with the verdict, in the name of who says it; null takes it back',
        params: Type.Object({ mac: Type.String({ pattern: '^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$' }) }, closed),
        body: Type.Object(
          { verdict: nullable(oneOf(VERDICTS)), reason: Type.String({ maxLength: 500, default: '' }) },
          closed,
        ),
        response: { 200: RouterSchema },
      },
    },
    async (request) => {
      const { mac } = request.params;
      const row = found(await store.records.get('network-routers', mac), 'router');
      const { verdict, reason } = request.body;
      const { override: _before, ...bare } = row.doc as RouterDoc;
      const at = rfc3339(clock.now());
      const owner = request.caller?.name ?? 'unknown';
      const doc: RouterDoc = verdict === null ? bare : { ...bare, override: { verdict, owner, reason, at } };
      await store.transaction(async (inner) => {
        await inner.records.put('network-routers', [
          { id: mac, order: row.order, tag: verdict ?? bare.verdict, search: `${mac} ${bare.vendor ?? ''}`, doc },
        ]);
        await audited({ store: inner, clock }, request, {
          action: 'network.router.verdict',
          target: mac,
          detail: verdict === null ? 'taken back' : verdict,
        });
        if (verdict !== null && verdict !== 'consumer') await fixRouterFinding(inner, mac, verdict, owner, at);
      });
      return routerOf(doc);
    },
  );
}

async function fixRouterFinding(
  store: RoomServices['store'],
  mac: string,
  verdict: string,
  owner: string,
  at: ReturnType<typeof rfc3339>,
): Promise<void> {
  const page = await store.findings.list({ room: 'network', state: 'open' }, { limit: 1000 });
  for (const finding of page.items)
    if (finding.kind === 'consumer-router' && finding.key === mac)
      await store.findings.fix(finding.id, { what: `${owner} says that it is ${verdict}`, seen: at }, at);
}
