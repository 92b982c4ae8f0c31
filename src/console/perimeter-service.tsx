/** One service that a scan saw: what it tells, and the findings of its host. */

import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Finding, Severity as Level } from '../core/records.ts';
import { useList } from './api-queries.ts';
import { Severity } from './severity.tsx';
import { texts } from './texts.ts';
import { Moment } from './time.tsx';

const t = texts.perimeter;
const MOST = 30;

export interface ServiceRow {
  readonly id: string;
  readonly host: string;
  readonly address: string;
  readonly from: 'inside' | 'outside';
  readonly at: string;
  readonly transport: string;
  readonly port: number;
  readonly service: string;
  readonly tls: boolean;
  readonly grade: string | null;
  readonly banner: string | null;
  readonly title: string;
  readonly certificate: { subject: string; issuer: string; until: string } | null;
  readonly software: readonly { name: string; version: string }[];
  readonly worst: Level | null;
}

/** Where it stands, as one would type it; TCP goes without saying. */
export const placeOf = ({ host, port, transport }: ServiceRow): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}${transport === 'tcp' ? '' : `/${transport}`}`;

export const serviceOf = ({ service, tls }: ServiceRow): string => (tls && service === 'http' ? 'https' : service);

export function Worst({ level }: { level: Level | null }) {
  return level ? <Severity level={level} /> : <span className="dim">{t.nothing}</span>;
}

export function ServiceDetail({ row }: { row: ServiceRow }) {
  const facts: readonly (readonly [string, React.ReactNode])[] = [
    [
      t.address,
      <span key="address" className="mono">
        {row.address}
      </span>,
    ],
    [t.service, serviceOf(row)],
    [t.from, t[row.from]],
    ...(row.grade ? ([[t.gradeLong, `${row.grade} (${t.grades[row.grade] ?? ''})`]] as const) : []),
    [t.worst, <Worst key="worst" level={row.worst} />],
    ...(row.title ? ([[t.title, row.title]] as const) : []),
    ...(row.banner ? ([[t.banner, row.banner]] as const) : []),
    ...(row.software.length > 0
      ? ([[t.software, row.software.map(({ name, version }) => `${name} ${version}`).join(', ')]] as const)
      : []),
    ...(row.certificate
      ? ([
          [t.certificate, row.certificate.subject],
          [t.issuer, row.certificate.issuer],
          [t.until, <Moment key="until" at={row.certificate.until} />],
        ] as const)
      : []),
    [t.seen, <Moment key="seen" at={row.at} />],
  ];
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{placeOf(row)}</h2>
      </header>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <HostFindings host={row.host} />
    </article>
  );
}

const PART = /[\w.-]/;
/** The search finds 10.0.0.1 in 10.0.0.12 too; a title that means the longer one is of another host. */
const means = (title: string, host: string): boolean => {
  const at = title.indexOf(host);
  if (at === -1) return true;
  return !PART.test(title.charAt(at - 1)) && !PART.test(title.charAt(at + host.length));
};

function HostFindings({ host }: { host: string }) {
  const params = useMemo(() => ({ room: 'perimeter', text: host }), [host]);
  const list = useList<Finding>('/v1/findings', params, { limit: MOST });
  const items = list.items.filter(({ title }) => means(title, host));
  return (
    <section aria-labelledby="host-findings">
      <h3 id="host-findings">{t.findings}</h3>
      {!list.loading && items.length === 0 && <p className="dim">{t.noFindings}</p>}
      <ul className="plain-list">
        {items.map((finding) => (
          <li key={finding.id}>
            <Severity level={finding.severity} />{' '}
            <Link to="/findings" search={{ ...params, view: 'list', id: finding.id }}>
              {finding.title}
            </Link>
          </li>
        ))}
      </ul>
      {list.hasMore && (
        <p>
          <Link to="/findings" search={{ ...params, view: 'list' }}>
            {t.allFindings}
          </Link>
        </p>
      )}
    </section>
  );
}
