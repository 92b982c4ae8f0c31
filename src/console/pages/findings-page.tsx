/** Findings: grouped by the action that closes them, or one by one. */

import { SegmentedControl } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { Finding } from '../../core/records.ts';
import type { FindingAction } from '../../core/store-port.ts';
import { withParams } from '../api-client.ts';
import { useAnswer, useList } from '../api-queries.ts';
import type { Page } from '../api-types.ts';
import { useFilters } from '../filters.ts';
import { FindingDetail } from '../finding-detail.tsx';
import { Applied, optionsOf, PageTop, SelectFilter, TextFilter } from '../list-page.tsx';
import { Empty, Problem, Waiting } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.findings;
const COLUMNS: readonly TableColumn<Finding>[] = [
  {
    id: 'severity',
    header: texts.columns.severity,
    width: '104px',
    cell: (item) => <Severity level={item.severity} />,
  },
  { id: 'title', header: t.what, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.title },
  { id: 'asset', header: t.asset, width: 'minmax(0, 0.4fr)', minTablePx: 560, cell: (item) => item.asset.name },
  { id: 'room', header: t.room, width: '150px', minTablePx: 900, cell: (item) => texts.rooms[item.room].title },
  { id: 'state', header: texts.columns.state, width: '84px', minTablePx: 640, cell: (item) => t.states[item.state] },
  {
    id: 'due',
    header: t.dueColumn,
    width: '112px',
    minTablePx: 760,
    cell: (item) => (item.due ? <Ago at={item.due} /> : <span className="dim">–</span>),
  },
];

export default function FindingsPage() {
  const [filters, setFilters] = useFilters();
  const listed = filters.view === 'list' || filters.id !== undefined || filters.fix !== undefined;
  const actions = useAnswer<Page<FindingAction>>(
    withParams('/v1/findings/actions', { room: filters.room, severity: filters.severity, limit: 200 }),
  );
  return (
    <SplitView
      title={texts.pages.findings}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined, view: 'list' })}
      detail={filters.id === undefined ? null : <FindingDetail key={filters.id} id={filters.id} />}
      list={
        <div className="page">
          <PageTop title={texts.pages.findings} answer={<Answer actions={actions.data?.items} />}>
            <div className="field">
              <span id="findings-view">{t.view}</span>
              <SegmentedControl
                aria-labelledby="findings-view"
                value={listed ? 'list' : 'actions'}
                data={[
                  { value: 'actions', label: t.byAction },
                  { value: 'list', label: t.oneByOne },
                ]}
                onChange={(view) => setFilters({ view, id: undefined, fix: undefined })}
              />
            </div>
            <SelectFilter name="room" label={t.room} options={texts.roomOptions} />
            <SelectFilter name="severity" label={texts.columns.severity} options={texts.severityOptions} />
            {listed && (
              <>
                <SelectFilter
                  name="state"
                  label={texts.columns.state}
                  otherwise="open"
                  options={[
                    ...optionsOf(['open', 'accepted', 'fixed'] as const, t.states),
                    { value: 'all', label: texts.filters.all },
                  ]}
                />
                <TextFilter label={texts.filters.text} />
                <Applied name="fix" label={t.action} />
                <Applied name="asset" label={t.asset} />
                <Applied name="kind" label={t.kind} />
              </>
            )}
          </PageTop>
          {listed ? (
            <FindingList />
          ) : actions.data ? (
            <ActionList actions={actions.data.items} />
          ) : actions.error ? (
            <Problem error={actions.error} retry={() => void actions.refetch()} />
          ) : (
            <Waiting rows={12} />
          )}
        </div>
      }
    />
  );
}

function Answer({ actions }: { actions: readonly FindingAction[] | undefined }) {
  if (!actions) return <>{texts.loading}</>;
  const findings = actions.reduce((sum, action) => sum + action.findings, 0);
  const urgent = actions.filter((action) => action.worst === 'critical' || action.worst === 'high').length;
  return <>{t.answer(findings, actions.length, urgent)}</>;
}

function ActionList({ actions }: { actions: readonly FindingAction[] }) {
  if (actions.length === 0)
    return (
      <Empty title={t.none} command="asepsis check">
        {t.noneText}
      </Empty>
    );
  return (
    <ul className="action-list">
      {actions.map((action) => (
        <li key={`${action.room} ${action.title}`} className="panel">
          <h2>
            <Severity level={action.worst} /> {action.title}
          </h2>
          <p>{action.how}</p>
          <p className="dim">
            {texts.rooms[action.room].title} · {texts.effort(action.effort)}
            {action.disrupts && ` · ${t.disrupts}`}
            {action.due && (
              <>
                {' '}
                · {t.due} <Ago at={action.due} />
              </>
            )}
          </p>
          <p>
            <Link to="/findings" search={{ view: 'list', fix: action.title, room: action.room }}>
              {t.closes(action.findings, action.assets)}
            </Link>
          </p>
        </li>
      ))}
    </ul>
  );
}

function FindingList() {
  const [filters, setFilters] = useFilters();
  const state = filters.state ?? 'open';
  const { room, severity, asset, fix, kind, text } = filters;
  const params = useMemo(
    () => ({ state: state === 'all' ? undefined : state, room, severity, asset, fix, kind, text }),
    [state, room, severity, asset, fix, kind, text],
  );
  const list = useList<Finding>('/v1/findings', params, { limit: 500 });
  const onOpen = useCallback((item: Finding, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  return (
    <VirtualTable
      label={texts.pages.findings}
      list={list}
      columns={COLUMNS}
      selectedId={filters.id}
      onOpen={onOpen}
      hrefOf={(item) => `/findings?view=list&id=${item.id}`}
      place={`findings ${JSON.stringify(params)}`}
      empty={
        <Empty title={texts.filters.nothing} command={state === 'open' ? 'asepsis check' : undefined}>
          {t.noneText}
        </Empty>
      }
    />
  );
}
