/** The time range in the URL: a length that ends now (`range=24h`), or two fixed moments (`from`, `to`). */

import { useMemo } from 'react';
import type { Filters } from './filters.ts';

export const RANGES = { '15m': 900_000, '1h': 3_600_000, '24h': 86_400_000, '7d': 604_800_000, '30d': 2_592_000_000 };
export type RangeName = keyof typeof RANGES;
const OTHERWISE: RangeName = '24h';

/** Slices that a histogram is divided into at most, and the lengths that read well on an axis. */
const SLICES_MAX = 120;
const SLICE_MS = [
  1000, 5000, 15_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000, 604_800_000,
];

export interface TimeRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly sliceMs: number;
  /** Null when both ends are fixed. */
  readonly name: RangeName | null;
}

const isRange = (text: string | undefined): text is RangeName => text !== undefined && Object.hasOwn(RANGES, text);

/** @param nowMs the moment that open ranges end at */
export function timeRange(filters: Pick<Filters, 'range' | 'from' | 'to'>, nowMs: number): TimeRange {
  const from = Date.parse(filters.from ?? '');
  const to = Date.parse(filters.to ?? '');
  const fixed = !isRange(filters.range) && !Number.isNaN(from) && !Number.isNaN(to) && from < to;
  const name = isRange(filters.range) ? filters.range : OTHERWISE;
  const fromMs = fixed ? from : nowMs - RANGES[name];
  const toMs = fixed ? to : nowMs;
  const sliceMs = SLICE_MS.find((slice) => (toMs - fromMs) / slice <= SLICES_MAX) ?? (SLICE_MS.at(-1) as number);
  return { fromMs, toMs, sliceMs, name: fixed ? null : name };
}

/** `asked` changes when the reader asks anew; between, an open range stands still so that pages fit together. */
export function useTimeRange(filters: Filters, asked: number): TimeRange {
  const { range, from, to } = filters;
  return useMemo(
    () => timeRange({ ...(range && { range }), ...(from && { from }), ...(to && { to }) }, asked),
    [range, from, to, asked],
  );
}

/** Every slice of the range with its count: the server leaves empty ones out. */
export function fillSlices(
  items: readonly { start: string; count: number }[],
  range: TimeRange,
): { times: number[]; values: number[] } {
  const counts = new Map<number, number>();
  for (const { start, count } of items) {
    const slice = Math.floor(Date.parse(start) / range.sliceMs);
    counts.set(slice, (counts.get(slice) ?? 0) + count);
  }
  const times: number[] = [];
  const values: number[] = [];
  const last = Math.floor((range.toMs - 1) / range.sliceMs);
  for (let slice = Math.floor(range.fromMs / range.sliceMs); slice <= last; slice++) {
    times.push((slice * range.sliceMs) / 1000);
    values.push(counts.get(slice) ?? 0);
  }
  return { times, values };
}
