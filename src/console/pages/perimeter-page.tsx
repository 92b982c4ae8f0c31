/** Perimeter: what an attacker sees of us, as a table and a map; certificates by expiry; what changed; the scope; a live scan. */

import { Button, Tabs } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { Severity as Level } from '../../core/records.ts';
import { api } from '../api-client.ts';
import { useAnswer, useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop, SelectFilter } from '../list-page.tsx';
import { Empty, Problem } from '../notice.tsx';
import { PerimeterCompare } from '../perimeter-compare.tsx';
import { PerimeterScope } from '../perimeter-scope.tsx';
import { placeOf, ServiceDetail, type ServiceRow, serviceOf, Worst } from '../perimeter-service.tsx';
import { useMayRespond } from '../response-form.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, localDate, localMonth, Moment, useNow } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.perimeter;
const TABS = ['services', 'map', 'certificates', 'drift', 'compare', 'scope'] as const;
const DAY_MS = 86_400_000;
const SOON_DAYS = 21;

interface DriftRow {
  readonly id: string;
  readonly at: string;
  readonly from: 'inside' | 'outside';
  readonly sentence: string;
  readonly host: string;
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
  readonly last: {
    hosts: number;
    targets: number;
    probes: number;
    ended: string;
    findings: number;
    stopped: string | null;
    not_seen: readonly string[];
  } | null;
}

