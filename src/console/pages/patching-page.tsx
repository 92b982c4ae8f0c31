/** Patching: what to do first and why, plans with their proof, medical devices, feeds, deadlines, and the reach of a vulnerability. */

import { Tabs } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useAnswer } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop } from '../list-page.tsx';
import { Waiting } from '../notice.tsx';
import type { ActionRow } from '../patching-types.ts';
import { texts } from '../texts.ts';

const t = texts.patching;
const TABS = {
  actions: lazy(() => import('../patching-actions.tsx')),
  plans: lazy(() => import('../patching-plans.tsx')),
  inventories: lazy(() => import('../patching-inventories.tsx')),
  devices: lazy(() => import('../patching-devices.tsx')),
  exceptions: lazy(() => import('../patching-exceptions.tsx')),
  feeds: lazy(() => import('../patching-feeds.tsx')),
  times: lazy(() => import('../patching-times.tsx')),
  reach: lazy(() => import('../patching-reach.tsx')),
  policy: lazy(() => import('../patching-policy.tsx')),
} as const;
type TabName = keyof typeof TABS;
const NAMES = Object.keys(TABS) as TabName[];

export default function PatchingPage() {
  const [filters, setFilters] = useFilters();
  const tab = NAMES.find((name) => name === filters.tab) ?? 'actions';
  const Part = TABS[tab];
  return (
    <div className="page">
      <PageTop title={texts.pages.patching} answer={<Answer />} />
      <Tabs
        value={tab}
        onChange={(value) => setFilters({ tab: value ?? undefined, id: undefined, text: undefined })}
        keepMounted={false}
      >
        <Tabs.List aria-label={texts.pages.patching}>
          {NAMES.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t.tabs[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} className="tab-panel">
          <Suspense fallback={<Waiting rows={8} />}>
            <Part />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

function Answer() {
  const { data } = useAnswer<{ items: readonly ActionRow[] }>('/v1/patching/actions', true, 60_000);
  if (!data) return <>{t.loading}</>;
  const sum = (pick: (row: ActionRow) => number) => data.items.reduce((total, row) => total + pick(row), 0);
  const exploited = data.items.filter((row) => row.exploited > 0).length;
  return (
    <>
      {t.answer(
        data.items.length,
        sum((row) => row.findings),
        exploited,
        sum((row) => row.overdue),
      )}
    </>
  );
}
