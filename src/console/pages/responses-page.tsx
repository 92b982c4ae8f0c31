/** Responses: what is in force now, what waits for a lead, what was done before; and a new one, its effect shown first. */

import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useCallback, useMemo, useState } from 'react';
import { useAnswer, useList } from '../api-queries.ts';
import { CopyLine } from '../copy-line.tsx';
import { useFilters } from '../filters.ts';
import { optionsOf, PageTop, SelectFilter, TextFilter } from '../list-page.tsx';
import { Empty } from '../notice.tsx';
import {
  ResponseDetail,
  type ResponseItem,
  type ResponseKind,
  ResponseOrder,
  type ResponseState,
  useMayRespond,
} from '../response-form.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { responseTexts as t } from '../texts-responses.ts';
import { Ago } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

interface Status {
  readonly mode: 'simulate' | 'enforce';
  readonly nftables: boolean;
  readonly blocks_last_hour: number;
  readonly blocks_per_hour_max: number;
  readonly bouncers: number;
  readonly dropped: readonly { readonly range: string; readonly packets: number }[];
}

const STATES = Object.keys(t.states) as ResponseState[];
const KINDS = Object.keys(t.kinds) as ResponseKind[];
const RENEW_MS = 15_000;

const COLUMNS: readonly TableColumn<ResponseItem>[] = [
  {
    id: 'target',
    header: t.columns.target,
    width: 'minmax(0, 1fr)',
    main: true,
    cell: (item) => <span className="mono">{item.target}</span>,
  },
  {
    id: 'kind',
    header: t.columns.kind,
    width: 'minmax(0, 0.8fr)',
    minTablePx: 520,
    cell: (item) => t.kinds[item.kind],
  },
  {
    id: 'state',
    header: texts.columns.state,
    width: '200px',
    cell: (item) => (item.simulated ? `${t.states[item.state]} (${t.simulated})` : t.states[item.state]),
  },
  {
    id: 'ends',
    header: t.columns.ends,
    width: '120px',
    minTablePx: 620,
    cell: (item) => <Ago at={item.ended_at ?? item.expires ?? item.proposed_at} />,
  },
  {
    id: 'by',
    header: t.columns.by,
    width: '120px',
    minTablePx: 760,
    cell: (item) => item.approved_by ?? item.proposed_by,
  },
];

export default function ResponsesPage() {
  const [filters, setFilters] = useFilters();
  const params = useMemo(() => ({ state: filters.state, text: filters.text }), [filters.state, filters.text]);
  const list = useList<ResponseItem>('/v1/responses', params);
  const status = useAnswer<Status>('/v1/responses/status', true, RENEW_MS).data;
  const onOpen = useCallback(
    (item: ResponseItem, replace: boolean) => setFilters({ id: item.id }, replace),
    [setFilters],
  );
  return (
    <SplitView
      title={t.page}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={filters.id === undefined ? null : <Opened id={filters.id} status={status} />}
      list={
        <div className="page">
          <PageTop
            title={t.page}
            answer={
              list.loading
                ? texts.loading
                : t.answer({
                    active: list.items.filter((item) => item.state === 'active').length,
                    waiting: list.items.filter((item) => item.state === 'proposed').length,
                    more: list.hasMore,
                    simulate: status?.mode === 'simulate',
                  })
            }
          >
            <SelectFilter
              name="state"
              label={texts.columns.state}
              options={[{ value: '', label: texts.filters.all }, ...optionsOf(STATES, t.states)]}
            />
            <TextFilter label={texts.filters.text} />
          </PageTop>
          {status && (
            <p className="dim">
              {t.status({
                blocks: status.blocks_last_hour,
                most: status.blocks_per_hour_max,
                bouncers: status.bouncers,
                nftables: status.nftables,
              })}
            </p>
          )}
          {status?.mode === 'simulate' && (
            <p>
              <span className="dim">{t.simulate}</span> <CopyLine text={t.simulateLine} />
            </p>
          )}
          <NewResponse />
          <VirtualTable
            label={t.page}
            list={list}
            columns={COLUMNS}
            selectedId={filters.id}
            onOpen={onOpen}
            hrefOf={(item) => `/responses?id=${item.id}`}
            place={`responses ${JSON.stringify(params)}`}
            empty={
              filters.text || filters.state ? (
                <Empty title={texts.filters.nothing}>{texts.filters.nothingText}</Empty>
              ) : (
                <Empty title={t.none} command={t.noneCommand}>
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

function Opened({ id, status }: { id: string; status: Status | undefined }) {
  const { data } = useAnswer<ResponseItem>(`/v1/responses/${encodeURIComponent(id)}`, true, RENEW_MS);
  if (!data) return null;
  const packets = status?.dropped.find((one) => one.range === data.target)?.packets;
  return <ResponseDetail item={data} packets={data.state === 'active' ? packets : undefined} />;
}

function NewResponse() {
  const { analyst } = useMayRespond();
  const [kind, setKind] = useState<ResponseKind>('block');
  const [target, setTarget] = useState('');
  const [shown, setShown] = useState<{ kind: ResponseKind; target: string } | null>(null);
  if (!analyst) return null;
  return (
    <details className="new-response">
      <summary>{t.newTitle}</summary>
      <form
        className="inline-form"
        aria-label={t.newTitle}
        onSubmit={(event) => {
          event.preventDefault();
          if (target.trim() !== '') setShown({ kind, target: target.trim() });
        }}
      >
        <NativeSelect
          label={t.form.kind}
          value={kind}
          data={optionsOf(KINDS, t.kinds)}
          onChange={(event) => setKind(event.currentTarget.value as ResponseKind)}
        />
        <TextInput
          label={t.form.target}
          description={t.form.targetHelp}
          value={target}
          maxLength={256}
          onChange={(event) => setTarget(event.currentTarget.value)}
        />
        <p className="buttons">
          <Button type="submit">{t.form.show}</Button>
        </p>
      </form>
      {shown && (
        <ResponseOrder
          key={`${shown.kind} ${shown.target}`}
          {...shown}
          incident={undefined}
          reason=""
          onDone={() => setShown(null)}
        />
      )}
    </details>
  );
}
