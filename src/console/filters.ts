/** The URL's search parameters: every filter, selection and tab lives there, so that a pasted link shows the same. */

import { rootRouteId, useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

const KEYS = [
  'id',
  'state',
  'severity',
  'room',
  'text',
  'assignee',
  'entity',
  'rule',
  'class',
  'asset',
  'fix',
  'kind',
  'view',
  'query',
  'range',
  'from',
  'to',
  'tab',
  'next',
  'actor',
  'event',
  'service',
  'factor',
] as const;
type FilterKey = (typeof KEYS)[number];
export type Filters = { [K in FilterKey]?: string };

/** Keeps the known parameters with a value, cut to what the API takes. */
export function readFilters(search: Record<string, unknown>): Filters {
  const filters: Filters = {};
  for (const key of KEYS) {
    const value = search[key];
    if (typeof value === 'string' && value !== '') filters[key] = value.slice(0, 2000);
  }
  return filters;
}

/** Plain `key=value` pairs: what people expect to read in an address. */
export const parseSearch = (text: string): Record<string, unknown> => Object.fromEntries(new URLSearchParams(text));
export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search))
    if (typeof value === 'string' && value !== '') params.set(key, value);
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

/** The filters and how to change them; a change with `replace` leaves no step in the history. */
export function useFilters(): [
  Filters,
  (change: { [K in FilterKey]?: string | undefined }, replace?: boolean) => void,
] {
  const filters = useSearch({ from: rootRouteId }) as Filters;
  const navigate = useNavigate();
  const change = useCallback(
    (next: { [K in FilterKey]?: string | undefined }, replace = false) => {
      void navigate({
        to: '.',
        search: (old: Record<string, unknown>) => readFilters({ ...old, ...next }),
        replace,
        resetScroll: false,
      });
    },
    [navigate],
  );
  return [filters, change];
}
