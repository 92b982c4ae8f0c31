/** From what a scan saw to findings, and to the exposure that drift is measured by; pure. */

import { type AssetId, type FindingObservation, rfc3339, type Severity } from '../core/index.ts';
import {
  at,
  type HostView,
  oneLine,
  type PortView,
  type ShownCertificate,
  type Weakness,
} from './perimeter-weakness.ts';

const DAY_MS = 86_400_000;
const DUE_DAYS: Readonly<Record<Severity, number | null>> = {
  critical: 2,
  high: 7,
  medium: 30,
  low: 90,
  information: null,
};
/** Begins the key of every finding of a scan: what `asepsis check` sees of the same machine is another round. */
export const SCAN_KEY = 'scan/';

export type AssetOf = (view: { host: string; address: string }) => { id?: AssetId; name: string };

export function findingsOf(
  view: HostView,
  o: { nowMs: number; from: string; assetOf: AssetOf; exercise: boolean },
): FindingObservation[] {
  const asset = o.assetOf(view);
  return view.ports.flatMap((port) =>
    port.weaknesses.map((weakness) =>
      observation(weakness, `${port.transport}/${port.port}`, { ...o, asset, view, port }),
    ),
  );
}

function observation(
  weakness: Weakness,
  where: string,
  o: {
    nowMs: number;
    from: string;
    asset: { id?: AssetId; name: string };
    view: { host: string; address: string };
    port: PortView | null;
    exercise: boolean;
  },
): FindingObservation {
  const days = DUE_DAYS[weakness.severity];
  return {
    room: 'perimeter',
    kind: weakness.kind,
    key: `${SCAN_KEY}${where}${weakness.key === undefined ? '' : `/${oneLine(weakness.key, 100)}`}`,
    severity: weakness.severity,
    asset: o.asset,
    title: oneLine(weakness.title, 250),
    detail: weakness.why,
    evidence: [
      {
        what: oneLine(weakness.seen, 1000),
        seen: rfc3339(o.nowMs),
        command: weakness.command.slice(0, 2000),
        data: {
          address: o.view.address,
          vantage: o.from,
          ...(o.port ? { port: o.port.port, service: o.port.service } : {}),
          ...weakness.data,
        },
      },
    ],
    fix: { ...weakness.fix, title: oneLine(weakness.fix.title, 250), how: weakness.fix.how.slice(0, 4000) },
    due: days === null ? null : rfc3339(o.nowMs + days * DAY_MS),
    exercise: o.exercise,
  };
}

/** Weaknesses of a name (DNS, mail) as findings. */
export function nameFindings(
  name: string,
  weaknesses: readonly Weakness[],
  o: { nowMs: number; from: string; exercise: boolean },
): FindingObservation[] {
  return weaknesses.map((weakness) =>
    observation(weakness, 'name', { ...o, asset: { name }, view: { host: name, address: '' }, port: null }),
  );
}

/** One port as it is remembered for the next comparison. */
export interface Exposure {
  readonly port: number;
  readonly transport: 'tcp' | 'udp';
  readonly service: string;
  readonly tls: boolean;
  readonly grade: string | null;
  readonly banner: string | null;
  readonly title: string;
  readonly certificate: ShownCertificate | null;
  readonly software: readonly { name: string; version: string }[];
  readonly worst: Severity | null;
}

const RANK: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'information'];

export function exposureOf(port: PortView): Exposure {
  return {
    port: port.port,
    transport: port.transport,
    service: port.service,
    tls: port.tls,
    grade: port.grade,
    banner: port.banner,
    title: typeof port.facts.title === 'string' ? port.facts.title : '',
    certificate: port.certificate,
    software: port.software.slice(0, 16),
    worst: RANK.find((severity) => port.weaknesses.some((weakness) => weakness.severity === severity)) ?? null,
  };
}

