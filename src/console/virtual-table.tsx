/** The one table: virtual rows over cursor pages, j/k/Enter, keeps its place; fluid at 100,000 rows. */
// biome-ignore-all lint/a11y/useSemanticElements: a <table> cannot hold rows that are placed by the virtualizer

import {
  columnVisibilityFeature,
  createColumnHelper,
  type ReactTable,
  type Row,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { type CSSProperties, type ReactNode, type RefObject, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { List } from './api-queries.ts';
import { useGridReader } from './grid-reader.ts';
import { Problem, Waiting } from './notice.tsx';
import { texts } from './texts.ts';

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

const features = tableFeatures({ columnVisibilityFeature });
type Features = typeof features;

export function VirtualTable<T extends { readonly id: string }>(props: VirtualTableProps<T>) {
  const { list } = props;
  if (list.loading) return <Waiting rows={14} />;
  if (list.error && list.items.length === 0) return <Problem error={list.error} retry={list.reset} />;
  if (list.items.length === 0) return <>{props.empty}</>;
  return <Grid {...props} key={props.place} />;
}

function useWidth(): [RefObject<HTMLDivElement | null>, number] {
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

/** The table's model, made of the rows on screen only: its cost does not grow with what was scrolled past. */
function useModel<T extends { readonly id: string }>(columns: readonly TableColumn<T>[], data: T[], width: number) {
  const definitions = useMemo(() => {
    const helper = createColumnHelper<Features, T>();
    return columns.map((column) =>
      helper.display({ id: column.id, header: column.header, cell: ({ row }) => column.cell(row.original) }),
    );
  }, [columns]);
  const columnVisibility = useMemo(
    () => Object.fromEntries(columns.map((column) => [column.id, width === 0 || width >= (column.minTablePx ?? 0)])),
    [columns, width],
  );
  const table = useTable({
    features,
    columns: definitions,
    data,
    state: { columnVisibility },
    getRowId: (item) => item.id,
  });
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);
  const tracks = table.getVisibleLeafColumns().map((column) => byId.get(column.id)?.width ?? '1fr');
  return { table, byId, template: tracks.join(' ') };
}

function Grid<T extends { readonly id: string }>(props: VirtualTableProps<T>) {
  const { label, list, columns, selectedId, onOpen, hrefOf, place } = props;
  const { items, hasMore } = list;
  const [scroller, width] = useWidth();
  const base = useId();
  const reader = useGridReader({ list, scroller, selectedId, onOpen, place });
  const { first, last, active } = reader;
  const data = useMemo(() => items.slice(first, last + 1), [items, first, last]);
  const { table, byId, template } = useModel(columns, data, width);
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
        onKeyDown={reader.onKeyDown}
        style={{ '--columns': template } as CSSProperties}
      >
        <Head table={table} byId={byId} />
        <div role="rowgroup" className="grid-body" style={{ height: reader.height }}>
          {reader.rows.map((virtual) => {
            const row = rows[virtual.index - first];
            return (
              row && (
                <GridRow
                  key={row.id}
                  id={`${base}-${virtual.index}`}
                  table={table}
                  row={row}
                  byId={byId}
                  index={virtual.index}
                  top={virtual.start}
                  selected={row.id === selectedId}
                  active={virtual.index === active}
                  href={hrefOf(row.original)}
                  onOpen={() => {
                    reader.setActive(virtual.index);
                    onOpen(row.original, selectedId !== undefined);
                  }}
                />
              )
            );
          })}
        </div>
      </div>
      <Foot list={list} />
    </div>
  );
}

interface HeadProps<T extends { readonly id: string }> {
  readonly table: ReactTable<Features, T>;
  readonly byId: ReadonlyMap<string, TableColumn<T>>;
}

const cellClass = (end: boolean | undefined) => (end ? 'grid-cell end' : 'grid-cell');

function Head<T extends { readonly id: string }>({ table, byId }: HeadProps<T>) {
  return (
    <div role="rowgroup" className="grid-head">
      {table.getHeaderGroups().map((group) => (
        <div role="row" key={group.id} aria-rowindex={1} className="grid-row" tabIndex={-1}>
          {group.headers.map((header) => (
            <div
              role="columnheader"
              tabIndex={-1}
              key={header.id}
              className={cellClass(byId.get(header.column.id)?.end)}
            >
              <table.FlexRender header={header} />
            </div>
          ))}
        </div>
      ))}
    </div>
  );
}

interface GridRowProps<T extends { readonly id: string }> extends HeadProps<T> {
  readonly id: string;
  readonly row: Row<Features, T>;
  readonly index: number;
  readonly top: number;
  readonly selected: boolean;
  readonly active: boolean;
  readonly href: string;
  readonly onOpen: () => void;
}

function GridRow<T extends { readonly id: string }>(props: GridRowProps<T>) {
  const { table, row, byId, href } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Enter on the grid opens the active row
    <div
      role="row"
      id={props.id}
      tabIndex={-1}
      aria-rowindex={props.index + 2}
      aria-selected={props.selected}
      data-active={props.active || undefined}
      className="grid-row"
      style={{ transform: `translateY(${props.top}px)` }}
      onClick={(event) => {
        // With a modifier the link of the row opens in a tab of its own.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        props.onOpen();
      }}
    >
      {row.getVisibleCells().map((cell) => {
        const column = byId.get(cell.column.id);
        const content = <table.FlexRender cell={cell} />;
        return (
          <div role="gridcell" tabIndex={-1} key={cell.id} className={cellClass(column?.end)}>
            {column?.main ? (
              <a href={href} tabIndex={-1} className="row-link">
                {content}
              </a>
            ) : (
              content
            )}
          </div>
        );
      })}
    </div>
  );
}

function Foot<T>({ list }: { list: List<T> }) {
  return (
    <p className="grid-foot dim" role="status">
      {texts.table.loaded(list.items.length, list.hasMore)}
      {list.loadingMore && ` ${texts.table.more}`}
      {list.error && ` ${list.error.title}. ${list.error.advice}`}
    </p>
  );
}
