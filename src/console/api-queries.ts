/** What pages ask the server for: one hook a question, with the cache keys in one place. */

import {
  type InfiniteData,
  keepPreviousData,
  QueryClient,
  type QueryKey,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { api, ProblemError, readSession, withParams } from './api-client.ts';
import type { Overview, Page, SessionAnswer } from './api-types.ts';

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        gcTime: 10 * 60_000,
        // A refusal will not become an answer by asking again; a lost connection may.
        retry: (count, error) =>
          count < 2 && error instanceof ProblemError && (error.status === 0 || error.status > 500),
        refetchOnWindowFocus: true,
      },
    },
  });
}

export const sessionQuery = { queryKey: ['session'], queryFn: readSession, staleTime: 5 * 60_000 } as const;

export function useSession(): SessionAnswer | undefined {
  return useQuery(sessionQuery).data;
}

const overviewQuery = {
  queryKey: ['overview'],
  queryFn: ({ signal }: { signal: AbortSignal }) => api.get<Overview>('/v1/overview', signal),
} as const;

export function useOverview() {
  return useQuery({ ...overviewQuery, refetchInterval: 30_000 });
}

/** Asks for the overview while the page's code still comes: the frame around every page shows it. */
export const prefetchOverview = (client: QueryClient): void => void client.prefetchQuery(overviewQuery);

/** One record or answer under its path. */
export function useAnswer<T>(path: string, enabled = true, refetchMs: number | false = false) {
  return useQuery({
    queryKey: ['answer', path],
    queryFn: ({ signal }) => api.get<T>(path, signal),
    enabled,
    refetchInterval: refetchMs,
  });
}

/** Like `useAnswer`, but shows the former answer while the next one comes (histogram while typing). */
export function useSteadyAnswer<T>(path: string) {
  return useQuery({
    queryKey: ['answer', path],
    queryFn: ({ signal }) => api.get<T>(path, signal),
    placeholderData: keepPreviousData,
    retry: false,
  });
}

export interface List<T> {
  readonly items: readonly T[];
  /** True while nothing is there yet. */
  readonly loading: boolean;
  readonly loadingMore: boolean;
  readonly hasMore: boolean;
  readonly error: ProblemError | null;
  readonly updatedAt: number;
  readonly more: () => Promise<unknown>;
  /** Forgets all pages and reads the first one anew. */
  readonly reset: () => void;
  readonly first: Page<T> | undefined;
}

/** A cursor list, page by page. It never reloads by itself: what is on screen must not move under the reader. */
export function useList<T>(
  path: string,
  params: Readonly<Record<string, string | undefined>>,
  options: { limit?: number; enabled?: boolean; onFirst?: () => void } = {},
): List<T> {
  const client = useQueryClient();
  const { limit = 200, enabled = true, onFirst } = options;
  const address = withParams(path, { ...params, limit });
  const key = useMemo<QueryKey>(() => ['list', path, address], [path, address]);
  const query = useInfiniteQuery({
    queryKey: key,
    enabled,
    queryFn: async ({ pageParam, signal }) => {
      const after = pageParam === '' ? undefined : pageParam;
      const page = await api.get<Page<T>>(withParams(path, { ...params, limit, after }), signal);
      if (after === undefined) onFirst?.();
      return page;
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.next ?? undefined,
    staleTime: 60_000,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    refetchOnMount: (state) => (state.state.data?.pages.length ?? 0) <= 1,
    // Comparing 100,000 records with themselves on every page would cost more than drawing them.
    structuralSharing: false,
  });
  const items = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const reset = useCallback(() => void client.resetQueries({ queryKey: key }), [client, key]);
  return {
    items,
    loading: query.isPending && enabled,
    loadingMore: query.isFetchingNextPage,
    hasMore: query.hasNextPage,
    error: query.error instanceof ProblemError ? query.error : null,
    updatedAt: query.dataUpdatedAt,
    more: query.fetchNextPage,
    reset,
    first: query.data?.pages[0],
  };
}

/** Writes a changed record into every loaded list of the path, so that what a person did shows at once. */
export function patchLists<T extends { readonly id: string }>(client: QueryClient, path: string, record: T): boolean {
  let known = false;
  client.setQueriesData<InfiniteData<Page<T>>>({ queryKey: ['list', path] }, (data) => {
    if (!data) return data;
    const pages = data.pages.map((page) => {
      if (!page.items.some((item) => item.id === record.id)) return page;
      known = true;
      return { ...page, items: page.items.map((item) => (item.id === record.id ? record : item)) };
    });
    return { ...data, pages };
  });
  return known;
}
