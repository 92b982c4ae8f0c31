/** The frame around every page: navigation with counts, the live state, the clock, the keys, and what was just done. */

import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { api } from './api-client.ts';
import { useOverview, useSession } from './api-queries.ts';
import { PAGE_GROUPS, PAGES } from './app-pages.ts';
import { useKeys } from './keys.ts';
import { KeysHelp } from './keys-help.tsx';
import { startLive, useLive } from './live.ts';
import { texts } from './texts.ts';
import { duration, useNow } from './time.tsx';
import { forgetDone, undoLast, useLastDone } from './undo.ts';

export function AppShell() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const help = useRef<HTMLDialogElement>(null);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const overview = useOverview();
  useEffect(() => startLive(client), [client]);
  useKeys({
    ...Object.fromEntries(PAGES.map((page) => [`g ${page.key}`, () => void navigate({ to: page.to })])),
    u: undoLast,
    '?': () => help.current?.showModal(),
  });
  return (
    <>
      <a href="#main" className="skip">
        {texts.shell.skip}
      </a>
      <header className="shell-header">
        {overview.data?.exercise && <p className="exercise">{texts.shell.exercise}</p>}
        <div className="shell-bar">
          <span className="brand">Asepsis</span>
          <div className="shell-state">
            <LiveStatus />
            <Clocks />
            <Button onClick={() => help.current?.showModal()}>{texts.keys.button}</Button>
            <Account />
          </div>
        </div>
        {overview.data?.alarm && (
          <p className="alarm" role="alert">
            <span aria-hidden="true">◆</span> {overview.data.alarm}
          </p>
        )}
      </header>
      <div className="shell-body">
        <Navigation path={path} counts={overview.data?.counts} />
        <main id="main" tabIndex={-1} className="shell-main">
          <Outlet />
        </main>
      </div>
      <DoneBar />
      <CriticalRegion />
      <KeysHelp dialog={help} pages={PAGES} />
    </>
  );
}

const WallPage = lazy(() => import('./pages/wall-page.tsx'));

/** The office's screen has no navigation: nobody stands at its keyboard. It is live like every page. */
export function WallFrame() {
  const client = useQueryClient();
  const overview = useOverview();
  useEffect(() => startLive(client), [client]);
  return (
    <main id="main" className="shell-main">
      {overview.data?.exercise && <p className="exercise">{texts.shell.exercise}</p>}
      <Suspense>
        <WallPage />
      </Suspense>
    </main>
  );
}

function Navigation({
  path,
  counts,
}: {
  path: string;
  counts: { incidents: number; alerts: number; findings: number } | undefined;
}) {
  const bar = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the current page's link is looked up anew for each path
  useEffect(() => {
    const element = bar.current;
    const current = element?.querySelector<HTMLElement>('[aria-current=page]');
    if (element && current) element.scrollLeft = current.offsetLeft - 24;
  }, [path]);
  const countOf: Partial<Record<string, number>> = { ...counts, findings: 0 };
  return (
    <nav ref={bar} aria-label={texts.shell.navigation} className="shell-nav">
      {PAGE_GROUPS.map((group) => {
        const pages = PAGES.filter((page) => page.group === group);
        if (pages.length === 0) return null;
        return (
          <ul key={group} aria-label={texts.shell.groups[group]}>
            {pages.map((page) => {
              const count = countOf[page.name] ?? 0;
              return (
                <li key={page.to}>
                  <Link to={page.to} aria-current={path === page.to ? 'page' : undefined}>
                    {texts.pages[page.name]}
                    {count > 0 && <span className="count"> {count > 999 ? '999+' : count}</span>}
                  </Link>
                </li>
              );
            })}
          </ul>
        );
      })}
    </nav>
  );
}

function LiveStatus() {
  const connected = useLive((state) => state.connected);
  const heardMs = useLive((state) => state.heardMs);
  const now = useNow();
  return (
    <span className="live" role="status">
      {connected ? (
        <>
          <span aria-hidden="true" className="live-on">
            ●
          </span>{' '}
          {texts.shell.live}
        </>
      ) : (
        <>
          <span aria-hidden="true">◌</span>{' '}
          {heardMs === 0 ? texts.shell.connecting : texts.shell.lost(duration((now - heardMs) / 1000))}
        </>
      )}
    </span>
  );
}

function Clocks() {
  const now = useNow();
  const date = new Date(now);
  const local = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return (
    <time dateTime={date.toISOString()} className="clock">
      {date.toISOString().slice(11, 16)} UTC <span className="dim">{texts.shell.local(local)}</span>
    </time>
  );
}

function Account() {
  const session = useSession();
  const [leaving, setLeaving] = useState(false);
  if (!session?.person) return null;
  const leave = async () => {
    setLeaving(true);
    await api.post('/v1/sign-out').catch(() => {});
    // A full load drops everything that was in memory of the person who leaves.
    location.assign('/sign-in');
  };
  return (
    <span className="account">
      <Link to="/settings" search={{ tab: 'me' }}>
        {session.person.display_name}
      </Link>{' '}
      <span className="dim">{texts.roles[session.person.role]}</span>
      <Button onClick={() => void leave()} disabled={leaving}>
        {texts.shell.signOut}
      </Button>
    </span>
  );
}

/** What was just done, and the way back. */
function DoneBar() {
  const done = useLastDone();
  return (
    <div className="done-place" role="status">
      {done && (
        <div className="done">
          <span>{done.label}</span>
          {done.undo && (
            <Button onClick={undoLast}>
              {texts.undo.action} <kbd>u</kbd>
            </Button>
          )}
          <Button onClick={forgetDone}>{texts.undo.hide}</Button>
        </div>
      )}
    </div>
  );
}

/** Read out once for each new critical alert, without taking the focus. */
function CriticalRegion() {
  const critical = useLive((state) => state.critical);
  return (
    <div aria-live="polite" className="visually-hidden">
      {critical && texts.shell.critical(critical.title)}
    </div>
  );
}
