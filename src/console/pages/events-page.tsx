/** Events: the archive by query and time, with the histogram above and the record as it came beside. */

import { lazy, Suspense, useCallback, useMemo, useState } from 'react';
import type { EventRecord } from '../../core/records.ts';
import { ProblemError, withParams } from '../api-client.ts';
import { type List, useList, useSteadyAnswer } from '../api-queries.ts';
import type { EventPage, Histogram } from '../api-types.ts';
import { EventDetail } from '../event-detail.tsx';
import { useFilters } from '../filters.ts';
import { PageTop } from '../list-page.tsx';
import { Empty, Waiting } from '../notice.tsx';
import { QueryBar } from '../query-bar.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Clock } from '../time.tsx';
import { fillSlices, type TimeRange, useTimeRange } from '../time-range.ts';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const Chart = lazy(() => import('../chart.tsx'));
const t = texts.events;
const mono = (value: string | number | undefined) =>
  value === undefined ? '' : <span className="mono">{String(value)}</span>;

const SUMMARY_CHARS = 400;
const SUMMARY_COLUMNS = ['event_code', 'action', 'outcome', 'user', 'src_ip', 'process', 'command_line', 'file', 'url'];

/** One line for a row: the message, what was understood of a record that has none, or its beginning as it came. */
function summary({ ocsf, raw, format }: EventRecord): string {
  if (ocsf.message !== undefined) return String(ocsf.message);
  const known = SUMMARY_COLUMNS.filter((column) => ocsf[column] !== undefined);
  if (format === 'raw' || known.length < 2) return raw.slice(0, SUMMARY_CHARS);
  return known.map((column) => `${column}=${ocsf[column]}`).join(' ');
}

const COLUMNS: readonly TableColumn<EventRecord>[] = [
  { id: 'time', header: t.time, width: 'clamp(104px, 22%, 190px)', cell: (item) => <Clock at={item.time} /> },
  { id: 'host', header: t.host, width: '130px', minTablePx: 760, cell: (item) => mono(item.ocsf.host) },
  { id: 'user', header: t.user, width: '110px', minTablePx: 980, cell: (item) => mono(item.ocsf.user) },
  { id: 'src', header: t.address, width: '130px', minTablePx: 860, cell: (item) => mono(item.ocsf.src_ip) },
  {
    id: 'message',
    header: t.record,
    width: 'minmax(0, 1fr)',
    main: true,
    cell: (item) => mono(summary(item)),
  },
  { id: 'format', header: t.format, width: '120px', minTablePx: 1100, cell: (item) => item.format },
];

export default function EventsPage() {
  const [filters, setFilters] = useFilters();
  const [asked, setAsked] = useState(() => Date.now());
  const range = useTimeRange(filters, asked);
  const params = useMemo(
    () => ({
      query: filters.query,
      from: new Date(range.fromMs).toISOString(),
      to: new Date(range.toMs).toISOString(),
    }),
    [filters.query, range.fromMs, range.toMs],
  );
  const list = useList<EventRecord>('/v1/events', params, { limit: 500 });
  const histogram = useSteadyAnswer<Histogram>(
    withParams('/v1/events/histogram', { ...params, bucket_ms: range.sliceMs }),
  );
  const onOpen = useCallback(
    (item: EventRecord, replace: boolean) => setFilters({ id: item.id }, replace),
    [setFilters],
  );
  const wrong = list.error?.code === 'BAD_QUERY' ? list.error : null;
  return (
    <SplitView
      title={texts.pages.events}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={filters.id === undefined ? null : <EventDetail key={filters.id} id={filters.id} />}
      list={
        <div className="page">
          <PageTop title={texts.pages.events} answer={<Answer list={list} histogram={histogram.data} />} />
          <QueryBar wrong={wrong} range={range} onAsk={() => setAsked(Date.now())} />
          <Slices histogram={histogram.data} range={range} failed={histogram.error} />
          {wrong ? null : (
            <VirtualTable
              label={texts.pages.events}
              list={list}
              columns={COLUMNS}
              selectedId={filters.id}
              onOpen={onOpen}
              hrefOf={(item) => `/events?id=${item.id}`}
              place={`events ${filters.query ?? ''} ${filters.range ?? ''} ${filters.from ?? ''} ${filters.to ?? ''}`}
              empty={
                <Empty title={t.none} command={filters.query ? undefined : texts.sources.firstCommand}>
                  {filters.query ? t.noneQuery : t.noneText}
                </Empty>
              }
            />
          )}
        </div>
      }
    />
  );
}

function Answer({ list, histogram }: { list: List<EventRecord>; histogram: Histogram | undefined }) {
  if (list.error) return <>{list.error.title}</>;
  if (!histogram || list.loading) return <>{texts.loading}</>;
  const count = histogram.items.reduce((sum, item) => sum + item.count, 0);
  return <>{t.answer(count, (list.first as EventPage | undefined)?.took_ms)}</>;
}

function Slices({
  histogram,
  range,
  failed,
}: {
  histogram: Histogram | undefined;
  range: TimeRange;
  failed: Error | null;
}) {
  const [, setFilters] = useFilters();
  const data = useMemo(() => (histogram ? fillSlices(histogram.items, range) : null), [histogram, range]);
  const onZoom = useCallback(
    (fromMs: number, toMs: number) =>
      setFilters({ range: undefined, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }),
    [setFilters],
  );
  if (failed instanceof ProblemError) return null;
  return (
    <div className="slices">
      {data ? (
        <Suspense fallback={<Waiting rows={5} />}>
          <Chart {...data} kind="bars" label={t.chart} unit={t.unit} height={130} onZoom={onZoom} />
        </Suspense>
      ) : (
        <Waiting rows={5} />
      )}
    </div>
  );
}
