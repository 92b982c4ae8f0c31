/** Alerts: every sign of an attack that a rule saw, newest first. */

import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useMemo, useState } from 'react';
import type { Alert } from '../../core/records.ts';
import { AlertBody } from '../alert-detail.tsx';
import { api } from '../api-client.ts';
import { patchLists, useAnswer, useList, useOverview, useSession } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { useKeys } from '../keys.ts';
import { Applied, NewPill, optionsOf, PageTop, SelectFilter, TextFilter, useTakeIntoEmpty } from '../list-page.tsx';
import { takeIn, useLive } from '../live.ts';
import { Empty, Problem, Waiting } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago } from '../time.tsx';
import { didIt } from '../undo.ts';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

/** What the first page shows is not new any more. */
const onFirst = () => takeIn('newAlerts');

const t = texts.alerts;
const COLUMNS: readonly TableColumn<Alert>[] = [
  {
    id: 'level',
    header: texts.columns.severity,
    width: '104px',
    cell: (item) => <Severity level={item.rule.level} />,
  },
  { id: 'title', header: t.what, width: 'minmax(0, 1fr)', main: true, cell: (item) => item.title },
  {
    id: 'rule',
    header: t.rule,
    width: 'minmax(0, 0.5fr)',
    minTablePx: 900,
    cell: (item) => item.rule.title,
  },
  {
    id: 'events',
    header: texts.pages.events,
    width: '64px',
    minTablePx: 700,
    end: true,
    cell: (item) => item.event_count,
  },
  {
    id: 'state',
    header: texts.columns.state,
    width: '112px',
    minTablePx: 560,
    cell: (item) => (item.verdict ? texts.verdicts[item.verdict] : t.states[item.state]),
  },
  { id: 'time', header: texts.columns.when, width: '112px', minTablePx: 420, cell: (item) => <Ago at={item.time} /> },
];

export default function AlertsPage() {
  const [filters, setFilters] = useFilters();
  const params = useMemo(
    () => ({
      state: filters.state,
      level: filters.severity,
      rule: filters.rule,
      entity: filters.entity,
      text: filters.text,
    }),
    [filters.state, filters.severity, filters.rule, filters.entity, filters.text],
  );
  const list = useList<Alert>('/v1/alerts', params, { onFirst });
  const fresh = useLive((live) => live.newAlerts);
  useTakeIntoEmpty(fresh, list, list.reset);
  const counts = useOverview().data?.counts;
  const onOpen = useCallback((item: Alert, replace: boolean) => setFilters({ id: item.id }, replace), [setFilters]);
  const filtered = Object.values(params).some((value) => value !== undefined);
  return (
    <SplitView
      title={texts.pages.alerts}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={filters.id === undefined ? null : <AlertDetail key={filters.id} id={filters.id} />}
      list={
        <div className="page">
          <PageTop title={texts.pages.alerts} answer={counts ? t.answer(counts.alerts) : texts.loading}>
            <SelectFilter
              name="state"
              label={texts.columns.state}
              options={[
                { value: '', label: texts.filters.all },
                ...optionsOf(['new', 'acknowledged', 'closed'] as const, t.states),
              ]}
            />
            <SelectFilter name="severity" label={texts.columns.severity} options={texts.severityOptions} />
            <TextFilter label={texts.filters.text} />
            <Applied name="entity" label={texts.filters.entity} />
            <Applied name="rule" label={t.rule} />
          </PageTop>
          <NewPill count={fresh} onTake={list.reset} />
          <VirtualTable
            label={texts.pages.alerts}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/alerts?id=${item.id}`}
            place={`alerts ${JSON.stringify(params)}`}
            empty={
              filtered ? (
                <Empty title={texts.filters.nothing}>{texts.filters.nothingText}</Empty>
              ) : (
                <Empty title={t.none} command={texts.sources.firstCommand}>
                  {t.noneText}
                </Empty>
              )
            }
          />
        </div>
      }
    />
  );
}

function useAlertWork(alert: Alert | undefined) {
  const client = useQueryClient();
  const role = useSession()?.person?.role;
  const [error, setError] = useState<unknown>(null);
  const change = async (next: { state: Alert['state']; verdict?: Alert['verdict'] }, label: string) => {
    if (!alert) return;
    const show = (record: Alert) => {
      client.setQueryData(['answer', `/v1/alerts/${record.id}`], record);
      patchLists(client, '/v1/alerts', record);
    };
    const send = async (from: Alert, body: typeof next) => {
      setError(null);
      show({ ...from, ...body } as Alert);
      try {
        show(await api.patch<Alert>(`/v1/alerts/${from.id}`, body));
        void client.invalidateQueries({ queryKey: ['overview'] });
        return true;
      } catch (problem) {
        show(from);
        setError(problem);
        return false;
      }
    };
    if (await send(alert, next)) didIt(label, async () => void (await send(alert, { state: alert.state })));
  };
  return { change, error, may: role !== undefined && role !== 'viewer' };
}

function AlertDetail({ id }: { id: string }) {
  const { data: alert, error, refetch } = useAnswer<Alert>(`/v1/alerts/${encodeURIComponent(id)}`);
  const work = useAlertWork(alert);
  const acknowledge = () => void work.change({ state: 'acknowledged' }, t.acknowledgedDone);
  const close = (verdict: 'real' | 'harmless') =>
    void work.change({ state: 'closed', verdict }, t.closedDone(texts.verdicts[verdict]));
  const active = work.may && alert && alert.state !== 'closed';
  useKeys({
    a: active && alert.state === 'new' ? acknowledge : undefined,
    x: active ? () => close('harmless') : undefined,
  });
  if (!alert) return error ? <Problem error={error} retry={() => void refetch()} /> : <Waiting rows={12} />;
  return (
    <article className="detail">
      <header className="detail-head">
        <h2>{alert.title}</h2>
        <p>
          <Severity level={alert.rule.level} /> · {t.states[alert.state]}
          {alert.verdict && ` · ${texts.verdicts[alert.verdict]}`}
          {alert.incident && (
            <>
              {' · '}
              <Link to="/incidents" search={{ id: alert.incident, state: 'all' }}>
                {t.incident}
              </Link>
            </>
          )}
          {' · '}
          <Link to="/alerts" search={{ rule: alert.rule.id }}>
            {t.sameRule}
          </Link>
        </p>
      </header>
      <Problem error={work.error} />
      {active && (
        <p className="buttons">
          {alert.state === 'new' && (
            <Button variant="filled" onClick={acknowledge}>
              {t.acknowledge}&nbsp;<kbd>a</kbd>
            </Button>
          )}
          <Button onClick={() => close('harmless')}>
            {t.closeHarmless}&nbsp;<kbd>x</kbd>
          </Button>
          <Button onClick={() => close('real')}>{t.closeReal}</Button>
        </p>
      )}
      <AlertBody alert={alert} level={3} />
    </article>
  );
}
