/** Sources: who sends, how well it is understood, what is silent, and how to add one. */

import { Button, Checkbox, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import type { Source } from '../../core/records.ts';
import { api } from '../api-client.ts';
import { patchLists, useList, useSession } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop } from '../list-page.tsx';
import { Empty, Problem } from '../notice.tsx';
import { AddSource } from '../source-add.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, duration, Moment, useNow } from '../time.tsx';
import { didIt } from '../undo.ts';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.sources;
const isOnce = (source: Source) => source.kind === 'import' || source.kind === 'check';

function silentSec(source: Source, now: number): number | null {
  if (isOnce(source) || source.last_seen === null) return null;
  const seconds = (now - Date.parse(source.last_seen)) / 1000;
  return seconds > source.expected_silence_sec ? seconds : null;
}

function Health({ source }: { source: Source }) {
  const now = useNow();
  const silent = silentSec(source, now);
  if (isOnce(source)) return <span className="dim">– {t.once}</span>;
  if (source.last_seen === null) return <span>◌ {t.never}</span>;
  if (silent !== null) return <span className="silent">◌ {t.silent(duration(silent))}</span>;
  return <span className="good">● {t.sending}</span>;
}

const COLUMNS: readonly TableColumn<Source>[] = [
  { id: 'name', header: t.name, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.name },
  { id: 'health', header: t.health, width: '160px', cell: (item) => <Health source={item} /> },
  { id: 'kind', header: t.kind, width: '80px', minTablePx: 620, cell: (item) => item.kind },
  {
    id: 'events',
    header: texts.pages.events,
    width: '96px',
    minTablePx: 540,
    end: true,
    cell: (item) => item.events.toLocaleString('en'),
  },
  {
    id: 'unknown',
    header: t.notUnderstood,
    width: '120px',
    minTablePx: 720,
    end: true,
    cell: (item) => item.not_understood.toLocaleString('en'),
  },
  {
    id: 'dropped',
    header: t.dropped,
    width: '80px',
    minTablePx: 860,
    end: true,
    cell: (item) => item.dropped.toLocaleString('en'),
  },
  {
    id: 'seen',
    header: t.lastSeen,
    width: '120px',
    minTablePx: 460,
    cell: (item) => (item.last_seen ? <Ago at={item.last_seen} /> : t.never),
  },
];

