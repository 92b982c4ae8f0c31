/** The addresses of the desk. Pages load when they are first opened; whoever is not signed in signs in first. */

import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { prefetchOverview, sessionQuery } from './api-queries.ts';
import { AppShell, WallFrame } from './app-shell.tsx';
import { parseSearch, readFilters, stringifySearch } from './filters.ts';
import { Problem } from './notice.tsx';
import { NotFoundPage } from './pages/not-found-page.tsx';

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  validateSearch: readFilters,
  notFoundComponent: NotFoundPage,
});

/** Whoever is not signed in signs in first. */
const signedIn = async ({
  context,
  location: { href },
}: {
  context: { client: QueryClient };
  location: { href: string };
}): Promise<void> => {
  const session = await context.client.ensureQueryData(sessionQuery);
  if (session.person === null) throw redirect({ to: '/sign-in', search: { next: href } });
  prefetchOverview(context.client);
};

const desk = createRoute({
  getParentRoute: () => root,
  id: 'desk',
  component: AppShell,
  beforeLoad: signedIn,
});

type PageModule = Promise<{ default: () => React.ReactNode }>;

/** The page whose address was opened is fetched while the session is asked for, not after it. */
const page = <const P extends string>(path: P, load: () => PageModule) => {
  if (path === location.pathname) load().catch(() => {});
  return createRoute({ getParentRoute: () => desk, path, component: lazyRouteComponent(load) });
};

/** Links in mail and chat name a record in the path; the desk shows it in its list. */
const record = <const P extends string>(path: P, list: '/incidents' | '/alerts' | '/findings' | '/assets') =>
  createRoute({
    getParentRoute: () => root,
    path,
    beforeLoad: ({ params }) => {
      throw redirect({ to: list, search: { id: (params as { id: string }).id }, replace: true });
    },
  });

const routes = root.addChildren([
  desk.addChildren([
    page('/', () => import('./pages/overview-page.tsx')),
    page('/incidents', () => import('./pages/incidents-page.tsx')),
    page('/alerts', () => import('./pages/alerts-page.tsx')),
    page('/findings', () => import('./pages/findings-page.tsx')),
    page('/responses', () => import('./pages/responses-page.tsx')),
    page('/assets', () => import('./pages/assets-page.tsx')),
    page('/access', () => import('./pages/access-page.tsx')),
    page('/patching', () => import('./pages/patching-page.tsx')),
    page('/accounts', () => import('./pages/accounts-page.tsx')),
    page('/perimeter', () => import('./pages/perimeter-page.tsx')),
    page('/events', () => import('./pages/events-page.tsx')),
    page('/sources', () => import('./pages/sources-page.tsx')),
    page('/network', () => import('./pages/network-page.tsx')),
    page('/rules', () => import('./pages/rules-page.tsx')),
    page('/hunt', () => import('./pages/hunt-page.tsx')),
    page('/attack', () => import('./pages/attack-page.tsx')),
    page('/settings', () => import('./pages/settings-page.tsx')),
  ]),
  createRoute({
    getParentRoute: () => root,
    path: '/wall',
    component: WallFrame,
    beforeLoad: signedIn,
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/sign-in',
    component: lazyRouteComponent(() => import('./pages/sign-in-page.tsx')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/enrol/$token',
    component: lazyRouteComponent(() => import('./pages/enrol-page.tsx')),
  }),
  record('/incidents/$id', '/incidents'),
  record('/alerts/$id', '/alerts'),
  record('/findings/$id', '/findings'),
  record('/assets/$id', '/assets'),
]);

export function createAppRouter(client: QueryClient) {
  return createRouter({
    routeTree: routes,
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultErrorComponent: ({ error, reset }) => (
      <main className="card-page">
        <Problem error={error} retry={reset} />
      </main>
    ),
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
