/** Incidents: the list to triage, and beside it everything known of the one that is open. */

import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { Incident } from '../../core/records.ts';
import { useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { IncidentDetail } from '../incident-detail.tsx';
import { Applied, NewPill, PageTop, SelectFilter, TextFilter, useTakeIntoEmpty } from '../list-page.tsx';
import { takeIn, useLive } from '../live.ts';
import { Empty } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago, relative, useNow } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

/** What the first page shows is not new any more. */
const onFirst = () => takeIn('newIncidents');

const t = texts.incidents;
const COLUMNS: readonly TableColumn<Incident>[] = [
  { id: 'severity', header: texts.columns.severity, width: '88px', cell: (item) => <Severity level={item.severity} /> },
  { id: 'title', header: t.what, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.title },
  {
    id: 'state',
    header: texts.columns.state,
    width: '84px',
    minTablePx: 660,
    cell: (item) => t.states[item.state],
  },
  {
    id: 'assignee',
    header: t.assignee,
    width: '120px',
    minTablePx: 560,
    cell: (item) => item.assignee_name ?? <span className="dim">{t.nobody}</span>,
  },
  {
    id: 'alerts',
    header: texts.pages.alerts,
    width: '56px',
    minTablePx: 720,
    end: true,
    cell: (item) => item.alert_count,
  },
  { id: 'last', header: t.last, width: '104px', minTablePx: 420, cell: (item) => <Ago at={item.last_event} /> },
];

export default function IncidentsPage() {
  const [filters, setFilters] = useFilters();
  const state = filters.state ?? 'open';
  const params = useMemo(
    () => ({
      state: state === 'all' ? undefined : state,
      assignee: filters.assignee,
      text: filters.text,
      entity: filters.entity,
    }),
    [state, filters.assignee, filters.text, filters.entity],
  );
  const list = useList<Incident>('/v1/incidents', params, { limit: 100, onFirst });
  const fresh = useLive((live) => live.newIncidents);
  useTakeIntoEmpty(fresh, list, list.reset);
  const onOpen = useCallback((item: Incident, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  const filtered = Boolean(filters.text ?? filters.entity ?? filters.assignee);
  return (
    <SplitView
      title={texts.pages.incidents}
      balance="even"
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={filters.id === undefined ? null : <IncidentDetail key={filters.id} id={filters.id} />}
      list={
        <div className="page">
          <PageTop title={texts.pages.incidents} answer={<Answer items={list.items} loading={list.loading} />}>
            <SelectFilter
              name="state"
              label={texts.columns.state}
              otherwise="open"
              options={[
                { value: 'open', label: t.states.open },
                { value: 'closed', label: t.states.closed },
                { value: 'all', label: texts.filters.all },
              ]}
            />
            <SelectFilter
              name="assignee"
              label={t.assignee}
              options={[
                { value: '', label: texts.filters.everybody },
                { value: 'me', label: texts.filters.me },
              ]}
            />
            <TextFilter label={texts.filters.text} />
            <Applied name="entity" label={texts.filters.entity} />
          </PageTop>
          <NewPill count={fresh} onTake={list.reset} />
          <VirtualTable
            label={texts.pages.incidents}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/incidents?id=${item.id}`}
            place={`incidents ${JSON.stringify(params)}`}
            empty={
              filtered || state === 'closed' ? (
                <Empty title={texts.filters.nothing}>{texts.filters.nothingText}</Empty>
              ) : (
                <Empty title={t.none} command={texts.sources.firstCommand}>
                  {t.noneText} <Link to="/sources">{t.noneLink}</Link>
                </Empty>
              )
            }
          />
        </div>
      }
    />
  );
}

function Answer({ items, loading }: { items: readonly Incident[]; loading: boolean }) {
  const now = useNow();
  if (loading) return <>{texts.loading}</>;
  const open = items.filter((item) => item.state === 'open');
  const free = open.filter((item) => item.assignee === undefined);
  const oldest = free.map((item) => item.opened).sort()[0];
  return <>{t.answer(open.length, free.length, oldest ? relative(oldest, now) : '')}</>;
}
