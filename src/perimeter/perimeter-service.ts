/** Keeps what scans saw: findings with their life, exposures, drift, software for patching, facts for assets. */

import { createHash, randomBytes } from 'node:crypto';
import {
  type Alert,
  type AlertId,
  type Asset,
  type AssetId,
  allRecords,
  type Clock,
  contentId,
  type Finding,
  isPrivateAddress,
  newId,
  type RecordStore,
  rfc3339,
  type SoftwareId,
  type Store,
} from '../core/index.ts';
import {
  type Drift,
  driftOf,
  type Exposure,
  exposureOf,
  findingsOf,
  nameFindings,
  SCAN_KEY,
} from './perimeter-assess.ts';
import { canonicalAddress } from './perimeter-cidr.ts';
import type { HostView, Weakness } from './perimeter-weakness.ts';

export const COLLECTION = {
  exposure: 'perimeter-exposure',
  drift: 'perimeter-drift',
  scan: 'perimeter-scans',
  own: 'perimeter-own-scans',
} as const;

export interface ExposureDoc {
  readonly host: string;
  readonly address: string;
  readonly from: 'inside' | 'outside';
  readonly at: string;
  readonly ports: readonly Exposure[];
}

export interface DriftDoc extends Drift {
  readonly at: string;
  readonly from: string;
  readonly alerted: boolean;
  readonly exercise: boolean;
}

export interface SeenNames {
  readonly name: string;
  readonly weaknesses: readonly Weakness[];
  readonly notSeen?: readonly string[];
}

export interface Recorded {
  readonly findings: readonly Finding[];
  readonly fixed: readonly Finding[];
  readonly drift: readonly Drift[];
}