export default function SourcesPage() {
  const [filters, setFilters] = useFilters();
  const params = useMemo(() => ({}), []);
  const list = useList<Source>('/v1/sources', params, { limit: 500 });
  const onOpen = useCallback((item: Source, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  const open = list.items.find((item) => item.id === filters.id);
  return (
    <SplitView
      title={texts.pages.sources}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={open ? <SourceDetail key={open.id} source={open} /> : null}
      list={
        <div className="page page-scroll">
          <PageTop title={texts.pages.sources} answer={<Answer items={list.items} loading={list.loading} />}>
            <Button onClick={list.reset}>{texts.refresh}</Button>
          </PageTop>
          <VirtualTable
            label={texts.pages.sources}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/sources?id=${item.id}`}
            place="sources"
            empty={
              <Empty title={t.none} command={t.firstCommand}>
                {t.noneText}
              </Empty>
            }
          />
          <AddSource open={!list.loading && list.items.length === 0} />
        </div>
      }
    />
  );
}

function Answer({ items, loading }: { items: readonly Source[]; loading: boolean }) {
  const now = useNow();
  if (loading) return <>{texts.loading}</>;
  const lasting = items.filter((item) => !isOnce(item));
  const silent = lasting.filter((item) => silentSec(item, now) !== null);
  const records = items.reduce((sum, item) => sum + item.not_understood, 0);
  const sending = lasting.filter((item) => item.last_seen !== null).length - silent.length;
  return <>{t.answer(sending, lasting.length, silent[0]?.name, records)}</>;
}

function SourceDetail({ source }: { source: Source }) {
  const formats = Object.entries(source.formats).sort(([, a], [, b]) => b - a);
  const now = useNow();
  const age = Math.max(1, (now - Date.parse(source.first_seen)) / 1000);
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{source.name}</h2>
        <p>
          <Health source={source} />
          {source.critical && ` · ${t.critical}`}
        </p>
      </header>
      <dl className="facts">
        <div>
          <dt>{t.kind}</dt>
          <dd>
            {source.kind} {source.address && <span className="mono">{source.address}</span>}
          </dd>
        </div>
        <div>
          <dt>{t.rate}</dt>
          <dd>{t.rateText(source.events, source.events / age)}</dd>
        </div>
        <div>
          <dt>{t.firstSeen}</dt>
          <dd>
            <Moment at={source.first_seen} />
          </dd>
        </div>
        <div>
          <dt>{t.lastSeen}</dt>
          <dd>{source.last_seen ? <Moment at={source.last_seen} /> : t.never}</dd>
        </div>
      </dl>
      <h3>{t.formats}</h3>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">{t.format}</th>
            <th scope="col">{texts.pages.events}</th>
          </tr>
        </thead>
        <tbody>
          {formats.map(([format, count]) => (
            <tr key={format}>
              <th scope="row" className="mono">
                {format === 'raw' ? t.raw : format}
              </th>
              <td className="number">{count.toLocaleString('en')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {source.not_understood > 0 && (
        <p>
          {t.notUnderstoodText(source.not_understood)}{' '}
          <Link to="/events" search={{ query: `source:${source.id} AND format:raw`, range: '7d' }}>
            {t.showThem}
          </Link>
        </p>
      )}
      {source.faults.length > 0 && (
        <>
          <h3>{t.faults}</h3>
          <ul className="plain-list">
            {source.faults.map((fault) => (
              <li key={fault.what}>
                {fault.what} <span className="dim">{t.times(fault.count)}</span> <Ago at={fault.last} />
              </li>
            ))}
          </ul>
        </>
      )}
      <SourceForm source={source} />
    </article>
  );
}

function SourceForm({ source }: { source: Source }) {
  const client = useQueryClient();
  const role = useSession()?.person?.role;
  const [silence, setSilence] = useState(String(Math.round(source.expected_silence_sec / 60)));
  const [zone, setZone] = useState(source.zone ?? '');
  const [critical, setCritical] = useState(source.critical);
  const [error, setError] = useState<unknown>(null);
  if (role !== 'lead' && role !== 'administrator' && role !== 'analyst') return null;
  const send = async (change: object): Promise<boolean> => {
    setError(null);
    try {
      const after = await api.patch<Source>(`/v1/sources/${source.id}`, change);
      patchLists(client, '/v1/sources', after);
      return true;
    } catch (problem) {
      setError(problem);
      return false;
    }
  };
  const submit = async () => {
    const minutes = Math.max(1, Math.round(Number(silence) || 1));
    const zoned = zone.trim() === '' ? {} : { zone: zone.trim() };
    const before = { expected_silence_sec: source.expected_silence_sec, critical: source.critical };
    if (await send({ expected_silence_sec: minutes * 60, critical, ...zoned }))
      didIt(t.saved, async () => void (await send(before)));
  };
  return (
    <form
      className="inline-form"
      aria-label={t.form}
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <h3>{t.form}</h3>
      <TextInput
        type="number"
        min={1}
        label={t.silence}
        description={t.silenceHelp}
        value={silence}
        onChange={(event) => setSilence(event.currentTarget.value)}
      />
      <TextInput
        label={t.zone}
        description={t.zoneHelp}
        value={zone}
        maxLength={64}
        onChange={(event) => setZone(event.currentTarget.value)}
      />
      <Checkbox
        label={t.criticalHelp}
        checked={critical}
        onChange={(event) => setCritical(event.currentTarget.checked)}
      />
      <Problem error={error} />
      <p className="buttons">
        <Button type="submit">{texts.save}</Button>
      </p>
    </form>
  );
}