export interface Drift {
  readonly kind:
    | 'port-appeared'
    | 'port-gone'
    | 'service-changed'
    | 'grade-fell'
    | 'certificate-changed'
    | 'host-appeared'
    | 'host-gone';
  readonly host: string;
  readonly where: string;
  readonly sentence: string;
  readonly severity: Severity;
}

const GRAVE =
  /^(rdp|smb|telnet|vnc|redis|docker|mongodb|elasticsearch|mssql|mysql|postgresql|memcached|dicom|mllp|orthanc|fhir|kubernetes|kubelet|x11|rsync|ldap|snmp)$/;
const nameOf = (service: string) => (service === 'unknown' ? 'An unknown service' : service.toUpperCase());

/** What changed on one host since it was looked at last, from the same place. */
export function driftOf(host: string, before: readonly Exposure[], now: readonly Exposure[], nowMs: number): Drift[] {
  const key = (one: Exposure) => `${one.transport}/${one.port}`;
  const old = new Map(before.map((one) => [key(one), one]));
  const time = rfc3339(nowMs).slice(11, 16);
  const found: Drift[] = [];
  for (const one of now) {
    const where = at(host, one.port);
    const was = old.get(key(one));
    old.delete(key(one));
    if (!was) {
      found.push({
        kind: 'port-appeared',
        host,
        where: key(one),
        sentence: `${nameOf(one.service)} appeared on ${where} at ${time} UTC`,
        severity: GRAVE.test(one.service) ? 'high' : 'medium',
      });
      continue;
    }
    if (was.service !== one.service && one.service !== 'unknown' && was.service !== 'unknown')
      found.push({
        kind: 'service-changed',
        host,
        where: key(one),
        sentence: `${where} was ${was.service} and is now ${one.service}`,
        severity: GRAVE.test(one.service) ? 'high' : 'medium',
      });
    if (was.grade !== null && one.grade !== null && rank(one.grade) > rank(was.grade))
      found.push({
        kind: 'grade-fell',
        host,
        where: key(one),
        sentence: `TLS on ${where} fell from ${was.grade} to ${one.grade}`,
        severity: 'medium',
      });
    if (was.certificate && one.certificate && was.certificate.sha256 !== one.certificate.sha256) {
      const other = was.certificate.issuer !== one.certificate.issuer;
      found.push({
        kind: 'certificate-changed',
        host,
        where: key(one),
        sentence: `${where} shows a new certificate${other ? `, from another issuer (${oneLine(one.certificate.issuer, 80)})` : ''}`,
        severity: other ? 'medium' : 'information',
      });
    }
  }
  for (const [where, was] of old)
    found.push({
      kind: 'port-gone',
      host,
      where,
      sentence: `${nameOf(was.service)} is gone from ${at(host, was.port)}`,
      severity: 'information',
    });
  return found;
}

const rank = (grade: string) => 'ABCTDF'.indexOf(grade);

/** What one side sees and the other does not: a hole in the firewall, or one that only looks like it. */
export function compareVantages(
  inside: ReadonlyMap<string, readonly Exposure[]>,
  outside: ReadonlyMap<string, readonly Exposure[]>,
): { host: string; where: string; seen: 'both' | 'inside only' | 'outside only'; service: string }[] {
  const rows: { host: string; where: string; seen: 'both' | 'inside only' | 'outside only'; service: string }[] = [];
  for (const host of new Set([...inside.keys(), ...outside.keys()])) {
    const keys = (list: readonly Exposure[] | undefined) =>
      new Map((list ?? []).map((one) => [`${one.transport}/${one.port}`, one]));
    const inner = keys(inside.get(host));
    const outer = keys(outside.get(host));
    for (const where of new Set([...inner.keys(), ...outer.keys()]))
      rows.push({
        host,
        where,
        service: (outer.get(where) ?? inner.get(where))?.service ?? 'unknown',
        seen: inner.has(where) ? (outer.has(where) ? 'both' : 'inside only') : 'outside only',
      });
  }
  return rows.sort(
    (a, b) => a.host.localeCompare(b.host) || a.where.localeCompare(b.where, undefined, { numeric: true }),
  );
}