const digest = (...parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest();

/** Addresses that the inventory calls medical: the gate lets no packet to them unless the scope names them. */
export async function medicalAddresses(store: Store): Promise<Set<string>> {
  const addresses = new Set<string>();
  for await (const asset of allRecords((page) => store.assets.list({ class: 'medical' }, page)))
    for (const address of asset.addresses) addresses.add(canonicalAddress(address) ?? address);
  return addresses;
}

export async function assetsByAddress(store: Store): Promise<Map<string, Asset>> {
  const found = new Map<string, Asset>();
  for await (const asset of allRecords((page) => store.assets.list({}, page)))
    for (const address of asset.addresses) found.set(canonicalAddress(address) ?? address, asset);
  return found;
}

/**
 * Records one scan. A host that was looked at completely closes the findings of earlier scans that it no longer has.
 *
 * @param ports the ports that were tried: findings of others stay as they are
 */
export async function recordScan(o: {
  store: Store;
  clock: Clock;
  from: 'inside' | 'outside';
  views: readonly HostView[];
  names: readonly SeenNames[];
  ports: ReadonlySet<number>;
  exercise: boolean;
}): Promise<Recorded> {
  const { store, clock, from, exercise } = o;
  const nowMs = clock.now();
  const at = rfc3339(nowMs);
  const known = await assetsByAddress(store);
  const findings: Finding[] = [];
  const fixed: Finding[] = [];
  const drift: Drift[] = [];
  for (const view of o.views) {
    // The asset comes first: its findings carry its id, so that coverage counts them.
    const asset = await recordAsset(store, view, known.get(view.address) ?? null, { from, at, nowMs, exercise });
    const assetOf = () => ({ ...(asset ? { id: asset.id } : {}), name: view.host.slice(0, 200) });
    const seen = await store.findings.observe(findingsOf(view, { nowMs, from, assetOf, exercise }), at);
    findings.push(...seen);
    fixed.push(...(await fixGone(store, view.host, from, new Set(seen.map(({ id }) => id)), o.ports, at)));
    drift.push(...(await recordExposure(store.records, view, { from, at, nowMs, exercise })));
  }
  for (const { name, weaknesses } of o.names) {
    const seen = await store.findings.observe(nameFindings(name, weaknesses, { nowMs, from, exercise }), at);
    findings.push(...seen);
    fixed.push(...(await fixGone(store, name, from, new Set(seen.map(({ id }) => id)), null, at)));
  }
  return { findings, fixed, drift };
}

/** Open findings of scans of this host, from the same place, that a complete look did not see again. */
async function fixGone(
  store: Store,
  host: string,
  from: string,
  seen: ReadonlySet<string>,
  ports: ReadonlySet<number> | null,
  at: Finding['last_seen'],
): Promise<Finding[]> {
  const gone: Finding[] = [];
  for await (const finding of allRecords((page) =>
    store.findings.list({ room: 'perimeter', state: 'open', text: host.slice(0, 100) }, page),
  )) {
    if (finding.asset.name !== host || !finding.key.startsWith(SCAN_KEY) || seen.has(finding.id)) continue;
    if (finding.evidence.at(-1)?.data?.vantage !== from) continue;
    const port = /^scan\/(?:tcp|udp)\/(\d+)/.exec(finding.key)?.[1];
    if (ports === null ? port !== undefined : port === undefined || !ports.has(Number(port))) continue;
    gone.push(finding);
  }
  const fixed: Finding[] = [];
  for (const finding of gone) {
    const done = await store.findings.fix(
      finding.id,
      { what: 'A complete scan of the same ports did not see it again', seen: at },
      at,
    );
    if (done) fixed.push(done);
  }
  return fixed;
}

async function recordExposure(
  records: RecordStore,
  view: HostView,
  o: { from: 'inside' | 'outside'; at: string; nowMs: number; exercise: boolean },
): Promise<Drift[]> {
  const id = `${o.from}:${view.host}@${view.address}`;
  const before = (await records.get(COLLECTION.exposure, id))?.doc as ExposureDoc | undefined;
  const ports = view.ports.map(exposureOf);
  const doc: ExposureDoc = { host: view.host, address: view.address, from: o.from, at: o.at, ports };
  // The first look is what later ones are compared with: it is no change.
  const drift = before ? driftOf(view.host, before.ports, ports, o.nowMs) : [];
  if (before || ports.length > 0)
    await records.put(COLLECTION.exposure, [{ id, order: o.nowMs, tag: o.from, search: view.host, doc }]);
  await records.put(
    COLLECTION.drift,
    drift.map((one) => ({
      id: digest(o.from, one.host, one.where, one.kind, o.at).toString('hex').slice(0, 26),
      order: o.nowMs,
      tag: 'new',
      search: `${one.host} ${one.sentence}`,
      doc: { ...one, at: o.at, from: o.from, alerted: false, exercise: o.exercise } satisfies DriftDoc,
    })),
  );
  return drift;
}

/** What faces outside, and the versions that were told: low in confidence, for somebody may have said anything. */
async function recordAsset(
  store: Store,
  view: HostView,
  asset: Asset | null,
  o: { from: 'inside' | 'outside'; at: Asset['last_seen']; nowMs: number; exercise: boolean },
): Promise<{ id: AssetId } | null> {
  if (view.ports.length === 0) return asset;
  const faces = o.from === 'outside' || !isPrivateAddress(view.address);
  const known = asset ?? (await store.assets.byName(view.host));
  const id = known?.id ?? newId<AssetId>('asset', o.nowMs, randomBytes(10));
  const reason = `Seen by a scan from ${o.from}: ${view.ports.length} open ports on ${view.address}`;
  await store.assets.upsert({
    class: 'unknown',
    macs: [],
    criticality: 'unknown',
    external: null,
    first_seen: o.at,
    ...known,
    id,
    name: known?.name ?? view.host.slice(0, 200),
    addresses: [...new Set([...(known?.addresses ?? []), view.address])].slice(0, 64),
    ...(faces ? { external: true } : {}),
    seen_by: [...new Set([...(known?.seen_by ?? []), 'scan'])].slice(0, 32),
    reasons: [reason, ...(known?.reasons ?? []).filter((one) => !one.startsWith('Seen by a scan from'))].slice(0, 16),
    last_seen: o.at,
    exercise: known?.exercise ?? o.exercise,
  });
  const software = view.ports.flatMap((port) => port.software.map((one) => ({ ...one, port: port.port })));
  if (software.length === 0) return { id };
  const kept = [];
  for await (const one of allRecords((page) => store.assets.software(id, page)))
    if (one.ecosystem !== 'banner') kept.push(one);
  const told = new Map(software.map((one) => [`${one.name} ${one.version}`, one]));
  await store.assets.replaceSoftware(id, [
    ...kept,
    ...[...told.values()].map(({ name, version }) => ({
      id: contentId<SoftwareId>('software', digest(id, 'banner', name, version, '')),
      asset: id,
      ecosystem: 'banner',
      name,
      version,
      first_seen: o.at,
      last_seen: o.at,
    })),
  ]);
  return { id };
}

const ALERT_RULE = {
  'port-appeared': { id: 'asepsis-perimeter-port-appeared', title: 'A port appeared on our perimeter' },
  'service-changed': { id: 'asepsis-perimeter-service-changed', title: 'A service on our perimeter changed' },
  'grade-fell': { id: 'asepsis-perimeter-grade-fell', title: 'TLS on our perimeter became weaker' },
  'certificate-changed': {
    id: 'asepsis-perimeter-certificate-changed',
    title: 'A certificate comes from another issuer',
  },
} as const;

/** A change that somebody should look at, as an alert; null for what is only worth a line in the timeline. */
export function alertOf(id: string, doc: DriftDoc): Alert | null {
  const rule = doc.kind in ALERT_RULE ? ALERT_RULE[doc.kind as keyof typeof ALERT_RULE] : null;
  if (!rule || doc.severity === 'information') return null;
  const time = doc.at as Alert['time'];
  return {
    id: contentId<AlertId>('alert', digest('perimeter-drift', id)),
    rule: {
      ...rule,
      level: doc.severity,
      tags: ['attack.persistence', 'attack.t1133'],
      description: 'Found by comparing two scans of the own perimeter.',
      false_positives: ['A change that somebody planned and did not announce'],
      response:
        'Ask who changed it. If nobody did, treat the host as taken over: isolate it and look at who signed in.',
    },
    title: doc.sentence.slice(0, 250),
    time,
    received: time,
    source: { name: `perimeter scan from ${doc.from}` },
    entities: [
      { type: canonicalAddress(doc.host) ? 'address' : 'host', value: doc.host.slice(0, 250), role: 'victim' },
    ],
    events: [],
    event_count: 1,
    matched: [{ field: doc.where, value: doc.sentence.slice(0, 1000), words: [] }],
    state: 'new',
    retrospective: false,
    exercise: doc.exercise,
  };
}

/** Raises what is new; each is marked afterwards, and an alert's id makes a second time harmless. */
export async function raiseDrift(
  records: RecordStore,
  raise: (alerts: readonly Alert[]) => Promise<void>,
): Promise<number> {
  const page = await records.list(COLLECTION.drift, { tag: 'new' }, { limit: 200 });
  const alerts = page.items.map(({ id, doc }) => alertOf(id, doc as DriftDoc)).filter((alert) => alert !== null);
  if (alerts.length > 0) await raise(alerts);
  await records.put(
    COLLECTION.drift,
    page.items.map(({ id, order, doc }) => ({
      id,
      order,
      tag: 'told',
      search: (doc as DriftDoc).sentence,
      doc: { ...(doc as DriftDoc), alerted: true },
    })),
  );
  return alerts.length;
}
