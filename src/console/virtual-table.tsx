/** The one table: virtual rows over cursor pages, j/k/Enter, keeps its place; fluid at 100,000 rows. */
// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot hold rows that are placed by the virtualizer

import { columnVisibilityFeature, createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { List } from './api-queries.ts';
import { useKeys } from './keys.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';

const ROW_PX = 28;
const OVERSCAN = 12;
/** The next page is asked for when fewer rows than this are left below. */
const AHEAD_ROWS = 120;

export interface TableColumn<T> {
  readonly id: string;
  readonly header: string;
  /** A track of CSS grid. */
  readonly width: string;
  /** Shown only where the table is at least this wide, in pixels. */
  readonly minTablePx?: number;
  readonly end?: boolean;
  /** This column's content is the row's link. */
  readonly main?: boolean;
  readonly cell: (item: T) => ReactNode;
}

interface VirtualTableProps<T> {
  readonly label: string;
  readonly list: List<T>;
  readonly columns: readonly TableColumn<T>[];
  readonly selectedId: string | undefined;
  readonly onOpen: (item: T, replace: boolean) => void;
  readonly hrefOf: (item: T) => string;
  readonly empty: ReactNode;
  /** Tells places apart that are to be kept: the page and its filters. */
  readonly place: string;
}

/** Where the reader was on each page: survives leaving and coming back, not a reload. */
const places = new Map<string, { offset: number; active: number }>();
const features = tableFeatures({ columnVisibilityFeature });

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

export function VirtualTable<T extends { readonly id: string }>(props: VirtualTableProps<T>) {
  const { list } = props;
  if (list.loading) return <Waiting rows={14} />;
  if (list.error && list.items.length === 0) return <Problem error={list.error} retry={list.reset} />;
  if (list.items.length === 0) return <>{props.empty}</>;
  return <Rows {...props} key={props.place} />;
}

function Rows<T extends { readonly id: string }>(props: VirtualTableProps<T>) {
  const { label, list, columns, selectedId, onOpen, hrefOf, place } = props;
  const { items, hasMore, loadingMore, more } = list;
  const [scroller, width] = useWidth();
  const [active, setActive] = useState(() => {
    const found = selectedId === undefined ? -1 : items.findIndex((item) => item.id === selectedId);
    return found >= 0 ? found : (places.get(place)?.active ?? -1);
  });
  const [seekingEnd, setSeekingEnd] = useState(false);
  const base = useId();

  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    initialOffset: places.get(place)?.offset ?? 0,
    scrollPaddingStart: ROW_PX,
    scrollMargin: 0,
  });
  const windowed = virtualizer.getVirtualItems();
  const first = windowed[0]?.index ?? 0;
  const last = windowed.at(-1)?.index ?? -1;

  useEffect(() => {
    const element = scroller.current;
    return () => {
      places.set(place, { offset: element?.scrollTop ?? 0, active: activeNow.current });
    };
  }, [place, scroller]);
  const activeNow = useRef(active);
  activeNow.current = active;

  useEffect(() => {
    if (hasMore && !loadingMore && !list.error && (seekingEnd || last >= items.length - AHEAD_ROWS)) void more();
  }, [hasMore, loadingMore, list.error, seekingEnd, last, items.length, more]);
  useEffect(() => {
    if (!seekingEnd) return;
    virtualizer.scrollToIndex(items.length - 1);
    setActive(items.length - 1);
    if (!hasMore) setSeekingEnd(false);
  }, [seekingEnd, hasMore, items.length, virtualizer]);

  const move = useCallback(
    (to: number) => {
      setSeekingEnd(false);
      const index = Math.max(0, Math.min(items.length - 1, to));
      const item = items[index];
      if (!item) return;
      setActive(index);
      virtualizer.scrollToIndex(index, { align: 'auto' });
      if (selectedId !== undefined) onOpen(item, true);
    },
    [items, onOpen, selectedId, virtualizer],
  );
  const openActive = () => {
    const item = items[active];
    if (item) onOpen(item, false);
  };
  useKeys({ j: () => move(active + 1), k: () => move(Math.max(0, active - 1)), Enter: openActive, o: openActive });

  const pageRows = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / ROW_PX) - 2);
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + pageRows,
      PageUp: active - pageRows,
      Home: 0,
    };
    const to = moves[event.key];
    if (to !== undefined) move(to);
    else if (event.key === 'End') setSeekingEnd(true);
    else return;
    event.preventDefault();
  };

  const definitions = useMemo(() => {
    const helper = createColumnHelper<typeof features, T>();
    return columns.map((column) =>
      helper.display({ id: column.id, header: column.header, cell: ({ row }) => column.cell(row.original) }),
    );
  }, [columns]);
  const columnVisibility = useMemo(
    () => Object.fromEntries(columns.map((column) => [column.id, width === 0 || width >= (column.minTablePx ?? 0)])),
    [columns, width],
  );
  // The table's model is made of the rows on screen only: its cost does not grow with what was scrolled past.
  const data = useMemo(() => items.slice(first, last + 1), [items, first, last]);
  const table = useTable({
    features,
    columns: definitions,
    data,
    state: { columnVisibility },
    getRowId: (item) => item.id,
  });
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);
  const template = table
    .getVisibleLeafColumns()
    .map((column) => byId.get(column.id)?.width ?? '1fr')
    .join(' ');
  const rows = table.getRowModel().rows;

  return (
    <div className="grid-frame">
      <div
        ref={scroller}
        role="grid"
        aria-label={label}
        aria-rowcount={hasMore ? -1 : items.length + 1}
        aria-activedescendant={active >= first && active <= last ? `${base}-${active}` : undefined}
        tabIndex={0}
        className="grid"
        onKeyDown={onKeyDown}
        style={{ '--columns': template } as React.CSSProperties}
      >
        <div role="rowgroup" className="grid-head">
          {table.getHeaderGroups().map((group) => (
            <div role="row" key={group.id} aria-rowindex={1} className="grid-row" tabIndex={-1}>
              {group.headers.map((header) => (
                <div
                  role="columnheader"
                  tabIndex={-1}
                  key={header.id}
                  className={byId.get(header.column.id)?.end ? 'grid-cell end' : 'grid-cell'}
                >
                  <table.FlexRender header={header} />
                </div>
              ))}
            </div>
          ))}
        </div>
        <div role="rowgroup" className="grid-body" style={{ height: virtualizer.getTotalSize() }}>
          {windowed.map((virtual) => {
            const row = rows[virtual.index - first];
            if (!row) return null;
            const item = row.original;
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: Enter on the grid opens the active row
              <div
                role="row"
                key={item.id}
                id={`${base}-${virtual.index}`}
                tabIndex={-1}
                aria-rowindex={virtual.index + 2}
                aria-selected={item.id === selectedId}
                data-active={virtual.index === active || undefined}
                className="grid-row"
                style={{ transform: `translateY(${virtual.start}px)` }}
                onClick={(event) => {
                  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                  event.preventDefault();
                  setActive(virtual.index);
                  onOpen(item, selectedId !== undefined);
                }}
              >
                {row.getVisibleCells().map((cell) => {
                  const column = byId.get(cell.column.id);
                  return (
                    <div
                      role="gridcell"
                      tabIndex={-1}
                      key={cell.id}
                      className={column?.end ? 'grid-cell end' : 'grid-cell'}
                    >
                      {column?.main ? (
                        <a href={hrefOf(item)} tabIndex={-1} className="row-link">
                          <table.FlexRender cell={cell} />
                        </a>
                      ) : (
                        <table.FlexRender cell={cell} />
                      )}
                    </div>
                  );
                })}
              </div>
            );
          })}
        </div>
      </div>
      <p className="grid-foot dim" role="status">
        {texts.table.loaded(items.length, hasMore)}
        {loadingMore && ` ${texts.table.more}`}
        {list.error && ` ${list.error.title}. ${list.error.advice}`}
      </p>
    </div>
  );
}