const COLUMNS: readonly TableColumn<ServiceRow>[] = [
  { id: 'place', header: t.place, width: 'minmax(0, 1fr)', main: true, cell: (item) => placeOf(item) },
  { id: 'service', header: t.service, width: '110px', minTablePx: 480, cell: serviceOf },
  { id: 'grade', header: t.grade, width: '56px', cell: (item) => item.grade ?? '–' },
  { id: 'worst', header: t.worst, width: '110px', cell: (item) => <Worst level={item.worst} /> },
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
  // What a scan brought is shown when it ends, and not before: rows do not move while one reads.
  const ended = state.data?.last?.ended;
  const shown = useRef(ended);
  useEffect(() => {
    if (shown.current !== undefined && shown.current !== ended) list.reset();
    shown.current = ended ?? (state.data ? '' : undefined);
  }, [ended, state.data, list.reset]);
  const none = (
    <Empty title={t.none} command={t.command}>
      {t.noneText}
    </Empty>
  );
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
              list.loading ? (
                texts.loading
              ) : (
                <>
                  {t.answer(list.items.length, new Set(list.items.map(({ host }) => host)).size, list.hasMore)}{' '}
                  {list.items.length > 0 && (
                    <Link to="/findings" search={{ room: 'perimeter', view: 'list' }}>
                      {t.grave(grave)}
                    </Link>
                  )}
                </>
              )
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
          <Problem error={state.error} />
          {state.data && <ScanState state={state.data} />}
          <Tabs
            value={tab}
            onChange={(value) => setFilters({ tab: value ?? undefined, id: undefined })}
            keepMounted={false}
            className="network-tabs"
          >
            <Tabs.List aria-label={texts.pages.perimeter}>
              {TABS.map((one) => (
                <Tabs.Tab key={one} value={one}>
                  {t.tabs[one]}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value={tab} className="tab-panel network-panel">
              {list.error && <Problem error={list.error} retry={list.reset} />}
              {tab === 'services' && (
                <>
                  <VirtualTable
                    label={t.tabs.services}
                    list={list}
                    columns={COLUMNS}
                    selectedId={filters.id}
                    onOpen={onOpen}
                    hrefOf={(item) => `/perimeter?id=${encodeURIComponent(item.id)}`}
                    place="perimeter"
                    empty={filters.from ? <Empty title={t.noneFrom}>{t.noneFromText}</Empty> : none}
                  />
                  <p className="dim">{t.gradeLegend}</p>
                </>
              )}
              {tab === 'map' && (list.items.length === 0 ? none : <ServiceMap rows={list.items} />)}
              {tab === 'certificates' && <Certificates rows={list.items} />}
              {tab === 'drift' && <DriftList />}
              {tab === 'compare' && <PerimeterCompare />}
              {tab === 'scope' && <PerimeterScope />}
            </Tabs.Panel>
          </Tabs>
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
  const { analyst, lead } = useMayRespond();
  const mayScan = lead && !running && !killed && scope?.may_now === true;
  const mayStop = analyst && !killed && (running !== null || scope !== null);
  const mayResume = lead && killed !== null;
  return (
    <section aria-label={t.scan} className="stack">
      <p>
        {scope ? t.scopeNow(scope.name, scope.owner, scope.expires) : (state.fault ?? t.noScope)}{' '}
        {scope?.reason && t.mayNot(scope.reason)}
      </p>
      {last && !running && (
        <p>
          {t.last} <Ago at={last.ended} />: {t.lastWas(last.hosts, last.targets, last.probes)}{' '}
          <Link to="/findings" search={{ room: 'perimeter', view: 'list' }}>
            {t.lastFindings(last.findings)}
          </Link>
          {last.stopped && <span className="silent"> {t.lastStopped(last.stopped)}</span>}
        </p>
      )}
      {last && !running && last.not_seen.length > 0 && (
        <details>
          <summary>{t.notSeen(last.not_seen.length)}</summary>
          <ul className="plain-list">
            {last.not_seen.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </details>
      )}
      {killed && <p className="silent">{t.killed(killed)}</p>}
      <p aria-live="polite">
        {running && (killed ? t.ending : t.running(running.hosts_done, running.hosts, running.open_ports))}
      </p>
      {(mayScan || mayStop || mayResume) && (
        <div className="buttons">
          {mayScan && <Button onClick={act('/v1/perimeter/scan')}>{t.scan}</Button>}
          {mayStop && (
            <Button
              color="red"
              variant={running ? 'filled' : 'default'}
              title={t.stopHint}
              onClick={act('/v1/perimeter/stop')}
            >
              {running ? t.stop : t.kill}
            </Button>
          )}
          {mayResume && <Button onClick={act('/v1/perimeter/resume')}>{t.resume}</Button>}
        </div>
      )}
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
      <div className="host-boxes">
        {[...hosts].map(([host, services]) => (
          <section key={host} aria-label={host} className="panel">
            <h2 className="mono">{host}</h2>
            <ul className="plain-list">
              {services.map((row) => (
                <li key={row.id}>
                  <Link to="/perimeter" search={{ tab: 'services', id: row.id }}>
                    {row.port} {serviceOf(row)}
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
  if (dated.length === 0) return <Empty title={t.noCertificates}>{t.noCertificatesText}</Empty>;
  const months = Map.groupBy(dated, (row) => row.certificate?.until.slice(0, 7) ?? '');
  return (
    <>
      {[...months].map(([month, list]) => (
        <section key={month} aria-label={localMonth(`${month}-15`)} className="panel">
          <h2>{localMonth(`${month}-15`)}</h2>
          <ul className="plain-list">
            {list.map((row) => {
              const until = row.certificate?.until ?? '';
              const days = Math.floor((Date.parse(until) - now) / DAY_MS);
              return (
                <li key={row.id}>
                  {localDate(until)} ·{' '}
                  <Link to="/perimeter" search={{ tab: 'services', id: row.id }} className="mono">
                    {placeOf(row)}
                  </Link>{' '}
                  · <span className="mono">{row.certificate?.subject}</span> ·{' '}
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
  if (!list.loading && list.items.length === 0) return <Empty title={t.noDrift}>{t.noDriftText}</Empty>;
  return (
    <div className="panel">
      <ol className="plain-list">
        {list.items.map((row) => (
          <li key={row.id}>
            <Severity level={row.severity} /> <Moment at={row.at} /> {row.sentence}{' '}
            <span className="dim">({t[row.from]})</span>{' '}
            <Link to="/findings" search={{ room: 'perimeter', view: 'list', text: row.host }}>
              {t.findings}
            </Link>
          </li>
        ))}
      </ol>
    </div>
  );
}
