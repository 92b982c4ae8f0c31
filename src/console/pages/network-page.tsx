/** Network: which flows leak and how to end it, who talks clear text to whom, and the routers with their verdicts. */

import { Tabs } from '@mantine/core';
import { useCallback, useMemo } from 'react';
import { useList } from '../api-queries.ts';
import { useFilters } from '../filters.ts';
import { PageTop } from '../list-page.tsx';
import { FlowDetail, type NetworkFlow } from '../network-flow.tsx';
import { ClearTextMap } from '../network-map.tsx';
import { NetworkRouters } from '../network-routers.tsx';
import { Empty, Problem } from '../notice.tsx';
import { Severity } from '../severity.tsx';
import { SplitView } from '../split-view.tsx';
import { texts } from '../texts.ts';
import { Ago } from '../time.tsx';
import { type TableColumn, VirtualTable } from '../virtual-table.tsx';

const t = texts.network;
const TABS = ['flows', 'map', 'routers'] as const;

const COLUMNS: readonly TableColumn<NetworkFlow>[] = [
  {
    id: 'severity',
    header: texts.columns.severity,
    width: '104px',
    cell: (flow) => <Severity level={flow.severity} />,
  },
  {
    id: 'leaks',
    header: t.leaks,
    width: 'minmax(120px, 0.7fr)',
    main: true,
    cell: (flow) => `${t.kinds[flow.kind] ?? flow.kind} · ${flow.application}`,
  },
  { id: 'from', header: t.from, width: 'minmax(0, 1fr)', minTablePx: 420, cell: (flow) => flow.client },
  { id: 'to', header: t.to, width: 'minmax(0, 1fr)', minTablePx: 420, cell: (flow) => `${flow.server} :${flow.port}` },
  {
    id: 'patients',
    header: t.patients,
    width: '84px',
    minTablePx: 640,
    end: true,
    cell: (flow) => (flow.kind === 'clear-text-patient-data' ? flow.patients : ''),
  },
  { id: 'last', header: t.last, width: '112px', minTablePx: 720, cell: (flow) => <Ago at={flow.last_seen} /> },
];

export default function NetworkPage() {
  const [filters, setFilters] = useFilters();
  const tab = TABS.find((name) => name === filters.tab) ?? 'flows';
  const answer = useList<Omit<NetworkFlow, 'id'>>('/v1/network/flows', {});
  const flows = useMemo(() => answer.items.map((flow) => ({ ...flow, id: flow.finding })), [answer.items]);
  const list = useMemo(() => ({ ...answer, items: flows, first: undefined }), [answer, flows]);
  const onOpen = useCallback(
    (flow: NetworkFlow, replace: boolean) => setFilters({ id: flow.id }, replace),
    [setFilters],
  );
  const open = tab === 'flows' ? flows.find((flow) => flow.id === filters.id) : undefined;
  const count = (kind: string) => flows.filter((flow) => flow.kind === kind).length;
  return (
    <SplitView
      title={texts.pages.network}
      detailLabel={t.detail}
      onClose={() => setFilters({ id: undefined })}
      detail={open === undefined ? null : <FlowDetail key={open.id} flow={open} />}
      list={
        <div className="page">
          <PageTop
            title={texts.pages.network}
            answer={
              answer.loading
                ? texts.loading
                : t.answer(count('clear-text-patient-data'), count('clear-text-credential'))
            }
          />
          <Tabs
            value={tab}
            onChange={(value) => setFilters({ tab: value ?? undefined, id: undefined })}
            keepMounted={false}
            className="network-tabs"
          >
            <Tabs.List aria-label={texts.pages.network}>
              {TABS.map((name) => (
                <Tabs.Tab key={name} value={name}>
                  {t.tabs[name]}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value={tab} className="tab-panel network-panel">
              {answer.error && <Problem error={answer.error} retry={answer.reset} />}
              {tab === 'flows' && (
                <VirtualTable
                  label={t.tabs.flows}
                  list={list}
                  columns={COLUMNS}
                  selectedId={filters.id}
                  onOpen={onOpen}
                  hrefOf={(flow) => `/network?id=${flow.id}`}
                  place="network flows"
                  empty={
                    <Empty title={t.none} command="tcpdump -i eth1 -U -w - | asepsis inspect - --data ./data">
                      {t.noneText}
                    </Empty>
                  }
                />
              )}
              {tab === 'map' && <ClearTextMap flows={flows} />}
              {tab === 'routers' && <NetworkRouters />}
            </Tabs.Panel>
          </Tabs>
        </div>
      }
    />
  );
}
