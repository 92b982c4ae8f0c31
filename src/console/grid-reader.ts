/** Where the reader is in a long list: virtual rows, the active one, keys, further pages, and the place to come back to. */

import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type RefObject, useCallback, useEffect, useRef, useState } from 'react';
import type { List } from './api-queries.ts';
import { useKeys } from './keys.ts';

const ROW_PX = 28;
const OVERSCAN = 12;
/** The next page is asked for when fewer rows than this are left below. */
const AHEAD_ROWS = 120;

/** Where the reader was on each page: survives leaving and coming back, not a reload. */
const places = new Map<string, { offset: number; active: number }>();

interface ReaderOptions<T> {
  readonly list: List<T>;
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly selectedId: string | undefined;
  readonly onOpen: (item: T, replace: boolean) => void;
  readonly place: string;
}

/** Asks for further pages: ahead of the reader, or all of them on the way to the end. */
function usePages<T>(list: List<T>, last: number, seekingEnd: boolean): void {
  const { items, hasMore, loadingMore, error, more } = list;
  useEffect(() => {
    if (hasMore && !loadingMore && !error && (seekingEnd || last >= items.length - AHEAD_ROWS)) void more();
  }, [hasMore, loadingMore, error, seekingEnd, last, items.length, more]);
}

function useKeptPlace(place: string, scroller: RefObject<HTMLDivElement | null>, active: number): void {
  const activeNow = useRef(active);
  activeNow.current = active;
  useEffect(() => {
    const element = scroller.current;
    return () => {
      places.set(place, { offset: element?.scrollTop ?? 0, active: activeNow.current });
    };
  }, [place, scroller]);
}

export function useGridReader<T extends { readonly id: string }>(options: ReaderOptions<T>) {
  const { list, scroller, selectedId, onOpen, place } = options;
  const { items, hasMore } = list;
  const [active, setActive] = useState(() => {
    const found = selectedId === undefined ? -1 : items.findIndex((item) => item.id === selectedId);
    return found >= 0 ? found : (places.get(place)?.active ?? -1);
  });
  const [seekingEnd, setSeekingEnd] = useState(false);
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    initialOffset: places.get(place)?.offset ?? 0,
    scrollPaddingStart: ROW_PX,
  });
  const rows = virtualizer.getVirtualItems();
  const last = rows.at(-1)?.index ?? -1;
  usePages(list, last, seekingEnd);
  useKeptPlace(place, scroller, active);
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
  const open = () => {
    const item = items[active];
    if (item) onOpen(item, false);
  };
  useKeys({ j: () => move(active + 1), k: () => move(active - 1), Enter: open, o: open });
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / ROW_PX) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    const step = steps[event.key];
    if (step !== undefined) move(active + step);
    else if (event.key === 'Home') move(0);
    else if (event.key === 'End') setSeekingEnd(true);
    else return;
    event.preventDefault();
  };
  return { rows, first: rows[0]?.index ?? 0, last, height: virtualizer.getTotalSize(), active, setActive, onKeyDown };
}
