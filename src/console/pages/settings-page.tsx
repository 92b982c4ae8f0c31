/** Settings: one's own account, people, tokens, what is configured, and the audit log. */

import { Tabs } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useSession } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop } from '../list-page.tsx';
import { Waiting } from '../notice.tsx';
import { texts } from '../texts.ts';

const t = texts.settings;
const TABS = {
  me: { admin: false, part: lazy(() => import('../settings-me.tsx')) },
  people: { admin: true, part: lazy(() => import('../settings-people.tsx')) },
  tokens: { admin: true, part: lazy(() => import('../settings-tokens.tsx')) },
  configuration: { admin: false, part: lazy(() => import('../settings-configuration.tsx')) },
  audit: { admin: true, part: lazy(() => import('../settings-audit.tsx')) },
} as const;
type TabName = keyof typeof TABS;
const NAMES = Object.keys(TABS) as TabName[];

export default function SettingsPage() {
  const [filters, setFilters] = useFilters();
  const administrator = useSession()?.person?.role === 'administrator';
  const tab = NAMES.find((name) => name === filters.tab) ?? 'me';
  const Part = TABS[tab].part;
  return (
    <div className="page page-flow">
      <PageTop title={texts.pages.settings} answer={t.answer} />
      <Tabs value={tab} onChange={(value) => setFilters({ tab: value ?? undefined })} keepMounted={false}>
        <Tabs.List aria-label={texts.pages.settings}>
          {NAMES.map((name) => (
            <Tabs.Tab key={name} value={name}>
              {t.tabs[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} className="tab-panel">
          {TABS[tab].admin && !administrator ? (
            <p>{t.administratorOnly}</p>
          ) : (
            <Suspense fallback={<Waiting rows={8} />}>
              <Part />
            </Suspense>
          )}
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}
