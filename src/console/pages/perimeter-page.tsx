/** Perimeter: what an attacker sees of us, as a table and a map; certificates by expiry; what changed; the scope; a live scan. */

import { Button, Textarea } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import type { Severity as Level } from '../../core/records.ts';
import { api } from '../api-client.ts';
import { useAnswer, useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop, SelectFilter } from '../list-page.tsx';
import { Empty, Problem } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, localDate, Moment, useNow } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.perimeter;
const TABS = ['services', 'map', 'certificates', 'drift', 'scope'] as const;
const DAY_MS = 86_400_000;
const SOON_DAYS = 21;

interface ServiceRow {
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

interface DriftRow {
  readonly id: string;
  readonly at: string;
  readonly from: string;
  readonly sentence: string;
  readonly severity: Level;
}

interface State {
  readonly scope: { name: string; owner: string; expires: string; may_now: boolean; reason: string | null } | null;
  readonly fault: string | null;
  readonly killed: string | null;
  readonly running: {
    hosts_done: number;
    hosts: number;
    open_ports: number;
    latest: readonly { host: string; port: number; service: string; grade: string | null }[];
  } | null;
  readonly last: { hosts: number; targets: number; probes: number; ended: string; not_seen: readonly string[] } | null;
}

function Worst({ level }: { level: Level | null }) {
  return level ? <Severity level={level} /> : <span className="dim">{t.nothing}</span>;
}

const COLUMNS: readonly TableColumn<ServiceRow>[] = [
  { id: 'host', header: t.host, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.host },
  {
    id: 'port',
    header: t.port,
    width: '96px',
    cell: (item) => <span className="mono">{`${item.port}/${item.transport}`}</span>,
  },
  { id: 'service', header: t.service, width: '110px', cell: (item) => item.service },
  { id: 'grade', header: t.grade, width: '56px', cell: (item) => item.grade ?? '–' },
  { id: 'worst', header: t.worst, width: '120px', cell: (item) => <Worst level={item.worst} /> },
  { id: 'from', header: t.from, width: '90px', minTablePx: 720, cell: (item) => t[item.from] },
  { id: 'seen', header: t.seen, width: '110px', minTablePx: 620, cell: (item) => <Ago at={item.at} /> },
];

export default function PerimeterPage() {
  const [filters, setFilters] = useFilters();
  const params = useMemo(() => ({ from: filters.from }), [filters.from]);
  const list = useList<ServiceRow>('/v1/perimeter/services', params);
  const state = useAnswer<State>('/v1/perimeter', true, 2000);
  const onOpen = useCallback(
    (item: ServiceRow, replace: boolean) => setFilters({ id: item.id }, replace),
    [setFilters],
  );
  const tab = TABS.find((one) => one === filters.tab) ?? 'services';
  const open = list.items.find((item) => item.id === filters.id);
  const grave = list.items.filter(({ worst }) => worst === 'critical' || worst === 'high').length;
  return (
    <SplitView
      title={texts.pages.perimeter}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={open ? <ServiceDetail key={open.id} row={open} /> : null}
      list={
        <div className="page page-scroll">
          <PageTop
            title={texts.pages.perimeter}
            answer={
              list.loading
                ? texts.loading
                : t.answer(list.items.length, new Set(list.items.map(({ host }) => host)).size, grave)
            }
          >
            <SelectFilter
              name="from"
              label={t.from}
              options={[
                { value: '', label: t.everywhere },
                { value: 'inside', label: t.inside },
                { value: 'outside', label: t.outside },
              ]}
            />
            <Button onClick={list.reset}>{texts.refresh}</Button>
          </PageTop>
          {state.data && <ScanState state={state.data} />}
          <nav aria-label={texts.pages.perimeter} className="filters">
            {TABS.map((one) => (
              <Button
                key={one}
                variant={one === tab ? 'filled' : 'default'}
                aria-pressed={one === tab}
                onClick={() => setFilters({ tab: one, id: undefined })}
              >
                {t.tabs[one]}
              </Button>
            ))}
          </nav>
          {tab === 'services' && (
            <>
              <p className="dim">{t.gradeLegend}</p>
              <VirtualTable
                label={t.tabs.services}
                list={list}
                columns={COLUMNS}
                selectedId={filters.id}
                onOpen={onOpen}
                hrefOf={(item) => `/perimeter?id=${encodeURIComponent(item.id)}`}
                place="perimeter"
                empty={
                  <Empty title={t.none} command={t.command}>
                    {t.noneText}
                  </Empty>
                }
              />
            </>
          )}
          {tab === 'map' && <ServiceMap rows={list.items} />}
          {tab === 'certificates' && <Certificates rows={list.items} />}
          {tab === 'drift' && <DriftList />}
          {tab === 'scope' && <ScopeEditor />}
        </div>
      }
    />
  );
}

function ScanState({ state }: { state: State }) {
  const client = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const run = async (path: string) => {
    setError(null);
    try {
      await api.post(path);
    } catch (caught) {
      setError(caught);
    }
    await client.invalidateQueries();
  };
  const act = (path: string) => () => void run(path);
  const { scope, running, killed, last } = state;
  return (
    <section aria-label={t.scan}>
      <p>
        {scope ? t.scopeNow(scope.name, scope.owner, scope.expires) : t.noScope(state.fault ?? '')}{' '}
        {scope?.reason && t.mayNot(scope.reason)} {last && !running && t.last(last.hosts, last.targets, last.probes)}{' '}
        {last && !running && <Ago at={last.ended} />}
      </p>
      {killed && <p className="silent">{t.killed(killed)}</p>}
      {running && <p aria-live="polite">{t.running(running.hosts_done, running.hosts, running.open_ports)}</p>}
      <div className="filters">
        {!running && !killed && scope?.may_now && <Button onClick={act('/v1/perimeter/scan')}>{t.scan}</Button>}
        {(running || !killed) && (
          <Button
            color="red"
            variant={running ? 'filled' : 'default'}
            title={t.stopHint}
            onClick={act('/v1/perimeter/stop')}
          >
            {running ? t.stop : t.kill}
          </Button>
        )}
        {killed && <Button onClick={act('/v1/perimeter/resume')}>{t.resume}</Button>}
      </div>
      {running && running.latest.length > 0 && (
        <ul className="plain-list">
          {running.latest.slice(0, 10).map((one) => (
            <li key={`${one.host}:${one.port}`} className="mono">
              {one.host}:{one.port} {one.service} {one.grade}
            </li>
          ))}
        </ul>
      )}
      {error !== null && <Problem error={error} />}
    </section>
  );
}

function ServiceMap({ rows }: { rows: readonly ServiceRow[] }) {
  const hosts = Map.groupBy(rows, ({ host }) => host);
  return (
    <>
      <p className="dim">{t.mapLead}</p>
      <div style={{ display: 'grid', gridTemplateColumns: 'repeat(auto-fill, minmax(220px, 1fr))', gap: 12 }}>
        {[...hosts].map(([host, services]) => (
          <section
            key={host}
            aria-label={host}
            style={{ border: '1px solid var(--mantine-color-default-border)', borderRadius: 6, padding: 8 }}
          >
            <h2 className="mono" style={{ fontSize: 13, overflowWrap: 'anywhere' }}>
              {host}
            </h2>
            <ul className="plain-list">
              {services.map((row) => (
                <li key={row.id}>
                  <Link to="/perimeter" search={{ tab: 'services', id: row.id }}>
                    {row.port} {row.service}
                  </Link>{' '}
                  {row.grade && `TLS ${row.grade} `}
                  <Worst level={row.worst} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </>
  );
}

function Certificates({ rows }: { rows: readonly ServiceRow[] }) {
  const now = useNow();
  const dated = rows
    .filter((row) => row.certificate !== null)
    .toSorted((a, b) => (a.certificate?.until ?? '').localeCompare(b.certificate?.until ?? ''));
  if (dated.length === 0) return <p>{t.noCertificates}</p>;
  const months = Map.groupBy(dated, (row) => row.certificate?.until.slice(0, 7) ?? '');
  return (
    <>
      {[...months].map(([month, list]) => (
        <section key={month} aria-label={month}>
          <h2>{month}</h2>
          <ul className="plain-list">
            {list.map((row) => {
              const until = row.certificate?.until ?? '';
              const days = Math.floor((Date.parse(until) - now) / DAY_MS);
              return (
                <li key={row.id}>
                  {localDate(until)} · {row.host}:{row.port} · {row.certificate?.subject}{' '}
                  <span className={days < SOON_DAYS ? 'silent' : 'dim'}>{t.days(days)}</span>
                </li>
              );
            })}
          </ul>
        </section>
      ))}
    </>
  );
}

function DriftList() {
  const params = useMemo(() => ({}), []);
  const list = useList<DriftRow>('/v1/perimeter/drift', params);
  if (!list.loading && list.items.length === 0) return <p>{t.noDrift}</p>;
  return (
    <ol className="plain-list">
      {list.items.map((row) => (
        <li key={row.id}>
          <Severity level={row.severity} /> <Moment at={row.at} /> {row.sentence}{' '}
          <span className="dim">({row.from})</span>
        </li>
      ))}
    </ol>
  );
}

interface Preview {
  readonly targets: readonly { host: string; address: string }[];
  readonly more: number;
  readonly not_touched: readonly string[];
  readonly signed: boolean;
  readonly signature: string | null;
}

function ScopeEditor() {
  const installed = useAnswer<{ text: string }>('/v1/perimeter/scope');
  const client = useQueryClient();
  const [text, setText] = useState<string | null>(null);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const value = text ?? installed.data?.text ?? '';
  const attempt = async (work: () => Promise<void>) => {
    setError(null);
    setDone(false);
    try {
      await work();
    } catch (caught) {
      setError(caught);
    }
  };
  const show = () => attempt(async () => setPreview(await api.post<Preview>('/v1/perimeter/preview', { text: value })));
  const install = () =>
    attempt(async () => {
      await api.post('/v1/perimeter/scope', { text: value });
      setDone(true);
      await client.invalidateQueries();
    });
  return (
    <section aria-label={t.tabs.scope}>
      <Textarea
        label={t.scopeText}
        description={t.scopeHint}
        value={value}
        autosize
        minRows={12}
        maxRows={30}
        spellCheck={false}
        onChange={(event) => setText(event.currentTarget.value)}
        styles={{ input: { fontFamily: 'monospace' } }}
      />
      <div className="filters">
        <Button onClick={() => void show()}>{t.preview}</Button>
        <Button onClick={() => void install()} disabled={!preview?.signed}>
          {t.install}
        </Button>
      </div>
      {error !== null && <Problem error={error} />}
      {done && <p role="status">{t.installed}</p>}
      {preview && (
        <div aria-live="polite">
          <p>
            {t.would(preview.targets.length + preview.more)} {preview.signed ? t.signed : preview.signature}
          </p>
          <ul className="plain-list">
            {preview.targets.slice(0, 100).map(({ host, address }) => (
              <li key={`${host} ${address}`} className="mono">
                {host === address ? address : `${host} → ${address}`}
              </li>
            ))}
          </ul>
          {preview.not_touched.length > 0 && (
            <>
              <h2>{t.notTouched}</h2>
              <ul className="plain-list">
                {preview.not_touched.map((sentence) => (
                  <li key={sentence}>{sentence}</li>
                ))}
              </ul>
            </>
          )}
        </div>
      )}
    </section>
  );
}

function ServiceDetail({ row }: { row: ServiceRow }) {
  const facts: readonly (readonly [string, React.ReactNode])[] = [
    [t.address, row.address],
    [t.service, row.service],
    [t.grade, row.grade ?? '–'],
    [t.worst, <Worst key="worst" level={row.worst} />],
    [t.title, row.title || '–'],
    [t.banner, row.banner ?? '–'],
    [t.software, row.software.map(({ name, version }) => `${name} ${version}`).join(', ') || '–'],
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
        <h2>
          {row.host}:{row.port}
        </h2>
        <p>
          <Link to="/findings" search={{ room: 'perimeter', text: row.host }}>
            {t.findings}
          </Link>
        </p>
      </header>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </article>
  );
}
